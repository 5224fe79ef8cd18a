package event

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// TestMessagesAppendWhatJSONMakes: field by field, with every character that needs an escape.
func TestMessagesAppendWhatJSONMakes(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.StringOf(rapid.RuneFrom([]rune("aő \"\\<>&\x00\x1f\x7f\u2028\u2029\ufffd\U0001f600"))))
	optional := rapid.Ptr(text, true)
	rapid.Check(t, func(t *rapid.T) {
		s := func() string { return text.Draw(t, "text") }
		o := func() *string { return optional.Draw(t, "optional") }
		number := func() *int { return rapid.Ptr(rapid.Int(), true).Draw(t, "number") }
		n := Notice{s(), s(), s(), o(), o(), o(), o(), o(), s(), o(), s(), s(), s(), s(), s(), rapid.Bool().Draw(t, "virtual"), s()}
		m := Mail{ID: s(), Kind: s(), RegistrationRef: s(), Language: s(), To: MailTo{s(), s()}, Threshold: o(), Due: o(), RunDate: s(),
			DaysLeft: number(), NotAfter: s(), EmittedAt: s(), AddressHash: s()}
		if rapid.Bool().Draw(t, "document") {
			m.Document = &MailDocument{s(), s(), s()}
		}
		d := Delivery{s(), s(), rapid.Int().Draw(t, "attempts"), number(), o(), o(), o(), o(), s()}
		for _, v := range []appender{&n, &m, &d} {
			want, err := json.Marshal(v)
			if got := v.AppendJSON(nil); err != nil || string(got) != string(want) {
				t.Fatalf("%s\nencoding/json, %v: %s", got, err, want)
			}
		}
	})
}
