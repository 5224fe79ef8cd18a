//go:build integration && load

package integration

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/connectors/registry"
	"lejarat/processor"
	"lejarat/processor/event"
)

// floor reads the sources to their end and looks at nothing: what no reader can be faster than.
func (l *load) floor() {
	ends := map[event.TopicPartition]int64{}
	left := 0
	for tp, span := range l.spans(l.topics...) {
		if span.End > span.Start {
			ends[tp], left = span.End, left+1
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(l.kafka, ",")...), kgo.ConsumeTopics(l.topics...),
		kgo.FetchMaxBytes(64<<20), kgo.FetchMaxPartitionBytes(16<<20), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		l.t.Fatal(err)
	}
	defer cl.Close()
	began, cpu, n := time.Now(), ownCPU(), int64(0)
	for left > 0 {
		cl.PollFetches(l.t.Context()).EachPartition(func(p kgo.FetchTopicPartition) {
			n += int64(len(p.Records))
			tp := event.TopicPartition{Topic: p.Topic, Partition: p.Partition}
			if k := len(p.Records); k > 0 && p.Records[k-1].Offset+1 >= ends[tp] {
				left--
			}
		})
	}
	took := time.Since(began).Seconds()
	f := l.add(figure{Step: "floor: read, nothing decoded", Count: n, Of: "records", Seconds: took, Micros: (ownCPU() - cpu).Seconds() * 1e6 / float64(n)}, nil)
	l.floors = append(l.floors, f.PerSec)
}

// ownCPU is what this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// again is how long a start with state takes until it is ready, and lets it go.
func (l *load) again(step string) {
	began := time.Now()
	p := l.begin("run", "--clock", l.start.At(4, 0, l.zone).Format(time.RFC3339))
	l.ready(p)
	took := time.Since(began).Seconds()
	l.stop(p)
	l.add(figure{Step: step + ", until ready", Count: 1, Of: "start", Seconds: took, RSS: l.peakOf(p)}, nil)
}

// goLive fires the first day: announcements, and every threshold that stands open.
func (l *load) goLive() { l.day("run of the go-live", l.start) }

// dayAfter fires an ordinary day.
func (l *load) dayAfter() { l.day("run of the day after", l.start+1) }

// day fires a date; its time is that from the first partition's barrier to the last one's end.
func (l *load) day(step string, day event.Date) {
	p := l.pass(day, 6)
	var first, last time.Time
	emitted, longest := 0, time.Duration(0)
	for _, r := range values[processor.RunRecord](l.t, l.follow(l.t, "runs").read()) {
		if r.RunDate != day.String() || r.Ended == nil {
			continue
		}
		from, to := l.instant(r.Started), l.instant(*r.Ended)
		longest = max(longest, to.Sub(from))
		if first.IsZero() || from.Before(first) {
			first = from
		}
		if to.After(last) {
			last = to
		}
		for _, c := range r.Counts {
			if c.Decision == "emitted" {
				emitted += c.Number
			}
		}
	}
	l.notices = max(l.notices, emitted)
	l.add(figure{Step: step, Count: int64(emitted), Of: "notices", Seconds: last.Sub(first).Seconds(),
		Note: fmt.Sprintf("the slowest partition %s, the whole process %s", longest, p.took.Round(time.Millisecond))}, p)
}

func (l *load) instant(s string) time.Time {
	at, err := time.Parse(event.TimeFormat, s)
	if err != nil {
		l.t.Fatal(err)
	}
	return at
}

// reference writes what the go-live wrote, in transactions of the same size, and does nothing else: what no firing can be
// faster than. As many producers as cores, each with an id of its own.
func (l *load) reference() {
	var samples []event.Record
	for _, topic := range []string{"notifications", "mail-sink"} {
		samples = append(samples, l.sample(topic, 5000)...)
	}
	producers := runtime.NumCPU()
	began, cpu := time.Now(), ownCPU()
	var wg sync.WaitGroup
	for i := range producers {
		wg.Go(func() { l.replay(fmt.Sprint("reference-", i), samples, l.notices/producers) })
	}
	wg.Wait()
	took := time.Since(began).Seconds()
	f := l.add(figure{Step: "the same records, produced only", Count: int64(l.notices), Of: "notices", Seconds: took,
		Micros: (ownCPU() - cpu).Seconds() * 1e6 / float64(l.notices)}, nil)
	for i := range l.rows {
		if l.rows[i].Step == "run of the go-live" {
			l.rows[i].Note += fmt.Sprintf("; %.2f of producing", l.rows[i].PerSec/f.PerSec)
		}
	}
}

