package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"

	"lejarat/connectors/kafka"
	"lejarat/processor"
	"lejarat/processor/journal"
	"lejarat/state"
)

// instance is one engine of a house, with all that a machine gives it: network, disk and clock. It is used by one goroutine.
type instance struct {
	h      *house
	n      int
	name   string // in the groups; "" for none
	gate   *gate
	disk   *state.Shared
	k      *kafka.Client
	engine *processor.Engine
	stop   context.CancelFunc
	ended  chan error // gets what Run returned
	skew   time.Duration
	lag    time.Duration // of its network
	rules  func(*gate)   // puts up what its network does from the start on
}

// transactionTimeout is longer than any wait of the suite: a dead owner's transaction is ended by its successor's fence, or not at all.
const transactionTimeout = 10 * time.Minute

// diskCache is the block cache of an instance's stores.
const diskCache = 1 << 20

// instance makes one that is not started.
func (h *house) instance(n int) *instance {
	return &instance{h: h, n: n, disk: state.NewCrashable(diskCache)}
}

func (i *instance) running() bool { return i.engine != nil }

// skewed is the instance's clock: the house's, some minutes before or behind.
type skewed struct {
	*handClock
	by time.Duration
}

// Now is the skewed time.
func (c skewed) Now() time.Time { return c.handClock.Now().Add(c.by) }

// start starts it, behind a gate of its own.
func (i *instance) start() error {
	i.gate = newGate(i.h.dial)
	i.gate.lag = i.lag
	if i.rules != nil {
		i.rules(i.gate)
	}
	if err := i.boot(); err != nil {
		i.gate.close()
		return fmt.Errorf("starting instance %d: %w", i.n, err)
	}
	i.h.tracef("#%d starts", i.n)
	return nil
}

func (i *instance) boot() (err error) {
	log := slog.New(slog.NewTextHandler(i.h, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})).With("instance", i.n)
	if i.k, err = kafka.Open(i.h.ctx, kafka.Options{Brokers: i.h.brokers, InstanceID: i.name, SessionTimeout: i.h.sessionTimeout(),
		TransactionTimeout: transactionTimeout, Logger: log, Dial: i.gate.dial}); err != nil {
		return err
	}
	ec, err := i.h.engineConfig(i.k, skewed{i.h.clock, i.skew}, log, i.disk)
	if err == nil {
		i.engine, err = processor.New(i.h.ctx, ec)
	}
	if err != nil {
		i.engine = nil
		i.k.Close()
		return err
	}
	run, stop := context.WithCancel(i.h.ctx)
	i.stop, i.ended = stop, make(chan error, 1)
	go func(e *processor.Engine, ended chan error) { ended <- e.Run(run) }(i.engine, i.ended)
	return nil
}

// err is why the engine ended by itself, which it never should in a house.
func (i *instance) err() error {
	if i.engine == nil {
		return nil
	}
	select {
	case err := <-i.ended:
		return fmt.Errorf("instance %d ended: %w", i.n, errors.Join(err, errors.New("(without being asked to)")))
	default:
		return nil
	}
}

// shut stops it as SIGTERM does. Its gate must be open.
func (i *instance) shut() error {
	i.h.tracef("#%d stops", i.n)
	i.stop()
	err := <-i.ended
	i.engine = nil
	i.k.Close()
	i.gate.close()
	return err
}

// crash ends it as kill -9 or, with rng, a power cut does: it cannot say goodbye, and its disk holds what was written, or
// what of that was synced.
func (i *instance) crash(rng *rand.Rand) {
	i.gate.sever()
	percent := 100
	if rng != nil {
		percent = rng.IntN(100)
	} else {
		rng = rand.New(rand.NewPCG(1, 1))
	}
	found := i.disk.Crashed(percent, rng)
	i.h.tracef("#%d crashes", i.n)
	was := *i
	i.h.dying.Go(was.bury)
	i.disk, i.engine = found, nil
}

// bury lets the goroutines of a crashed instance end. Nobody hears them.
func (i *instance) bury() {
	i.stop()
	<-i.ended
	i.k.Close()
	i.gate.close()
	i.disk.Close()
}

// lose deletes stores of an instance that does not run: watch, intake, ledger, all.
func (i *instance) lose(kind string) error {
	i.h.tracef("#%d loses its stores: %s", i.n, kind)
	for _, dir := range i.h.storeDirs(kind) {
		if err := state.Remove(dir, i.disk); err != nil {
			return err
		}
	}
	return nil
}

// quit ends it whatever its state, in the background.
func (i *instance) quit() {
	if i.engine == nil {
		i.disk.Close()
		return
	}
	was := *i
	was.gate.forget()
	was.gate.mend()
	was.gate.thaw()
	i.h.dying.Go(was.bury)
	i.engine = nil
}

// storeDirs are the directories of an instance's stores of a kind: watch, intake, ledger, all.
func (h *house) storeDirs(kind string) (dirs []string) {
	if kind == "ledger" || kind == "all" {
		dirs = append(dirs, "ledger")
	}
	if kind == "watch" || kind == "all" {
		for p := range h.o.Journal {
			dirs = append(dirs, fmt.Sprintf("watch-1-%d", p))
		}
	}
	if kind == "intake" || kind == "all" {
		for _, topic := range h.enc.Topics() {
			for p := range h.o.Sources {
				dirs = append(dirs, fmt.Sprintf("intake-1-%08x-%d", journal.SourceID(topic), p))
			}
		}
	}
	for i := range dirs {
		dirs[i] = filepath.Join(h.cfg.State.Dir, dirs[i])
	}
	return dirs
}
