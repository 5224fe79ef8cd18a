package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"lejarat/processor/event"
)

// textual is a value that stands in YAML as one scalar.
type textual interface{ parse(text string) error }

// short is a struct that may also be written as one scalar: the value of the field named.
type short interface{ shortField() string }

// defaulter is a list's or map's element with defaults of its own.
type defaulter interface{ setDefaults() }

func (Column) shortField() string         { return "column" }
func (TypeColumn) shortField() string     { return "column" }
func (StatusColumn) shortField() string   { return "column" }
func (BoolColumn) shortField() string     { return "column" }
func (LanguageColumn) shortField() string { return "column" }
func (Threshold) shortField() string      { return "at" }

func (d *DocumentType) setDefaults() { d.Match = slices.Clone(HolderFields[:]) }
func (s *Source) setDefaults()       { s.Format, s.MaxRejectShare = "auto", 0.05 }

var (
	durationType = reflect.TypeFor[time.Duration]()
	dateType     = reflect.TypeFor[event.Date]()
	textualType  = reflect.TypeFor[textual]()
	shortType    = reflect.TypeFor[short]()
)

// field is one key of a struct.
type field struct {
	name      string
	omitEmpty bool
	index     int
}

// fields returns a struct's keys in order.
func fields(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" {
			all = append(all, field{name: name, omitEmpty: options == "omitempty", index: i})
		}
	}
	return all
}

// isScalar says whether a type stands in YAML as one scalar and nothing else.
func isScalar(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textualType) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64:
		return true
	default:
		return false
	}
}

// decode stores a node in v, which is addressable and holds the default. The setting's place is o.
func (r *report) decode(n *node, path string, o origin, v reflect.Value) {
	if n.kind == nullNode {
		return
	}
	r.origins[path] = o
	t := v.Type()
	switch {
	case isScalar(t):
		r.decodeScalar(n, path, v)
	case t.Kind() == reflect.Slice:
		r.decodeList(n, path, o, v)
	case t.Kind() == reflect.Map:
		r.decodeMap(n, path, v)
	case t.Implements(shortType) && n.kind == scalarNode:
		name := v.Interface().(short).shortField()
		v.SetZero()
		r.decodeStruct(&node{kind: mapNode, entries: []entry{{key: name, line: n.line, column: n.column, value: n}}}, path, o, v)
	default:
		r.decodeStruct(n, path, o, v)
	}
}

func (r *report) decodeScalar(n *node, path string, v reflect.Value) {
	if n.kind != scalarNode {
		r.also(path, "wants one value, not a %s", n.kind)
		return
	}
	if p, ok := v.Addr().Interface().(textual); ok {
		if err := p.parse(n.text); err != nil {
			r.also(path, "%v", err)
		}
		return
	}
	switch v.Type() {
	case durationType:
		d, err := time.ParseDuration(n.text)
		if err != nil || d < 0 {
			r.also(path, "%q is not a duration; write for example 30s, 10m or 720h", n.text)
		}
		v.SetInt(int64(d))
		return
	case dateType:
		d, err := event.ParseDate(n.text)
		if n.text == event.NoExpiry.String() { // the checks know where that is allowed
			d, err = event.NoExpiry, nil
		}
		if err != nil {
			r.also(path, "%q is not a date; write for example 2026-12-01", n.text)
		}
		v.SetInt(int64(d))
		return
	}
	r.decodePlain(n.text, path, v)
}

func (r *report) decodePlain(text, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			r.also(path, "%q is neither true nor false", text)
		}
		v.SetBool(text == "true")
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f != f || f-f != 0 {
			r.also(path, "%q is not a number", text)
		}
		v.SetFloat(f)
	default:
		i, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			r.also(path, "%q is not a whole number", text)
		}
		v.SetInt(i)
	}
}

// decodeList replaces a list; one value stands for a list of one.
func (r *report) decodeList(n *node, path string, o origin, v reflect.Value) {
	items := n.items
	if n.kind != listNode {
		items = []*node{n}
	}
	v.SetZero()
	for i, item := range items {
		elem := newElement(v.Type().Elem())
		at := origin{line: item.line, column: item.column, variable: o.variable}
		if item.kind == nullNode {
			r.at(at, index(path, i), "an empty item; give it a value or remove it")
		}
		r.decode(item, index(path, i), at, elem)
		v.Set(reflect.Append(v, elem))
	}
}

// decodeMap replaces a map, but adds to the document types, where null removes one.
func (r *report) decodeMap(n *node, path string, v reflect.Value) {
	if n.kind != mapNode {
		r.also(path, "wants a mapping, not a %s", n.kind)
		return
	}
	_, adds := v.Interface().(Documents)
	if !adds {
		v.SetZero()
	}
	for _, e := range n.entries {
		child, key := join(path, e.key), reflect.ValueOf(e.key)
		if e.value.kind == nullNode {
			if adds {
				v.SetMapIndex(key, reflect.Value{})
			} else {
				r.at(origin{line: e.line, column: e.column}, child, "a key without a value; give it one or remove it")
			}
			continue
		}
		elem := newElement(v.Type().Elem())
		if old := v.MapIndex(key); old.IsValid() {
			elem.Set(old)
		}
		r.decode(e.value, child, e.origin(), elem)
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		v.SetMapIndex(key, elem)
	}
}

func newElement(t reflect.Type) reflect.Value {
	elem := reflect.New(t)
	if d, ok := elem.Interface().(defaulter); ok {
		d.setDefaults()
	}
	return elem.Elem()
}

// origin is the place to name for a setting: the value where it is one word, else the key above it.
func (e entry) origin() origin {
	if e.value.kind == scalarNode {
		return origin{line: e.value.line, column: e.value.column}
	}
	return origin{line: e.line, column: e.column}
}

func (r *report) decodeStruct(n *node, path string, o origin, v reflect.Value) {
	if n.kind != mapNode {
		if s, ok := v.Interface().(short); ok {
			r.also(path, "wants its %s alone or a mapping, not a %s", s.shortField(), n.kind)
		} else {
			r.also(path, "wants a mapping, not a %s", n.kind)
		}
		return
	}
	known := fields(v.Type())
	for _, e := range n.entries {
		i := slices.IndexFunc(known, func(f field) bool { return f.name == e.key })
		if i < 0 {
			r.unknownKey(e, path, known)
			continue
		}
		at := e.origin()
		at.variable = o.variable
		r.decode(e.value, join(path, e.key), at, v.Field(known[i].index))
	}
}

func (k nodeKind) String() string {
	return [...]string{"null", "single value", "list", "mapping"}[k]
}

func (r *report) unknownKey(e entry, path string, known []field) {
	at, child := origin{line: e.line, column: e.column}, join(path, e.key)
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.name
		if near(e.key, f.name) {
			r.at(at, child, "unknown key; did you mean %s?", f.name)
			r.paths = append(r.paths, join(path, f.name)) // that it is missing is no news then
			return
		}
	}
	r.at(at, child, "unknown key; known here: %s", strings.Join(names, ", "))
}

// near says whether two words differ by a slip of the pen: one letter more, less, other or exchanged with its neighbour.
func near(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch len(b) - len(a) {
	case 0:
		return i == len(a) || a[i+1:] == b[i+1:] ||
			i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	case 1:
		return a[i:] == b[i+1:]
	default:
		return false
	}
}
