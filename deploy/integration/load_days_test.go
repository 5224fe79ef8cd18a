//go:build integration && load

package integration

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"lejarat/connectors/kafka"
	"lejarat/processor"
	"lejarat/processor/event"
)

// goLive fires the first day: announcements, and every threshold that stands open.
func (l *load) goLive() {
	l.calm()
	l.notices = l.day("run of the go-live", l.start).notices
}

// calm lets an instance compact what was loaded, until it takes less than a tenth of a core: it would be counted as the day's.
func (l *load) calm() {
	p, _ := l.up(l.at(l.start, 4))
	began, used := time.Now(), p.cpu(l.t)
	await(l.t, time.Hour, "an instance that has nothing to compact", func() (bool, string) {
		const window = 8 * time.Second // a store that was filled waits five before it is put in order
		before := p.cpu(l.t)
		time.Sleep(window)
		took := p.cpu(l.t) - before
		return took < window/10, fmt.Sprintf("it used %s in %s", ms(took), ms(window))
	})
	used = p.cpu(l.t) - used
	took := time.Since(began)
	l.stop(p)
	l.add(figure{Step: "stores put in order", Count: l.documents, Of: "documents", Seconds: took.Seconds(), RSS: p.peakMB(),
		Micros: used.Seconds() * 1e6 / float64(l.documents)}, nil)
}

// dayAfter fires an ordinary day.
func (l *load) dayAfter() { l.day("run of the day after", l.start+1) }

// dueDay fires the day that owes the same number of notices whatever the size.
func (l *load) dueDay() { l.day(fmt.Sprintf("run of a day with %d notices", l.due), l.start+dueAfter) }

// idleDay is a day on which nothing is due.
func (l *load) idleDay() { l.day("run of an idle day", l.start+idleAfter) }

// ran is what a day's run has done.
type ran struct {
	notices, partitions int
	took                time.Duration // from the first record of runs about the date to the last one
	slowest             time.Duration // the same of the slowest partition
}

// day fires a date in an instance that stands ready before six. CPU time counts from a second before six until the last
// partition's record says complete, less what the instance took in the seconds before.
func (l *load) day(step string, day event.Date) ran {
	p, six := l.beforeSix(day)
	runs := l.fromNow("runs")
	time.Sleep(time.Until(six.Add(-4 * time.Second)))
	idle := p.cpu(l.t)
	time.Sleep(time.Until(six.Add(-time.Second)))
	before, cpu, from := p.metrics(l.t), p.cpu(l.t), time.Now()
	idle = (cpu - idle) / 3 // a second, watermarks included, which come every second now
	r := l.completed(runs, day)
	window := time.Since(from)
	cpu = p.cpu(l.t) - cpu
	after := p.metrics(l.t)
	l.stop(p)
	f := figure{Step: step, Count: int64(r.notices), Of: "notices", Seconds: r.took.Seconds(), RSS: p.peakMB()}
	if r.notices == 0 {
		f.Count, f.Of = int64(r.partitions), "partitions"
	}
	f.Micros = max(0, cpu.Seconds()-idle.Seconds()*window.Seconds()) * 1e6 / float64(f.Count)
	f.Note = fmt.Sprintf("slowest partition %s; %s; CPU %s in %s, of which the instance takes %s a second anyway; %s", ms(r.slowest),
		phases(before, after, r.partitions), ms(cpu), ms(window), ms(idle), storeWork(before, after, float64(f.Count)))
	l.add(f, nil)
	if r.notices > 10_000 {
		l.settle(day)
	}
	return r
}

// beforeSix starts an instance some seconds before six of a day, and says when in real time that is.
func (l *load) beforeSix(day event.Date) (p *measured, six time.Time) {
	lead := (20*time.Second + 3*l.starting).Round(time.Second)
	six = time.Now().Add(lead)
	p, took := l.up(l.at(day, 6).Add(-lead))
	if time.Until(six) < 5*time.Second {
		l.t.Fatalf("the instance was ready after %s, %s before six: too late to measure its day", took, time.Until(six))
	}
	return p, six
}

