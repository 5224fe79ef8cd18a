package config

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// The parts of a small correct file. A scenario's own text comes first, so that its lines count from 1.
var base = []struct{ key, text string }{
	{"kafka", "kafka: {brokers: [kafka:9092]}\n"},
	{"sources", `sources:
  - {topic: documents, kind: documents, columns: {type: kind, status: {column: status, valid: [V]}, expires: until, holder: &holder {name: name, birth_name: birth_name, birth_place: birth_place, birth_date: birth_date, mother_name: mother_name}}}
  - {topic: registrations, kind: registrations, columns: {email: email, active: active, service: service, holder: *holder}}
`},
}

const holderText = "holder: {name: name, birth_name: birth_name, birth_place: birth_place, birth_date: birth_date, mother_name: mother_name}"

var baseColumns = map[string][]struct{ key, text string }{
	KindDocuments:     {{"type", "type: kind"}, {"status", "status: {column: status, valid: [V]}"}, {"expires", "expires: until"}, {"holder", holderText}},
	KindRegistrations: {{"email", "email: email"}, {"active", "active: active"}, {"service", "service: service"}, {"holder", holderText}},
}

func writes(text, indent, key string) bool {
	return regexp.MustCompile(`(?m)^` + indent + key + `:`).MatchString(text)
}

// withBase completes a file with the parts of base that it does not have itself.
func withBase(text string) string {
	text += "\n"
	for _, b := range base {
		if !writes(text, "", b.key) {
			text += b.text
		}
	}
	return text
}

// withColumns makes a file whose source of this kind has the given columns, from line 5 on, and the usual others.
func withColumns(kind, text string) string {
	out := "sources:\n  - topic: " + kind + "\n    kind: " + kind + "\n    columns:\n"
	for line := range strings.Lines(text) {
		out += "      " + line
	}
	out += "\n"
	for _, b := range baseColumns[kind] {
		if !writes(text, "", b.key) {
			out += "      " + b.text + "\n"
		}
	}
	other := 2
	if kind == KindRegistrations {
		other = 1
	}
	holder := strings.NewReplacer("&holder ", "", "*holder", strings.TrimPrefix(holderText, "holder: "))
	return withBase(out + holder.Replace(strings.Split(base[1].text, "\n")[other]) + "\n")
}

// TestFaults runs testdata/faults.txt. Its commands:
//
//	file                        the text, completed by brokers and two sources where it has none
//	bare                        the text as it stands
//	documents, registrations    the columns of a source of this kind, from line 5 on
//	env                         variables, with a correct file
func TestFaults(t *testing.T) {
	cases := 0
	datadriven.RunTest(t, "testdata/faults.txt", func(t *testing.T, d *datadriven.TestData) string {
		cases++
		var text string
		var env []string
		switch d.Cmd {
		case "file":
			text = withBase(d.Input)
		case "bare":
			text = d.Input
		case "documents", "registrations":
			text = withColumns(d.Cmd, d.Input)
		case "env":
			text, env = withBase(""), strings.Split(d.Input, "\n")
		default:
			t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
		}
		_, err := Parse("lejarat.yaml", []byte(text), env)
		if err == nil {
			return "ok"
		}
		if _, ok := err.(Faults); !ok {
			return fmt.Sprintf("not Faults: %v", err)
		}
		return err.Error()
	})
	if cases < 40 {
		t.Errorf("only %d cases ran", cases)
	}
}
