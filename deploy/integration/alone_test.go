//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
)

// aloneConfiguration is for sources that a test writes itself, as much of them as it likes: neither the fuse nor the age of
// what was committed holds a run.
const aloneConfiguration = `
kafka: {brokers: [%q], topic_prefix: %q, %s}
state: {dir: %q}
identity: {key_file: %q, reference_key_file: %q}
http: {listen: "127.0.0.1:0"}
log: {format: json}
fuse: {max_run: 100000000}
sources:
  - topic: %s
    kind: documents
    delay_limit: 720h
    max_reject_share: %s
    columns:
` + documentColumns + `  - topic: %s
    kind: registrations
    delay_limit: 720h
    columns:
` + holderColumns + `      email: email
      active: {column: active, true: ["true"]}
      service: {column: service_on, true: ["true"]}
      effective: {column: service_since, date: iso}
      language: language
mail:
  from: "Okmányértesítő <ertesites@example.hu>"
  relay: {address: "127.0.0.1:25", tls: none}
`

// configureAlone writes the service's configuration: more lines before it, more settings of Kafka, the keys of a directory.
func (v *service) configureAlone(keys, more, kafka, documents, rejectShare, registrations string) {
	v.t.Helper()
	text := more + fmt.Sprintf(aloneConfiguration, v.kafka, v.prefix, kafka, v.state(), filepath.Join(keys, "identity.key"),
		filepath.Join(keys, "reference.key"), documents, rejectShare, registrations)
	if err := os.WriteFile(v.config, []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
}
