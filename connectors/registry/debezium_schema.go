package registry

import "strings"

// keySchema is the JSON schema of a record key, as JsonConverter writes it.
func keySchema(topic string) string {
	return `{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"}],"optional":false,"name":"` + topic + `.Key"}`
}

// valueSchema is the JSON schema of a table's envelope.
func valueSchema[R any](topic string, columns []column[R]) string {
	var fields []string
	for _, col := range columns {
		fields = append(fields, col.schema())
	}
	row := func(field string) string {
		return `{"type":"struct","fields":[` + strings.Join(fields, ",") + `],"optional":true,"name":"` + topic +
			`.Value","field":"` + field + `"}`
	}
	return `{"type":"struct","fields":[` + row("before") + "," + row("after") + "," + sourceSchema + "," + transactionSchema +
		`,{"type":"string","optional":false,"field":"op"},{"type":"int64","optional":true,"field":"ts_ms"},` +
		`{"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"}],` +
		`"optional":false,"name":"` + topic + `.Envelope","version":2}`
}

// schema is the column's field in the JSON schema.
func (c *column[R]) schema() string {
	types := [...]string{number: "int64", text: "string", date: "int32", flag: "boolean", instant: "string"}
	names := [...]string{date: "io.debezium.time.Date", instant: "io.debezium.time.ZonedTimestamp"}
	s := `{"type":"` + types[c.form] + `","optional":` + ifElse(c.null, "true", "false")
	if name := names[c.form]; name != "" {
		s += `,"name":"` + name + `","version":1`
	}
	if c.normal != "" {
		s += `,"default":` + ifElse(c.form == flag, c.normal, `"`+c.normal+`"`)
	}
	return s + `,"field":"` + c.name + `"}`
}

const sourceSchema = `{"type":"struct","fields":[{"type":"string","optional":false,"field":"version"},` +
	`{"type":"string","optional":false,"field":"connector"},{"type":"string","optional":false,"field":"name"},` +
	`{"type":"int64","optional":false,"field":"ts_ms"},{"type":"string","optional":true,"name":"io.debezium.data.Enum",` +
	`"version":1,"parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},` +
	`"default":"false","field":"snapshot"},{"type":"string","optional":false,"field":"db"},` +
	`{"type":"string","optional":true,"field":"sequence"},{"type":"int64","optional":true,"field":"ts_us"},` +
	`{"type":"int64","optional":true,"field":"ts_ns"},{"type":"string","optional":false,"field":"schema"},` +
	`{"type":"string","optional":false,"field":"table"},{"type":"int64","optional":true,"field":"txId"},` +
	`{"type":"int64","optional":true,"field":"lsn"},{"type":"int64","optional":true,"field":"xmin"},` +
	`{"type":"string","optional":true,"field":"origin"},{"type":"int64","optional":true,"field":"origin_lsn"}],` +
	`"optional":false,"name":"io.debezium.connector.postgresql.Source","version":1,"field":"source"}`

const transactionSchema = `{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},` +
	`{"type":"int64","optional":false,"field":"total_order"},{"type":"int64","optional":false,"field":"data_collection_order"}],` +
	`"optional":true,"name":"event.block","version":1,"field":"transaction"}`
