package story

import "lejarat/processor/event"

// What is said of a notice, by its code. Words in braces are filled in: {run}, {at}, {id} of what is recorded; {next} the
// run that decides next; {due}, {last}, {from} dates; {mail} what became of the mail; {who} the row at the bottom of it.
var words = map[string]string{
	event.Emitted: "told in the run of {run}, at {at} (notice {id}). {mail}",
	"owed":        "not told yet. It goes out with the run of {next}, if nothing changes until then.{held run}",
	"not_due":     "not due yet. It goes out with the run of {from}, if nothing changes until then.",
	"waits":       "not told yet. The identity data of {mover} changed lately, so it takes part from the run of {from}: the notice goes out then, if nothing changes until then.",

	"document_invalid":    "not told: the register does not list the document as valid.",
	"document_superseded": "not told: the same person has a later valid document of this type, which replaces it.",
	"no_match":            "not told: nobody with the same identity data is registered.",
	"switched_off":        "not told: the registration is inactive, or its holder has switched the service off.",
	"no_address":          "not told: the registration has no e-mail address.",
	"outside_pilot":       "not told: the service is restricted to a pilot, and this registration is not part of it.",
	"announcements_off":   "not told: the service sends no announcements.",
	"not_counted":         "not told: it was due before the service went live, or before this notice was introduced.",
	"closed":              "not told: its last day, {last}, is more than 30 days past, so no record was made.",

	event.ReasonLate:             "not told: its last day, {last}, was over before it could be sent.",
	event.ReasonStaleSource:      "not told: on its last day, {last}, a register's changes were not coming through, so nothing was sent.",
	event.ReasonDuplicateAddress: "no mail of its own: the same person is told at the same address through another registration.",
	event.ReasonCollision:        "not told: two different holders in the register share these identity data, and the mail could reach the wrong one.",
	event.ReasonOperator:         "not told: an operator skipped it (lejarat skip), for good.",

	event.ReasonHeld + " document":      "held back: the document's newest record could not be used, or was older than a former one. It goes out once the register sends a good one, up to {last}.",
	event.ReasonHeld + " document_type": "held back: the newest record of another document of this type, of the same person, could not be used, or was older than a former one. It goes out once the register sends a good one, up to {last}.",
	event.ReasonHeld + " registration":  "held back: the registration's newest record could not be used, or was older than a former one. It goes out once a good one comes, up to {last}.",
	event.ReasonHeld + " ":              "held back: the newest record of the document or of the registration could not be used then, or was older than a former one.",
	"not_entitled document":             "not told: the document's present facts took effect on {from} only, after the due date. The next notice counts.",
	"not_entitled registration":         "not told: the registration took effect on {from} only, after the due date. The next notice counts.",
}

// What is said of what is not due yet, where it would be skipped as things stand.
var ahead = map[string]string{
	event.ReasonDuplicateAddress: "no mail of its own on {from}: as things stand, the same person is told at the same address through another registration.",
	event.ReasonCollision:        "due on {from}. As things stand nothing would be sent: two different holders in the register share these identity data.",
	event.ReasonHeld:             "due on {from}. As things stand it would be held back: the newest record of {who} could not be used, or was older than a former one.",
	event.ReasonLate:             "not told: the identity data of {mover} changed lately, so it takes part from the run of {from}; the last day for this notice is {last}.",
	event.ReasonOperator:         "due on {from}; an operator has said that the run of that date sends nothing (lejarat skip), for good.",
	event.ReasonStaleSource:      "not told: the identity data of {mover} changed lately, so it takes part from the run of {from}; the last day for this notice is {last}.",
}

// What is added to a skip.
const (
	recordedSkip = " (Recorded in the run of {run}, notice {id}.)"
	comingSkip   = " (The run of {next} will record it so.)"
	heldRun      = " That run is held at the moment: {why}."
	// unknownTime: a store of an earlier version knows that a notice was emitted, but not when.
	emittedSometime = "told (notice {id}). {mail}"
)

