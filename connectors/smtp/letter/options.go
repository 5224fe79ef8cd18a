package letter

import (
	"cmp"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
)

// Options say what the mails are like. The zero value of everything but From has a default.
type Options struct {
	// From is the fixed sender, an RFC 5322 mailbox: "Okmányértesítő <ertesites@example.hu>".
	From string
	// ReplyTo is where answers go; "" names none, and the letters then ask not to answer.
	ReplyTo string
	// EnvelopeFrom is where bounces go. Default: the address of From.
	EnvelopeFrom string
	// TemplateDir holds files that replace the shipped ones of the same relative path. "": none.
	TemplateDir string
	// Website is the page that describes the service, shown as plain text. "": none.
	Website string
	// Texts are language → name → text, for the templates. The shipped ones use service, operator, switch_off, help
	// and renew_<document type>, each in place of its own wording.
	Texts map[string]map[string]string
	// Unsubscribe names ways to switch the service off for mail programs, by the kind of letter. nil: none.
	Unsubscribe map[string]Unsubscribe
	// DKIM are the keys that sign. nil: mails leave unsigned, and the relay signs.
	DKIM []DKIMKey
	// Documents are the document types in the order in which the announcement lists them. Default: the four of SPEC 1.1.
	Documents []Document
	// MaxBytes is the largest mail, before signing. Default 256 KiB.
	MaxBytes int
}

// Document is a document type that letters can be about.
type Document struct {
	Type    string
	Notices []string          // ISO 8601 periods, the longest first
	Names   map[string]string // language → display name; missing: the shipped name, else Type
}

// withDefaults fills in what was left zero.
func (o Options) withDefaults() Options {
	o.MaxBytes = cmp.Or(o.MaxBytes, 256<<10)
	if o.Documents == nil {
		o.Documents = shippedDocuments()
	}
	return o
}

// sender is what Options say about who sends, checked.
type sender struct {
	from     *netmail.Address
	replyTo  *netmail.Address // nil: none
	envelope string
}

// domain is the part of the sender's address that Message-IDs carry.
func (s sender) domain() string { return s.from.Address[strings.LastIndexByte(s.from.Address, '@')+1:] }

func (o Options) sender() (sender, error) {
	var s sender
	var faults []error
	parse := func(key, text string) *netmail.Address {
		a, err := netmail.ParseAddress(text)
		var checked mailbox
		if err == nil {
			checked, err = parseMailbox(a.Address)
		}
		if err != nil || checked.utf8 {
			faults = append(faults, fmt.Errorf("mail.%s: want a mailbox such as \"Name <name@example.hu>\", ASCII before the @", key))
			return nil
		}
		a.Address = checked.address
		return a
	}
	if s.from = parse("from", o.From); s.from != nil {
		s.envelope = s.from.Address
	}
	if o.ReplyTo != "" {
		s.replyTo = parse("reply_to", o.ReplyTo)
	}
	if o.EnvelopeFrom != "" {
		if a := parse("envelope_from", o.EnvelopeFrom); a != nil {
			s.envelope = a.Address
		}
	}
	return s, errors.Join(faults...)
}
