//go:build integration && load

package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"lejarat/processor/event"
)

// rebuild reads the sources into an empty journal and empty state, joins them, and leaves everything on disk.
func (l *load) rebuild() {
	p := l.pass(l.start, 4)
	f := l.add(figure{Step: "rebuild from the sources", Count: l.records, Of: "records"}, p)
	l.recent = f.PerSec
	if len(l.floors) > 0 {
		f.Note = fmt.Sprintf("%.2f of the floor; ", f.PerSec/l.floors[0])
	}
	f.Note += l.diskNote()
}

// warm lets the broker compile what a rebuild needs of it, by rebuilds that do not count: one that has just started takes twice
// the CPU of one that stands in service, and is a quarter of what is measured.
func (l *load) warm() {
	began := time.Now()
	for n := 0; time.Since(began) < warmUp; n++ {
		l.use(fmt.Sprintf("load0.%d.", n))
		p := l.begin("run", "--once", "--clock", l.at(l.start, 4).Format(time.RFC3339))
		_ = p.wait(warmUp - time.Since(began)) // then it is killed
		l.loseState()
		l.dropTopics(func(name string) bool { return strings.HasPrefix(name, l.prefix) })
	}
	l.use("load.")
}

// warmUp is how long a broker is warmed.
const warmUp = 90 * time.Second

// restore reads the journal and the ledger into empty state, until the instance is ready for whatever comes.
func (l *load) restore() {
	l.loseState()
	p, took := l.up(l.at(l.start, 4))
	l.stop(p)
	l.starting = 0 // the next one has its state
	f := l.add(figure{Step: "restore of all lost state", Count: l.records, Of: "records", Seconds: took.Seconds()}, p)
	f.Note = fmt.Sprintf("%.1f times the rebuild; %s", f.PerSec/l.recent, l.diskNote())
}

// again is how long a start with state takes until it is ready, and lets it go.
func (l *load) again(step string) {
	p, took := l.up(l.at(l.start+dueAfter+1, 4))
	l.stop(p)
	l.add(figure{Step: step + ", until ready", Count: 1, Of: "start", Seconds: took.Seconds(), RSS: p.peakMB()}, nil)
}

// killed kills a first load in its middle, and measures the start after it.
func (l *load) killed() {
	l.loseState()
	l.use("load2.")
	p := l.begin("run", "--clock", l.at(l.start, 4).Format(time.RFC3339))
	await(l.t, time.Hour, "half of the load", func() (bool, string) {
		r, _ := p.readiness()
		read := int64(0)
		for _, task := range r.Detail {
			read += task.Position
		}
		return read > l.records/2, tailOf(p.log, 3)
	})
	p.kill()
	l.again("restart after kill -9 in a load")
	l.dropTopics(func(name string) bool { return strings.HasPrefix(name, "load2.") })
}

// pass is one `lejarat run --once` at an hour of a day.
func (l *load) pass(day event.Date, hour int) *measured {
	p := l.begin("run", "--once", "--wait", "3h", "--clock", l.at(day, hour).Format(time.RFC3339))
	l.ended(p)
	return p
}

// up starts an instance whose clock shows an instant now, and says how long it took until it was ready.
func (l *load) up(clock time.Time) (*measured, time.Duration) {
	began := time.Now()
	p := l.begin("run", "--clock", fmt.Sprintf("%s@%.3f", clock.Format(time.RFC3339), float64(began.UnixMilli())/1000))
	l.ready(p)
	l.starting = time.Since(began)
	return p, l.starting
}

// ready waits until an instance has restored what it lacks.
func (l *load) ready(p *measured) {
	await(l.t, 3*time.Hour, "the instance", func() (bool, string) {
		r, ok := p.readiness()
		return ok && r.Ready, tailOf(p.log, 3)
	})
}

// measureDisk notes what state and topics take, now that nothing has been loaded for a while.
func (l *load) measureDisk() {
	for kind, bytes := range l.stores() {
		l.disks["store "+kind] = bytes
	}
	for topic, bytes := range l.topicBytes() {
		l.disks["topic "+topic] = bytes
	}
}

// stores are the bytes of the state by kind of store.
func (l *load) stores() map[string]int64 {
	all := map[string]int64{}
	dirs, err := filepath.Glob(filepath.Join(l.state(), "*"))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, dir := range dirs {
		kind, _, _ := strings.Cut(filepath.Base(dir), "-")
		all[kind] += treeBytes(l.t, dir)
	}
	return all
}

// diskNote is what the state takes for each document.
func (l *load) diskNote() string {
	total := int64(0)
	for _, n := range l.stores() {
		total += n
	}
	return fmt.Sprintf("%d MB of state, %d bytes a document", total>>20, total/l.documents)
}
