// Package kafka is lejarat's edge to Apache Kafka, and to the embedded broker: reading without groups, writing under
// fenced transactional ids, memberships for the sake of their assignment, topics. It is the only importer of franz-go.
//
// Each reader, writer and member has connections of its own (0.4 MB, two goroutines), so that none waits for another.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/processor/event"
)

// Client is a connection to the brokers. It is safe for concurrent use.
type Client struct {
	o    Options
	opts []kgo.Opt // common to the kgo clients that readers, writers and members have
	base *kgo.Client
	adm  *kadm.Client
	rest *kgo.Client // for Produce
}

var _ event.Log = (*Client)(nil)

// Open reaches the brokers. Its errors say which address, and what to look at; event.ErrAccess is a wrong password or
// certificate.
func Open(ctx context.Context, o Options) (*Client, error) {
	o.setDefaults()
	if len(o.Brokers) == 0 {
		return nil, errors.New("no address of a broker (kafka.brokers)")
	}
	opts, err := o.common()
	if err != nil {
		return nil, err
	}
	c := &Client{o: o, opts: opts}
	first := opts
	if o.Registerer != nil {
		owner, others := metrics(o.Registerer)
		first = append(opts[:len(opts):len(opts)], kgo.WithHooks(owner))
		c.opts = append(opts[:len(opts):len(opts)], kgo.WithHooks(others))
	}
	if c.base, err = kgo.NewClient(first...); err != nil {
		return nil, fmt.Errorf("making a Kafka client: %w", err)
	}
	reach, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := c.base.Ping(reach); err != nil {
		c.base.Close()
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: the other side hung up; check the port, kafka.tls and kafka.sasl", err)
		}
		return nil, fmt.Errorf("reaching the brokers %s (kafka.brokers): %w", strings.Join(o.Brokers, ", "), classify(err))
	}
	c.adm = kadm.NewClient(c.base)
	if c.rest, err = kgo.NewClient(c.writing()...); err != nil {
		c.base.Close()
		return nil, fmt.Errorf("making a Kafka producer: %w", err)
	}
	return c, nil
}

// Close ends the connections. Readers, writers and members must be closed before.
func (c *Client) Close() {
	c.rest.Close()
	c.base.Close()
}

// writing are the options of everything that produces.
func (c *Client) writing() []kgo.Opt {
	return append(c.opts[:len(c.opts):len(c.opts)],
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(partitioner{}),
		kgo.ProducerBatchMaxBytes(c.o.BatchBytes), kgo.MaxBufferedRecords(c.o.BufferedRecords), kgo.ProducerLinger(c.o.Linger),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()))
}

// reading are the options of everything that fetches.
func (c *Client) reading() []kgo.Opt {
	return append(c.opts[:len(c.opts):len(c.opts)],
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxBytes(c.o.FetchBytes),
		kgo.FetchMaxPartitionBytes(c.o.FetchPartitionBytes), kgo.FetchMaxWait(fetchWait))
}

// partitioner puts a record where it asks to be, and by the hash of its key, as Kafka's own clients do, where it asks for nothing.
type partitioner struct{}

// ForTopic implements kgo.Partitioner.
func (partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPartitioner{kgo.StickyKeyPartitioner(nil).ForTopic(topic)}
}

type topicPartitioner struct{ hash kgo.TopicPartitioner }

// RequiresConsistency implements kgo.TopicPartitioner: the partition never depends on which ones are available.
func (topicPartitioner) RequiresConsistency(*kgo.Record) bool { return true }

// Partition implements kgo.TopicPartitioner.
func (p topicPartitioner) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 {
		return int(r.Partition)
	}
	return p.hash.Partition(r, n)
}
