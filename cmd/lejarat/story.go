package main

import (
	"bytes"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"lejarat/connectors/console"
	"lejarat/connectors/registry"
	"lejarat/connectors/smtp"
	"lejarat/processor"
	"lejarat/processor/event"
	"lejarat/processor/watch"
)

// story tells the demo to a person: a line a day, one mail in full, a summary that balances.
type story struct {
	out   io.Writer
	plain io.Writer // out without the bar
	bar   *mpb.Bar
	all   *mpb.Progress

	mu        sync.Mutex
	today     string
	told      int // notices emitted
	announced int // announcements emitted
	owed      int // emitted, by the oracle
	outcomes  map[string]int
	counts    map[watch.Count]int
	life      map[string]int
	shown     bool
	letter    string            // id of the first notice that arrived
	letters   []console.Message // what arrived before it was shown
	line      string
	documents map[int64]registry.Document
	people    map[int64]registry.Registration
}

func newStory(out io.Writer, terminal bool, days int) *story {
	s := &story{out: out, plain: out, outcomes: map[string]int{}, counts: map[watch.Count]int{}, life: map[string]int{},
		documents: map[int64]registry.Document{}, people: map[int64]registry.Registration{}}
	if terminal {
		s.all = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
		s.bar = s.all.AddBar(int64(days), mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return s.day() })),
			mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8})))
		s.out = s.all
	}
	return s
}

func (s *story) day() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.today + " "
}

func (s *story) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *story) opening(f demoFlags, start event.Date) {
	s.say("lejarat tells citizens by e-mail, once and in time, that a document of theirs is about to expire.")
	s.say("This is %d days of an invented country of %d people (seed %d), from %s on, in one process.", f.days, f.people, f.seed, start)
}

func (s *story) address(url string) { s.say("Mailbox and state: %s", url) }

// census introduces the registry, and remembers its rows to tell what happens to them.
func (s *story) census(st *stage, records int) {
	for p := range st.world.People() {
		for _, d := range p.Documents {
			s.documents[d.ID] = d
		}
		for _, r := range p.Registrations {
			s.people[r.ID] = r
		}
	}
	c := st.world.Census()
	s.say("\n%d Debezium records: %d documents of %d people, %d registrations; %d people can be reached.\n", records, c.Documents, c.People, c.Registrations, c.Matched)
}

// outcome counts what became of mails; the connector calls it from its own goroutine.
func (s *story) outcome(o smtp.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[o.Status]++
	if s.letter == "" && o.Kind == event.KindExpiry && o.Status == event.DeliveryAccepted {
		s.letter = o.ID
	}
}

// arrived keeps mails until one of them has been shown.
func (s *story) arrived(m console.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.shown {
		s.letters = append(s.letters, m)
	}
}

// delivered says whether every mail emitted so far has its outcome.
func (s *story) delivered() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	final := s.outcomes[event.DeliveryAccepted] + s.outcomes[event.DeliveryRejected] + s.outcomes[event.DeliveryExpired] + s.outcomes[event.DeliverySuppressed]
	return final >= s.told+s.announced, nil
}

// ran takes a day's figures in.
func (s *story) ran(day event.Date, figures []processor.RunCount, expected []registry.Expected) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.today = day.String()
	types := map[string]int{}
	told, announced := 0, 0
	for _, c := range figures {
		s.counts[c.Count] += c.Number
		switch {
		case c.Decision != event.Emitted:
		case c.Kind == event.KindAnnouncement:
			announced += c.Number
		default:
			told += c.Number
			types[strings.ReplaceAll(c.Type, "_", " ")+" "+span(c.Threshold)] += c.Number
		}
	}
	for _, e := range expected {
		if e.Decision == event.Emitted {
			s.owed++
		}
	}
	s.told += told
	s.announced += announced
	s.line = fmt.Sprintf("%s  told %3d, announced %4d", day, told, announced)
	if parts := list(types, 2); parts != "" {
		s.line += ": " + parts
	}
}

