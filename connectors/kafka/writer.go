package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/processor/event"
)

// Writer implements event.Writer: a client of its own, under one transactional id.
type Writer struct {
	id   string
	cl   *kgo.Client
	dead error // set once the outcome of a transaction is not clear, or the id belongs to somebody else
}

// Fence implements event.Log. InitProducerID has been answered when it returns.
//
// Two transactions of one id need some 30 ms between them: one begun right after the last waits longer inside the broker.
func (c *Client) Fence(ctx context.Context, id string) (event.Writer, error) {
	cl, err := kgo.NewClient(append(c.writing(), kgo.TransactionalID(id), kgo.TransactionTimeout(c.o.TransactionTimeout),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordDeliveryTimeout(deliveryTimeout))...)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka writer: %w", err)
	}
	if _, _, err := cl.ProducerID(ctx); err != nil {
		cl.Close()
		return nil, fmt.Errorf("taking over transactional id %s: %w", id, classify(err))
	}
	return &Writer{id: id, cl: cl}, nil
}

const (
	// deliveryTimeout bounds how long a transaction waits for brokers that do not answer.
	deliveryTimeout = 60 * time.Second
	// endTimeout bounds ending a transaction whose caller has gone.
	endTimeout = 10 * time.Second
)

// Commit implements event.Writer.
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
	offsets, err := w.produce(ctx, records)
	if err != nil {
		w.abort(ctx)
		return nil, w.die("writing", err)
	}
	if check != nil {
		if err := check(); err != nil {
			if abortErr := w.abort(ctx); abortErr != nil {
				return nil, errors.Join(err, w.die("aborting", abortErr))
			}
			return nil, err
		}
	}
	// From here on the answer matters even if the caller goes away.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := w.cl.EndTransaction(end, kgo.TryCommit); err != nil {
		return nil, w.die("committing", err)
	}
	return offsets, nil
}

// produce writes all records and returns their offsets.
func (w *Writer) produce(ctx context.Context, records []event.Record) ([]int64, error) {
	offsets := make([]int64, len(records))
	var mu sync.Mutex
	var first error
	for i := range records {
		w.cl.Produce(ctx, toKafka(&records[i]), func(k *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			offsets[i] = k.Offset
			if err != nil && first == nil {
				first = produceError(k, err)
			}
		})
	}
	err := w.cl.Flush(ctx)
	mu.Lock()
	defer mu.Unlock()
	return offsets, errors.Join(first, err)
}

func produceError(k *kgo.Record, err error) error {
	if is(err, kerr.MessageTooLarge) {
		return fmt.Errorf("writing to %s: a record of %d bytes is larger than the topic allows (max.message.bytes): %w", k.Topic, len(k.Value), err)
	}
	return fmt.Errorf("writing to %s: %w", k.Topic, err)
}

func toKafka(r *event.Record) *kgo.Record {
	k := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return k
}

func (w *Writer) abort(ctx context.Context) error {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := w.cl.AbortBufferedRecords(end); err != nil {
		return err
	}
	return w.cl.EndTransaction(end, kgo.TryAbort)
}

// die makes the writer useless: whoever goes on must fence anew and read what is in the topics. The library would
// recover by itself from some of these errors, and so take an id back that may belong to another owner by now.
func (w *Writer) die(doing string, err error) error {
	err = fmt.Errorf("%s the transaction of %s: %w", doing, w.id, classify(err))
	if !errors.Is(err, event.ErrFenced) && !errors.Is(err, event.ErrAccess) && !errors.Is(err, event.ErrTopic) {
		err = fmt.Errorf("%w: %w", err, event.ErrUnknown)
	}
	w.dead = err
	return err
}

// Close implements event.Writer.
func (w *Writer) Close() { w.cl.Close() }

// Produce writes records outside any transaction, idempotently, and returns when all are at all in-sync replicas.
func (c *Client) Produce(ctx context.Context, records []event.Record) error {
	ks := make([]*kgo.Record, len(records))
	for i := range records {
		ks[i] = toKafka(&records[i])
	}
	for _, res := range c.rest.ProduceSync(ctx, ks...) {
		if res.Err != nil {
			return classify(produceError(res.Record, res.Err))
		}
	}
	return nil
}
