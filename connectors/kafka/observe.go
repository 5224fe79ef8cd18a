package kafka

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kprom"
)

// traffic are the metrics of one Client's connections, all kgo clients together. It has kprom's hooks but those for a
// client's beginning and end: at these kprom makes and drops its metrics, so that a second client would replace what
// the first counts into.
type traffic struct {
	kgo.HookBrokerConnect
	kgo.HookBrokerDisconnect
	kgo.HookBrokerWrite
	kgo.HookBrokerRead
	kgo.HookBrokerE2E
	kgo.HookBrokerThrottle
	kgo.HookProduceBatchWritten
	kgo.HookFetchBatchRead
}

// metrics returns the hook that owns the metrics, for the client that lives longest, and the one for all others.
func metrics(r prometheus.Registerer) (owner *kprom.Metrics, others traffic) {
	m := kprom.NewMetrics("lejarat_kafka", kprom.Registerer(r))
	return m, traffic{m, m, m, m, m, m, m, m}
}
