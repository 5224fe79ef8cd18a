package registry

import (
	"bytes"
	"strings"
	"testing"
)

func TestSchemaHasTheTablesThatAreWanted(t *testing.T) {
	all := SchemaSQL()
	for _, want := range []string{
		"CREATE TABLE public.document (\n    id                 bigint NOT NULL PRIMARY KEY,\n",
		"    valid_until        date,\n", "status             text NOT NULL DEFAULT 'V'", "active             boolean NOT NULL DEFAULT true",
		"    updated_at         timestamptz NOT NULL\n);\n", "COMMENT ON TABLE public.registration IS '", "INSERT INTO public.heartbeat (id, at) VALUES (1, now());",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the schema lacks %q", want)
		}
	}
	if one := SchemaSQL(Registrations, Heartbeats); strings.Contains(one, "public.document") || !strings.Contains(one, "public.registration") {
		t.Error("the schema of registrations and heartbeats has other tables")
	}
}

func TestSnapshotIsCopied(t *testing.T) {
	var out bytes.Buffer
	if err := SnapshotSQL(&out, People(options(50))); err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(out.String(), "\\.\n")
	if len(blocks) != 3 {
		t.Fatalf("%d blocks", len(blocks)-1)
	}
	for i, columns := range []int{len(documentColumns), len(registrationColumns)} {
		_, rows, _ := strings.Cut(blocks[i], " FROM stdin;\n")
		for line := range strings.Lines(rows) {
			if got := strings.Count(line, "\t") + 1; got != columns {
				t.Fatalf("%d columns, want %d: %q", got, columns, line)
			}
		}
	}
}

func TestChangesAreQuoted(t *testing.T) {
	doc := document(5, KindCard, "never")
	doc.Name.Family = `O'Brien \`
	insert := ChangeSQL(Change{Table: Documents, Op: Insert, Key: 5, Document: &doc})
	update := ChangeSQL(Change{Table: Documents, Op: Update, Key: 5, Document: &doc})
	for _, want := range []string{"INSERT INTO public.document (id, kind, ", `'O''Brien \'`, "VALUES (5, 'SZIG', 'N5', 'V', NULL, '2018-05-05', "} {
		if !strings.Contains(insert, want) {
			t.Errorf("%s lacks %s", insert, want)
		}
	}
	if !strings.HasPrefix(update, "UPDATE public.document SET kind = 'SZIG', number = 'N5'") || !strings.HasSuffix(update, " WHERE id = 5;") {
		t.Error(update)
	}
	if got := ChangeSQL(Change{Table: Registrations, Op: Delete, Key: 8}); got != "DELETE FROM public.registration WHERE id = 8;" {
		t.Error(got)
	}
	reg := registration(11, "anna@example.hu")
	if got := ChangeSQL(Change{Table: Registrations, Op: Update, Key: 11, Registration: &reg}); !strings.Contains(got, "service_since = '2019-01-10T11:00:00Z'") {
		t.Error(got)
	}
}
