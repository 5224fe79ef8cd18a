package letter

import (
	"slices"
	"time"

	"lejarat/processor/event"
)

// sample is a letter that the configuration can lead to.
type sample struct {
	name  string // hu-passport-P6M, hu-passport-P6M-late, hu-announcement
	mail  event.Mail
	first bool // of its document
}

// samples are one mail for every language, document and notice, on its day and a day late, and the announcements; of the
// first of each kind another to somebody without a name, for a document without a number. All in them is invented.
func (t *templates) samples() (all []sample) {
	expires, _ := event.ParseDate("2026-08-31")
	documents := append(slices.Clone(t.options.Documents), Document{Type: "unlisted_type", Notices: []string{"P30D", "P0D"}})
	for _, lang := range languages {
		base := event.Mail{ID: "sample", Language: lang, RegistrationRef: "sample", RunDate: "2026-02-28",
			EmittedAt: "2026-02-28T06:00:00.000+01:00", To: event.MailTo{Email: "kovacs.anna@example.hu", Name: "Kovács Anna"}}
		announcement := base
		announcement.Kind = event.KindAnnouncement
		all = append(all, sample{lang + "-announcement", announcement, true}, unnamed(lang+"-announcement", announcement))
		for n, d := range documents {
			for i, notice := range d.Notices {
				due := before(expires, parsePeriod(notice))
				for _, run := range []event.Date{due, due + 1} {
					if run > expires {
						continue
					}
					left := int(expires - run)
					dueText, threshold := due.String(), notice
					m := base
					m.Kind, m.Threshold, m.Due, m.DaysLeft, m.RunDate = event.KindExpiry, &threshold, &dueText, &left, run.String()
					m.EmittedAt = m.RunDate + "T06:00:00.000+01:00"
					m.Document = &event.MailDocument{Type: d.Type, NumberMasked: "*****028", Expires: expires.String()}
					name := lang + "-" + d.Type + "-" + notice
					if run > due {
						name += "-late"
					}
					first := i == 0 && run == due
					all = append(all, sample{name, m, first})
					if first && n == 0 {
						all = append(all, unnamed(name, m))
					}
				}
			}
		}
	}
	return all
}

func unnamed(name string, m event.Mail) sample {
	m.To.Name = ""
	if m.Document != nil {
		d := *m.Document
		d.NumberMasked, m.Document = "", &d
	}
	return sample{name: name + "-unnamed", mail: m}
}

// before counts a period back from a date, to the month's last day where it has no such day.
func before(d event.Date, p period) event.Date {
	switch p.unit {
	case 'W':
		return d - event.Date(7*p.n)
	case 'D':
		return d - event.Date(p.n)
	}
	months := p.n
	if p.unit == 'Y' {
		months = 12 * p.n
	}
	y, m, day := d.Civil()
	first := time.Date(y, m-time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	back, err := event.ParseDate(first.AddDate(0, 0, min(day, last)-1).Format(time.DateOnly))
	if err != nil {
		return d
	}
	return back
}
