package registry

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lejarat/processor/event"
)

var budapest = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Budapest")
	if err != nil {
		panic(err)
	}
	return zone
}()

func civil(s string) event.Date {
	if s == "never" {
		return event.NoExpiry
	}
	d, err := event.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// noon is an instant on a day, after the run.
func noon(day string) time.Time { return civil(day).At(12, 0, budapest) }

// story is an oracle and the rows told to it, without the announcements.
type story struct {
	t *testing.T
	*Oracle
}

func tell(t *testing.T, o OracleOptions, rows ...any) story {
	o.Zone = budapest
	s := story{t, NewOracle(o)}
	p := &Person{}
	for _, row := range rows {
		switch row := row.(type) {
		case Document:
			p.Documents = append(p.Documents, row)
		case Registration:
			p.Registrations = append(p.Registrations, row)
		}
	}
	s.Load(func(yield func(*Person) bool) { yield(p) })
	return s
}

// document is a valid document of Anna (identity 1), issued long ago.
func document(id int64, kind, expires string) Document {
	return Document{
		ID: id, Kind: kind, Number: fmt.Sprint("N", id), Status: StatusValid, ValidUntil: civil(expires),
		IssuedOn: civil("2018-05-05"), HolderRef: "anna", Truth: Truth{Identity: 1},
	}
}

// registration is a switched-on registration of Anna, made long ago.
func registration(id int64, email string) Registration {
	return Registration{
		ID: id, Email: email, Active: true, ServiceOn: true, ServiceSince: noon("2019-01-10"), Language: "hu", Truth: Truth{Identity: 1},
	}
}

func (s story) change(at time.Time, rows ...any) {
	for _, row := range rows {
		switch row := row.(type) {
		case Document:
			s.Apply(Change{At: at, Table: Documents, Op: Update, Key: row.ID, Document: &row})
		case Registration:
			s.Apply(Change{At: at, Table: Registrations, Op: Update, Key: row.ID, Registration: &row})
		}
	}
}

// expect compares what a run owes, announcements left out, with lines as "P1M of 1 to 11" or "P1M of 1 to 11: late".
func (s story) expect(day string, want ...string) {
	s.t.Helper()
	var got []string
	for _, e := range s.Run(civil(day)) {
		if e.Kind != event.KindExpiry {
			continue
		}
		line := fmt.Sprintf("%s of %d to %d", e.Threshold, e.DocumentKey, e.RegistrationKey)
		if e.Decision == event.Skipped {
			line += ": " + e.Reason
		}
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("run of %s owes %q, want %q", day, got, want)
	}
}

func TestPeriodsCountBackFromTheExpiry(t *testing.T) {
	for _, c := range [][3]string{
		{"2026-08-31", "P6M", "2026-02-28"}, {"2028-08-31", "P6M", "2028-02-29"}, {"2026-04-30", "P2M", "2026-02-28"},
		{"2026-03-31", "P1M", "2026-02-28"}, {"2026-06-30", "P1M", "2026-05-30"}, {"2026-04-30", "P6M", "2025-10-30"},
		{"2026-01-31", "P2M", "2025-11-30"}, {"2026-03-01", "P30D", "2026-01-30"}, {"2026-05-05", "P0D", "2026-05-05"},
		{"2028-02-29", "P1Y", "2027-02-28"}, {"2026-05-15", "P2W", "2026-05-01"},
	} {
		if got := before(civil(c[0]), c[1]); got != civil(c[2]) {
			t.Errorf("%s - %s = %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestThreeNoticesAndNoMore(t *testing.T) {
	s := tell(t, OracleOptions{}, document(1, KindPassport, "2026-08-31"), registration(11, "anna@example.hu"))
	s.expect("2026-02-27")
	s.expect("2026-02-28", "P6M of 1 to 11")
	s.expect("2026-03-01")
	s.expect("2026-07-31", "P1M of 1 to 11")
	s.expect("2026-08-31", "P0D of 1 to 11")
	s.expect("2026-09-01")
}

func TestOnlyTheLatestThresholdIsSent(t *testing.T) {
	s := tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), registration(11, "anna@example.hu"))
	s.expect("2026-07-25", "P1M of 1 to 11") // P2M was on 20 June
	s.expect("2026-07-26")
}

func TestADayLateTheLastNoticeIsOnlyRecorded(t *testing.T) {
	s := tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), registration(11, "anna@example.hu"))
	s.expect("2026-08-21", "P0D of 1 to 11: late")
	s.expect("2026-08-22")
	s = tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), registration(11, "anna@example.hu"))
	s.expect("2026-09-20", "P0D of 1 to 11: late") // closed 30 days ago, on the 21st
	s = tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), registration(11, "anna@example.hu"))
	s.expect("2026-09-21")
	s = tell(t, OracleOptions{OlderLate: true}, document(1, KindCard, "2026-08-20"), registration(11, "anna@example.hu"))
	s.expect("2026-07-25", "P2M of 1 to 11: late", "P1M of 1 to 11")
	s.expect("2026-08-22", "P0D of 1 to 11: late")
	s.expect("2026-08-23")
}

