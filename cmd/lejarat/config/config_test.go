package config

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lejarat/processor/event"
)

func mustParse(t *testing.T, text string, env ...string) *Config {
	t.Helper()
	c, err := Parse("lejarat.yaml", []byte(text), env)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSpecification loads the file that SPEC.md 5 prints and looks at what it says.
func TestSpecification(t *testing.T) {
	c, err := Load("testdata/spec.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Kafka.Topics().MailSink; got != "lejarat.mail-sink" {
		t.Errorf("mail sink is %s", got)
	}
	if got := c.Kafka.Journal(2); got != "lejarat.journal.2" {
		t.Errorf("journal is %s", got)
	}
	want := Source{
		Topic: "ugyfelkapu.public.registration", Name: "ugyfelkapu.public.registration", Kind: KindRegistrations, Format: "auto",
		DelayLimit: 10 * time.Minute, MaxRejectShare: 0.05,
		Columns: Columns{
			Holder: Holder{
				Name: []string{"family_name", "given_name"}, BirthName: []string{"birth_family_name", "birth_given_name"},
				BirthPlace: []string{"birth_place"}, BirthDate: Column{Column: "birth_date"}, MotherName: []string{"mother_family_name", "mother_given_name"},
			},
			Email: Column{Column: "email"}, Active: BoolColumn{Column: "active", True: []string{"true", "I", "1"}},
			Service:   BoolColumn{Column: "service_on", True: []string{"true", "I", "1"}},
			Effective: Column{Column: "service_since"}, Language: LanguageColumn{Column: "language"},
		},
	}
	if d := cmp.Diff(want, c.Sources[1]); d != "" {
		t.Errorf("registrations: want -, got +\n%s", d)
	}
}

// TestSpecificationIsCopied keeps testdata/spec.yaml the example of the contract, where that stands beside the repository.
func TestSpecificationIsCopied(t *testing.T) {
	spec, err := os.ReadFile("../../../../shared/SPEC.md")
	if err != nil {
		t.Skip("no SPEC.md here")
	}
	copied, err := os.ReadFile("testdata/spec.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(spec), "```yaml\n"+string(copied)+"```") {
		t.Error("testdata/spec.yaml is not the example of SPEC.md 5")
	}
}

func TestDeployedExample(t *testing.T) {
	if _, err := Load("../../../deploy/lejarat.yaml", nil); err != nil {
		t.Error(err)
	}
}

// TestDefaults: a file with no more than it must have is the default for the rest.
func TestDefaults(t *testing.T) {
	c := mustParse(t, withBase(""))
	want := Default()
	want.Kafka.Brokers, want.Sources = []string{"kafka:9092"}, c.Sources
	if d := cmp.Diff(want, c, cmp.AllowUnexported(Identity{})); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	if zone := c.Calendar.Location().String(); zone != "Europe/Budapest" {
		t.Errorf("zone %s", zone)
	}
	if got := c.Sources[1].Columns.Active.True; !reflect.DeepEqual(got, []string{"true", "1"}) {
		t.Errorf("a plain column of yes and no has %q", got)
	}
	if !c.Fuse.MaxRun.Auto() || c.Pilot.Restricts() {
		t.Error("the fuse is not automatic, or there is a pilot list")
	}
}

// TestNullIsNotWritten: null leaves a default, but removes a document type.
func TestNullIsNotWritten(t *testing.T) {
	c := mustParse(t, withBase("http: {listen: null}\nlog: null\nstate:\nkafka: {brokers: [kafka:9092], topic_prefix: ~, sasl: null}\ndocuments: {passport: null}\npilot: {file:}"))
	if c.HTTP.Listen != "127.0.0.1:8080" || c.Log.Level != "info" || c.Kafka.TopicPrefix != "lejarat." {
		t.Errorf("%+v %+v %q", c.HTTP, c.Log, c.Kafka.TopicPrefix)
	}
	if _, ok := c.Documents["passport"]; ok || len(c.Documents) != 3 {
		t.Errorf("%d document types are left", len(c.Documents))
	}
	if c := mustParse(t, withBase(`http: {listen: ""}`)); c.HTTP.Listen != "" {
		t.Errorf("an empty text does not replace the default: %q", c.HTTP.Listen)
	}
}

// TestDocumentTypes: a type that the file mentions keeps what the file does not give; a new type is matched by all fields.
func TestDocumentTypes(t *testing.T) {
	c := mustParse(t, withBase(`documents:
  passport: {match: [name, birth_date]}
  residence_permit:
    notices: [P90D, {at: P1M, since: 2027-01-01, until: P5D}]
    names: {en: residence permit}
`))
	want := DefaultDocuments()
	passport := want["passport"]
	passport.Match = []string{"name", "birth_date"}
	want["passport"] = passport
	want["residence_permit"] = DocumentType{
		Notices: []Threshold{{At: "P90D"}, {At: "P1M", Since: event.NewDate(2027, 1, 1), Until: "P5D"}},
		Match:   HolderFields[:], Names: map[string]string{"en": "residence permit"},
	}
	if d := cmp.Diff(want, c.Documents); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	permit := c.Documents["residence_permit"]
	if got := permit.DisplayName("hu", "residence_permit"); got != "residence_permit" {
		t.Errorf("Hungarian name: %s", got)
	}
	if got := permit.DisplayName("en", "?"); got != "residence permit" {
		t.Errorf("English name: %s", got)
	}
}

// TestDerivedDefaults: what a source does not say follows from elsewhere.
func TestDerivedDefaults(t *testing.T) {
	text := strings.Replace(withBase("identity: {drop_title: true}"), "{topic: documents,",
		"{topic: documents, name: okmany, drop_title: false, heartbeat: {topic: beat, max_age: 3m},", 1)
	c := mustParse(t, text)
	docs, regs := c.Sources[0], c.Sources[1]
	if docs.Name != "okmany" || docs.DropTitle || docs.DelayLimit != 3*time.Minute {
		t.Errorf("documents: %+v", docs)
	}
	if regs.Name != "registrations" || !regs.DropTitle || regs.DelayLimit != 10*time.Minute || regs.Heartbeat != (Heartbeat{}) {
		t.Errorf("registrations: %+v", regs)
	}
	c = mustParse(t, strings.Replace(text, "max_age: 3m", "", 1))
	if got := c.Sources[0].Heartbeat.MaxAge; got != 10*time.Minute {
		t.Errorf("a heartbeat may be %v old", got)
	}
	for given, want := range map[string]bool{"{}": false, "{ca_file: ca.pem}": true, "{ca_file: ca.pem, enabled: false}": false, "{enabled: true}": true} {
		c := mustParse(t, withBase("kafka: {brokers: [kafka:9092], tls: "+given+"}"))
		if c.Kafka.TLS.Enabled != want {
			t.Errorf("tls: %s is enabled: %v", given, c.Kafka.TLS.Enabled)
		}
	}
}

func TestEnvironment(t *testing.T) {
	key := strings.Repeat("k", KeyBytes)
	c := mustParse(t, withBase("pilot: {registrations: [id=1]}\nmail: {texts: {hu: {office: x}}}"),
		"PATH=/bin", "LEJARAT_KAFKA_BROKERS=a:1, b:2", "LEJARAT_MAIL_RELAY_ADDRESS=mail:25", "LEJARAT_HTTP_LISTEN=",
		"LEJARAT_STATE_CACHE=1GiB", "LEJARAT_STATE_FLUSH_EVERY=1m", "LEJARAT_CALENDAR_LIVE_FROM=2026-12-01", "LEJARAT_CALENDAR_RUN_AT=05:30",
		"LEJARAT_FUSE_MAX_RUN=50000", "LEJARAT_ANNOUNCEMENTS_ENABLED=false", "LEJARAT_DOCUMENTS_DRIVING_LICENCE_NOTICES=P3M,P0D",
		"LEJARAT_DOCUMENTS_DRIVING_LICENCE_NAMES_EN=driver's license", "LEJARAT_SOURCES_0_TOPIC=other", "LEJARAT_SOURCES_0_COLUMNS_STATUS_VALID=V,A",
		"LEJARAT_SOURCES_0_COLUMNS_NUMBER=no", "LEJARAT_SOURCES_1_MAX_REJECT_SHARE=0.5", "LEJARAT_SOURCES_1_COLUMNS_HOLDER_NAME=last,first",
		"LEJARAT_PILOT_REGISTRATIONS=id=1,id=2", "LEJARAT_MAIL_RELAY_USER=u", "LEJARAT_MAIL_RELAY_PASSWORD=p=q", "LEJARAT_MAIL_TEXTS_HU_OFFICE=y",
		"LEJARAT_IDENTITY_KEY="+hex.EncodeToString([]byte(key)), "LEJARAT_REFERENCE_KEY="+base64.StdEncoding.EncodeToString([]byte("r"+key)))
	got := fmt.Sprintln(c.Kafka.Brokers, c.Mail.Relay.Address, c.HTTP.Listen, c.State.Cache, c.State.FlushEvery, c.Calendar.LiveFrom, c.Calendar.RunAt,
		c.Fuse.MaxRun, c.Announcements.Enabled, c.Documents["driving_licence"].Notices, c.Documents["driving_licence"].Names["en"],
		c.Sources[0].Topic, c.Sources[0].Name, c.Sources[0].Columns.Status.Valid, c.Sources[0].Columns.Number.Column,
		c.Sources[1].MaxRejectShare, c.Sources[1].Columns.Holder.Name, c.Pilot.Registrations, c.Mail.Relay.Password, c.Mail.Texts["hu"]["office"])
	want := "[a:1 b:2] mail:25 127.0.0.1:8080 1GiB 1m0s 2026-12-01 05:30 50000 false [{P3M 1970-01-01 } {P0D 1970-01-01 }] driver's license " +
		"other other [V A] no 0.5 [last first] [id=1 id=2] *** y\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if passwords, err := c.Mail.Passwords(); err != nil || len(passwords) != 1 || passwords[0] != "p=q" {
		t.Errorf("passwords %q, %v", passwords, err)
	}
	identity, reference, err := c.Identity.Keys()
	if err != nil || string(identity) != key || string(reference) != "r"+key {
		t.Errorf("keys %q, %q, %v", identity, reference, err)
	}
}

