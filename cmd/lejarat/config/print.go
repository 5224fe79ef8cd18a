package config

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"lejarat/processor/event"
)

// Print writes the configuration as YAML with secrets masked. What it writes parses again to the same configuration,
// but for the masked secrets and for keys that came from the environment, which are not printed at all.
func (c *Config) Print(w io.Writer) error {
	out := bufio.NewWriter(w)
	p := printer{out}
	p.entries(encode(reflect.ValueOf(c).Elem()).entries, "")
	return out.Flush()
}

// encode is the inverse of decode.
func encode(v reflect.Value) *node {
	t := v.Type()
	switch {
	case isScalar(t):
		return &node{kind: scalarNode, text: scalarText(v)}
	case t.Kind() == reflect.Slice:
		list := &node{kind: listNode}
		for i := range v.Len() {
			list.items = append(list.items, encode(v.Index(i)))
		}
		return list
	case t.Kind() == reflect.Map:
		return encodeMap(v)
	default:
		return encodeStruct(v)
	}
}

func scalarText(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return showDuration(x)
	case event.Date:
		return x.String()
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	default:
		return fmt.Sprint(x) // Secret, Bytes and the like have a String of their own
	}
}

func encodeMap(v reflect.Value) *node {
	m := &node{kind: mapNode}
	for _, key := range v.MapKeys() {
		m.entries = append(m.entries, entry{key: key.String(), value: encode(v.MapIndex(key))})
	}
	if documents, ok := v.Interface().(Documents); ok {
		for name := range DefaultDocuments() {
			if _, kept := documents[name]; !kept {
				m.entries = append(m.entries, entry{key: name, value: &node{}})
			}
		}
	}
	slices.SortFunc(m.entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return m
}

func encodeStruct(v reflect.Value) *node {
	m := &node{kind: mapNode}
	for _, f := range fields(v.Type()) {
		if value := v.Field(f.index); !f.omitEmpty || !isEmpty(value) {
			m.entries = append(m.entries, entry{key: f.name, value: encode(value)})
		}
	}
	if s, ok := v.Interface().(short); ok && len(m.entries) == 1 && m.entries[0].key == s.shortField() {
		return m.entries[0].value
	}
	return m
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		return !slices.ContainsFunc(fields(v.Type()), func(f field) bool { return !isEmpty(v.Field(f.index)) })
	default:
		return v.IsZero()
	}
}

// printer writes nodes: mappings and lists of mappings as blocks, lists of plain values in one line.
type printer struct{ out *bufio.Writer }

func (p printer) entries(entries []entry, indent string) {
	for _, e := range entries {
		p.out.WriteString(indent + quote(e.key) + ":")
		p.value(e.value, indent+"  ")
	}
}

// value writes what stands after a key, with the line's end.
func (p printer) value(n *node, indent string) {
	switch {
	case n.kind == mapNode && len(n.entries) > 0:
		p.out.WriteString("\n")
		p.entries(n.entries, indent)
	case n.kind == listNode && slices.ContainsFunc(n.items, func(i *node) bool { return i.kind == mapNode }):
		p.out.WriteString("\n")
		for _, item := range n.items {
			p.item(item, indent)
		}
	default:
		p.out.WriteString(" " + inline(n) + "\n")
	}
}

func (p printer) item(n *node, indent string) {
	p.out.WriteString(indent + "-")
	if n.kind != mapNode || len(n.entries) == 0 {
		p.out.WriteString(" " + inline(n) + "\n")
		return
	}
	p.out.WriteString(" " + quote(n.entries[0].key) + ":")
	p.value(n.entries[0].value, indent+"    ")
	p.entries(n.entries[1:], indent+"  ")
}

func inline(n *node) string {
	switch n.kind {
	case nullNode:
		return "null"
	case scalarNode:
		return quote(n.text)
	case mapNode:
		return "{}"
	default:
		items := make([]string, len(n.items))
		for i, item := range n.items {
			items[i] = inline(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
}

// quote writes a text as YAML: as it stands where nothing in it could be misread, else in double quotes.
func quote(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case r < ' ' || !strconv.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// isPlain is on the safe side: words of letters, digits and a few marks that do not look like a null, which alone
// would be read as something else than text.
func isPlain(s string) bool {
	if s == "" || strings.EqualFold(s, "null") || strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		return false
	}
	last := ' '
	for _, r := range s {
		switch {
		case unicode.IsLetter(r) || r >= '0' && r <= '9' || r == '.' || r == '/' || r == '_':
		case (r == '-' || r == '+') && last != ' ', s == "-1":
		case r == ' ' && last != ' ':
		default:
			return false
		}
		last = r
	}
	return last != ' '
}
