// Package schema holds the JSON Schemas (draft 2020-12) of the values that lejarat writes to its topics, one file a
// kind. A field is only ever added: the schemas let a reader's validator pass fields that it does not know.
package schema

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

//go:embed *.json
var files embed.FS

// Files returns the schemas: notification.json and so on.
func Files() fs.FS { return files }

// Kinds lists the kinds that have a schema, in alphabetical order. A record's kind is its ce_type header without
// "hu.lejarat.".
func Kinds() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("reading embedded files: " + err.Error()) // the root of an embed.FS is always there
	}
	kinds := make([]string, len(entries))
	for i, e := range entries {
		kinds[i] = strings.TrimSuffix(e.Name(), ".json")
	}
	return kinds
}

// For returns the schema of a kind: notification, mail, delivery, suppression, reject, run, run-command, run-rules, run-topic
// or generation.
func For(kind string) ([]byte, error) {
	body, err := files.ReadFile(kind + ".json")
	if err != nil {
		return nil, fmt.Errorf("no schema for %q: want one of %s", kind, strings.Join(Kinds(), ", "))
	}
	return body, nil
}

// openList begins the comment of a property whose known values stand in its examples.
const openList = "Open list"

// Strict returns the schema of a kind as a test of ours wants it, not a reader: a field that is not described, or a
// value that an open list does not name, is an error.
func Strict(kind string) (map[string]any, error) {
	body, err := For(kind)
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, fmt.Errorf("reading the schema of %s: %w", kind, err)
	}
	tighten(doc)
	return doc, nil
}

func tighten(node any) {
	switch n := node.(type) {
	case []any:
		for _, v := range n {
			tighten(v)
		}
	case map[string]any:
		for _, v := range n {
			tighten(v)
		}
		if _, ok := n["properties"].(map[string]any); ok {
			n["unevaluatedProperties"] = false
		}
		comment, _ := n["$comment"].(string)
		if known, ok := n["examples"].([]any); ok && strings.HasPrefix(comment, openList) {
			n["enum"] = append(slices.Clone(known), nil) // whether null may stand here is for its type to say
		}
	}
}