func TestWhoRegistersAfterAThresholdGetsTheNextOne(t *testing.T) {
	late := registration(11, "anna@example.hu")
	late.ServiceSince = noon("2026-06-21")
	s := tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), late)
	s.expect("2026-06-22")
	s.expect("2026-07-20", "P1M of 1 to 11")
	same := registration(11, "anna@example.hu")
	same.ServiceSince = noon("2026-06-20") // on the due date itself, though after the run
	s = tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), same)
	s.expect("2026-06-21", "P2M of 1 to 11")
}

func TestADocumentIssuedAfterAThresholdGetsTheNextOne(t *testing.T) {
	doc := document(1, KindVehicle, "2026-08-20")
	doc.IssuedOn = civil("2026-07-01")
	s := tell(t, OracleOptions{}, doc, registration(11, "anna@example.hu"))
	s.expect("2026-07-02")
	s.expect("2026-07-20", "P1M of 1 to 11")
}

func TestALaterDocumentOfTheTypeSupersedes(t *testing.T) {
	reg := registration(11, "anna@example.hu")
	s := tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), document(2, KindCard, "2026-08-21"), reg)
	s.expect("2026-08-20", "P1M of 2 to 11")
	s = tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), document(2, KindCard, "never"), reg)
	s.expect("2026-08-20")
	s = tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), document(2, KindPassport, "never"), reg)
	s.expect("2026-08-20", "P0D of 1 to 11")
	s = tell(t, OracleOptions{}, document(1, KindVehicle, "2026-08-20"), document(2, KindVehicle, "2026-08-20"), reg)
	s.expect("2026-08-20", "P0D of 1 to 11", "P0D of 2 to 11")

	newer := document(1, KindCard, "2026-08-20") // of equal expiries the later issue counts, then the larger row id
	newer.IssuedOn++
	s = tell(t, OracleOptions{}, newer, document(2, KindCard, "2026-08-20"), reg)
	s.expect("2026-08-20", "P0D of 1 to 11")
	s = tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), document(2, KindCard, "2026-08-20"), reg)
	s.expect("2026-08-20", "P0D of 2 to 11")
}

func TestASupersedingDocumentThatIsDeletedBringsTheOldOneBack(t *testing.T) {
	s := tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), document(2, KindCard, "2030-01-01"), registration(11, "anna@example.hu"))
	s.expect("2026-07-20")
	s.Apply(Change{At: noon("2026-07-25"), Table: Documents, Op: Delete, Key: 2})
	s.expect("2026-07-26", "P1M of 1 to 11")
}

