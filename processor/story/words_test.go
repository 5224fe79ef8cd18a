package story

import (
	"strings"
	"testing"

	"lejarat/processor/event"
)

// TestEveryDeliveryHasWords: whatever the connector records, something is said of it, and nothing is left to be filled in.
func TestEveryDeliveryHasWords(t *testing.T) {
	for _, status := range []string{event.DeliveryAccepted, event.DeliveryRejected, event.DeliveryExpired, event.DeliverySuppressed,
		event.DeliveryInDoubt, event.DeliveryBounced} {
		for _, reason := range []string{"", "undecodable", "resent", "parked", event.SuppressSwitchedOff, event.SuppressMoved, "a new one"} {
			text := deliveryText(&Delivery{Status: status, Reason: reason, SMTPCode: 450, EnhancedCode: "4.2.2", At: "2026-02-28T06:00:03.120+01:00"})
			if !strings.Contains(text, "2026-02-28 06:00:03") || strings.ContainsAny(text, "{}") {
				t.Errorf("%s %s: %q", status, reason, text)
			}
		}
	}
	if text := deliveryText(&Delivery{Status: event.DeliveryBounced, SMTPCode: 550, EnhancedCode: "5.9.9", At: "2026-02-28T06:00:03.120+01:00"}); !strings.Contains(text,
		"SMTP 550 5.9.9: there is no such mailbox") {
		t.Errorf("an unknown enhanced code hides what the code means: %q", text)
	}
}

// TestThresholdsInWords as a clerk says them.
func TestThresholdsInWords(t *testing.T) {
	for label, want := range map[string]string{"P6M": "6 months before (P6M)", "P1M": "1 month before (P1M)", "P30D": "30 days before (P30D)",
		"P0D": "On the day of expiry (P0D)", "P1Y": "1 year before (P1Y)", "P1M3D": "1 month and 3 days before (P1M3D)", "odd": "odd"} {
		if got := thresholdText(label); got != want {
			t.Errorf("%s: %q", label, got)
		}
	}
}

// TestEveryWordIsFilledIn: no sentence of any notice has a hole, whatever is known of it and whatever is not.
func TestEveryWordIsFilledIn(t *testing.T) {
	for code := range words {
		code, who, _ := strings.Cut(code, " ")
		for _, n := range []Notice{
			{Code: code, Who: who, Next: "2026-03-01", LastDay: "2026-07-30", From: "2026-03-02"},
			{Code: code, Who: who, Recorded: true, RunDate: "2026-02-28", At: "2026-02-28T06:00:03.120+01:00", ID: "5f0c"},
			{Code: code, Who: who, Recorded: true},
		} {
			s := Story{Kind: Document, Identities: []Identity{{Run: Run{Date: "2026-03-01", State: "held", Detail: "a source is behind"}}}}
			text := s.sentence(&n)
			if text == "" || strings.ContainsAny(text, "{}") || strings.Contains(text, ", ,") {
				t.Errorf("%s: %q", code, text)
			}
		}
	}
}
