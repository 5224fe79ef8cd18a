package processor

import (
	"time"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/watch"
)

// Observer receives what happens. Metrics, the console and tests read it; it must be quick and safe for concurrent use.
type Observer interface{ Observe(e Event) }

// Event is one of the types below.
type Event any

// Taken: intake went through records of a source partition.
type Taken struct {
	Source   event.TopicPartition
	Verdicts map[intake.Verdict]int
}

// AppliedRows: a watch task applied journal records.
type AppliedRows struct {
	Partition int32
	Records   int
	// Delays are how long ago, in real time, the changes were committed at their sources, where that is known. The slice
	// is the task's again when Observe returns.
	Delays []time.Duration
}

// RunState: a partition's run of a date came to a new state.
type RunState struct {
	Partition int32
	Date      event.Date
	State     string // of RunRecord
	Reason    string
}

// RunPhase: a partition's run left a phase in which it had been for so long, in real time.
type RunPhase struct {
	Partition int32
	Phase     string // barrier, ledger, rules, gather, count, fuse, fire
	Took      time.Duration
}

// RunChunk: a transaction of a run was committed. Counts are those of the chunk.
type RunChunk struct {
	Partition int32
	Date      event.Date
	Counts    map[watch.Count]int
}

// TaskState: a task began to restore, runs, or failed.
type TaskState struct {
	Task  string
	State string // restoring, running, failed
	Err   error
}

func (c *Config) observe(e Event) {
	if c.Observer != nil {
		c.Observer.Observe(e)
	}
}