// sample is the first records of a topic.
func (l *load) sample(topic string, n int) (records []event.Record) {
	tail := newTail(l.t, l.k, l.prefix+topic)
	for len(tail.records) < n {
		tail.poll(time.Second)
	}
	return tail.records[:n]
}

// replay writes so many pairs of records.
func (l *load) replay(id string, samples []event.Record, pairs int) {
	w, err := l.k.Fence(l.t.Context(), id)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer w.Close()
	half := len(samples) / 2
	for done := 0; done < pairs; done += half {
		n := min(half, pairs-done)
		batch := append(append([]event.Record(nil), samples[:n]...), samples[half:half+n]...)
		if _, err := w.Commit(l.t.Context(), batch, nil); err != nil {
			l.t.Error(err)
			return
		}
	}
}

// killed kills a first load in its middle, and measures the start after it.
func (l *load) killed() {
	l.loseState()
	l.use("load2.")
	p := l.begin("run", "--clock", l.start.At(4, 0, l.zone).Format(time.RFC3339))
	await(l.t, 10*time.Minute, "half of the load", func() (bool, string) {
		r, _ := p.readiness()
		read := int64(0)
		for _, task := range r.Detail {
			read += task.Position
		}
		return read > l.records/2, tailOf(p.log, 3)
	})
	p.kill()
	l.again("restart after kill -9 in a load")
}

// latency is how long a change takes from its commit in the source to the store of its watch task, at 5,000 a second.
func (l *load) latency() {
	const rate, seconds, tick = 5000, 30, 20 * time.Millisecond
	l.pass(l.start, 4)
	p := l.begin("run", "--clock", l.start.At(4, 0, l.zone).Format(time.RFC3339))
	l.ready(p)
	var documents []registry.Document
	for person := range registry.People(l.world) {
		documents = append(documents, person.Documents...)
		if len(documents) > 50_000 {
			break
		}
	}
	before := p.metrics(l.t)
	began := time.Now()
	for sent := 0; sent < rate*seconds; {
		due := int(time.Since(began).Seconds() * rate)
		var batch []event.Record
		for ; sent < min(due, rate*seconds); sent++ {
			d := documents[sent%len(documents)]
			d.Number = fmt.Sprint(d.Number, sent)
			batch = append(batch, l.change(d)...)
		}
		if len(batch) > 0 {
			l.produce(batch)
		}
		time.Sleep(tick)
	}
	time.Sleep(time.Second)
	h := delays(p.metrics(l.t), before)
	l.stop(p)
	l.add(figure{Step: "change until applied by watch", Count: int64(h.total), Of: "changes", Seconds: seconds,
		Note: fmt.Sprintf("p50 %.0f ms, p99 %.0f ms", h.quantile(0.5)*1000, h.quantile(0.99)*1000)}, p)
}

// histogram is a Prometheus histogram: how many lie at or below each bound.
type histogram struct {
	bounds []float64
	below  []float64
	total  float64
}

// delays is what the process's histogram of delays has gained.
func delays(now, before string) (h histogram) {
	const name = "lejarat_change_applied_seconds_bucket"
	was, is := buckets(before, name), buckets(now, name)
	h.bounds = slices.Sorted(maps.Keys(is))
	for _, b := range h.bounds {
		h.below = append(h.below, is[b]-was[b])
		h.total = max(h.total, is[b]-was[b])
	}
	return h
}

func buckets(metrics, name string) map[float64]float64 {
	all := map[float64]float64{}
	for line := range strings.Lines(metrics) {
		var bound, n float64
		if rest, ok := strings.CutPrefix(line, name+`{le="`); ok {
			if _, err := fmt.Sscanf(strings.Replace(rest, `"}`, "", 1), "%g %g", &bound, &n); err == nil {
				all[bound] = n
			}
		}
	}
	return all
}

// quantile interpolates within the bucket, as Prometheus does.
func (h histogram) quantile(q float64) float64 {
	lower, under := 0.0, 0.0
	for i, n := range h.below {
		if n >= q*h.total {
			return lower + (h.bounds[i]-lower)*(q*h.total-under)/max(1, n-under)
		}
		lower, under = h.bounds[i], n
	}
	return lower
}

// machine is what the figures were measured on.
func machine() map[string]any {
	model := "unknown"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
			}
		}
	}
	return map[string]any{"cpu": model, "cores": runtime.NumCPU(), "go": runtime.Version(), "at": time.Now().UTC().Format(time.RFC3339)}
}
