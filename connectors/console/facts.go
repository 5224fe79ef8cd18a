package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// fact is one line of a JSON value shown to people: a label with a text, or with further facts.
type fact struct {
	Label string
	Text  string
	Facts []fact
}

// Group says whether the fact stands for several others.
func (f fact) Group() bool { return len(f.Facts) > 0 }

// factsOf lists the fields of a JSON value in their order.
func factsOf(v any) ([]fact, error) {
	if v == nil {
		return nil, nil
	}
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing a value as JSON: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	r := factReader{d: d}
	f, err := r.value("", 0)
	if err != nil {
		return nil, fmt.Errorf("reading JSON of our own: %w", err)
	}
	if !f.Group() && f.Text != "" {
		return []fact{f}, nil
	}
	return f.Facts, nil
}

type factReader struct {
	d *json.Decoder
	n int
}

// value reads one JSON value, whole; what lies deeper or is more than a page should hold is left out.
func (r *factReader) value(label string, depth int) (fact, error) {
	f := fact{Label: strings.ReplaceAll(label, "_", " ")}
	token, err := r.d.Token()
	if err != nil {
		return f, err
	}
	open, nested := token.(json.Delim)
	if !nested {
		f.Text = scalar(token)
		return f, nil
	}
	for i := 1; r.d.More(); i++ {
		name := ""
		if open == '{' {
			key, err := r.d.Token()
			if err != nil {
				return f, err
			}
			name, _ = key.(string)
		}
		inner, err := r.value(name, depth+1)
		if err != nil {
			return f, err
		}
		if r.n++; r.n <= maxFacts && depth < maxFactDepth {
			f.Facts = append(f.Facts, inner)
		}
	}
	if len(f.Facts) == 0 {
		f.Text = "none"
	}
	_, err = r.d.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return f, err
}

func scalar(t json.Token) string {
	switch v := t.(type) {
	case nil:
		return "–"
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case json.Number:
		return grouped(v.String())
	}
	return fmt.Sprint(t)
}

// grouped sets a thin space between groups of three digits, from five digits on.
func grouped(s string) string {
	digits, sign := strings.TrimPrefix(s, "-"), s[:len(s)-len(strings.TrimPrefix(s, "-"))]
	if len(digits) < 5 || strings.Trim(digits, "0123456789") != "" {
		return s
	}
	var b strings.Builder
	for i, r := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteRune('\u2009')
		}
		b.WriteRune(r)
	}
	return sign + b.String()
}