func TestOnlyValidMatchingSwitchedOnRowsCount(t *testing.T) {
	lost, stranger, unreadable := document(1, KindCard, "2026-08-20"), document(2, KindCard, "2026-08-20"), document(3, KindCard, "2026-08-20")
	lost.Status, stranger.Identity, unreadable.Identity = StatusLost, 2, 0
	off, inactive, incomplete := registration(11, "a@example.hu"), registration(12, "b@example.hu"), registration(13, "c@example.hu")
	off.ServiceOn, inactive.Active, incomplete.Identity = false, false, 0
	s := tell(t, OracleOptions{}, lost, stranger, unreadable, document(4, KindPassport, "2026-08-20"), off, inactive, incomplete)
	s.expect("2026-08-20")
	s = tell(t, OracleOptions{}, lost, stranger, unreadable, registration(14, "d@example.hu"))
	s.expect("2026-08-20")
}

func TestAChangedExpiryStartsAnew(t *testing.T) {
	s := tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), registration(11, "anna@example.hu"))
	s.expect("2026-06-20", "P2M of 1 to 11")
	s.change(noon("2026-06-25"), document(1, KindCard, "2026-08-22"))
	s.expect("2026-06-26", "P2M of 1 to 11")
	s.change(noon("2026-06-27"), document(1, KindCard, "2026-08-20"))
	s.expect("2026-06-28")
	s.expect("2026-07-20", "P1M of 1 to 11")
}

func TestAFoundDocumentIsJudgedAgain(t *testing.T) {
	doc := document(1, KindCard, "2026-08-20")
	doc.Status = StatusStolen
	s := tell(t, OracleOptions{}, doc, registration(11, "anna@example.hu"))
	s.expect("2026-07-20")
	s.change(noon("2026-07-21"), document(1, KindCard, "2026-08-20"))
	s.expect("2026-07-22", "P1M of 1 to 11")
}

func TestOneMailForOneAddressOfOnePerson(t *testing.T) {
	s := tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"),
		registration(11, "anna@example.hu"), registration(12, " anna@Example.HU "), registration(13, "panni@example.hu"))
	s.expect("2026-07-20", "P1M of 1 to 11", "P1M of 1 to 12: duplicate_address", "P1M of 1 to 13")
	s.expect("2026-07-21")
	s.Apply(Change{At: noon("2026-07-21"), Table: Registrations, Op: Delete, Key: 11})
	s.expect("2026-07-22")
	s.change(noon("2026-07-22"), registration(12, "uj@example.hu"))
	s.expect("2026-07-23", "P1M of 1 to 12")

	bela, belas := document(2, KindCard, "2026-08-20"), registration(21, "anna@example.hu")
	bela.Identity, belas.Identity = 2, 2
	s = tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), bela, registration(11, "anna@example.hu"), belas)
	s.expect("2026-07-20", "P1M of 1 to 11", "P1M of 2 to 21") // two people at one address are two
}

func TestANewAddressIsNotToldAgain(t *testing.T) {
	s := tell(t, OracleOptions{}, document(1, KindCard, "2026-08-20"), registration(11, "anna@example.hu"))
	s.expect("2026-07-20", "P1M of 1 to 11")
	s.change(noon("2026-07-21"), registration(11, "uj@example.hu"))
	s.expect("2026-07-22")
}

func TestTwoHoldersOfOneIdentityAreNotTold(t *testing.T) {
	other := document(2, KindPassport, "2030-01-01")
	other.HolderRef = "another anna"
	rows := []any{document(1, KindCard, "2026-08-20"), other, registration(11, "anna@example.hu")}
	s := tell(t, OracleOptions{}, rows...)
	s.expect("2026-07-20", "P1M of 1 to 11: identity_collision")
	s.expect("2026-07-21")
	s.Apply(Change{At: noon("2026-07-21"), Table: Documents, Op: Delete, Key: 2})
	s.expect("2026-07-22", "P1M of 1 to 11")
	s = tell(t, OracleOptions{NoHolderRef: true}, rows...)
	s.expect("2026-07-20", "P1M of 1 to 11")
}

