package calendar_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lejarat/processor/calendar"
)

func TestParsePeriod(t *testing.T) {
	for _, c := range []struct {
		text  string
		want  calendar.Period
		canon string
	}{
		{"P6M", calendar.Period{Months: 6}, "P6M"},
		{"P30D", calendar.Period{Days: 30}, "P30D"},
		{"P1Y", calendar.Period{Months: 12}, "P1Y"},
		{"P12M", calendar.Period{Months: 12}, "P1Y"},
		{"P18M", calendar.Period{Months: 18}, "P1Y6M"},
		{"P1Y2M10D", calendar.Period{Months: 14, Days: 10}, "P1Y2M10D"},
		{"P2W", calendar.Period{Days: 14}, "P14D"},
		{"P1M2W3D", calendar.Period{Months: 1, Days: 17}, "P1M17D"},
		{"P0D", calendar.Period{}, "P0D"},
		{"P0M", calendar.Period{}, "P0D"},
		{"P006M", calendar.Period{Months: 6}, "P6M"},
		{"P9999Y", calendar.Period{Months: calendar.MaxMonths}, "P9999Y"},
	} {
		got, err := calendar.ParsePeriod(c.text)
		if err != nil || got != c.want || got.String() != c.canon || !got.Valid() {
			t.Errorf("ParsePeriod(%q) = %+v (%s), %v; want %+v (%s)", c.text, got, got, err, c.want, c.canon)
		}
	}
}

func TestParsePeriodRefuses(t *testing.T) {
	for _, text := range []string{
		"", "P", "6M", "p6m", "P6", "P6m", "P6MM", "P6M6M", "P1D1M", "P1D1W", "PM", "P-6M", "-P6M", "+P6M", "P+6M", "P1.5M", "P1,5M",
		"PT6H", "P1DT6H", "P 6M", "P6M ", " P6M", "P6X", "P10000Y", "P119989M", "P3659635D", "P9999999W", "P99999999999999999999D", "P６M",
	} {
		if got, err := calendar.ParsePeriod(text); err == nil {
			t.Errorf("ParsePeriod(%q) = %s, want an error", text, got)
		} else if !strings.Contains(err.Error(), "period") {
			t.Errorf("ParsePeriod(%q): the error says too little: %v", text, err)
		}
	}
}

func TestPeriodTextRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := calendar.Period{
			Months: rapid.IntRange(0, calendar.MaxMonths).Draw(t, "months"),
			Days:   rapid.IntRange(0, calendar.MaxDays).Draw(t, "days"),
		}
		got, err := calendar.ParsePeriod(p.String())
		if err != nil || got != p {
			t.Fatalf("%+v is written %s and read as %+v, %v", p, p, got, err)
		}
	})
}

func TestCompareOrdersPeriodsByLength(t *testing.T) {
	ascending := []string{"P0D", "P1D", "P2W", "P28D", "P30D", "P1M", "P31D", "P1M1D", "P60D", "P2M", "P6M", "P365D", "P1Y", "P366D", "P146097D", "P400Y"}
	for i, a := range ascending {
		for j, b := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := parse(t, a).Compare(parse(t, b)); got != want {
				t.Errorf("%s compared with %s is %d, want %d", a, b, got, want)
			}
		}
	}
}

func FuzzParsePeriod(f *testing.F) {
	for _, s := range []string{"P6M", "P1Y2M10D", "P2W", "P0D", "PT1H", "P-1M"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := calendar.ParsePeriod(s)
		if err != nil {
			return
		}
		if again, err := calendar.ParsePeriod(p.String()); err != nil || again != p || !p.Valid() {
			t.Fatalf("%q is read as %+v, written %s and read as %+v, %v", s, p, p, again, err)
		}
	})
}

func parse(t testing.TB, s string) calendar.Period {
	t.Helper()
	p, err := calendar.ParsePeriod(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
