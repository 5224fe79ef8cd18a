package debezium

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"lejarat/processor/event"
)

func TestTexts(t *testing.T) {
	for _, c := range []struct {
		json  string
		state event.ValueState
		want  string
	}{
		{`"Kovács"`, event.Present, "Kovács"},
		{`"NK01  "`, event.Present, "NK01"},
		{`"  NK 01 "`, event.Present, "  NK 01"},
		{`"tab\t"`, event.Present, "tab\t"},
		{`"   "`, event.Present, ""},
		{`""`, event.Present, ""},
		{`"a\"b\\c\/d\b\f\n\r"`, event.Present, "a\"b\\c/d\b\f\n\r"},
		{`"\u0151\u0171 \ud83d\ude00"`, event.Present, "őű 😀"},
		{`"\u0000"`, event.Present, "\x00"},
		{`"half \ud83d"`, event.Unreadable, ""},
		{`"half \ud83d and more text"`, event.Unreadable, ""},
		{`"half \ude00"`, event.Unreadable, ""},
		{`"twice \ud83d\ud83d"`, event.Unreadable, ""},
		{"\"bad \xff\"", event.Unreadable, ""},
		{"\"bad \xff \\n\"", event.Unreadable, ""},
		{`12`, event.Present, "12"},
		{`-1.50e3`, event.Present, "-1.50e3"},
		{`true`, event.Present, "true"},
		{`false`, event.Present, "false"},
		{`null`, event.Null, ""},
		{`{"scale":2,"value":"JRw="}`, event.Present, "95.00"},
		{`{"value":"JRw=","scale":2}`, event.Present, "95.00"},
		{`{"scale":2,"value":"JRw=","more":1}`, event.Unreadable, ""},
		{`{"scale":2.5,"value":"JRw="}`, event.Unreadable, ""},
		{`{"scale":1000000000,"value":"JRw="}`, event.Unreadable, ""},
		{`{"scale":2,"value":"not base64!"}`, event.Unreadable, ""},
		{`{"scale":2,"value":""}`, event.Unreadable, ""},
		{`{"a":"b"}`, event.Unreadable, ""},
		{`{}`, event.Unreadable, ""},
		{`["a"]`, event.Unreadable, ""},
		{`"__debezium_unavailable_value"`, event.Unavailable, ""},
		{`"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="`, event.Unavailable, ""},
	} {
		v := one(t, event.Column{}, c.json)
		if v.State != c.state || v.Text != c.want || (v.Reason != "") != (c.state == event.Unreadable) {
			t.Errorf("%s: got %+v, want state %d, %q", c.json, v, c.state, c.want)
		}
	}
	if got := base64.StdEncoding.EncodeToString([]byte(unavailable)); got != unavailableBinary {
		t.Errorf("the binary placeholder is %s", got)
	}
}

func TestDecimals(t *testing.T) {
	for _, c := range []struct {
		base64 string
		scale  int
		want   string
	}{
		{"AA==", 2, "0.00"},
		{"AA==", 0, "0"},
		{"AA==", -3, "0"},
		{"AQ==", 0, "1"},
		{"AQ==", 3, "0.001"},
		{"AQ==", -3, "1000"},
		{"/w==", 2, "-0.01"},
		{"JRw=", 2, "95.00"},
		{"JRw=", 4, "0.9500"},
		{"JRw=", 3, "9.500"},
		{"gAAAAAAAAAA=", 0, "-9223372036854775808"},
		{"f/////////8=", 0, "9223372036854775807"},
		{"AIAAAAAAAAAA", 1, "922337203685477580.8"},
		{"/3////////////8=", 0, "-604462909807314587353089"},
	} {
		d := newDecimals()
		got, ok := d.appendBase64([]byte("x"), cell{raw: []byte(`"` + c.base64 + `"`)}, c.scale)
		if !ok || string(got) != "x"+c.want {
			t.Errorf("%s scale %d: got %q, %t, want %s", c.base64, c.scale, got, ok, c.want)
		}
	}
	d := newDecimals()
	big := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x7f", MaxDecimalBytes)))
	if _, ok := d.appendBase64(nil, cell{raw: []byte(`"` + big + `"`)}, 0); !ok {
		t.Error("a decimal of the greatest size is refused")
	}
	big = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x7f", MaxDecimalBytes+1)))
	if _, ok := d.appendBase64(nil, cell{raw: []byte(`"` + big + `"`)}, 0); ok {
		t.Error("a decimal beyond the greatest size is taken")
	}
}

func TestDecimalsBySchema(t *testing.T) {
	const decimal = "org.apache.kafka.connect.data.Decimal" // with scale 2
	for json, want := range map[string]string{`"JRw="`: "95.00", `95.00`: "95.00", `"AA=="`: "0.00"} {
		if v := typed(t, event.Column{}, decimal, json); v.Text != want {
			t.Errorf("%s: got %+v, want %s", json, v, want)
		}
	}
	if v := typed(t, event.Column{}, decimal, `"%"`); v.State != event.Unreadable {
		t.Errorf("got %+v", v)
	}
	// Without its scale a decimal says nothing.
	v := decode(t, newDecoder(t, text("x")...), `{"id":1}`,
		`{"schema":{"fields":[{"type":"bytes","name":"`+decimal+`","field":"x"}]},"payload":{"x":"JRw="}}`).Values[0]
	if v.State != event.Unreadable {
		t.Errorf("no scale: got %+v", v)
	}
}

func TestTextsOfOneChange(t *testing.T) {
	d := newDecoder(t, text("a", "b", "c", "d")...)
	c := decode(t, d, `{"id":1}`, `{"d":"4","":0,"b":"\ud800","a":"1 ","\u0063":3,"\ud800":0}`)
	if c.Values[0].Text != "1" || c.Values[1].State != event.Unreadable || c.Values[2].Text != "3" || c.Values[3].Text != "4" {
		t.Errorf("got %+v", c.Values)
	}
	c = decode(t, d, `{"id":1}`, `{"a":null}`)
	if c.Values[0].State != event.Null || c.Values[3].State != event.Missing || c.Values[3].Text != "" || c.Values[1].Reason != "" {
		t.Errorf("the former change shows through: %+v", c.Values)
	}
}

// TestASCII: one byte of another kind is seen wherever it stands, in a text of any length.
func TestASCII(t *testing.T) {
	for n := range 40 {
		text := bytes.Repeat([]byte{0x7f}, n)
		if !ascii(text) {
			t.Errorf("%d characters are not ASCII", n)
		}
		for i := range text {
			text[i] = 0x80
			if ascii(text) {
				t.Errorf("the %d. of %d bytes is not seen", i+1, n)
			}
			text[i] = 0x7f
		}
	}
}
