package config

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

type nodeKind uint8

const (
	nullNode nodeKind = iota
	scalarNode
	listNode
	mapNode
)

// node is a YAML value with its place. A scalar keeps its text as written, so that I, 007 and 1.0 stay what they are.
type node struct {
	kind    nodeKind
	text    string  // of a scalar
	items   []*node // of a list
	entries []entry // of a map, in order
	line    int
	column  int
}

type entry struct {
	key          string
	line, column int
	value        *node
}

// maxNodes bounds what aliases can unfold to.
const maxNodes = 100_000

// reader turns the parser's tree into nodes: aliases and merge keys resolved, duplicate keys reported.
type reader struct {
	*report
	anchors map[string]*node
	count   int
}

// readYAML reads one YAML document; nil is an empty one. Faults of syntax are reported.
func readYAML(rep *report, data []byte) *node {
	file, err := parse(data)
	if err != nil {
		at := origin{line: 1, column: 1}
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			if tk := syntax.GetToken(); tk != nil {
				at = place(tk)
			}
			err = errors.New(syntax.GetMessage())
		}
		rep.at(at, "", "this is no YAML: %v", err)
		return nil
	}
	var root *node
	r := &reader{report: rep, anchors: map[string]*node{}}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			rep.at(start(doc.Body), "", "a second YAML document begins here; put everything into one")
			break
		}
		root = r.node(doc.Body, "")
	}
	return root
}

// parse shields the start of a service from a panic of the YAML library.
func parse(data []byte) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the parser gave up: %v", p)
		}
	}()
	return parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
}

func place(tk *token.Token) origin {
	if tk == nil || tk.Position == nil {
		return origin{line: 1, column: 1}
	}
	return origin{line: max(1, tk.Position.Line), column: max(1, tk.Position.Column)}
}

// start is where a node begins; a block mapping begins with its first key, not with that key's colon.
func start(n ast.Node) origin {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return place(m.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		return place(m.Key.GetToken())
	}
	return place(n.GetToken())
}

// unsplit undoes a defect of the parser (goccy/go-yaml issue 832): inside {…} it takes the plain kafka:9092 of a list
// for a mapping, though YAML asks for a blank after the colon.
func unsplit(n ast.Node) (text string, ok bool) {
	if m, isMap := n.(*ast.MappingNode); isMap && len(m.Values) == 1 && !m.IsFlowStyle {
		n = m.Values[0]
	}
	v, isEntry := n.(*ast.MappingValueNode)
	if !isEntry {
		return "", false
	}
	if _, isScalar := v.Value.(ast.ScalarNode); !isScalar {
		return "", false
	}
	key, colon, value := v.Key.GetToken(), v.Start, v.Value.GetToken()
	for _, tk := range []*token.Token{key, colon, value} {
		if tk == nil || tk.Position == nil || tk.Indicator == token.QuotedScalarIndicator {
			return "", false
		}
	}
	glued := key.Position.Line == value.Position.Line &&
		key.Position.Column+utf8.RuneCountInString(key.Value) == colon.Position.Column && colon.Position.Column+1 == value.Position.Column
	return key.Value + ":" + value.Value, glued
}

func (r *reader) node(n ast.Node, path string) *node {
	at := start(n)
	out := &node{line: at.line, column: at.column}
	if r.count++; r.count > maxNodes {
		if r.count == maxNodes+1 {
			r.at(at, path, "the file holds more than %d values; shorten it", maxNodes)
		}
		return out
	}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		out.kind, out.text = scalarNode, n.Value
	case *ast.LiteralNode:
		out.kind, out.text = scalarNode, n.Value.Value
	case *ast.MappingNode:
		out.kind = mapNode
		r.entries(out, n.Values, path)
	case *ast.MappingValueNode:
		out.kind = mapNode
		r.entries(out, []*ast.MappingValueNode{n}, path)
	case *ast.SequenceNode:
		out.kind = listNode
		for i, item := range n.Values {
			if text, ok := unsplit(item); ok {
				at := start(item)
				out.items = append(out.items, &node{kind: scalarNode, text: text, line: at.line, column: at.column})
				continue
			}
			out.items = append(out.items, r.node(item, index(path, i)))
		}
	case *ast.AnchorNode:
		out = r.node(n.Value, path)
		r.anchors[n.Name.GetToken().Value] = out
	case *ast.AliasNode:
		return r.alias(n, at, path)
	case *ast.TagNode:
		return r.node(n.Value, path)
	default:
		out.kind, out.text = scalarNode, n.GetToken().Value
	}
	return out
}

func (r *reader) alias(n *ast.AliasNode, at origin, path string) *node {
	name := n.Value.GetToken().Value
	known, ok := r.anchors[name]
	if !ok {
		r.at(at, path, "no anchor &%s stands before this alias", name)
		return &node{line: at.line, column: at.column}
	}
	r.count += known.size(maxNodes)
	if r.count > maxNodes {
		r.at(at, path, "the aliases unfold to more than %d values; write fewer", maxNodes)
		return &node{line: at.line, column: at.column}
	}
	return known
}

// size counts the values, up to limit.
func (n *node) size(limit int) int {
	count := 1
	for _, item := range n.items {
		if count > limit {
			return count
		}
		count += item.size(limit - count)
	}
	for _, e := range n.entries {
		if count > limit {
			return count
		}
		count += e.value.size(limit - count)
	}
	return count
}

func (r *reader) entries(out *node, values []*ast.MappingValueNode, path string) {
	seen := map[string]bool{}
	var merged []entry
	for _, v := range values {
		if v.Key.IsMergeKey() {
			merged = append(merged, r.merge(v, path)...)
			continue
		}
		tk := v.Key.GetToken()
		key, at := tk.Value, place(tk)
		child := join(path, key)
		if seen[key] {
			r.at(at, child, "this key stands twice here; keep one")
			continue
		}
		seen[key] = true
		out.entries = append(out.entries, entry{key: key, line: at.line, column: at.column, value: r.node(v.Value, child)})
	}
	for _, e := range merged {
		if !seen[e.key] {
			seen[e.key] = true
			out.entries = append(out.entries, e)
		}
	}
}

// merge returns the entries that a merge key brings in; the first of several wins.
func (r *reader) merge(v *ast.MappingValueNode, path string) []entry {
	value := r.node(v.Value, path)
	switch value.kind {
	case mapNode:
		return value.entries
	case listNode:
		var all []entry
		for _, item := range value.items {
			all = append(all, item.entries...)
		}
		return all
	default:
		r.at(place(v.Key.GetToken()), path, "<< merges mappings only; name an anchor of one")
		return nil
	}
}
