package journal

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lejarat/processor/event"
	"lejarat/processor/identity"
)

func genRef(t *rapid.T, label string) (r Ref) {
	if rapid.Bool().Draw(t, label+" set") {
		copy(r[:], rapid.SliceOfN(rapid.Byte(), len(r), len(r)).Draw(t, label))
	}
	return r
}

func genMeta(t *rapid.T) Meta {
	return Meta{Partition: rapid.Int32Min(0).Draw(t, "partition"), Offset: rapid.Int64Min(0).Draw(t, "offset"), Order: rapid.Uint64().Draw(t, "order"),
		Committed: rapid.Int64().Draw(t, "committed"), Content: rapid.Uint64().Draw(t, "content"), Facts: rapid.Uint64().Draw(t, "facts"),
		Effective: rapid.OneOf(rapid.Just(SinceBefore), rapid.Int64()).Draw(t, "effective"), Moved: rapid.Int64().Draw(t, "moved"),
		Deleted: rapid.Bool().Draw(t, "deleted"), On: rapid.Bool().Draw(t, "on"), Address: genRef(t, "address")}
}

func genValue(t *rapid.T) (Value, []byte) {
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 0:
		kind := rapid.OneOf(rapid.SampledFrom(shortTypes), rapid.String())
		d := &Document{Meta: genMeta(t), Type: kind.Draw(t, "type"), Ref: genRef(t, "ref"), Masked: rapid.StringMatching(`\**.*`).Draw(t, "masked"),
			Valid: rapid.Bool().Draw(t, "valid"), Expires: event.Date(rapid.Int32().Draw(t, "expires")), Holder: genRef(t, "holder")}
		return Value{Document: d}, d.Append(nil)
	case 1:
		g := &Registration{Meta: genMeta(t), Ref: genRef(t, "ref"), Announce: rapid.Bool().Draw(t, "announce"), Email: rapid.String().Draw(t, "email"),
			Name: rapid.String().Draw(t, "name"), Language: rapid.String().Draw(t, "language")}
		return Value{Registration: g}, g.Append(nil)
	}
	h := &HoldMark{Meta: genMeta(t), Reason: HoldReason(rapid.Byte().Draw(t, "reason")), Type: rapid.String().Draw(t, "type")}
	return Value{Hold: h}, h.Append(nil)
}

// TestValuesReadBack: what is written is what is read, and nothing shorter or longer is taken for it.
func TestValuesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, b := genValue(t)
		got, err := DecodeValue(b)
		if err != nil || !gocmp.Equal(got, v) {
			t.Fatalf("%v: %s", err, gocmp.Diff(v, got))
		}
		if _, err := DecodeValue(b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")]); err == nil {
			t.Fatal("a cut value was read")
		}
		if _, err := DecodeValue(append(b, 0)); err == nil {
			t.Fatal("a value with a tail was read")
		}
		m, err := DecodeMeta(EncodeMeta(got.Meta()))
		if err != nil || m != *v.Meta() {
			t.Fatalf("meta: %v: %s", err, gocmp.Diff(*v.Meta(), m))
		}
	})
}

// TestForms: what stands in topics and stores, byte for byte, is what FORMAT.md says, and a document of an earlier version is read.
func TestForms(t *testing.T) {
	meta := Meta{Partition: 1, Offset: 2, Order: 3, Committed: -1, Content: 4, Facts: 5, Effective: SinceBefore, Moved: -2}
	bytesOfMeta := "\x01\x02\x03\x01\x04\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00"
	ref := Ref{15: 7}
	bytesOfRef := string(ref[:])
	for _, c := range []struct {
		kind, masked string
		now, earlier string // behind the meta
	}{
		{"identity_card", "******1AB", "\x01" + bytesOfRef + "\x06\x031AB", "\x0didentity_card" + bytesOfRef + "\x09******1AB"},
		{"vehicle_inspection", "", "\x04" + bytesOfRef + "\x00\x00", "\x12vehicle_inspection" + bytesOfRef + "\x00"},
		{"permit", "1*", "\x00\x06permit" + bytesOfRef + "\x00\x021*", "\x06permit" + bytesOfRef + "\x021*"},
	} {
		d := Document{Meta: meta, Type: c.kind, Ref: ref, Masked: c.masked, Valid: true, Expires: -3}
		if got, want := string(d.Append(nil)), "\x05"+bytesOfMeta+c.now+"\x01\x05"; got != want {
			t.Errorf("%s: %x, want %x", c.kind, got, want)
		}
		if v, err := DecodeValue([]byte("\x01" + bytesOfMeta + c.earlier + "\x01\x05")); err != nil || !gocmp.Equal(v, Value{Document: &d}) {
			t.Errorf("%s of an earlier version: %v: %s", c.kind, err, gocmp.Diff(Value{Document: &d}, v))
		}
	}
	bad := "\x05" + bytesOfMeta + "\x05" + bytesOfRef + "\x00\x00\x01\x05"
	if v, err := DecodeValue([]byte(bad)); err == nil {
		t.Errorf("a type that nobody knows is %q", v.Document.Type)
	}
	stars := "\x05" + bytesOfMeta + "\x01" + bytesOfRef + "\xff\xff\xff\xff\x0f\x00\x01\x05"
	if _, err := DecodeValue([]byte(stars)); err == nil {
		t.Error("a number of four billion hidden characters was read")
	}
}

func TestWatermarksReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(label string) int64 { return rapid.Int64().Draw(t, label) }
		w := Watermark{Next: n("next"), Snapshot: n("snapshot"), SnapshotEnded: n("ended"), Committed: n("committed"), Heartbeat: n("heartbeat"),
			Delayed: n("delayed"), Held: SourceHold(rapid.Byte().Draw(t, "held")), HeldAt: n("held at"), Complete: n("complete"),
			From: n("from"), Lost: n("lost"), Swept: n("swept"), LostBy: SourceHold(rapid.Byte().Draw(t, "lost by"))}
		if got, err := DecodeWatermark(w.Encode()); err != nil || got != w {
			t.Fatalf("%v: %s", err, gocmp.Diff(w, got))
		}
	})
}

// TestOldWatermarks: those of a journal that an earlier version wrote end after the hold.
func TestOldWatermarks(t *testing.T) {
	old := func(held SourceHold) []byte {
		b := []byte{valueWatermark}
		for _, v := range []int64{7, 6, 5, 4, 3, 2, 1} {
			b = binary.AppendVarint(b, v)
		}
		return append(b, byte(held))
	}
	for held, want := range map[SourceHold]Watermark{
		SourceRuns: {}, SourceRejects: {Held: SourceRejects}, SourceGap: {Lost: 1, LostBy: SourceGap},
		SourceTruncate: {Lost: 1, LostBy: SourceTruncate}, sourceNewSnapshot: {Lost: 1, LostBy: SourceGap},
	} {
		want.Next, want.Snapshot, want.SnapshotEnded, want.Committed, want.Heartbeat, want.Delayed, want.HeldAt = 7, 6, 5, 4, 3, 2, 1
		if got, err := DecodeWatermark(old(held)); err != nil || got != want {
			t.Errorf("%d: %v: %s", held, err, gocmp.Diff(want, got))
		}
	}
}

func genKey(t *rapid.T, label string) RowKey {
	// Few values of each part, so that equal heads are common.
	return RowKey{Fingerprint: Fingerprint{15: rapid.ByteMax(2).Draw(t, label+" fingerprint")}, List: identity.List(rapid.ByteMax(2).Draw(t, label+" list")),
		Kind: Kind(rapid.ByteMax(1).Draw(t, label+" kind")), Source: rapid.Uint32Max(300).Draw(t, label+" source"), Row: rapid.String().Draw(t, label+" row")}
}

// TestRowKeysKeepTheirOrder: keys read back, and sort by fingerprint, list, kind, source and row: all rows of an identity
// stand together.
func TestRowKeysKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genKey(t, "a"), genKey(t, "b")
		if got, err := ParseKey(a.Encode()); err != nil || got != (Key{Row: a}) {
			t.Fatalf("%v: %+v", err, got)
		}
		want := cmp.Or(bytes.Compare(a.Fingerprint[:], b.Fingerprint[:]), cmp.Compare(a.List, b.List), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Source, b.Source), cmp.Compare(a.Row, b.Row))
		if got := bytes.Compare(a.Encode(), b.Encode()); got != want {
			t.Fatalf("keys compare %d, parts %d", got, want)
		}
	})
}