func TestTwoHoldersOfOneIdentityAreNotAnnouncedTo(t *testing.T) {
	other := document(2, KindPassport, "2030-01-01")
	other.HolderRef = "another anna"
	for announced, want := range map[bool]string{true: event.Emitted, false: event.Skipped} {
		s := tell(t, OracleOptions{CollisionsAnnounced: announced}, document(1, KindCard, "2030-08-20"), other, registration(11, "anna@example.hu"))
		if owed := s.Run(civil("2026-07-20")); len(owed) != 1 || owed[0].Decision != want {
			t.Errorf("owed %+v, want one that is %s", owed, want)
		}
	}
}

func TestAMovedRowWaitsTenMinutes(t *testing.T) {
	stranger := document(1, KindCard, "2026-08-20")
	stranger.Identity = 9
	for minute, takesPart := range map[int]bool{50: true, 51: false} {
		s := tell(t, OracleOptions{}, stranger, registration(11, "anna@example.hu"))
		s.change(civil("2026-07-20").At(5, minute, budapest), document(1, KindCard, "2026-08-20"))
		if takesPart {
			s.expect("2026-07-20", "P1M of 1 to 11")
			continue
		}
		s.expect("2026-07-20")
		s.expect("2026-07-21", "P1M of 1 to 11")
	}
}

func TestNothingBeforeTheServiceIsLive(t *testing.T) {
	s := tell(t, OracleOptions{LiveFrom: civil("2026-07-21")}, document(1, KindCard, "2026-08-20"), document(2, KindVehicle, "2026-08-21"),
		registration(11, "anna@example.hu"))
	s.expect("2026-07-20")
	s.expect("2026-07-21", "P1M of 2 to 11")
}

func TestEffectiveSinceTheCommitWhereNoColumnIsMapped(t *testing.T) {
	o := OracleOptions{NoEffectiveColumns: true}
	s := tell(t, o, document(1, KindCard, "2026-08-20"), registration(11, "anna@example.hu"))
	s.change(noon("2026-07-21"), document(1, KindCard, "2026-08-21"))
	s.expect("2026-07-22", "P1M of 1 to 11") // due on the 21st, known since the 21st
	s = tell(t, o, document(1, KindCard, "2026-08-20"), registration(11, "anna@example.hu"))
	s.change(noon("2026-07-22"), document(1, KindCard, "2026-08-21"))
	s.expect("2026-07-23")
	remark := document(1, KindCard, "2026-08-20") // a change that does not matter does not move the effective time
	remark.Remarks = "x"
	s = tell(t, o, document(1, KindCard, "2026-08-20"), registration(11, "anna@example.hu"))
	s.change(noon("2026-07-22"), remark)
	s.expect("2026-07-23", "P1M of 1 to 11")
}

func TestOneAnnouncementEver(t *testing.T) {
	off, double := registration(12, "b@example.hu"), registration(13, "anna@example.hu")
	off.ServiceOn = false
	s := tell(t, OracleOptions{}, registration(11, "anna@example.hu"), off, double)
	announced := func(day string, want ...string) {
		t.Helper()
		var got []string
		for _, e := range s.Run(civil(day)) {
			got = append(got, fmt.Sprint(e.Kind, " ", e.RegistrationKey, " ", e.Decision, e.Reason))
		}
		if !slices.Equal(got, want) {
			t.Errorf("run of %s owes %q, want %q", day, got, want)
		}
	}
	announced("2026-02-01", "announcement 11 emitted", "announcement 13 skippedduplicate_address")
	announced("2026-02-02")
	s.change(noon("2026-02-02"), registration(12, "b@example.hu"))
	announced("2026-02-03", "announcement 12 emitted")
	off = registration(11, "anna@example.hu")
	off.ServiceOn = false
	s.change(noon("2026-02-03"), off)
	s.change(noon("2026-02-04"), registration(11, "anna@example.hu"))
	announced("2026-02-05")
	married, too := registration(11, "anna@example.hu"), registration(13, "anna@example.hu")
	married.Identity, too.Identity = 2, 2
	s.change(noon("2026-02-05"), married, too)
	announced("2026-02-06")
}
