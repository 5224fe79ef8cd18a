package letter

import "testing"

// BenchmarkCompose makes a mail: the first one of its kind, those after it, and those that are signed.
func BenchmarkCompose(b *testing.B) {
	ring := newKeyring(b)
	modern, old := ring.add(b, "example.hu", "modern", ed25519Key()), ring.add(b, "example.hu", "old", rsaKey())
	for _, c := range []struct {
		name   string
		before func(*Composer)
		keys   []DKIMKey
	}{
		{"first", func(c *Composer) { clear(c.letters.known) }, nil},
		{"next", func(*Composer) {}, nil},
		{"ed25519", func(*Composer) {}, []DKIMKey{modern}},
		{"rsa", func(*Composer) {}, []DKIMKey{old}},
	} {
		b.Run(c.name, func(b *testing.B) {
			o := sampleOptions()
			o.DKIM = c.keys
			composer := mustComposer(b, o)
			m := sampleMail(1)
			b.ReportAllocs()
			for b.Loop() {
				c.before(composer)
				if _, err := composer.Compose(nil, m, testNow); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
