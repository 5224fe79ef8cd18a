package registry

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The SQL here is PostgreSQL's, to be fed to psql.

// SchemaSQL creates the tables, the heartbeat table with its one row; all of them where none is named.
func SchemaSQL(tables ...Table) string {
	var b strings.Builder
	if wanted(tables, Documents) {
		tableSQL(&b, Documents, "okmányok nyilvántartása (kitalált adatok)", documentColumns)
		b.WriteString("CREATE INDEX document_holder_ref ON public.document (holder_ref);\n\n")
	}
	if wanted(tables, Registrations) {
		tableSQL(&b, Registrations, "ügyfélkapu-regisztrációk (kitalált adatok)", registrationColumns)
	}
	if wanted(tables, Heartbeats) {
		tableSQL(&b, Heartbeats, "touched by the connector's heartbeat.action.query", heartbeatColumns)
		b.WriteString("INSERT INTO public.heartbeat (id, at) VALUES (1, now());\n\n")
	}
	return b.String()
}

// HeartbeatSQL is the statement for Debezium's heartbeat.action.query.
const HeartbeatSQL = "UPDATE public.heartbeat SET at = now() WHERE id = 1"

func wanted(tables []Table, one Table) bool { return len(tables) == 0 || slices.Contains(tables, one) }

var sqlTypes = [...]string{number: "bigint", text: "text", date: "date", flag: "boolean", instant: "timestamptz"}

func tableSQL[R any](b *strings.Builder, table Table, comment string, columns []column[R]) {
	fmt.Fprintf(b, "CREATE TABLE public.%s (\n", table)
	for i, c := range columns {
		fmt.Fprintf(b, "    %-18s %s", c.name, sqlTypes[c.form])
		if !c.null {
			b.WriteString(" NOT NULL")
		}
		if c.normal != "" {
			b.WriteString(" DEFAULT " + ifElse(c.form == flag, c.normal, quote(c.normal)))
		}
		b.WriteString(ifElse(i == 0, " PRIMARY KEY", ""))
		b.WriteString(ifElse(i < len(columns)-1, ",\n", "\n);\n"))
	}
	fmt.Fprintf(b, "COMMENT ON TABLE public.%s IS %s;\n", table, quote(comment))
	for _, c := range columns {
		if c.comment != "" {
			fmt.Fprintf(b, "COMMENT ON COLUMN public.%s.%s IS %s;\n", table, c.name, quote(c.comment))
		}
	}
	b.WriteString("\n")
}

// SnapshotSQL writes the rows of all people as COPY blocks, one table after the other; both tables where none is named.
func SnapshotSQL(w io.Writer, people iter.Seq[*Person], tables ...Table) error {
	out := bufio.NewWriterSize(w, 1<<16)
	out.WriteString("SET client_encoding = 'UTF8';\n")
	if wanted(tables, Documents) {
		copySQL(out, Documents, documentColumns, people, func(p *Person) []Document { return p.Documents })
	}
	if wanted(tables, Registrations) {
		copySQL(out, Registrations, registrationColumns, people, func(p *Person) []Registration { return p.Registrations })
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the snapshot as SQL: %w", err)
	}
	return nil
}

// copySQL writes one COPY block. Errors are kept by out until it is flushed.
func copySQL[R any](out *bufio.Writer, table Table, columns []column[R], people iter.Seq[*Person], rows func(*Person) []R) {
	fmt.Fprintf(out, "COPY public.%s (%s) FROM stdin;\n", table, columnNames(columns))
	var line []byte
	for p := range people {
		all := rows(p)
		for i := range all {
			line = appendCopyRow(line[:0], columns, &all[i])
			if _, err := out.Write(line); err != nil {
				return
			}
		}
	}
	out.WriteString("\\.\n\n")
}

func columnNames[R any](columns []column[R]) string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	return strings.Join(names, ", ")
}

func appendCopyRow[R any](b []byte, columns []column[R], row *R) []byte {
	var c cell
	for i := range columns {
		col := &columns[i]
		if i > 0 {
			b = append(b, '\t')
		}
		col.get(row, &c)
		switch {
		case col.null && c.empty(col.form):
			b = append(b, `\N`...)
		case col.form == text:
			b = append(b, copyEscapes.Replace(c.text)...)
		default:
			b = append(b, plainValue(&c, col.form)...)
		}
	}
	return append(b, '\n')
}

var copyEscapes = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

// plainValue writes a value that needs no quoting inside.
func plainValue(c *cell, f form) string {
	switch f {
	case number:
		return strconv.FormatInt(c.number, 10)
	case date:
		return c.date.String()
	case flag:
		return strconv.FormatBool(c.flag)
	case instant:
		return c.at.UTC().Format(time.RFC3339Nano)
	}
	return c.text
}

// ChangeSQL writes one change as a statement.
func ChangeSQL(c Change) string {
	switch {
	case c.Op == Delete:
		return fmt.Sprintf("DELETE FROM public.%s WHERE id = %d;", c.Table, c.Key)
	case c.Document != nil:
		return rowSQL(c.Table, c.Op, documentColumns, c.Document)
	default:
		return rowSQL(c.Table, c.Op, registrationColumns, c.Registration)
	}
}

func rowSQL[R any](table Table, op Op, columns []column[R], row *R) string {
	var c cell
	var values, set []string
	for i := range columns {
		col := &columns[i]
		col.get(row, &c)
		value := "NULL"
		switch {
		case col.null && c.empty(col.form):
		case col.form == number || col.form == flag:
			value = plainValue(&c, col.form)
		default:
			value = quote(plainValue(&c, col.form))
		}
		values = append(values, value)
		set = append(set, col.name+" = "+value)
	}
	if op == Insert {
		return fmt.Sprintf("INSERT INTO public.%s (%s) VALUES (%s);", table, columnNames(columns), strings.Join(values, ", "))
	}
	return fmt.Sprintf("UPDATE public.%s SET %s WHERE %s;", table, strings.Join(set[1:], ", "), set[0])
}

// quote writes a string literal, as standard_conforming_strings reads it.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
