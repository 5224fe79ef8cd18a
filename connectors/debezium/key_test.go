package debezium

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRows(t *testing.T) {
	wrap := func(payload string) string {
		return `{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"}],"optional":false},"payload":` + payload + `}`
	}
	for _, c := range []struct{ key, row string }{
		{`{"id":12}`, `id=12`},
		{` { "id" : 12 } `, `id=12`},
		{wrap(`{"id":12}`), `id=12`},
		{`{"schema":null,"payload":{"id":12}}`, `id=12`},
		{`{"payload":{"id":12},"schema":null}`, `id=12`},
		{`Struct{id=12}`, `id=12`},
		{`{"a":1,"b":"x"}`, `a=1,b=x`},
		{wrap(`{"a":1,"b":"x"}`), `a=1,b=x`},
		{`Struct{a=1,b=x}`, `a=1,b=x`},
		{`{"b":"x","a":1}`, `b=x,a=1`}, // the key's own order
		{`{"a":"x,y","b":"1=2"}`, `a=x\,y,b=1=2`},
		{`Struct{a=x,y,b=1=2}`, `a=x\,y,b=1=2`},
		{`{"a":"x\\y"}`, `a=x\\y`},
		{`{"a,=":1}`, `a\,\==1`},
		{`{"a":"AB1  "}`, `a=AB1  `},
		{`{"a":"\u00e1"}`, `a=á`},
		{`{"\u00e1":"á"}`, `á=á`},
		{`{"a":null,"b":true}`, `a=\N,b=true`},
		{`{"a":"\\N"}`, `a=\\N`},
		{`{"a":""}`, `a=`},
		{`Struct{a=}`, `a=`},
		{`{"a":1.50}`, `a=1.50`},
		{`{"a":9007199254740993}`, `a=9007199254740993`},
		{`{"a":{"scale":0,"value":"BfW+vw=="}}`, `a=99991231`},
		{`{"a":{"scale":2,"value":"/w=="}}`, `a=-0.01`},
		{`{"a":{"year":1,"b":2}}`, `a={"year":1\,"b":2}`},
		{`{"schema":"s","payload":1}`, `schema=s,payload=1`},
		{`12`, `12`},
		{`"12"`, `12`},
		{wrap(`12`), `12`},
		{wrap(`"AB"`), `AB`},
		{`true`, `true`},
		{`AB-12/c d`, `AB-12/c d`},
		{`"AB`, `"AB`},
		{`id=12`, `id\=12`},
		{`a,b`, `a,b`},
		{`Struct{`, `Struct{`},
		{`[1,2]`, `[1,2]`},
		{`2026-08-31`, `2026-08-31`},
	} {
		if got := decode(t, newDecoder(t), c.key, "null"); got.Row != c.row {
			t.Errorf("%s: got %s, want %s", c.key, got.Row, c.row)
		}
	}
}

func TestKeysThatNameNoRow(t *testing.T) {
	for _, key := range []string{
		" ", `""`, `{}`, `Struct{}`, `Struct{a}`, "Struct{a=\xff}", "\"\xff\"", `{"\ud800":1}`, "{\"a\":[\"\xff\"]}",
		`{"schema":null,"payload":"\ud800"}`, `{"schema":{},"payload":null}`, ` null `, `{"id":1}x`, "\x00",
	} {
		if r := rejected(t, newDecoder(t), key, "null"); r.Row != "" {
			t.Errorf("%q: got row %q", key, r.Row)
		}
	}
}

// Distinct keys of one form have distinct rows: all short texts over the characters that matter, as one field, as two
// fields and bare.
func TestRowsDoNotCollide(t *testing.T) {
	texts := []string{""}
	for range 3 {
		for _, s := range texts {
			for _, c := range []string{"a", ",", "=", `\`, "N"} {
				texts = append(texts, s+c)
			}
		}
	}
	d, seen := newDecoder(t), map[string]string{}
	check := func(key string) {
		row := decode(t, d, key, "null").Row
		if other, ok := seen[row]; ok && other != key {
			t.Fatalf("%s and %s are both the row %s", key, other, row)
		}
		seen[row] = key
	}
	quote := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	check(`{"a":null}`)
	for _, x := range texts[:200] {
		check(`{"a":` + quote(x) + `}`)
		if x != "" {
			check(quote(x))
		}
		for _, y := range texts[:32] {
			check(`{"a":` + quote(x) + `,"b":` + quote(y) + `}`)
			check(`{` + quote(y+"n") + `:` + quote(x) + `,"b":2}`)
		}
	}
}

func TestRowSurvivesTheNextRecord(t *testing.T) {
	d := newDecoder(t, text("x")...)
	first := decode(t, d, `{"id":1}`, `{"x":"one"}`)
	row, x := first.Row, first.Values[0].Text
	decode(t, d, `{"id":2}`, `{"x":"two"}`)
	if row != "id=1" || x != "one" {
		t.Errorf("got %q, %q", row, x)
	}
}

func TestRowOfAChangedKey(t *testing.T) {
	// The delete of the old key, its tombstone and the create of the new key are three ordinary changes.
	d := newDecoder(t, text("id")...)
	var rows []string
	for _, r := range [][2]string{
		{`{"id":1}`, `{"before":{"id":1},"after":null,` + source + `,"op":"d"}`},
		{`{"id":1}`, ``},
		{`{"id":2}`, `{"before":null,"after":{"id":2},` + source + `,"op":"c"}`},
	} {
		rows = append(rows, decode(t, d, r[0], r[1]).Row)
	}
	if got := strings.Join(rows, " "); got != "id=1 id=1 id=2" {
		t.Errorf("got %s", got)
	}
}
