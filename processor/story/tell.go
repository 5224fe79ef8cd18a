package story

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
)

// Tell fills in the sentences: each notice's own, and the whole as lines of text.
func (s *Story) Tell() {
	for _, list := range [][]Notice{s.Notices, s.Former} {
		for i := range list {
			list[i].Sentence = s.sentence(&list[i])
		}
	}
	s.Text = nil
	s.tellRow()
	for i := range s.Identities {
		s.tellIdentity(&s.Identities[i])
	}
	for _, fields := range s.Incomplete {
		s.say("It lacks one of %s: by these it is joined to nobody.", enumerate(fields))
	}
	if len(s.Identities) == 0 && s.Deleted == nil && s.Hold == nil {
		s.say("Its identity data are incomplete for its type, or its type is not served: it is joined to nobody.")
	}
	s.tellRuns()
	s.tellNotices()
	if len(s.Former) > 0 {
		s.say("")
		s.say("Of former facts:")
		for i := range s.Former {
			s.tellNotice(&s.Former[i], true)
		}
	}
	if len(s.Versions) > 0 {
		s.say("")
		s.say("What the journal still holds of the row:")
		for i := range s.Versions {
			s.say("  %s", versionText(&s.Versions[i], s.Kind, s.Source))
		}
	}
	if s.ToldFrom == FromInstance {
		s.say("")
		s.say("Told by a running instance; --scan reads the topics and adds former facts and their notices.")
	}
}

func (s *Story) say(format string, args ...any) {
	s.Text = append(s.Text, fmt.Sprintf(format, args...))
}

// tellRow says what the row is.
func (s *Story) tellRow() {
	f := s.Facts
	switch {
	case s.Kind == Document && f != nil:
		number := ""
		if f.NumberMasked != "" {
			number = " number " + f.NumberMasked + ","
		}
		s.say("%s,%s reference %s", title(f.Type), number, s.Ref)
		s.say("%s", documentText(f))
	case f != nil:
		s.say("Registration, reference %s", s.Ref)
		s.say("%s", registrationText(f))
	default:
		s.say("%s, reference %s", title(s.Kind), s.Ref)
	}
	if f != nil {
		s.say("%s Read from %s.", since(f.Effective), at(s.Source, &f.Position))
		if f.TakesPart != nil {
			s.say("Its identity data changed lately: it takes part from the run of %s.", *f.TakesPart)
		}
	}
	switch {
	case s.Hold != nil:
		s.say("%s", strings.ReplaceAll(holds[s.Hold.Reason], "{position}", at(s.Source, &s.Hold.Position)))
	case s.Deleted != nil:
		s.say("Deleted in the register (%s). Nothing is sent for it any more.", at(s.Source, s.Deleted))
	case f != nil:
		s.say("Not held: its newest record could be used.")
	}
}

func documentText(f *Facts) string {
	valid := "Not valid in the register."
	if f.Valid {
		valid = "Valid in the register."
	}
	expires := " It never expires."
	if f.Expires != nil {
		expires = " It expires on " + *f.Expires + "."
	}
	switch {
	case f.ExpiresByLaw != nil && *f.ExpiresByLaw == "never":
		expires += " By a legal extension it stays valid, so far without an end."
	case f.ExpiresByLaw != nil:
		expires += " By a legal extension it counts until " + *f.ExpiresByLaw + "."
	}
	later := ""
	switch {
	case f.Superseded == nil:
	case !*f.Superseded:
		later = " No later document replaces it."
	default:
		later = " A later valid document of this type, of the same person, replaces it."
	}
	return valid + expires + later
}

func registrationText(f *Facts) string {
	switch {
	case f.On:
		return "Active, the service switched on, with an e-mail address."
	case !f.HasAddress:
		return "Without an e-mail address: nothing can be sent."
	}
	return "Inactive, or the service switched off."
}

func since(effective *string) string {
	if effective == nil {
		return "These facts count since before the service first looked."
	}
	return "These facts count since " + *effective + "."
}

func at(topic string, p *Position) string {
	s := fmt.Sprintf("%s/%d offset %d", topic, p.Partition, p.Offset)
	if p.Committed != nil {
		s += ", of " + instant(*p.Committed)
	}
	return s
}

