package event

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Log is the port through which the engine sees Kafka: connectors/kafka is the real one (and the embedded
// broker's), the simulation has a model of its own. Everything is read read_committed.
type Log interface {
	// Spans returns start and high watermark of every partition of the topics.
	// A topic that does not exist or may not be read is an ErrTopic.
	Spans(ctx context.Context, topics ...string) (map[TopicPartition]Span, error)
	// TopicIDs returns the broker's id of each topic: another id means the topic was made anew.
	TopicIDs(ctx context.Context, topics ...string) (map[string]string, error)
	// Deleting says of each topic whose old records the brokers delete, other than by compaction, by which settings they
	// do. Topics that keep everything are not in the answer. ErrTopic also means that settings may not be read.
	Deleting(ctx context.Context, topics ...string) (map[string]string, error)
	// Read opens a reader at the given positions, without any consumer group.
	Read(ctx context.Context, from map[TopicPartition]int64) (Reader, error)
	// Fence makes this process the only writer under the transactional id: whoever held it can never commit
	// again, and what it had open is aborted.
	Fence(ctx context.Context, transactionalID string) (Writer, error)
	// Join enters a consumer group for the sake of its assignment only: nothing is fetched, no offset is
	// committed. Handler calls come one at a time; the next rebalance waits until they return.
	Join(ctx context.Context, group string, topics []string, h Assignment) (Member, error)
}

// Reader reads partitions from given positions.
type Reader interface {
	// Poll returns at most max records, control records among them, as soon as there are any, else after wait
	// (none, nil). Records of one partition come in offset order. An offset that does not exist any more is an ErrRange.
	Poll(ctx context.Context, max int, wait time.Duration) ([]Record, error)
	// Position is the offset after everything that Poll has delivered or, where the tail of the partition
	// holds nothing to deliver (compacted away), after that tail.
	Position(tp TopicPartition) int64
	Close()
}

// Writer writes under one transactional id.
type Writer interface {
	// Commit writes the records in one transaction and returns their offsets, in order. Once all are at the
	// broker, and before the transaction ends, check is called (when not nil): an error of it aborts.
	//
	// Errors: the error of check, and ErrRetry (aborted for certain: the writer goes on being usable), ErrFenced
	// (another owner has the id), ErrTopic and ErrClock (aborted for certain, and again with the same), ErrUnknown (nobody knows whether the transaction ended). After the last two the
	// writer is of no more use: close it, fence anew and read what is in the topics.
	Commit(ctx context.Context, records []Record, check func() error) ([]int64, error)
	Close()
}

// Assignment receives what a group member is given and what is taken from it.
type Assignment struct {
	Assigned func(partitions []TopicPartition)
	// Revoked must have stopped the partitions' tasks when it returns.
	Revoked func(partitions []TopicPartition)
	// Replaced is called once another process has become the member of this one's name, before Close returns at the
	// latest: this membership is over, and joining anew would take the name away from the other. It must not call Close.
	Replaced func()
}

// Member is a membership in a consumer group; Close ends it, after Revoked has been called for everything.
type Member interface{ Close() }

// Lost is an ErrRange that knows what is gone: records that were deleted before anybody was done with them.
type Lost struct{ Gaps []Gap }

// Gap is offsets from From up to and without To.
type Gap struct {
	TopicPartition
	From, To int64
}

// Error names the partitions and offsets.
func (l *Lost) Error() string {
	var b strings.Builder
	b.WriteString(ErrRange.Error())
	for _, g := range l.Gaps {
		fmt.Fprintf(&b, ": of %s/%d the offsets %d to %d are gone", g.Topic, g.Partition, g.From, g.To-1)
	}
	return b.String()
}

// Unwrap makes it an ErrRange.
func (l *Lost) Unwrap() error { return ErrRange }

// The classes of error that a Log returns, each wrapped with its context. Anything else is worth a retry after a pause.
var (
	ErrRetry   = errors.New("transaction aborted")
	ErrFenced  = errors.New("fenced by another owner")
	ErrUnknown = errors.New("outcome of the transaction unknown")
	ErrTopic   = errors.New("topic does not exist or may not be used")
	ErrRange   = errors.New("offset out of range")
	// ErrClock: the brokers do not take records of this time. The transaction is aborted for certain.
	ErrClock = errors.New("the brokers refuse the time of this machine's clock: set it, or theirs (NTP)")
	// ErrAccess: wrong password, certificate or ACL. Waiting does not help.
	ErrAccess = errors.New("access refused")
)