// TestVariablesAreDistinct: no two settings share a variable.
func TestVariablesAreDistinct(t *testing.T) {
	c, err := Load("testdata/spec.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{envIdentityKey: "", envReferenceKey: ""}
	settings(reflect.ValueOf(c).Elem(), "", func(path string, _ reflect.Value) {
		name := variable(path)
		if other, ok := seen[name]; ok {
			t.Errorf("%s sets %s and %s", name, other, path)
		}
		seen[name] = path
	})
	if len(seen) < 150 {
		t.Errorf("only %d settings can be overridden", len(seen))
	}
}

func TestSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	for content, want := range map[string]string{"sesame\n": "sesame", " blank \r\n": " blank ", "\n": ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := SASL{PasswordFile: file}.Secret()
		if got != want || (err != nil) != (want == "") {
			t.Errorf("a file with %q gives %q, %v", content, got, err)
		}
	}
	if _, err := (Mail{Relay: Relay{PasswordFile: file + ".none"}}).Passwords(); err == nil || !strings.Contains(err.Error(), "mail.relay.password_file") {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := (Mail{FurtherRelays: []Relay{{PasswordFile: file + ".none"}}}).Passwords(); err == nil || !strings.Contains(err.Error(), "mail.further_relays[0].password_file") {
		t.Errorf("a missing file of a further relay: %v", err)
	}
	if _, err := (Mail{Relay: Relay{Password: "***"}}).Passwords(); err == nil {
		t.Error("the mask passes for a password")
	}
	relay := Relay{User: "u", Password: "sesame"}
	for _, s := range []string{fmt.Sprint(relay), fmt.Sprintf("%+v", relay), fmt.Sprintf("%#v", relay), fmt.Sprintf("%q", relay.Password)} {
		if strings.Contains(s, "sesame") {
			t.Errorf("a password is printed: %s", s)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	raw := []byte("\x00\xff0123456789012345678901234567890\n")
	key := []byte(strings.Repeat("k", KeyBytes))
	for name, c := range map[string]struct {
		content, want []byte
	}{
		"hexadecimal":  {[]byte(hex.EncodeToString(key) + "\n"), key},
		"base64":       {[]byte(base64.StdEncoding.EncodeToString(key) + "\n"), key},
		"raw bytes":    {raw, raw},
		"short":        {[]byte("0123"), nil},
		"short in hex": {[]byte("00112233445566778899aabbccdd"), nil},
	} {
		identity := Identity{KeyFile: filepath.Join(dir, "identity.key"), ReferenceKeyFile: filepath.Join(dir, "identity.key")}
		if err := os.WriteFile(identity.KeyFile, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, _, err := identity.Keys()
		if string(got) != string(c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, _, err := (Identity{KeyFile: dir + "/a", ReferenceKeyFile: dir + "/b"}).Keys(); err == nil ||
		!strings.Contains(err.Error(), "identity.key_file") || !strings.Contains(err.Error(), "identity.reference_key_file") {
		t.Errorf("two missing files: %v", err)
	}
}

func TestPilot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pilot")
	if err := os.WriteFile(file, []byte("# testers\nid=2\n\n  id=3  \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := Pilot{Registrations: []string{"id=1"}, File: file}
	got, err := p.Keys()
	if want := []string{"id=1", "id=2", "id=3"}; err != nil || !reflect.DeepEqual(got, want) || !p.Restricts() {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := (Pilot{File: file + ".none"}).Keys(); err == nil {
		t.Error("a missing pilot file restricts nothing")
	}
}