// tellRuns says which run decides next: of each partition in which the row stands, where they differ.
func (s *Story) tellRuns() {
	said := ""
	for i := range s.Identities {
		if text := runText(&s.Identities[i].Run); text != said {
			s.say("%s", text)
			said = text
		}
	}
}

// tellIdentity says who shares the row's identity.
func (s *Story) tellIdentity(i *Identity) {
	if slices.ContainsFunc(s.Incomplete, func(fields []string) bool { return slices.Equal(fields, i.Fields) }) {
		return // it stands there alone, for the announcement
	}
	by := ""
	if len(s.Identities) > 1 || len(s.Incomplete) > 0 {
		by = " (by " + enumerate(i.Fields) + ")"
	}
	switch documents, registrations := others(i.Documents, s), others(i.Registrations, s); s.Kind {
	case Document:
		s.say("Of the same identity%s: %s, and %s.", by, countOf(registrations, "registration", ""), countOf(documents, "document", "other "))
	default:
		s.say("Of the same identity%s: %s, and %s.", by, countOf(documents, "document", ""), countOf(registrations, "registration", "other "))
	}
	if i.Collision {
		s.say("Two different holders in the register share these identity data: nothing is sent to anybody.")
	}
}

func others(refs []string, s *Story) (out []string) {
	for _, r := range refs {
		if r != s.Ref {
			out = append(out, r)
		}
	}
	return out
}

func countOf(refs []string, what, other string) string {
	switch len(refs) {
	case 0:
		return "no " + other + what
	case 1:
		return "1 " + other + what + " (" + short(refs[0]) + ")"
	}
	shorts := make([]string, len(refs))
	for i, r := range refs {
		shorts[i] = short(r)
	}
	return fmt.Sprintf("%d %s%ss (%s)", len(refs), other, what, strings.Join(shorts, ", "))
}

func runText(r *Run) string {
	last := ""
	if r.LastComplete != "" {
		last = " The last complete one is that of " + r.LastComplete + "."
	}
	switch r.State {
	case "held":
		return "The run of " + r.Date + " is not complete; it is held: " + cmp.Or(r.Detail, r.Reason) + "." + last
	case "running":
		return "The run of " + r.Date + " is under way." + last
	}
	return "The next run is that of " + r.Date + ", at " + r.At + "." + last
}

// tellNotices says what became of every notice, by document.
func (s *Story) tellNotices() {
	document := ""
	for i := range s.Notices {
		n := &s.Notices[i]
		switch {
		case i == 0 && (s.Kind == Document || n.Kind == event.KindAnnouncement):
			s.say("")
		case n.Kind == event.KindExpiry && s.Kind == Registration && n.Document != document:
			s.say("")
			s.say("%s %s, expires %s:", title(n.Type), short(n.Document), n.Expires)
		case n.Kind == event.KindAnnouncement && document != "":
			s.say("")
		}
		document = n.Document
		s.tellNotice(n, false)
	}
	if len(s.Notices) == 0 && s.Facts != nil && s.Deleted == nil {
		s.say("")
		s.say("Nothing is due for it, now or later.")
	}
}

func (s *Story) tellNotice(n *Notice, former bool) {
	head := heading(n)
	if former && n.Kind == event.KindExpiry {
		head += ", for the expiry " + n.Expires
	}
	if s.Kind == Document && n.Registration != "" && s.several() {
		head += " (registration " + short(n.Registration) + ")"
	}
	s.say("%s: %s", head, n.Sentence)
}

// several says whether more than one registration comes up in a document's story.
func (s *Story) several() bool {
	first := ""
	for _, list := range [][]Notice{s.Notices, s.Former} {
		for i := range list {
			if r := list[i].Registration; r != "" && first != "" && r != first {
				return true
			}
			first = cmp.Or(first, list[i].Registration)
		}
	}
	return false
}

func heading(n *Notice) string {
	if n.Kind == event.KindAnnouncement {
		return "Announcement of the service"
	}
	return thresholdText(n.Threshold) + ", due " + n.Due
}