// span says a threshold for people.
func span(label string) string {
	if label == "P0D" {
		return "today"
	}
	for letter, unit := range map[string]string{"D": "day", "W": "week", "M": "month", "Y": "year"} {
		switch n, err := strconv.Atoi(strings.TrimSuffix(label[1:], letter)); {
		case err != nil:
		case n == 1:
			return "in a " + unit
		default:
			return fmt.Sprintf("in %d %ss", n, unit)
		}
	}
	return "in " + label // several of them
}

// list names the largest entries.
func list(m map[string]int, most int) string {
	keys := sortedKeys(m)
	sort.SliceStable(keys, func(i, j int) bool { return m[keys[i]] > m[keys[j]] })
	var parts []string
	for i, k := range keys {
		if i == most {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, fmt.Sprintf("%s: %d", k, m[k]))
	}
	return strings.Join(parts, ", ")
}

// oneMail shows the first notice in full.
func (s *story) oneMail() {
	m, ok := s.firstNotice()
	if !ok {
		return
	}
	s.say("One mail in full:\n\n    From:    %s\n    To:      %s\n    Subject: %s\n", m.From, m.To, m.Subject)
	for _, line := range strings.Split(strings.TrimSpace(strings.ReplaceAll(m.Text, "\r", "")), "\n") {
		s.say("    %s", line)
	}
	s.say("")
}

// firstNotice finds the mail of the first notice; a mail's Message-ID begins with the notice's id.
func (s *story) firstNotice() (console.Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown || s.letter == "" {
		return console.Message{}, false
	}
	for _, m := range s.letters {
		if bytes.Contains(m.Raw, []byte("<"+s.letter+"@")) {
			s.shown, s.letters = true, nil
			return m, true
		}
	}
	return console.Message{}, false
}

// lived tells what happened in the registries that day, and ends the day's line.
func (s *story) lived(day event.Date, changes []registry.Change) {
	today := map[string]int{}
	for _, c := range changes {
		if what := s.happened(c); what != "" {
			today[what]++
			s.life[what]++
		}
	}
	line := s.line
	if parts := list(today, 2); parts != "" {
		line = fmt.Sprintf("%-110s | %s", line, parts)
	}
	s.say("%s", line)
	if s.bar != nil {
		s.bar.Increment()
	}
}

// happened names a change in a registry; "" where only columns changed that matter to nobody here.
func (s *story) happened(c registry.Change) string {
	switch {
	case c.Op == registry.Delete && c.Table == registry.Documents:
		return "deleted"
	case c.Op == registry.Delete:
		return "unregistered"
	case c.Document != nil:
		was, known := s.documents[c.Key]
		s.documents[c.Key] = *c.Document
		return documentStory(was, c.Document, known)
	case c.Registration != nil:
		was, known := s.people[c.Key]
		s.people[c.Key] = *c.Registration
		return registrationStory(was, c.Registration, known)
	}
	return ""
}

func documentStory(was registry.Document, now *registry.Document, known bool) string {
	switch {
	case !known:
		return "issued"
	case was.Status != now.Status && now.Status == registry.StatusValid:
		return "found again"
	case was.Status != now.Status && now.Status == registry.StatusReplaced:
		return "replaced"
	case was.Status != now.Status:
		return "lost or stolen"
	case was.ValidUntil != now.ValidUntil:
		return "expiry changed"
	case was.Identity != now.Identity:
		return "renamed"
	}
	return ""
}

func registrationStory(was registry.Registration, now *registry.Registration, known bool) string {
	switch {
	case !known:
		return "registered"
	case was.ServiceOn != now.ServiceOn && now.ServiceOn:
		return "switched on again"
	case was.ServiceOn != now.ServiceOn:
		return "switched off"
	case was.Active != now.Active:
		return "account closed"
	case was.Email != now.Email:
		return "new address"
	case was.Identity != now.Identity:
		return "name changed"
	}
	return ""
}
