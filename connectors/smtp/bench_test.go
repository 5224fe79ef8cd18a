package smtp

import (
	"testing"
	"time"
)

// BenchmarkSend is the whole way of a mail on loopback: queue, letter, relay (go-smtp), delivery, commit.
func BenchmarkSend(b *testing.B) {
	backend := &sink{}
	bed := newBench(b, startSink(b, backend, nil, false))
	bed.options.Relays[0].CommandTimeout, bed.options.Relays[0].DataTimeout, bed.options.Retry.Budget = time.Minute, time.Minute, time.Minute
	bed.options.Observer, bed.options.Limits.Freshness = nil, 0
	for n := range b.N {
		bed.queue(sampleMail(n))
	}
	b.ResetTimer()
	s := bed.mustRun(b)
	if s.Accepted != int64(b.N) {
		b.Fatalf("%+v", s)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}
