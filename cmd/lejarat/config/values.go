package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lejarat/processor/calendar"
)

// Bytes is a size: "256MiB", "64KiB", "1GiB", or a plain number of bytes.
type Bytes int64

// Units of size.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

var byteUnits = []struct {
	suffix string
	size   Bytes
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}}

// String returns the size in the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.suffix
		}
	}
	return "0"
}

func (b *Bytes) parse(s string) error {
	number, unit := s, Bytes(1)
	for _, u := range byteUnits {
		if head, ok := strings.CutSuffix(s, u.suffix); ok {
			number, unit = strings.TrimSpace(head), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > int64(1<<62)/int64(unit) {
		return fmt.Errorf("%q is not a size; write for example 256MiB", s)
	}
	*b = Bytes(n) * unit
	return nil
}

// TimeOfDay is a local time of day.
type TimeOfDay struct{ Hour, Minute int }

// String returns the time as 06:00.
func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", t.Hour, t.Minute) }

// Clock returns hour and minute.
func (t TimeOfDay) Clock() (hour, minute int) { return t.Hour, t.Minute }

func (t *TimeOfDay) parse(s string) (err error) {
	if t.Hour, t.Minute, err = calendar.ParseTimeOfDay(s); err != nil {
		return fmt.Errorf("%q is not a time of day; write one from \"00:00\" to \"23:59\"", s)
	}
	return nil
}

// MaxRun is the most notices of a run; 0 is auto: three times the median of the last 30 runs of that day's kind, at
// least 10,000.
type MaxRun int

// Auto says whether the limit follows the last runs.
func (m MaxRun) Auto() bool { return m == 0 }

// String returns auto or the number.
func (m MaxRun) String() string {
	if m.Auto() {
		return "auto"
	}
	return strconv.Itoa(int(m))
}

func (m *MaxRun) parse(s string) error {
	if s == "auto" {
		*m = 0
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not a limit; write auto or a number of notices from 1", s)
	}
	*m = MaxRun(n)
	return nil
}

// Rate is a number of mails in a second, a minute or an hour, "600/min"; "" is no limit.
type Rate string

var rateUnits = map[string]time.Duration{"s": time.Second, "min": time.Minute, "h": time.Hour}

// String returns the text.
func (r Rate) String() string { return string(r) }

// PerSecond returns the rate as a number; no limit is 0.
func (r Rate) PerSecond() float64 {
	number, unit, _ := strings.Cut(string(r), "/")
	n, err := strconv.Atoi(number)
	if err != nil {
		return 0
	}
	return float64(n) / rateUnits[unit].Seconds()
}

func (r *Rate) parse(s string) error {
	number, unit, _ := strings.Cut(s, "/")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n == 0 || rateUnits[unit] == 0 {
		return fmt.Errorf("%q is not a rate; write for example 20/s, 600/min or 10000/h", s)
	}
	*r = Rate(strconv.FormatUint(n, 10) + "/" + unit)
	return nil
}

// Period is a period before the expiry date in the one form that calendar.Period writes, "P6M"; "" is none.
type Period string

// String returns the text.
func (p Period) String() string { return string(p) }

// Calendar returns the period to reckon with; none is the zero one.
func (p Period) Calendar() calendar.Period {
	if p == "" {
		return calendar.Period{}
	}
	parsed, err := calendar.ParsePeriod(string(p))
	if err != nil {
		panic("config: unchecked period: " + err.Error())
	}
	return parsed
}

func (p *Period) parse(s string) error {
	parsed, err := calendar.ParsePeriod(s)
	if err != nil {
		return fmt.Errorf("%q is not a period; write for example P6M, P30D or P0D", s)
	}
	*p = Period(parsed.String())
	return nil
}

// show formats a value in a message as the file would have it.
func show(v any) string {
	if d, ok := v.(time.Duration); ok {
		return showDuration(d)
	}
	return fmt.Sprint(v)
}

// showDuration is time.Duration's own form without its empty units: 720h, not 720h0m0s.
func showDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
