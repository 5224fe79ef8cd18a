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

// BenchmarkLetter is the part of it that makes the mail: the first one of its kind, those after it, and those that are
// signed.
func BenchmarkLetter(b *testing.B) {
	ring := newKeyring(b)
	modern, old := ring.add(b, "example.hu", "modern", ed25519Key()), ring.add(b, "example.hu", "old", rsaKey())
	for _, c := range []struct {
		name   string
		before func(*composer)
		keys   []DKIMKey
	}{
		{"first", func(c *composer) { clear(c.letters.known) }, nil},
		{"next", func(*composer) {}, nil},
		{"ed25519", func(*composer) {}, []DKIMKey{modern}},
		{"rsa", func(*composer) {}, []DKIMKey{old}},
	} {
		b.Run(c.name, func(b *testing.B) {
			o := sampleOptions()
			o.DKIM = c.keys
			composer := mustComposer(b, o)
			m := sampleMail(1)
			b.ReportAllocs()
			for b.Loop() {
				c.before(composer)
				if _, err := composer.compose(m, testNow); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