// TestKeysOfEachKind: the kinds of key are told apart, whatever their parts.
func TestKeysOfEachKind(t *testing.T) {
	if k, err := ParseKey(ControlKey()); err != nil || !k.Control {
		t.Errorf("control key: %+v, %v", k, err)
	}
	want := Key{Watermark: true, Source: 0x02000000, Partition: 7}
	if k, err := ParseKey(WatermarkKey(want.Source, want.Partition)); err != nil || k != want {
		t.Errorf("watermark key: %+v, %v", k, err)
	}
	for _, b := range [][]byte{nil, {}, {0, 0}, {1}, {2}, {3}, make([]byte, 9)} {
		if k, err := ParseKey(b); err == nil {
			t.Errorf("%x was read as %+v", b, k)
		}
	}
}

// TestPartitionsStayInRange: one identity is always in one partition.
func TestPartitionsStayInRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fp := Fingerprint(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "fingerprint"))
		n := rapid.Int32Range(1, 1000).Draw(t, "partitions")
		if p := Partition(&fp, n); p < 0 || p >= n {
			t.Fatalf("partition %d of %d", p, n)
		}
	})
}

func FuzzDecode(f *testing.F) {
	d := Document{Type: "passport", Meta: Meta{Effective: SinceBefore}}
	old := []byte("\x01\x00\x00\x00\x000123456701234567\x00\x00\x00\x08passport0123456789abcdef\x03**1\x01\x02")
	w := Watermark{Next: 5}
	k := RowKey{Row: "1"}
	for _, b := range [][]byte{old, d.Append(nil), (&Registration{Email: "a@b"}).Append(nil), (&HoldMark{Reason: HoldRejected}).Append(nil), w.Encode(), k.Encode()} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeValue(b)
		checkHead(t, b, &v, err)
		checkGlance(t, b, &v, err)
		if err == nil {
			again, err := DecodeValue(encode(&v))
			if err != nil || !gocmp.Equal(v, again) {
				t.Fatalf("value: %v: %s", err, gocmp.Diff(v, again))
			}
		}
		if w, err := DecodeWatermark(b); err == nil {
			if again, err := DecodeWatermark(w.Encode()); err != nil || again != w {
				t.Fatalf("watermark: %v: %+v", err, again)
			}
		}
		if k, err := ParseKey(b); err == nil && !k.Control && !k.Watermark && !bytes.Equal(k.Row.Encode(), b) {
			t.Fatalf("key %x became %x", b, k.Row.Encode())
		}
	})
}

// checkHead: the head of a value is read where the value is, and says the same.
func checkHead(t *testing.T, b []byte, v *Value, err error) {
	t.Helper()
	h, headErr := DecodeHead(append([]byte{}, b...), nil)
	if (headErr == nil) != (err == nil) {
		t.Fatalf("value: %v, its head: %v", err, headErr)
	}
	if err != nil {
		return
	}
	want := Head{Meta: *v.Meta()}
	if v.Hold != nil {
		want.Hold = v.Hold.Reason
	}
	if h != want {
		t.Fatal(gocmp.Diff(want, h))
	}
}

// checkGlance: a glance says what the value says, but for its texts, whatever was looked at before.
func checkGlance(t *testing.T, b []byte, v *Value, err error) {
	t.Helper()
	g := NewGlance()
	if _, err := g.Decode((&Registration{Meta: Meta{On: true, Address: Ref{1}}, Announce: true, Email: "a@b"}).Append(nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Decode((&Document{Type: "passport", Valid: true, Holder: Ref{1}, Masked: "**1"}).Append(nil)); err != nil {
		t.Fatal(err)
	}
	seen, glanceErr := g.Decode(b)
	if (glanceErr == nil) != (err == nil) {
		t.Fatalf("value: %v, at a glance: %v", err, glanceErr)
	}
	if err != nil {
		return
	}
	want := *v
	switch {
	case v.Document != nil:
		d := *v.Document
		d.Masked, want.Document = "", &d
	case v.Registration != nil:
		r := *v.Registration
		r.Email, r.Name, r.Language, want.Registration = "", "", "", &r
	default:
		h := *v.Hold
		h.Type, want.Hold = "", &h
	}
	if !gocmp.Equal(want, seen) {
		t.Fatal(gocmp.Diff(want, seen))
	}
}

func encode(v *Value) []byte {
	switch {
	case v.Document != nil:
		return v.Document.Append(nil)
	case v.Registration != nil:
		return v.Registration.Append(nil)
	}
	return v.Hold.Append(nil)
}