// settle lets an instance read what a day wrote, so that the next one is soon ready.
func (l *load) settle(day event.Date) {
	for range 2 {
		p, _ := l.up(l.at(day, 7))
		l.stop(p)
	}
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// phases are the means of what the partitions' runs were in, after the barrier.
func phases(before, after string, partitions int) string {
	const metric = "lejarat_run_phase_seconds_sum"
	var parts []string
	total := 0.0
	for _, phase := range []string{"ledger", "rules", "gather", "count", "fuse", "fire"} {
		label := `phase="` + phase + `"`
		took := (sample(after, metric, label) - sample(before, metric, label)) * 1000 / float64(partitions)
		total += took
		parts = append(parts, fmt.Sprintf("%s %.1f", phase, took))
	}
	return fmt.Sprintf("a partition after its barrier %.1f ms (%s)", total, strings.Join(parts, ", "))
}

// storeWork is what the stores were asked for meanwhile, for each of so many.
func storeWork(before, after string, n float64) string {
	var parts []string
	for _, op := range []string{"get", "cursor", "seek", "step", "passed", "write"} {
		label := `operation="` + op + `"`
		parts = append(parts, fmt.Sprintf("%s %.1f", op, (sample(after, "lejarat_store_operations_total", label)-sample(before, "lejarat_store_operations_total", label))/n))
	}
	written := (sample(after, "lejarat_store_written_bytes_total") - sample(before, "lejarat_store_written_bytes_total")) / n
	return fmt.Sprintf("stores, each: %s, %.0f bytes written", strings.Join(parts, ", "), written)
}

// fromNow follows a topic from its end on.
func (l *load) fromNow(topic string) *tail {
	l.t.Helper()
	out := &tail{t: l.t, k: l.k, topic: l.prefix + topic}
	from := map[event.TopicPartition]int64{}
	for tp, span := range l.spans(out.topic) {
		from[tp] = span.End
	}
	var err error
	if out.reader, err = l.k.Read(l.t.Context(), from); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(out.reader.Close)
	return out
}

// completed waits until every partition has finished a date. Times are those of Kafka's records, which are real.
func (l *load) completed(runs *tail, day event.Date) (r ran) {
	r.partitions = len(l.spans(l.prefix + "journal.1"))
	var last time.Time
	begun := map[int32]time.Time{}
	for left, at := r.partitions, 0; left > 0; at = len(runs.records) {
		runs.poll(time.Second)
		for i := range runs.records[at:] {
			rec := &runs.records[at+i]
			v := values[processor.RunRecord](l.t, []event.Record{*rec})[0]
			if v.RunDate != day.String() || v.State != processor.RunRunning && v.State != processor.RunComplete {
				continue
			}
			if begun[v.Partition].IsZero() {
				begun[v.Partition] = rec.Time
			}
			if v.State != processor.RunComplete {
				continue
			}
			left--
			last = rec.Time
			r.slowest = max(r.slowest, rec.Time.Sub(begun[v.Partition]))
			for _, c := range v.Counts {
				if c.Decision == event.Emitted {
					r.notices += c.Number
				}
			}
		}
	}
	for _, first := range begun {
		r.took = max(r.took, last.Sub(first))
	}
	return r
}

// reference writes what the go-live wrote, in transactions of the same size, and does nothing else: what no firing can be
// faster than. As many producers as cores, each with an id of its own.
func (l *load) reference() {
	var samples []event.Record
	for _, topic := range []string{"notifications", "mail-sink"} {
		samples = append(samples, l.samples(topic, min(5000, l.notices))...)
	}
	producers := runtime.NumCPU()
	began, cpu := time.Now(), ownCPU()
	var wg sync.WaitGroup
	for i := range producers {
		wg.Go(func() { l.replay(fmt.Sprint("reference-", i), samples, l.notices/producers) })
	}
	wg.Wait()
	took := time.Since(began).Seconds()
	l.dropTopics(func(name string) bool { return strings.HasPrefix(name, referencePrefix) })
	f := l.add(figure{Step: "the same records, produced only", Count: int64(l.notices), Of: "notices", Seconds: took,
		Micros: (ownCPU() - cpu).Seconds() * 1e6 / float64(l.notices)}, nil)
	if live := l.table.row("run of the go-live"); live != nil {
		f.Note = fmt.Sprintf("the go-live is %.2f of it", live.PerSec/f.PerSec)
	}
}

// referencePrefix is before the names of the topics that stand for those of the run: the service reads these.
const referencePrefix = "load-reference."

// samples are the first records of a topic, as records of one that is like it.
func (l *load) samples(topic string, n int) []event.Record {
	tail := newTail(l.t, l.k, l.prefix+topic)
	for len(tail.records) < n {
		tail.poll(time.Second)
	}
	spec := kafka.TopicSpec{Name: referencePrefix + topic, Partitions: int32(len(tail.spans())), Replication: -1}
	if _, err := l.k.CreateTopics(l.t.Context(), []kafka.TopicSpec{spec}); err != nil {
		l.t.Fatal(err)
	}
	for i := range tail.records[:n] {
		tail.records[i].Topic = spec.Name
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
