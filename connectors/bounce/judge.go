package bounce

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"lejarat/processor/event"
)

// Verdict is what became of a message. The texts are labels of a metric, and keys of a summary.
type Verdict string

// The verdicts. All but the first three change nothing.
const (
	AddressFailed Verdict = "address_failed" // recorded as bounced, the address suppressed
	MailFailed    Verdict = "mail_failed"    // recorded as bounced: another failure than the address's
	Complained    Verdict = "complaint"      // recorded, the address suppressed
	Repeated      Verdict = "repeated"       // recorded before
	Delayed       Verdict = "delayed"        // still on its way
	Delivered     Verdict = "delivered"      // a success report
	Unknown       Verdict = "unknown"        // about a mail that the relay never took, or took too long ago
	Mismatch      Verdict = "mismatch"       // token and contents name two mails
	Forged        Verdict = "forged"         // with a token that is not ours
	Unaddressed   Verdict = "unaddressed"    // without a token
	NotReport     Verdict = "not_a_report"   // an answer, an advertisement, a report that cannot be read
	OtherFeedback Verdict = "other_feedback" // a feedback report that is no complaint
)

// token finds the token of a message: in its envelope, else in its header, else in what it returns.
func (t *Tokens) token(recipients []string, rep *report) (Token, Verdict) {
	verdict := Unaddressed
	for _, address := range slices.Concat(recipients, rep.senders) {
		k, err := t.Read(address)
		switch err {
		case nil:
			return k, ""
		case errForged:
			verdict = Forged
		}
	}
	return Token{}, verdict
}

// ourID is a notification id in a Message-ID of ours, or an envelope id.
var ourID = regexp.MustCompile(`^<?([0-9a-fA-F]{32})(@|>?$)`)

// agrees says whether nothing in the report names another mail than the token.
func (rep *report) agrees(k Token) bool {
	for _, proof := range rep.proofs {
		if m := ourID.FindStringSubmatch(strings.TrimSpace(proof)); m != nil && !strings.EqualFold(m[1], k.ID) {
			return false
		}
	}
	return true
}

// complaints are the feedback types by which somebody does not want the mail: opt-out is not in the standard any more.
var complaints = []string{"abuse", "fraud", "opt-out", "opt-out-list"}

// says is what a report says, before anybody looks at the mail. The recipient counts for failures: that of the mail's
// own address, else the first.
func (rep *report) says(address string) (Verdict, recipient) {
	if rep.feedback != "" {
		if slices.Contains(complaints, rep.feedback) {
			return Complained, recipient{}
		}
		return OtherFeedback, recipient{}
	}
	verdict := NotReport
	var failed []recipient
	for _, r := range rep.recipients {
		switch r.action {
		case "failed":
			failed = append(failed, r)
		case "delayed":
			verdict = Delayed
		case "delivered", "relayed", "expanded":
			if verdict == NotReport {
				verdict = Delivered
			}
		}
	}
	if len(failed) == 0 {
		return verdict, recipient{}
	}
	i := max(0, slices.IndexFunc(failed, func(r recipient) bool { return r.about(address) }))
	if r := failed[i]; r.hard() && r.about(address) {
		return AddressFailed, r
	}
	return MailFailed, failed[i]
}

// senderCodes are the codes of RFC 3463 3.2 and 2.1 that say nothing of the receiver's address, or blame the sender's: a mistake
// of ours must not silence everybody.
var senderCodes = []string{"5.1.0", "5.1.5", "5.1.7", "5.1.8", "5.1.9"}

// hard says that the address itself is at fault, for good.
func (r recipient) hard() bool {
	return strings.HasPrefix(r.enhanced, "5.1.") && !slices.Contains(senderCodes, r.enhanced)
}

// about says whether a report is about the address that the mail was for. A forwarding address that is dead is not:
// the person may mend it without ever changing the address that is registered.
func (r recipient) about(address string) bool {
	return address != "" && strings.EqualFold(plain(r.final), plain(address))
}

// utf8Xtext is how RFC 6533 writes letters that are not ASCII.
var utf8Xtext = regexp.MustCompile(`\\x\{([0-9A-Fa-f]{1,6})\}`)

// plain is an address with its letters as such and its domain in ASCII: the mail went out so, whatever is registered.
func plain(address string) string {
	address = utf8Xtext.ReplaceAllStringFunc(strings.TrimSpace(address), func(s string) string {
		r, err := strconv.ParseInt(s[3:len(s)-1], 16, 32)
		if err != nil {
			return s
		}
		return string(rune(r))
	})
	i := strings.LastIndexByte(address, '@')
	if ascii, err := idna.Lookup.ToASCII(address[i+1:]); err == nil {
		return address[:i+1] + ascii
	}
	return address
}

// bounced is the delivery of a mail that came back: what was known of it stays.
func bounced(d event.Delivery, r recipient, at string) event.Delivery {
	d.Status, d.Reason, d.At = event.DeliveryBounced, nil, at
	d.SMTPCode, d.EnhancedCode = nil, nil
	if r.code != 0 {
		d.SMTPCode = &r.code
	}
	if r.enhanced != "" {
		d.EnhancedCode = &r.enhanced
	}
	return d
}

// complained is the delivery of a mail about which its receiver complained: it stays accepted, since it arrived.
func complained(d event.Delivery, at string) event.Delivery {
	reason := reasonComplaint
	d.Status, d.Reason, d.At = event.DeliveryAccepted, &reason, at
	return d
}
