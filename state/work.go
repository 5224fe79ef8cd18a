package state

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// Work counts what the stores of a process were asked for since it started. For one input it is the same on any machine,
// which times are not.
type Work struct {
	Gets    int64 // keys looked up
	Cursors int64 // cursors opened
	Seeks   int64 // of cursors
	Steps   int64 // of cursors, from key to key
	// Passed are the entries that these steps and seeks went over within Pebble: more than the keys where deleted ones lie
	// between them.
	Passed int64
	Writes int64 // keys written or deleted
	Bytes  int64 // of the batches that did
}

// work is Work as it is counted.
type work struct{ gets, cursors, seeks, steps, passed, writes, bytes atomic.Int64 }

// Work is what the stores have done so far; a cursor counts when it is closed.
func (s *Shared) Work() Work {
	w := &s.work
	return Work{Gets: w.gets.Load(), Cursors: w.cursors.Load(), Seeks: w.seeks.Load(), Steps: w.steps.Load(),
		Passed: w.passed.Load(), Writes: w.writes.Load(), Bytes: w.bytes.Load()}
}

// Sub is what was done since earlier.
func (w Work) Sub(earlier Work) Work {
	return Work{Gets: w.Gets - earlier.Gets, Cursors: w.Cursors - earlier.Cursors, Seeks: w.Seeks - earlier.Seeks, Steps: w.Steps - earlier.Steps,
		Passed: w.Passed - earlier.Passed, Writes: w.Writes - earlier.Writes, Bytes: w.Bytes - earlier.Bytes}
}

// walked counts a cursor that is done.
func (w *work) walked(it *pebble.Iterator) {
	s := it.Stats()
	w.cursors.Add(1)
	w.seeks.Add(int64(s.ForwardSeekCount[pebble.InterfaceCall]))
	w.steps.Add(int64(s.ForwardStepCount[pebble.InterfaceCall]))
	w.passed.Add(int64(s.ForwardStepCount[pebble.InternalIterCall] + s.ForwardSeekCount[pebble.InternalIterCall]))
}

// wrote counts a batch.
func (w *work) wrote(writes, bytes int) {
	w.writes.Add(int64(writes))
	w.bytes.Add(int64(bytes))
}