// thresholdText is a threshold in words.
func thresholdText(label string) string {
	p, err := calendar.ParsePeriod(label)
	switch {
	case err != nil:
		return label
	case p.Months == 0 && p.Days == 0:
		return "On the day of expiry (" + label + ")"
	case p.Months%12 == 0 && p.Days == 0:
		return count(p.Months/12, "year") + " before (" + label + ")"
	case p.Days == 0:
		return count(p.Months, "month") + " before (" + label + ")"
	case p.Months == 0:
		return count(p.Days, "day") + " before (" + label + ")"
	}
	return count(p.Months, "month") + " and " + count(p.Days, "day") + " before (" + label + ")"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// sentence says what became of one notice.
func (s *Story) sentence(n *Notice) string {
	text := words[n.Code]
	switch {
	case n.Code == event.Emitted && n.RunDate == "":
		text = emittedSometime
	case n.Code == event.ReasonHeld && n.Kind == event.KindExpiry && (n.Next == "" || n.Next > n.LastDay):
		text = words[n.Code+" "]
	case n.Code == event.ReasonHeld, n.Code == "not_entitled":
		text = words[n.Code+" "+n.Who]
	case n.Would != "":
		text = ahead[n.Would]
	}
	switch {
	case n.Code == event.Emitted || !isSkip(n.Code):
	case n.Recorded && n.RunDate != "":
		text += recordedSkip
	case !n.Recorded && n.Next != "":
		text += comingSkip
	}
	if n.LastDay == "" {
		text = strings.NewReplacer(", {last},", "", ", up to {last}", "").Replace(text)
	}
	held := ""
	for i := range s.Identities {
		if r := &s.Identities[i].Run; r.State == "held" && r.Date == n.Next {
			held = strings.ReplaceAll(heldRun, "{why}", cmp.Or(heldRuns[r.Reason], r.Reason))
		}
	}
	return strings.TrimSpace(strings.NewReplacer("{run}", n.RunDate, "{at}", strings.TrimPrefix(instant(n.At), n.RunDate+" "), "{id}", n.ID, "{next}", n.Next, "{due}", n.Due,
		"{last}", n.LastDay, "{from}", n.From, "{who}", holders[n.Who], "{mover}", "the document or the registration",
		"{held run}", held, "{mail}", deliveryText(n.Delivery)).Replace(text))
}

// isSkip says whether a code is one of those that lejarat.notifications records for a skip.
func isSkip(code string) bool {
	switch code {
	case event.ReasonLate, event.ReasonStaleSource, event.ReasonHeld, event.ReasonDuplicateAddress, event.ReasonCollision, event.ReasonOperator:
		return true
	}
	return false
}

func deliveryText(d *Delivery) string {
	if d == nil {
		return deliveries[""]
	}
	text, ok := deliveries[d.Status+" "+d.Reason]
	if !ok {
		text = deliveries[d.Status]
	}
	code := ""
	if d.SMTPCode != 0 {
		code = strings.TrimSpace(fmt.Sprintf(" (SMTP %d %s", d.SMTPCode, d.EnhancedCode))
		if said := cmp.Or(codes[d.EnhancedCode], codes[fmt.Sprint(d.SMTPCode)]); said != "" {
			code += ": " + said
		}
		code = " " + code + ")"
	}
	return strings.NewReplacer("{mailed}", instant(d.At), "{code}", code).Replace(text)
}

func versionText(v *Version, kind, topic string) string {
	facts := "on"
	switch {
	case kind == Document && v.Expires == nil:
		facts = strings.ReplaceAll(v.Type, "_", " ") + ", never expires"
	case kind == Document:
		facts = strings.ReplaceAll(v.Type, "_", " ") + ", expires " + *v.Expires
	case !v.On:
		facts = "inactive, switched off or without an address"
	}
	if kind == Document && !v.Valid {
		facts += ", not valid"
	}
	effective := ""
	if v.What == "facts" || v.What == "moved" {
		effective = "effective since before: "
		if v.Effective != nil {
			effective = "effective " + *v.Effective + ": "
		}
	}
	return effective + strings.ReplaceAll(versions[v.What], "{facts}", facts) + " (" + at(topic, &v.Position) + ")"
}

// instant is an RFC 3339 instant as people read it, to the second.
func instant(s string) string {
	if len(s) < len("2026-02-28T06:00:03") {
		return s
	}
	return s[:10] + " " + s[11:19]
}

// short is the beginning of a reference: enough to tell the rows of one story apart.
func short(ref string) string { return ref[:min(8, len(ref))] }

func title(s string) string {
	s = strings.ReplaceAll(s, "_", " ")
	return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):]
}

func enumerate(fields []string) string {
	return strings.ReplaceAll(strings.Join(fields, ", "), "_", " ")
}
