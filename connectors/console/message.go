package console

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// parseMessage reads as much of a mail as can be read; whatever is wrong with it, Raw has it all.
func parseMessage(raw []byte) *Message {
	m := &Message{Raw: raw}
	parsed, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		m.Text = toText(raw, "")
		return m
	}
	m.From = headerText(parsed.Header.Get("From"))
	m.To = headerText(strings.Join(textproto.MIMEHeader(parsed.Header).Values("To"), ", "))
	m.Subject = headerText(parsed.Header.Get("Subject"))
	if date, err := parsed.Header.Date(); err == nil {
		m.Date = date
	}
	p := partReader{message: m}
	p.read(textproto.MIMEHeader(parsed.Header), parsed.Body, 0)
	return m
}

// partReader walks the parts of a mail and keeps the first text and the first HTML.
type partReader struct {
	message *Message
	parts   int
}

func (p *partReader) read(header textproto.MIMEHeader, body io.Reader, depth int) {
	if p.parts++; p.parts > maxParts || depth > maxPartDepth {
		return
	}
	disposition, _, _ := mime.ParseMediaType(header.Get("Content-Disposition"))
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		kind = "text/plain" // RFC 2045 5.2
	}
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		for r := multipart.NewReader(body, params["boundary"]); p.parts <= maxParts; {
			part, err := r.NextRawPart()
			if err != nil {
				return
			}
			p.read(part.Header, part, depth+1)
		}
	case disposition == "attachment":
	case kind == "text/plain" && p.message.Text == "":
		p.message.Text = decodeBody(header, body, params["charset"])
	case kind == "text/html" && p.message.HTML == "":
		p.message.HTML = decodeBody(header, body, params["charset"])
	}
}

// decodeBody undoes the transfer encoding and the charset. Of a broken encoding it keeps what comes before the break.
func decodeBody(header textproto.MIMEHeader, body io.Reader, charset string) string {
	switch strings.ToLower(strings.TrimSpace(header.Get("Content-Transfer-Encoding"))) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	decoded, _ := io.ReadAll(body) // bounded by MaxMailBytes: no transfer encoding grows when it is undone
	return toText(decoded, charset)
}

// toText makes UTF-8 of text in a charset; what is not valid becomes U+FFFD.
func toText(b []byte, charset string) string {
	if charset != "" && !strings.EqualFold(charset, "utf-8") {
		if enc, err := htmlindex.Get(charset); err == nil {
			if decoded, err := enc.NewDecoder().Bytes(b); err == nil {
				b = decoded
			}
		}
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\r\n", "\n")
}

var words = mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
	enc, err := htmlindex.Get(charset)
	if err != nil {
		return nil, fmt.Errorf("charset of a header: %w", err)
	}
	return enc.NewDecoder().Reader(r), nil
}}

// headerText decodes a header field (RFC 2047) for a page.
func headerText(s string) string {
	if decoded, err := words.DecodeHeader(s); err == nil {
		s = decoded
	}
	return clean(s)
}

// clean makes one line of printable text out of what a sender wrote. Control and formatting characters go: among them
// those that turn the direction of writing, with which one address can be made to look like another.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '\t':
			r = ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			continue
		}
		if n++; n > maxHeaderRunes {
			b.WriteRune('…')
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// headerBlock is the mail's header as it came.
func headerBlock(raw []byte) string {
	text := toText(raw[:min(len(raw), 64<<10)], "")
	head, _, _ := strings.Cut(text, "\n\n")
	return head
}

// cut shortens s to at most n runes.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}