// Why a run is held, by its reason.
var heldRuns = map[string]string{
	"source_behind": "a register's changes are not coming through",
	"waiting":       "not everything that came from the registers is taken in yet",
	"fuse":          "more would go out than is let go without an operator's word",
	"rules":         "another instance runs with newer rules",
	"journal":       "a stored record cannot be read",
}

// The row at the bottom of a hold.
var holders = map[string]string{"document": "the document", "document_type": "another document of this type", "registration": "the registration"}

// What became of a mail, by status, or by status and reason.
var deliveries = map[string]string{
	"":                       "No outcome is recorded yet: the mail waits for the mail server.",
	event.DeliveryAccepted:   "The mail server took the mail at {mailed}{code}.",
	event.DeliveryRejected:   "The mail server refused the mail for good at {mailed}{code}.",
	event.DeliveryExpired:    "The mail could not be handed over in time, and was given up at {mailed}{code}.",
	event.DeliverySuppressed: "The mail was stopped before it went out, at {mailed}.",
	event.DeliveryInDoubt:    "The mail was sent at {mailed}, but the mail server's answer was never seen: it may have arrived.",
	event.DeliveryBounced:    "The mail was sent, and came back at {mailed}{code}.",

	event.DeliveryRejected + " undecodable":                    "The mail could not be written at {mailed}: its record or address cannot be used.",
	event.DeliverySuppressed + " " + event.SuppressSwitchedOff: "The mail was stopped before it went out, at {mailed}: the service had been switched off.",
	event.DeliverySuppressed + " " + event.SuppressDeleted:     "The mail was stopped before it went out, at {mailed}: the registration had been deleted.",
	event.DeliverySuppressed + " " + event.SuppressMoved:       "The mail was stopped before it went out, at {mailed}: the registration had got another e-mail address.",
	event.DeliverySuppressed + " " + event.SuppressAddress:     "The mail was stopped before it went out, at {mailed}: an earlier one to this address came back, or was reported as unwanted.",
	event.DeliverySuppressed + " " + event.SuppressOperator:    "The mail was stopped before it went out, at {mailed}: by an operator.",
	event.DeliveryAccepted + " complaint":                      "The mail arrived. At {mailed} its receiver reported it as unwanted; no more mails go to this address.",
	event.DeliveryInDoubt + " resent":                          "The mail was sent twice, lastly at {mailed}, because the mail server's answer to the first was never seen.",
	event.DeliveryInDoubt + " parked":                          "The mail was sent at {mailed}, but the mail server's answer was never seen; it is not sent again.",
}

// SMTP codes in words: the enhanced code where there is one, else the code.
var codes = map[string]string{
	"5.1.1": "there is no such mailbox", "5.1.2": "there is no such mail domain", "5.1.10": "the domain takes no mail",
	"5.2.1": "the mailbox is closed", "5.2.2": "the mailbox is full", "4.2.2": "the mailbox is full", "5.2.3": "the mail is too large",
	"5.7.1": "the receiver's rules forbid it", "5.7.26": "the receiver's rules forbid it",
	"421": "the mail server was not available", "450": "the mailbox was not available", "451": "the mail server had a fault",
	"452": "the mail server had no room", "550": "there is no such mailbox, or it takes no mail", "551": "the mailbox has moved",
	"552": "the mailbox is full", "553": "the address is not allowed", "554": "the mail server refused it",
}

// Why a row is held.
var holds = map[string]string{
	"rejected":           "Held: its newest record could not be used ({position}; the reason stands in lejarat.rejects). Nobody is told from it until the register sends a good record.",
	"redelivered":        "Held: its newest record ({position}) was older than a former one. Nobody is told from it until the register confirms the newest facts.",
	"redelivered_delete": "Held: its newest record ({position}), a deletion, was older than a former one. Nobody is told from it until the register confirms the newest facts.",
}

// A former state of the row, by Version.What.
var versions = map[string]string{
	"facts":    "{facts}",
	"moved":    "{facts}; under other identity data than before",
	"held":     "held: the record could not be used, or was older than a former one",
	"released": "held no longer",
	"deleted":  "deleted",
}
