package bounce

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"lejarat/processor/event"
)

// A scenario: mails that were handed over, messages that come back, and what is written because of them.
//
//	mail n=1 status=accepted      mail 1 is queued, and recorded so; claimed, unclaimed or none: no outcome
//	lift n=1                      an operator lifts the address suppression
//	restart                       the process ends and starts again
//	message n=1 file=unknown_user [token=forged]    a message of testdata/mails about mail 1
//
// A message prints its verdict and the records that follow from it.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, filepath.Join("testdata", "scenarios"), func(t *testing.T, path string) {
		h := openHouse(t)
		h.mails(9)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var n int
			var status, file, token string
			d.MaybeScanArgs(t, "n", &n)
			d.MaybeScanArgs(t, "status", &status)
			d.MaybeScanArgs(t, "file", &file)
			d.MaybeScanArgs(t, "token", &token)
			switch d.Cmd {
			case "mail":
				h.delivery(n, status)
				h.news()
				return ""
			case "lift":
				h.write("suppressions", event.SuppressionKey(refOf(n), event.SuppressAddress), nil)
				h.news()
				return ""
			case "restart":
				h.open()
				return ""
			case "message":
				tokens := h.tokens
				if token == "forged" {
					tokens = h.forger
				}
				v, err := h.handler.Accept(h.ctx, nil, strings.NewReader(h.message(file, n, tokens)))
				if err != nil {
					return fmt.Sprintf("again later: %v\n", err)
				}
				return strings.Join(append([]string{string(v)}, h.news()...), "\n") + "\n"
			}
			d.Fatalf(t, "no command %s", d.Cmd)
			return ""
		})
	})
}
