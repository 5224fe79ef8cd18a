//go:build integration && load

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// scale compares two instances with one, each of them on a core of its own (the broker is where it likes): how much faster
// a rebuild and a restore become.
func (l *load) scale() {
	one, two := l.instances("load3.", 1), l.instances("load4.", 2)
	l.compare("rebuild", one, two, (*load).rebuildBy)
	l.compare("restore", one, two, (*load).restoreBy)
	l.dropTopics(func(name string) bool { return strings.HasPrefix(name, "load3.") || strings.HasPrefix(name, "load4.") })
}

// crew is some instances of one service.
type crew struct {
	prefix  string
	members []*service
}

// instances makes a service of so many instances, each pinned to a core.
func (l *load) instances(prefix string, n int) (c crew) {
	c.prefix = prefix
	for i := range n {
		dir := filepath.Join(l.dir, fmt.Sprint(prefix, i))
		v := &service{stack: l.stack, dir: dir, prefix: prefix, binary: filepath.Join(dir, "pinned"), config: filepath.Join(dir, "lejarat.yaml"), refs: l.refs, zone: l.zone}
		pinned := fmt.Sprintf("#!/bin/sh\nexec taskset -c %d %s \"$@\"\n", i, l.binary)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			l.t.Fatal(err)
		}
		if err := os.WriteFile(v.binary, []byte(pinned), 0o700); err != nil {
			l.t.Fatal(err)
		}
		l.prefix = prefix
		l.configure(v, fmt.Sprint("load-", i), "limits: {watermark_every: 1s} # the end of a rebuild is seen by one")
		c.members = append(c.members, v)
		l.t.Cleanup(v.stopAll)
	}
	c.members[0].run("topics", "create")
	return c
}

// compare prints what one and two instances took for the same.
func (l *load) compare(what string, one, two crew, do func(*load, crew, []*measured) (int64, time.Duration)) {
	var alone float64
	for _, c := range []crew{one, two} {
		var ps []*measured
		for _, v := range c.members {
			ps = append(ps, l.beginOn(v, "run", "--clock", l.at(l.start, 4).Format(time.RFC3339)))
		}
		n, took := do(l, c, ps)
		f := figure{Step: fmt.Sprintf("%s, %d instances of one core", what, len(ps)), Count: n, Of: "records", Seconds: took.Seconds()}
		for i, p := range ps {
			c.members[i].stop(p.process)
			f.RSS = max(f.RSS, p.peakMB())
			f.Micros += p.used().Seconds() * 1e6 / float64(n)
		}
		g := l.add(f, nil)
		if alone == 0 {
			alone = g.PerSec
		} else {
			g.Note = fmt.Sprintf("%.2f times as fast as one; the broker on the same cores", g.PerSec/alone)
		}
	}
}

// rebuildBy loads the sources. What counts is from when all instances have partitions on: sharing them out takes as long
// whatever the size.
func (l *load) rebuildBy(_ crew, ps []*measured) (int64, time.Duration) {
	await(l.t, time.Minute, "a part for each instance", func() (bool, string) { return l.shared(ps), tailOf(ps[0].log, 3) })
	began, before := time.Now(), int64(0)
	for _, p := range ps {
		before += int64(sample(p.metrics(l.t), "lejarat_source_position"))
	}
	await(l.t, 3*time.Hour, "the rebuild", func() (bool, string) { return l.joined(ps) })
	return max(1, l.offsets(l.topics...)-before), time.Since(began)
}

// restoreBy gives all of them back what they have lost: each keeps its partitions, since they are back soon enough.
func (l *load) restoreBy(c crew, ps []*measured) (int64, time.Duration) {
	l.allReady(ps)
	for i, v := range c.members {
		v.stop(ps[i].process)
		v.loseState()
	}
	began := time.Now()
	for i, v := range c.members {
		ps[i] = l.beginOn(v, "run", "--clock", l.at(l.start, 4).Format(time.RFC3339))
	}
	l.allReady(ps)
	took := time.Since(began)
	if !l.shared(ps) {
		l.t.Error("an instance has lost its partitions to the other: the time is not that of a restore by both")
	}
	return l.records, took
}

func (l *load) allReady(ps []*measured) {
	l.t.Helper()
	for _, p := range ps {
		l.ready(p)
	}
}

// shared says whether each instance has partitions of its own.
func (l *load) shared(ps []*measured) bool {
	for _, p := range ps {
		if sample(p.metrics(l.t), "lejarat_task_running", "watch/") == 0 {
			return false
		}
	}
	return true
}

// joined says whether every instance has applied all that is in the sources.
func (l *load) joined(ps []*measured) (bool, string) {
	most := l.offsets(l.topics...)
	for _, p := range ps {
		if is := int64(sample(p.metrics(l.t), "lejarat_source_joined_position")); is < most {
			return false, fmt.Sprintf("%d of %d offsets are joined", is, most)
		}
	}
	return true, ""
}

// offsets are how many the topics hold.
func (l *load) offsets(topics ...string) (n int64) {
	for _, span := range l.spans(topics...) {
		n += span.End - span.Start
	}
	return n
}
