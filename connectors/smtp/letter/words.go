package letter

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lejarat/processor/event"
)

// Languages of the letters; the first is what any other language falls back to.
var languages = []string{"hu", "en"}

func shippedDocuments() []Document {
	types := []string{"identity_card", "passport", "driving_licence", "vehicle_inspection"}
	documents := make([]Document, len(types))
	for i, t := range types {
		documents[i] = Document{Type: t, Notices: []string{"P2M", "P1M", "P0D"}}
	}
	documents[1].Notices = []string{"P6M", "P1M", "P0D"}
	return documents
}

var shippedNames = map[string]map[string]string{
	"hu": {
		"identity_card": "személyazonosító igazolvány", "passport": "magánútlevél",
		"driving_licence": "vezetői engedély", "vehicle_inspection": "forgalmi engedély (műszaki érvényesség)",
	},
	"en": {
		"identity_card": "identity card", "passport": "passport",
		"driving_licence": "driving licence", "vehicle_inspection": "vehicle registration certificate (technical inspection)",
	},
}

var (
	hungarianMonths = [...]string{"január", "február", "március", "április", "május", "június", "július", "augusztus", "szeptember", "október", "november", "december"}
	hungarianDays   = [...]string{"vasárnap", "hétfő", "kedd", "szerda", "csütörtök", "péntek", "szombat"}
	hungarianOnDays = [...]string{"vasárnap", "hétfőn", "kedden", "szerdán", "csütörtökön", "pénteken", "szombaton"}
)

func weekday(d event.Date) time.Weekday {
	y, m, day := d.Civil()
	return time.Date(y, m, day, 0, 0, 0, 0, time.UTC).Weekday()
}

// longDate is "2026. augusztus 31., hétfő" or "Monday, 31 August 2026".
func longDate(lang string, d event.Date) string {
	y, m, day := d.Civil()
	if lang == "en" {
		return fmt.Sprintf("%s, %d %s %d", weekday(d), day, m, y)
	}
	return fmt.Sprintf("%d. %s %d., %s", y, hungarianMonths[m-1], day, hungarianDays[weekday(d)])
}

// shortDate is "2026. augusztus 31." or "31 August 2026".
func shortDate(lang string, d event.Date) string {
	y, m, day := d.Civil()
	if lang == "en" {
		return fmt.Sprintf("%d %s %d", day, m, y)
	}
	return fmt.Sprintf("%d. %s %d.", y, hungarianMonths[m-1], day)
}

// onDate is "2026. augusztus 31-én" or "on 31 August 2026".
func onDate(lang string, d event.Date) string {
	if lang == "en" {
		return "on " + shortDate(lang, d)
	}
	_, _, day := d.Civil()
	return strings.TrimSuffix(shortDate(lang, d), ".") + "-" + onDaySuffix(day)
}

// onDay is onDate with the weekday: "2026. augusztus 31-én, hétfőn" or "on Monday, 31 August 2026".
func onDay(lang string, d event.Date) string {
	if lang == "en" {
		return "on " + longDate(lang, d)
	}
	return onDate(lang, d) + ", " + hungarianOnDays[weekday(d)]
}

// onDaySuffix follows how the ordinal is spoken: elsején, másodikán, harmadikán, huszadikán, otherwise -edikén.
func onDaySuffix(day int) string {
	switch {
	case day == 1:
		return "jén"
	case day == 2, day == 20, day == 30, day%10 == 3, day%10 == 6, day%10 == 8:
		return "án"
	}
	return "én"
}

// period is a threshold of one unit: P6M, P30D, P2W, P1Y.
type period struct {
	n    int
	unit byte // Y, M, W or D; 0 when the threshold is not of one unit
}

func parsePeriod(s string) period {
	if len(s) < 3 || s[0] != 'P' || strings.IndexByte("YMWD", s[len(s)-1]) < 0 {
		return period{}
	}
	n, err := strconv.ParseUint(s[1:len(s)-1], 10, 16)
	if err != nil {
		return period{}
	}
	return period{n: int(n), unit: s[len(s)-1]}
}

// words of a unit: Hungarian bare, Hungarian with -val ("6 hónappal"), English singular.
var unitWords = map[byte][3]string{
	'Y': {"év", "évvel", "year"}, 'M': {"hónap", "hónappal", "month"},
	'W': {"hét", "héttel", "week"}, 'D': {"nap", "nappal", "day"},
}

// in is "6 hónap múlva" or "in 6 months".
func (p period) in(lang string) string {
	w := unitWords[p.unit]
	if lang == "en" {
		return "in " + plural(p.n, w[2])
	}
	if p == (period{1, 'D'}) {
		return "holnap"
	}
	return fmt.Sprintf("%d %s múlva", p.n, w[0])
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// noticeTimes says when the notices of a document come: "6 hónappal és 1 hónappal a lejárat előtt, valamint a lejárat napján".
func noticeTimes(lang string, notices []string) string {
	var before []string
	onDay := false
	for _, n := range notices {
		p := parsePeriod(n)
		switch {
		case p.unit == 0:
		case p.n == 0:
			onDay = true
		case lang == "en":
			before = append(before, plural(p.n, unitWords[p.unit][2]))
		default:
			before = append(before, fmt.Sprintf("%d %s", p.n, unitWords[p.unit][1]))
		}
	}
	and, ahead, also, day := " és ", " a lejárat előtt", ", valamint ", "a lejárat napján"
	if lang == "en" {
		and, ahead, also, day = " and ", " before it expires", ", and ", "on the day it expires"
	}
	var parts []string
	if len(before) > 0 {
		parts = append(parts, enumerate(before, and)+ahead)
	}
	if onDay {
		parts = append(parts, day)
	}
	return strings.Join(parts, also)
}

func enumerate(items []string, and string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:len(items)-1], ", ") + and + items[len(items)-1]
}

// capital makes the first letter a capital.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}
