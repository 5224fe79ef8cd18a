package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lejarat/processor/event"
)

// endTimeout bounds ending a transaction, also when its caller has gone.
const endTimeout = 10 * time.Second

// errReinitialised says that the library took the id again by itself, after Fence had returned.
var errReinitialised = errors.New("the transactional id was initialised again")

// errNotEntered says that the library would abort instead of commit; see Writer.entered.
var errNotEntered = errors.New("the client has not entered the topic into its tables")

// Writer implements event.Writer: a client of its own, under one transactional id. It is for one goroutine.
type Writer struct {
	id       string
	cl       *kgo.Client
	timeout  time.Duration // of a transaction
	inits    *initCounter
	fenced   int64           // what inits said when Fence returned
	leader   partitionLeader // cl's
	known    map[string]bool // topics that the library has entered into its tables
	patience time.Duration   // for ending a transaction
	dead     error           // set once the writer is of no more use
}

// partitionLeader is kgo.Client.PartitionLeader: -1 for a partition that is not in the library's tables.
type partitionLeader func(topic string, partition int32) (leader, epoch int32, err error)

var _ event.Writer = (*Writer)(nil)

// Fence implements event.Log. InitProducerID has been answered when it returns.
//
// Two transactions of one id need some 30 ms between them: one begun right after the last waits longer inside the broker.
// That pause is the caller's to make.
func (c *Client) Fence(ctx context.Context, id string) (event.Writer, error) {
	w := &Writer{id: id, timeout: c.o.TransactionTimeout, inits: new(initCounter), known: map[string]bool{}, patience: endTimeout}
	var err error
	w.cl, err = kgo.NewClient(append(c.writing(), kgo.TransactionalID(id), kgo.TransactionTimeout(w.timeout), kgo.WithHooks(w.inits))...)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka writer: %w", err)
	}
	if _, _, err := w.cl.ProducerID(ctx); err != nil {
		w.cl.Close()
		return nil, fmt.Errorf("taking over transactional id %s: %w", id, classify(err))
	}
	w.fenced, w.leader = w.inits.n.Load(), w.cl.PartitionLeader
	return w, nil
}

// Commit implements event.Writer. The whole transaction has the transaction timeout to get to the brokers: after it they
// abort it anyway.
//
// Beside event's classes: an event.ErrTopic, an event.ErrClock, or a record that the brokers refuse for its size or form, aborts for certain
// and leaves the writer usable; the same records will be refused again. event.ErrFenced may also mean that the transaction
// outlived its timeout: brokers give the same answer. Where the answer came to the commit itself, the error is
// event.ErrUnknown as well: the library may have asked twice, and the first answer been lost.
func (w *Writer) Commit(ctx context.Context, records []event.Record, check func() error) ([]int64, error) {
	if len(records) == 0 {
		return nil, nil
	}
	if w.dead != nil {
		return nil, w.dead
	}
	if err := w.cl.BeginTransaction(); err != nil {
		return nil, w.die("beginning", err)
	}
	written, err := w.produce(ctx, records)
	if err != nil {
		return nil, w.refused(ctx, err)
	}
	if err := w.entered(ctx, written); err != nil {
		return nil, w.die("committing", err)
	}
	if check != nil {
		if err := check(); err != nil {
			if abortErr := w.abort(ctx); abortErr != nil {
				return nil, fmt.Errorf("%w; %w", err, w.die("aborting", abortErr))
			}
			return nil, err
		}
	}
	if w.reinitialised() {
		return nil, w.die("committing", errReinitialised)
	}
	// From here on the answer matters even if the caller goes away.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.patience)
	defer cancel()
	if err := w.cl.EndTransaction(end, kgo.TryCommit); err != nil {
		if err = w.die("committing", err); !errors.Is(err, event.ErrUnknown) {
			w.dead = fmt.Errorf("%w: %w", err, event.ErrUnknown)
		}
		return nil, w.dead
	}
	offsets := make([]int64, len(written))
	for i := range written {
		offsets[i] = written[i].Offset
	}
	return offsets, nil
}

