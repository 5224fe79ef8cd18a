package smtp

import (
	"strings"
	"testing"

	"lejarat/processor/event"
)

func statuses(b *bench, t *testing.T, id string) []string {
	t.Helper()
	var out []string
	for _, d := range b.deliveries(t) {
		if d.ID == id {
			out = append(out, d.Status)
		}
	}
	return out
}

func lastDelivery(b *bench, t *testing.T, id string) event.Delivery {
	t.Helper()
	var last event.Delivery
	for _, d := range b.deliveries(t) {
		if d.ID == id {
			last = d
		}
	}
	return last
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// checkNoPersonalData looks for the canary in everything that leaves the connector but the mail itself.
func checkNoPersonalData(t *testing.T, b *bench, err error) {
	t.Helper()
	places := map[string]string{"log": b.log.String()}
	if err != nil {
		places["error"] = err.Error()
	}
	for _, d := range b.logs[event.TopicPartition{Topic: "lejarat.deliveries"}] {
		places["deliveries"] += string(d.Key) + string(d.Value)
	}
	for place, text := range places {
		for _, canary := range []string{"kanari", "Kanári", "Etelka", "polgar.example", "*****028"} {
			if strings.Contains(text, canary) {
				t.Errorf("%s holds %q: %s", place, canary, text)
			}
		}
	}
}
