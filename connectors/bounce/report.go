package bounce

import (
	"bufio"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"
)

// Bounds of what is read of a message. What lies beyond is not looked at: a report comes before the mail that it returns.
const (
	maxMessageBytes = 1 << 20
	maxHeaderBytes  = 64 << 10
	maxParts        = 20
	maxDepth        = 3
	maxRecipients   = 20
	maxSenders      = 20
)

// report is what a message says, with addresses in it: it is for judging, and never printed.
type report struct {
	senders    []string    // addresses that may carry a token, the likeliest first
	recipients []recipient // of a delivery report
	feedback   string      // type of a complaint: "abuse"
	proofs     []string    // Message-IDs and envelope ids of the mail that it is about
}

// recipient is what a delivery report says of one address.
type recipient struct {
	action          string // failed, delayed, delivered, relayed, expanded
	code            int    // SMTP code of the last answer; 0: none
	enhanced        string // enhanced code; "": none
	final, original string // addresses
}

// read reads a message, as much of it as can be read.
func read(r io.Reader) report {
	var rep report
	e, err := message.ReadWithOptions(io.LimitReader(r, maxMessageBytes), &message.ReadOptions{MaxHeaderBytes: maxHeaderBytes})
	if e == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return rep
	}
	for _, field := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "To"} {
		for f := e.Header.FieldsByKey(field); f.Next(); {
			rep.sender(f.Value())
		}
	}
	if kind, _, err := e.Header.ContentType(); err == nil && strings.HasPrefix(kind, "multipart/") {
		rep.parts(e, 0)
	}
	return rep
}

// parts goes through a message's parts.
func (rep *report) parts(e *message.Entity, depth int) {
	parts := e.MultipartReader()
	if parts == nil || depth == maxDepth {
		return
	}
	for range maxParts {
		part, err := parts.NextPart()
		if part == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
			return
		}
		kind, _, _ := part.Header.ContentType()
		body := bufio.NewReader(part.Body)
		switch strings.ToLower(kind) {
		case "message/delivery-status", "message/global-delivery-status":
			rep.deliveryStatus(body)
		case "message/feedback-report":
			rep.complaint(body)
		case "message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers":
			rep.returned(body)
		default:
			if strings.HasPrefix(kind, "multipart/") {
				rep.parts(part, depth+1)
			}
		}
	}
}

// deliveryStatus reads groups of fields: one about the message, then one for each recipient (RFC 3464 2.1).
func (rep *report) deliveryStatus(r *bufio.Reader) {
	for range maxRecipients + 1 {
		h, err := textproto.ReadHeader(r)
		if id := h.Get("Original-Envelope-Id"); id != "" {
			rep.proofs = append(rep.proofs, id)
		}
		if action := h.Get("Action"); action != "" {
			rep.recipients = append(rep.recipients, readRecipient(h, action))
		}
		if err != nil {
			return
		}
		for { // more than one blank line between groups is common
			b, err := r.Peek(1)
			if err != nil {
				return
			}
			if b[0] != '\r' && b[0] != '\n' {
				break
			}
			_, _ = r.Discard(1)
		}
	}
}

var (
	enhancedPattern = regexp.MustCompile(`\b[245]\.\d{1,3}\.\d{1,3}\b`)
	codePattern     = regexp.MustCompile(`(?i)^smtp\s*;\s*([245]\d\d)\b`)
)

func readRecipient(h textproto.Header, action string) recipient {
	out := recipient{action: strings.ToLower(strings.TrimSpace(firstWord(action))), enhanced: enhancedPattern.FindString(h.Get("Status")),
		final: typed(h.Get("Final-Recipient")), original: typed(h.Get("Original-Recipient"))}
	diagnostic := strings.TrimSpace(h.Get("Diagnostic-Code"))
	if m := codePattern.FindStringSubmatch(diagnostic); m != nil {
		out.code, _ = strconv.Atoi(m[1])
		// Where the report says only "failed for some reason", the answer that it quotes may say more.
		said := enhancedPattern.FindString(diagnostic)
		if said != "" && (out.enhanced == "" || strings.HasSuffix(out.enhanced, ".0.0") && said[0] == out.enhanced[0]) {
			out.enhanced = said
		}
	}
	return out
}

// typed takes the address out of "rfc822; address".
func typed(value string) string {
	_, address, _ := strings.Cut(value, ";")
	return strings.Trim(strings.TrimSpace(address), "<>")
}

func firstWord(s string) string {
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}

// complaint reads a feedback report.
func (rep *report) complaint(r *bufio.Reader) {
	h, _ := textproto.ReadHeader(r)
	rep.feedback = strings.ToLower(firstWord(h.Get("Feedback-Type")))
	if id := h.Get("Original-Envelope-Id"); id != "" {
		rep.proofs = append(rep.proofs, id)
	}
	rep.sender(h.Get("Original-Mail-From"))
}

// returned reads the header of the mail that a report is about.
func (rep *report) returned(r *bufio.Reader) {
	h, _ := textproto.ReadHeader(bufio.NewReader(io.LimitReader(r, maxHeaderBytes)))
	if id := h.Get("Message-Id"); id != "" {
		rep.proofs = append(rep.proofs, id)
	}
	rep.sender(h.Get("Return-Path"))
}

// sender notes addresses that may carry a token.
func (rep *report) sender(value string) {
	for _, word := range strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == '<' || r == '>' }) {
		if strings.ContainsRune(word, '@') && len(rep.senders) < maxSenders {
			rep.senders = append(rep.senders, word)
		}
	}
}
