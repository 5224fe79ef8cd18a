//go:build integration && load

package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// switchOff is what it costs that a registration's service is switched off, 50 a second: nothing may depend on how much
// there is.
func (l *load) switchOff() {
	const most, pause = 500, 20 * time.Millisecond
	var off []registry.Registration
	for person := range registry.People(l.world) {
		for _, r := range person.Registrations {
			if r.Active && r.ServiceOn {
				r.ServiceOn = false
				off = append(off, r)
			}
		}
		if len(off) >= most {
			break
		}
	}
	p, _ := l.up(l.at(l.start+dueAfter+1, 4))
	began, before, cpu := time.Now(), p.metrics(l.t), p.cpu(l.t)
	for i := range off {
		l.produce(l.update(registry.Change{Table: registry.Registrations, Op: registry.Update, Key: off[i].ID, Registration: &off[i]}))
		time.Sleep(pause)
	}
	l.applied(p, before, figure{Step: "a service switched off, until applied", Count: int64(len(off)), Of: "changes"}, began, cpu)
}

// latency is how long a change takes from its commit in the source to the store of its watch task, at 5,000 a second.
func (l *load) latency() {
	const rate, seconds, tick = 5000, 30, 20 * time.Millisecond
	var documents []registry.Document
	for person := range registry.People(l.world) {
		documents = append(documents, person.Documents...)
		if len(documents) > 50_000 {
			break
		}
	}
	p, _ := l.up(l.at(l.start+dueAfter+1, 4))
	before, cpu := p.metrics(l.t), p.cpu(l.t)
	began := time.Now()
	for sent := 0; sent < rate*seconds; {
		due := int(time.Since(began).Seconds() * rate)
		var batch []event.Record
		for ; sent < min(due, rate*seconds); sent++ {
			d := documents[sent%len(documents)]
			d.Number = fmt.Sprint(d.Number, sent)
			batch = append(batch, l.changed(d)...)
		}
		if len(batch) > 0 {
			l.produce(batch)
		}
		time.Sleep(tick)
	}
	l.applied(p, before, figure{Step: "change until applied by watch", Count: rate * seconds, Of: "changes"}, began, cpu)
}

// applied waits until the changes of a figure are applied, and says how long they took and what they cost.
func (l *load) applied(p *measured, before string, f figure, began time.Time, cpu time.Duration) {
	l.t.Helper()
	var after string
	await(l.t, time.Minute, "the changes", func() (bool, string) {
		after = p.metrics(l.t)
		n := delays(after, before).total
		return int64(n) >= f.Count, fmt.Sprintf("%.0f of %d are applied", n, f.Count)
	})
	f.Seconds = time.Since(began).Seconds()
	f.Micros = (p.cpu(l.t) - cpu).Seconds() * 1e6 / float64(f.Count)
	l.stop(p)
	h := delays(after, before)
	f.RSS = p.peakMB()
	f.Note = fmt.Sprintf("p50 %.0f ms, p99 %.0f ms; %s", h.quantile(0.5)*1000, h.quantile(0.99)*1000, storeWork(before, after, float64(f.Count)))
	l.add(f, nil)
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
