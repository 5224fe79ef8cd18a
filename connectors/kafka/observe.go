package kafka

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

// quiet passes the library's warnings and errors on. Its everyday messages are many: two a transaction.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

// onceOnly lets several clients share one set of metrics: the first registers them.
type onceOnly struct{ prometheus.Registerer }

// Register implements prometheus.Registerer.
func (r onceOnly) Register(c prometheus.Collector) error {
	err := r.Registerer.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		return nil
	}
	return err
}

// MustRegister implements prometheus.Registerer.
func (r onceOnly) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			panic(err) // two different metrics of one name: a fault of ours
		}
	}
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
