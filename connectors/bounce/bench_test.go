package bounce

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"lejarat/processor/event"
)

// BenchmarkAccept is one dead address after another, each recorded before the next, on the embedded broker.
func BenchmarkAccept(b *testing.B) {
	h := openHouse(b)
	h.mails(b.N)
	texts := make([]string, b.N)
	for i := range b.N {
		h.delivery(i, event.DeliveryAccepted)
		texts[i] = h.message("postfix37_failed", i, h.tokens)
	}
	if err := h.handler.Ready(h.ctx); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for i := range b.N {
		if v, err := h.handler.Accept(h.ctx, nil, strings.NewReader(texts[i])); err != nil || v != AddressFailed {
			b.Fatal(v, err)
		}
	}
}

// BenchmarkRead reads one report.
func BenchmarkRead(b *testing.B) {
	h := house{t: b}
	tokens, _ := NewTokens("bounces@example.hu", testMAC("ours"))
	text := h.message("postfix37_failed", 1, tokens)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if rep := read(strings.NewReader(text)); len(rep.recipients) != 1 {
			b.Fatal("not read")
		}
	}
}

// BenchmarkFates takes deliveries in, and says how much memory a mail takes.
func BenchmarkFates(b *testing.B) {
	f := newFates(nil, "deliveries", "suppressions", 0)
	value := []byte(`{"id":"00000000000000000000000000000001","status":"accepted","attempts":1,"smtp_code":250,"enhanced_code":"2.0.0","queue_id":"4WxYz12abc","relay":"127.0.0.1:25","reason":null,"at":"2026-02-28T07:00:00.000Z"}`)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const hex = "0123456789abcdef"
	key, n := []byte(strings.Repeat("0", 32)), uint64(0)
	var id [8]byte
	for b.Loop() {
		n++
		binary.BigEndian.PutUint64(id[:], n*0x9e3779b97f4a7c15)
		for i, c := range id {
			key[2*i], key[2*i+1] = hex[c>>4], hex[c&15]
		}
		f.delivery(&event.Record{Topic: "deliveries", Key: key, Value: value, Offset: int64(n)})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(f.mails)), "bytes/mail")
}