// entered waits until the library has the topics of what was written in its tables. It enters a topic that it writes to for the
// first time only after it has sent what waited for it (storePartitionsUpdate), so the brokers' acknowledgement can come
// first; ending the transaction then finds no partition in the tables that was written to, aborts, and returns nil.
func (w *Writer) entered(ctx context.Context, written []kgo.Record) error {
	ctx, cancel := context.WithTimeout(ctx, w.patience)
	defer cancel()
	for i := range written {
		topic := written[i].Topic
		for !w.known[topic] {
			if leader, _, _ := w.leader(topic, written[i].Partition); leader >= 0 { // its error is of the newest metadata
				w.known[topic] = true
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%w: %s", errNotEntered, topic)
			case <-time.After(time.Millisecond):
			}
		}
	}
	return nil
}

// produce writes all records and returns them with their partitions and offsets. On an error records may still be on their way.
func (w *Writer) produce(ctx context.Context, records []event.Record) ([]kgo.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	out := make([]kgo.Record, len(records))
	var mu sync.Mutex
	var first error
	done := func(k *kgo.Record, err error) {
		if err == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = produceError(k, err)
		}
	}
	now := time.Now()
	for i := range records {
		toKafka(&out[i], &records[i])
		out[i].Timestamp = now // else the library asks for each
		w.cl.Produce(ctx, &out[i], done)
	}
	if err := w.cl.Flush(ctx); err != nil {
		return nil, fmt.Errorf("waiting for the brokers: %w", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if first != nil {
		return nil, first
	}
	return out, nil
}

// refused ends a transaction that could not be written, and says what that leaves.
func (w *Writer) refused(ctx context.Context, err error) error {
	class := classify(err)
	// Whom the id was taken from, or who may not use it, has nothing to abort; an id that nobody used for a week is
	// forgotten, and every further transaction of it would be refused. Where the time ran out, records are still on
	// their way, and nothing may be begun behind them.
	if errors.Is(class, event.ErrFenced) || errors.Is(class, event.ErrAccess) || is(err, kerr.InvalidProducerIDMapping, kerr.UnknownProducerID) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return w.die("writing", err)
	}
	if abortErr := w.abort(ctx); abortErr != nil {
		return w.die("aborting", fmt.Errorf("%w, after %w", abortErr, err))
	}
	if errors.Is(class, event.ErrTopic) || errors.Is(class, event.ErrClock) || is(err, kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord) {
		return fmt.Errorf("transaction of %s aborted: %w", w.id, class)
	}
	return fmt.Errorf("transaction of %s: %w: %w", w.id, event.ErrRetry, class)
}

// abort returns nil when the transaction is aborted for certain and the writer as good as before.
func (w *Writer) abort(ctx context.Context) error {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.patience)
	defer cancel()
	if err := w.cl.AbortBufferedRecords(end); err != nil {
		return err
	}
	if err := w.cl.EndTransaction(end, kgo.TryAbort); err != nil {
		return err
	}
	// Where the library is to take the id anew, it does so now instead of in the next transaction.
	if _, _, err := w.cl.ProducerID(end); err != nil {
		return err
	}
	if w.reinitialised() {
		return errReinitialised
	}
	return nil
}

// reinitialised says whether the library has sent InitProducerID since Fence. It does so to recover from some errors. A
// broker refuses that to an owner that was fenced meanwhile, but the embedded one does not: A freezes, B fences and
// commits, A wakes, meets an error, takes the id back without having read what B wrote, and writes it again.
func (w *Writer) reinitialised() bool { return w.inits.n.Load() != w.fenced }

// die makes the writer useless: whoever goes on must fence anew and read what is in the topics.
func (w *Writer) die(doing string, err error) error {
	err = fmt.Errorf("%s the transaction of %s: %w", doing, w.id, classify(err))
	if !errors.Is(err, event.ErrFenced) && !errors.Is(err, event.ErrAccess) {
		err = fmt.Errorf("%w: %w", err, event.ErrUnknown)
	}
	w.dead = err
	return err
}

// Close implements event.Writer. What is open is aborted by the brokers: at the next Fence, or after the transaction timeout.
func (w *Writer) Close() { w.cl.Close() }

// initCounter counts the requests for a producer id.
type initCounter struct{ n atomic.Int64 }

// OnBrokerWrite implements kgo.HookBrokerWrite.
func (c *initCounter) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, _ error) {
	if key == kmsg.InitProducerID.Int16() {
		c.n.Add(1)
	}
}
