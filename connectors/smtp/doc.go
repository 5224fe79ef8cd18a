// Package smtp is the mail connector: it takes the records of lejarat.mail-sink, has a letter made for each (package letter), hands
// it to an SMTP relay, and records what became of it in lejarat.deliveries before it lets go of the record.
//
// Rules that every file here keeps:
//
//   - A mail is composed into memory before its envelope is opened, and it is the same, byte for byte, at every
//     attempt: Message-ID, Date and boundary come from the record.
//   - Everything that fails before the final dot is written was provably not delivered and is tried again. Only from
//     the dot to its answer is a mail in doubt. Such a mail is recorded as in_doubt, then sent once more (Options.InDoubt);
//     if that answer is not seen either, it stays in doubt. After a doubt its relay gets a pause, and this mail
//     goes before any other: a relay that has fallen silent gets one mail a connection into doubt, not one after another.
//   - A claim is in deliveries before the dot, the outcome after it, and both before the queue's offset moves (claims.go,
//     round.go). After a crash the mails in question are those claimed, at most one a connection. They are in doubt too:
//     reported, then sent once more or parked. A mail that may have come twice is accepted with the reason "resent".
//   - While more is queued than connections can carry, the envelope of a mail that was not tried before goes out behind the dot of
//     another (RFC 2920). It is claimed once that one is accepted, and its message follows then; after anything else the connection
//     is thrown away without a word. An acceptance that does not name what was queued could be the answer to the envelope: it counts
//     where the answers behind it are the envelope's.
//   - Of two instances that have one mail in hand, the one whose claim stands first in deliveries sends it, and an instance
//     that was frozen writes no dot after waking: a claim is good for Limits.Claim.
//   - A mail that the relay puts off (4xx) waits by itself, up to its not_after, and holds up nobody; its offset is not
//     committed before it is settled. A relay that wants less (421, 454, no room) gets fewer connections; one that wants
//     nothing, or is away, is asked with one mail at growing intervals; each full set of mails that it takes then gives it
//     one connection more (route.go). What it says about a recipient (greylisting) slows nobody down.
//   - Of several relays the first in the configuration that takes a mail at the moment gets it. A mail that a relay refuses for
//     what may be its own fault goes to another next; a relay that refuses one mail after another so is set aside, and its
//     refusals are none.
//   - What is good for one day only goes before what can wait, wherever it stands in the queue (feed.go, ready.go, cap.go).
//   - No more is in hand than Limits say, however much is queued. What holds everything up (a pause, the day's cap, no relay)
//     still lets through to deliveries what is called off or too late.
//   - Whether a mail may still go (not_after, suppressions, already settled) is asked before MAIL FROM at every
//     attempt, and once more before the dot.
//   - An answer of the relay to one mail never touches another: after a refusal the connection is reset or thrown
//     away, and after any I/O error it is thrown away.
//   - Addresses, names and the relay's own words (which quote addresses) are never logged, recorded or returned.
//     Errors carry the phase and the reply codes.
package smtp
