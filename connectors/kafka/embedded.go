package kafka

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// EmbeddedOptions say how the embedded broker listens.
type EmbeddedOptions struct {
	Ports []int // of 127.0.0.1, one broker each, 0 being any free one; none is one broker on a free port
	// Listen listens at an address; nil: on TCP. Tests have a network of their own.
	Listen func(network, address string) (net.Listener, error)
}

// Embedded is a Kafka broker inside this process, in memory, for the demo and for tests. It forgets everything when it
// ends, and ends transactions faster than a real one: what is tested here must be tested on Apache Kafka too.
type Embedded struct{ cluster *kfake.Cluster }

// embeddedLeastSession lets tests lose members quickly.
const embeddedLeastSession = 500 * time.Millisecond

// StartEmbedded starts the broker, under a cluster id of its own.
func StartEmbedded(o EmbeddedOptions) (*Embedded, error) {
	opts := []kfake.Opt{kfake.NumBrokers(max(1, len(o.Ports))), kfake.ClusterID(rand.Text()), kfake.GroupMinSessionTimeout(embeddedLeastSession)}
	if len(o.Ports) > 0 {
		opts = append(opts, kfake.Ports(o.Ports...))
	}
	if o.Listen != nil {
		opts = append(opts, kfake.ListenFn(o.Listen))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded broker: %w", err)
	}
	return &Embedded{cluster: cluster}, nil
}

// Brokers are the addresses to connect to.
func (e *Embedded) Brokers() []string { return e.cluster.ListenAddrs() }

// Close ends the broker.
func (e *Embedded) Close() { e.cluster.Close() }

// EmbeddedSpecs turns topics into what the embedded broker can keep: it drops committed records of compacted topics, and
// retention would take away what nobody has read. There is one copy of everything.
func EmbeddedSpecs(specs []TopicSpec) []TopicSpec {
	out := make([]TopicSpec, len(specs))
	for i, s := range specs {
		s.Replication = 1
		configs := maps.Clone(s.Configs)
		maps.DeleteFunc(configs, func(k, _ string) bool {
			return k == "delete.retention.ms" || k == "min.insync.replicas" || strings.Contains(k, "compaction") || strings.HasPrefix(k, "min.cleanable.")
		})
		if configs == nil {
			configs = map[string]string{}
		}
		configs["cleanup.policy"], configs["retention.ms"], configs["retention.bytes"] = "delete", "-1", "-1"
		s.Configs = configs
		out[i] = s
	}
	return out
}
