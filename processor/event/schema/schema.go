// Package schema holds the JSON Schemas (draft 2020-12) of the values that lejarat writes to its topics, one file a
// kind. A field is only ever added: the schemas let a reader's validator pass fields that it does not know.
package schema

import (
	"embed"
	"fmt"
	"io/fs"
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

// For returns the schema of a kind: notification, mail, delivery, suppression, reject, run or run-command.
func For(kind string) ([]byte, error) {
	body, err := files.ReadFile(kind + ".json")
	if err != nil {
		return nil, fmt.Errorf("no schema for %q: want one of %s", kind, strings.Join(Kinds(), ", "))
	}
	return body, nil
}
