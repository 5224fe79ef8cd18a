package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lejarat/processor/event"
	"lejarat/state"
)

// diskTest is a service whose disk goes wrong, day by day in another way, while what it decides is compared with the oracle.
type diskTest struct {
	t    *testing.T
	ctx  context.Context
	o    stageOptions
	s    *stage
	full atomic.Bool
	dice *rand.Rand
}

// TestDisksGoWrong: stores are damaged while the service stands and while it runs, and the disk fills up for a while. Each
// is said, nothing is lost, nobody is told twice.
func TestDisksGoWrong(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	const seed = 1
	d := &diskTest{t: t, ctx: ctx, dice: rand.New(rand.NewPCG(seed, 4))}
	d.o = stageOptions{Seed: seed, People: 600, Start: event.NewDate(2031, 1, 10), Churn: 3, Dir: filepath.Join(t.TempDir(), "state"),
		Shared: state.NewShared(stageCache, false), Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	// A manifest that cannot be written ends the process where it stands: see package state.
	d.o.Shared.Fill(func(path string) bool { return d.full.Load() && !strings.Contains(path, "MANIFEST") })
	var err error
	if d.s, err = openStage(ctx, d.o); err != nil {
		t.Fatal(err)
	}
	defer d.s.close()
	if _, err := d.s.snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	j, err := newJudge(ctx, d.s.k, d.s.cfg, d.s.intakeCore(1))
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	faults := []func(){d.damagedWhileStopped, d.damagedWhileRunning, d.fills}
	for n := range 15 {
		if n > 0 {
			faults[n%len(faults)]()
		}
		day := d.s.world.Day()
		expected, err := d.s.run(ctx, day)
		for err != nil {
			d.restartAfter(err)
			err = d.s.await(ctx, func() (bool, error) { return d.s.engine.Complete(day), nil })
		}
		if err := j.compare(ctx, day, expected); err != nil {
			t.Fatal(err)
		}
		d.live()
	}
	if j.emitted == 0 {
		t.Error("nobody was told of anything")
	}
	t.Logf("%d decisions compared, %d of them emitted", len(j.owed), j.emitted)
}

// live lets the day's life happen. Where the process ended meanwhile it is started again, as systemd does.
func (d *diskTest) live() {
	d.t.Helper()
	_, err := d.s.live(d.ctx)
	for err != nil {
		d.restartAfter(err)
		err = d.s.await(d.ctx, func() (bool, error) { return d.s.engine.Joined(d.ctx) })
	}
}

func (d *diskTest) restartAfter(err error) {
	d.t.Helper()
	if !errors.Is(err, state.ErrCorrupt) && !strings.Contains(err.Error(), "the disk is full: free space") {
		d.t.Fatalf("ended with %v", err)
	}
	d.t.Logf("the process ended: %v", err)
	d.full.Store(false)
	d.start()
}

func (d *diskTest) start() {
	d.t.Helper()
	if err := d.s.restart(d.ctx, d.o, false); err != nil {
		d.t.Fatal(err)
	}
}

func (d *diskTest) stores() []string {
	names, err := filepath.Glob(filepath.Join(d.o.Dir, "*"))
	if err != nil {
		d.t.Fatal(err)
	}
	var out []string
	for _, n := range names {
		if !strings.Contains(n, ".damaged-") {
			out = append(out, n)
		}
	}
	return out
}

func (d *diskTest) aside() int {
	names, err := filepath.Glob(filepath.Join(d.o.Dir, "*.damaged-*"))
	if err != nil {
		d.t.Fatal(err)
	}
	return len(names)
}

func (d *diskTest) files(store, pattern string) []string {
	files, err := filepath.Glob(filepath.Join(store, pattern))
	if err != nil {
		d.t.Fatal(err)
	}
	return files
}

// spoil changes every tenth byte of a file, where it stands.
func (d *diskTest) spoil(file string) {
	body, err := os.ReadFile(file)
	if err != nil {
		d.t.Fatal(err)
	}
	for i := d.dice.IntN(10); i < len(body); i += 10 {
		body[i] ^= 0x55
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(body, 0)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// damagedWhileStopped spoils or deletes what one store cannot do without.
func (d *diskTest) damagedWhileStopped() {
	d.t.Helper()
	d.s.halt()
	before := d.aside()
	stores := d.stores()
	store := stores[d.dice.IntN(len(stores))]
	switch d.dice.IntN(3) {
	case 0:
		for _, f := range d.files(store, "*.sst") {
			d.spoil(f)
		}
	case 1:
		for _, f := range d.files(store, "MANIFEST-*") {
			d.spoil(f)
		}
	case 2:
		for _, f := range d.files(store, "marker.manifest.*") {
			if err := os.Remove(f); err != nil {
				d.t.Fatal(err)
			}
		}
	}
	if err := d.s.start(d.ctx, d.o); err != nil {
		d.t.Fatal(err)
	}
	d.ready()
	d.t.Logf("%s damaged while stopped, found by now: %v", filepath.Base(store), d.aside() > before)
}

// damagedWhileRunning spoils the tables of all stores of a kind under the running service.
func (d *diskTest) damagedWhileRunning() {
	d.t.Helper()
	kind := []string{"watch", "intake", "ledger"}[d.dice.IntN(3)]
	for _, store := range d.stores() {
		if strings.HasPrefix(filepath.Base(store), kind) {
			for _, f := range d.files(store, "*.sst") {
				d.spoil(f)
			}
		}
	}
	d.t.Logf("%s damaged while running", kind)
}

// fills fills the disk until somebody says so: a task, or the process as it ends.
func (d *diskTest) fills() {
	d.t.Helper()
	d.full.Store(true)
	defer d.full.Store(false)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-d.s.failed:
			d.restartAfter(err)
			return
		default:
		}
		_, tasks := d.s.engine.Status()
		for _, task := range tasks {
			if strings.Contains(task.Error, "the disk is full: free space") {
				d.t.Logf("%s says that the disk is full", task.Task)
				return
			}
		}
		if time.Now().After(end) {
			d.t.Fatal("nobody says that the disk is full")
		}
	}
}

func (d *diskTest) ready() {
	d.t.Helper()
	err := d.s.await(d.ctx, func() (bool, error) { ready, _ := d.s.engine.Status(); return ready, nil })
	if err != nil {
		d.restartAfter(err)
	}
}
