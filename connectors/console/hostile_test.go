package console

import (
	"strings"
	"testing"
)

// A mail is somebody else's text: on our pages none of it may become markup, in its frame none of it may act.
func TestHostileMailCannotEscape(t *testing.T) {
	m := newMailbox(t)
	const script = `<script>alert(1)</script>`
	const attribute = `"><img src=x onerror=alert(2)>`
	html := script + `<meta http-equiv="refresh" content="0;url=https://evil.example/"><img src="https://evil.example/p.png"></iframe><form action="https://evil.example/">`
	send(t, m, letter(`"`+`'><svg/onload=alert(4)>" <x@example.hu>`, script+attribute, script+attribute+`</pre>`, html))
	s := newServer(t, Options{Mailbox: m})
	for _, path := range []string{"/", "/mail/", "/mail/1", "/mail/?q=%22%3E%3Cscript%3Ealert(3)%3C/script%3E"} {
		a := get(t, s, path)
		a.wants(t, 200)
		for _, bad := range []string{"<script", "<img", "<svg", "evil.example/p.png\""} {
			if strings.Contains(a.body, bad) {
				t.Errorf("%s holds %s", path, bad)
			}
		}
		if got := a.header.Get("Content-Security-Policy"); got != pagePolicy {
			t.Errorf("%s has the policy %q", path, got)
		}
	}
	if n := strings.Count(get(t, s, "/mail/1").body, "</pre>"); n != 2 {
		t.Errorf("the page ends %d blocks of text, of which 2 are its own", n)
	}
	framed := get(t, s, "/mail/1/html")
	framed.wants(t, 200, script) // as it came: what binds it is the policy
	policy := framed.header.Get("Content-Security-Policy")
	for _, want := range []string{"sandbox;", "default-src 'none'", "style-src 'unsafe-inline'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the mail's policy %q lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "allow-") || strings.Contains(policy, "script-src") {
		t.Errorf("the mail's policy %q allows something", policy)
	}
	raw := get(t, s, "/mail/1/raw")
	if got := raw.header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("the raw mail is served as %s", got)
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	m := newMailbox(t)
	send(t, m, letter("a@example.hu", "s", "t", "h"))
	s := newServer(t, Options{Mailbox: m, Story: func() any { return 1 }})
	for _, path := range []string{"/", "/mail/", "/mail/1", "/mail/1/html", "/mail/1/raw", "/mail/9", "/livez", "/readyz", "/story.json", "/console.css", "/nothing"} {
		a := get(t, s, path)
		if !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") || a.header.Get("X-Content-Type-Options") != "nosniff" ||
			a.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", path, a.header)
		}
		for _, bad := range []string{"<script", "http://", "https://", " style=", "javascript:"} {
			if path != "/mail/1/raw" && strings.Contains(a.body, bad) {
				t.Errorf("%s holds %s", path, bad)
			}
		}
	}
	request(t, "POST", s, "/mail/", "").wants(t, 405)
	request(t, "DELETE", s, "/mail/1", "").wants(t, 405)
}

// A web site whose name points to 127.0.0.1 must not read the mails through its visitor's browser.
func TestForeignNamesAreRefused(t *testing.T) {
	m := newMailbox(t)
	s := newServer(t, Options{Mailbox: m})
	request(t, "GET", s, "/mail/", "evil.example:80").wants(t, 421)
	request(t, "GET", s, "/mail/", "127.0.0.1.evil.example").wants(t, 421)
	for _, host := range []string{"localhost", "localhost:8080", "127.0.0.1", "[::1]:8080", "demo.localhost"} {
		request(t, "GET", s, "/mail/", host).wants(t, 200)
	}
	request(t, "GET", s, "/livez", "probe.example").wants(t, 200)
}
