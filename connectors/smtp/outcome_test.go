package smtp

import "testing"

// No line of a message ends it, wherever its dots stand.
func TestDotsAreDoubled(t *testing.T) {
	for msg, want := range map[string]string{
		"":                               "",
		"a.\r\n":                         "a.\r\n",
		".\r\n":                          "..\r\n",
		"a\r\n.\r\nMAIL FROM:<x>\r\n":    "a\r\n..\r\nMAIL FROM:<x>\r\n",
		".a\r\n.\r\n.\r\n..b\r\n c.\r\n": "..a\r\n..\r\n..\r\n...b\r\n c.\r\n",
	} {
		if got := string(stuffed([]byte(msg))); got != want {
			t.Errorf("%q: %q, want %q", msg, got, want)
		}
	}
}
