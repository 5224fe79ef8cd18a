package config

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func printed(t interface{ Fatal(...any) }, c *Config) string {
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// roundTrip reports how a configuration that was printed and parsed again differs, secrets aside.
func roundTrip(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, c *Config) {
	text := printed(t, c)
	again, err := Parse("printed.yaml", []byte(text), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	masks := cmp.Comparer(func(a, b Secret) bool { return a.String() == b.String() })
	if d := cmp.Diff(c, again, masks, cmp.AllowUnexported(Identity{})); d != "" {
		t.Fatalf("printed -, parsed again +\n%s\n%s", d, text)
	}
}

const everything = `kafka:
  brokers: ["kafka:9093", "[::1]:9093"]
  topic_prefix: ""
  instance_id: "01"
  tls: {ca_file: ca.pem, cert_file: c.pem, key_file: k.pem, enabled: false}
  sasl: {mechanism: SCRAM-SHA-512, user: "null", password: sesame}
  session_timeout: 29m30s
  replication: 3
calendar: {live_from: 2026-12-01, run_at: 00:05}
http: {listen: ""}
documents:
  passport: null
  identity_card: {names: {}, one_per_person: false}
  permit: {notices: [{at: P1Y, since: 2027-01-01}, P2W, {at: P1D, until: P0D}], names: {hu: "engedély: új, \"zöld\"\n# nem megjegyzés"}}
extensions:
  - {types: [identity_card, permit], expires_from: 2020-03-11, expires_to: 2020-07-03, valid_until: 2020-07-03, in_force_from: 2020-03-11}
  - {types: [permit], expires_from: 2020-08-01, expires_to: 2020-09-01, valid_until: never, in_force_from: 2020-08-01}
sources:
  - topic: documents
    name: "- x: y"
    kind: documents
    damaged: true
    drop_title: true
    heartbeat: {topic: beat, max_age: 90s}
    delay_limit: 1500ms
    max_reject_share: 0.125
    snapshot_ended: true
    columns: &documents
      type: {column: kind, values: {"01": permit, "true": identity_card, "": driving_licence}, ignored: [no, "null", ~x, 1.0, 0x10]}
      number: {column: Szám}
      status: {column: status, valid: [1, true], invalid: ["", 0]}
      expires: [{column: until, date: days}, until_too]
      effective: {column: issued, date: micros}
      holder: &holder {name: [family name, given], birth_name: b, birth_place: p, birth_date: {column: d, date: dd.mm.yyyy}, mother_name: m}
      holder_ref: ref
  - {topic: constant, kind: documents, columns: {type: {constant: permit}, status: {column: s, valid: V}, expires: e, holder: *holder}}
  - topic: registrations
    kind: registrations
    columns: {email: e, active: {column: a, true: [I], false: [N]}, service: s, language: {column: l, values: {H: hu, A: en}}, holder: *holder}
announcements: {enabled: false, spread_days: 30}
fuse: {max_run: 10000}
pilot: {registrations: ["id=1", "office=7,number=AB1", "a\\,b"], file: pilot.txt}
mail:
  texts:
    hu: {office: "Ügyfélszolgálat", empty: ""}
    en:
      office: |
        two
        lines
  relay: {user: u, password_file: /run/secrets/relay, rate: 600/min}
  further_relays: [{address: "b:25", rate: 1/s}, {address: "c:25", tls: tls, connections: 2}]
  website: https://example.hu/
  daily_cap: 50000
limits: {transaction_pause: 0s, max_record_bytes: 1000000}
`

func TestPrintRoundTrip(t *testing.T) {
	for name, text := range map[string]string{"least": withBase(""), "everything": everything} {
		t.Run(name, func(t *testing.T) { roundTrip(t, mustParse(t, text)) })
	}
	spec, err := Load("testdata/spec.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, spec)
	example, err := Load("../../../deploy/lejarat.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, example)
}

// TestPrintRoundTripOfAnyText puts arbitrary texts wherever a text is free.
func TestPrintRoundTripOfAnyText(t *testing.T) {
	base := withBase("")
	odd := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"null", "~", "true", "1", "1.0", "0x1F", "-", "- a", "a: b", "a:", ": a", "#", "a #b", "&a", "*a", "!t", "|", ">", "%", "@", "`", "'", "\"", "\\",
		" a", "a ", "a  b", "\n", "a\nb", "\t", "{", "}", "[", "]", ",", "a,b", "---", "...", "--- a", "<<", "=", "?", "? a", "2026-12-01", "06:00", ".inf", ".nan", "\u00a0", "\u2028", "\ufeff", "\x7f", "\x00", "ő", "😀",
	}))
	text := odd.Filter(func(s string) bool { return strings.TrimSpace(s) != "" && strings.ToValidUTF8(s, "") == s })
	rapid.Check(t, func(t *rapid.T) {
		c, err := Parse("base", []byte(base), nil)
		if err != nil {
			t.Fatal(err)
		}
		c.State.Dir, c.Mail.TemplateDir = text.Draw(t, "dir"), odd.Draw(t, "template dir")
		c.Kafka.ClientID, c.Kafka.InstanceID = odd.Draw(t, "client"), odd.Draw(t, "instance")
		c.Mail.Texts = map[string]map[string]string{"hu": rapid.MapOfN(odd, odd, 1, 3).Draw(t, "texts")}
		c.Pilot.Registrations = rapid.SliceOfNDistinct(text, 1, 4, rapid.ID[string]).Draw(t, "pilot")
		c.Sources[0].Columns.Number.Column = text.Draw(t, "number")
		c.Sources[0].Columns.Type.Values = rapid.MapOfN(odd, rapid.Just("passport"), 1, 3).Draw(t, "values")
		c.Sources[1].Columns.Active.True = rapid.SliceOfNDistinct(odd, 1, 3, rapid.ID[string]).Draw(t, "true")
		roundTrip(t, c)
	})
}

func TestPrintMasks(t *testing.T) {
	c := mustParse(t, withBase("kafka: {brokers: [kafka:9092], sasl: {mechanism: PLAIN, user: u, password: sesame}}\nmail: {relay: {user: u, password: sesame}}"),
		"LEJARAT_IDENTITY_KEY="+strings.Repeat("ab", KeyBytes))
	text := printed(t, c)
	if strings.Contains(text, "sesame") || strings.Contains(text, "abab") || strings.Count(text, "password: \"***\"") != 2 {
		t.Error(text)
	}
}

// FuzzParse: whatever the file holds, Parse ends with a configuration that prints and parses again, or with faults that
// have a line.
func FuzzParse(f *testing.F) {
	f.Add(everything)
	f.Add(withBase("log: {level: debug}"))
	f.Add("a: &a [*a]\n<<: *a\n? b\n: c")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("fuzz.yaml", []byte(text), nil)
		if err == nil {
			roundTrip(t, c)
			return
		}
		for _, fault := range err.(Faults) {
			if fault.Line < 1 || fault.Column < 1 || fault.Message == "" {
				t.Errorf("%+v", fault)
			}
		}
	})
}
