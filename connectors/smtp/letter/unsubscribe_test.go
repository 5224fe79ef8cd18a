package letter

import (
	"bytes"
	netmail "net/mail"
	"strings"
	"testing"

	"lejarat/processor/event"
)

// A letter names a way out where its kind has one, and one click only where one click is enough.
func TestUnsubscribeFields(t *testing.T) {
	const page = "https://example.hu/ki?r={registration}"
	for _, c := range []struct {
		set        map[string]Unsubscribe
		want, post string
	}{
		{nil, "", ""},
		{map[string]Unsubscribe{"announcement": {URL: page}}, "", ""},
		{map[string]Unsubscribe{"expiry": {URL: page}}, "<https://example.hu/ki?r=reg-1>", ""},
		{map[string]Unsubscribe{"expiry": {URL: page, OneClick: true}}, "<https://example.hu/ki?r=reg-1>", "List-Unsubscribe=One-Click"},
		{map[string]Unsubscribe{"expiry": {Mail: "ki@example.hu"}}, "<mailto:ki@example.hu?subject=unsubscribe%20reg-1>", ""},
		{map[string]Unsubscribe{"expiry": {URL: "https://example.hu/", Mail: "ki@example.hu"}},
			"<https://example.hu/>, <mailto:ki@example.hu?subject=unsubscribe%20reg-1>", ""},
	} {
		o := sampleOptions()
		o.Unsubscribe = c.set
		e, err := mustComposer(t, o).Compose(nil, sampleMail(1), testNow)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := netmail.ReadMessage(bytes.NewReader(e.Body))
		if err != nil {
			t.Fatal(err)
		}
		h := msg.Header
		if h.Get("List-Unsubscribe") != c.want || h.Get("List-Unsubscribe-Post") != c.post {
			t.Errorf("%+v: %q %q", c.set, h.Get("List-Unsubscribe"), h.Get("List-Unsubscribe-Post"))
		}
		if h.Get("Auto-Submitted") != "auto-generated" || h.Get("List-Id") != "<ertesites.example.hu>" || h.Get("Precedence") != "" || h.Get("User-Agent")+h.Get("X-Mailer") != "" {
			t.Errorf("header %v", h)
		}
	}
}

func TestUnsubscribeFaults(t *testing.T) {
	for want, set := range map[string]map[string]Unsubscribe{
		"mail.unsubscribe: no letter":           {"reminder": {URL: "https://example.hu/"}},
		"mail.unsubscribe.expiry: give a url":   {event.KindExpiry: {}},
		"mail.unsubscribe.expiry.url":           {event.KindExpiry: {URL: "http://example.hu/?{registration}"}},
		"mail.unsubscribe.expiry.url: want":     {event.KindExpiry: {URL: "https://example.hu/>\r\nBcc: x"}},
		"mail.unsubscribe.announcement.mail":    {event.KindAnnouncement: {Mail: "ki"}},
		"mail.unsubscribe.expiry.one_click":     {event.KindExpiry: {URL: "https://example.hu/", OneClick: true}},
		"one_click: the url must hold {registr": {event.KindExpiry: {Mail: "ki@example.hu", OneClick: true}},
	} {
		o := sampleOptions()
		o.Unsubscribe = set
		if _, err := NewComposer(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
