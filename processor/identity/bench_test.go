package identity_test

import (
	"testing"

	"lejarat/processor/identity"
)

var rawAnna = [identity.Fields]string{"Kovácsné Tóth Anna", "Tóth Anna", "BUDAPEST 07", "1970-01-31", "Kiss - Nagy Éva"}

func BenchmarkNormalise(b *testing.B) {
	for _, c := range []struct {
		name string
		f    identity.Field
		text string
	}{
		{"ASCII normal already", identity.Name, "nagy anna"},
		{"Latin normal already", identity.Name, "kovács anna"},
		{"Latin", identity.Name, "KOVÁCS ANNA"},
		{"decomposed", identity.Name, "Kova\u0301cs Anna"},
		{"district", identity.BirthPlace, "Budapest VII. kerület"},
		{"date", identity.BirthDate, "1970-01-31"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				identity.Normalise(c.f, c.text, identity.Options{})
			}
		})
	}
}

func BenchmarkFingerprint(b *testing.B) {
	k := newKey(b, secret)
	b.ReportAllocs()
	for b.Loop() {
		k.Fingerprint(identity.AllFields, &anna)
	}
}

func BenchmarkFingerprintParallel(b *testing.B) {
	k := newKey(b, secret)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			k.Fingerprint(identity.AllFields, &anna)
		}
	})
}

func BenchmarkSum(b *testing.B) {
	k := newKey(b, secret)
	part := []byte("okmany.public.document/1234567")
	b.ReportAllocs()
	for b.Loop() {
		k.Sum("notice", part, part)
	}
}

func BenchmarkNormaliseAndFingerprint(b *testing.B) {
	k := newKey(b, secret)
	o := identity.Options{DropTitle: true}
	b.ReportAllocs()
	for b.Loop() {
		var h identity.Holder
		for f := range h {
			h[f] = identity.Normalise(identity.Field(f), rawAnna[f], o)
		}
		k.Fingerprint(identity.AllFields, &h)
	}
}
