package processor

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/journal"
)

func registrationRefFor(refs *identity.Key, row string) journal.Ref {
	id := journal.SourceID(registrationTopic)
	return refs.Sum("registration", []byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}, []byte(row))
}

// name remembers what a reference stands for, so that a script can print names.
func (h *harness) name(kind, row string, args map[string]string) {
	if kind == "registration" {
		ref := registrationRefFor(h.cfg.Intake.Refs, row)
		h.names[hex.EncodeToString(ref[:])] = row
		return
	}
	types := map[string]string{"passport": "passport", "card": "identity_card", "licence": "driving_licence", "car": "vehicle_inspection"}
	id := journal.SourceID(documentTopic)
	ref := h.cfg.Intake.Refs.Sum("document row", []byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}, []byte(row))
	if n := args["number"]; n != "" && n != "null" {
		ref = h.cfg.Intake.Refs.Sum("document", []byte(types[args["type"]]), []byte(n))
	}
	h.names[hex.EncodeToString(ref[:])] = row
}

// printNew prints the notifications that came since the last time, sorted.
func (h *harness) printNew() {
	var lines []string
	for _, r := range h.log.Records("lejarat.notifications") {
		at := fmt.Sprintf("%d/%d", r.Partition, r.Offset)
		if !h.printed[at] {
			lines = append(lines, h.notice(r.Value))
		}
		h.printed[at] = true
	}
	sort.Strings(lines)
	for _, l := range lines {
		fmt.Fprintln(&h.out, l)
	}
}

func (h *harness) notice(value []byte) string {
	var n event.Notice
	if err := json.Unmarshal(value, &n); err != nil {
		return err.Error()
	}
	s := n.RunDate + " " + n.Decision
	if n.Reason != nil {
		s += " " + *n.Reason
	}
	s += " " + h.names[n.RegistrationRef]
	if n.Kind == event.KindAnnouncement {
		return s + " announcement"
	}
	return s + " " + *n.DocumentType + " " + h.names[*n.DocumentRef] + " " + *n.Threshold + " due " + *n.Due + " expires " + *n.Expires
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (h *harness) printRuns(date string) {
	d, err := event.ParseDate(date)
	if err != nil {
		fmt.Fprintln(&h.out, err)
		return
	}
	for p := int32(0); p < h.cfg.Partitions; p++ {
		if v, ok := h.runs.get(d, p); ok {
			fmt.Fprintln(&h.out, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", p, v.State, v.Reason, v.Detail)))
		}
	}
}

func (h *harness) printCounts(date string) {
	d, err := event.ParseDate(date)
	if err != nil {
		fmt.Fprintln(&h.out, err)
		return
	}
	sum := map[string]int{}
	for p := int32(0); p < h.cfg.Partitions; p++ {
		v, _ := h.runs.get(d, p)
		for _, c := range v.Counts {
			sum[strings.TrimSpace(strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s", c.Kind, c.Type, c.Threshold, c.Decision, c.Reason)), " "))] += c.Number
		}
	}
	for _, k := range sortedKeys(sum) {
		fmt.Fprintf(&h.out, "%s: %d\n", k, sum[k])
	}
}

// printTopic prints the values of a topic in a form for people.
func (h *harness) printTopic(name string) {
	var lines []string
	for _, r := range h.log.Records("lejarat." + name) {
		switch name {
		case "rejects":
			var v event.Rejected
			if err := json.Unmarshal(r.Value, &v); err != nil {
				lines = append(lines, err.Error())
				continue
			}
			column := ""
			if v.Column != nil {
				column = " column " + *v.Column
			}
			lines = append(lines, fmt.Sprintf("%s/%d/%d%s: %s", v.Topic, v.Partition, v.Offset, column, v.Reason))
		case "suppressions":
			ref, reason, _ := strings.Cut(string(r.Key), "/")
			state := "on"
			if r.Value == nil {
				state = "lifted"
			}
			lines = append(lines, h.names[ref]+" "+reason+" "+state)
		case "mail-sink":
			var m event.Mail
			if err := json.Unmarshal(r.Value, &m); err != nil {
				lines = append(lines, err.Error())
				continue
			}
			line := fmt.Sprintf("%s %s <%s> %s not after %s", m.Kind, m.To.Name, m.To.Email, m.Language, m.NotAfter)
			if m.Document != nil {
				line += fmt.Sprintf(" %s %s days left %d", m.Document.Type, m.Document.NumberMasked, *m.DaysLeft)
			}
			lines = append(lines, line)
		}
	}
	for _, l := range lines {
		fmt.Fprintln(&h.out, l)
	}
}
