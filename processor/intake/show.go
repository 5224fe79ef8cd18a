package intake

import (
	"strings"
	"unicode"

	"lejarat/processor/event"
)

// Shown is how a column of a sample record reads, personal values masked.
type Shown struct {
	Column string `json:"column"`
	Value  string `json:"value"`
}

// Show maps one record for an operator's eyes: types, statuses and expiry dates in clear, everything that could name a
// person by its shape only (letters as a, digits as 9).
func (c *Core) Show(in *Input) ([]Shown, *event.Reject) {
	clear := map[int]bool{c.Source.Type: true, c.Source.Status: true, c.Source.Active.Column: true, c.Source.Service.Column: true,
		c.Source.Language: true, c.Source.Effective: true}
	for _, column := range c.Source.Expires {
		clear[column] = true
	}
	out := make([]Shown, 0, len(c.Source.Names))
	for i, name := range c.Source.Names {
		out = append(out, Shown{Column: name, Value: show(&in.Change.Values[i], clear[i])})
	}
	return out, c.read(in, new(facts))
}

func show(v *event.Value, clear bool) string {
	switch v.State {
	case event.Null:
		return "null"
	case event.Missing:
		return "(no such column)"
	case event.Unavailable:
		return "(not sent: large value)"
	case event.Unreadable:
		return "(unreadable: " + v.Reason + ")"
	}
	switch {
	case v.Text != "" || v.Date == 0 && v.Time.IsZero():
		if clear {
			return v.Text
		}
		return shape(v.Text)
	case !clear:
		return "9999-99-99"
	case v.Time.IsZero():
		return v.Date.String()
	}
	return v.Time.Format("2006-01-02 15:04:05 MST")
}

func shape(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			return '9'
		case unicode.IsUpper(r):
			return 'A'
		case unicode.IsLetter(r):
			return 'a'
		}
		return r
	}, s)
}
