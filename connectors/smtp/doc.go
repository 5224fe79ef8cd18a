// Package smtp is the mail connector: it takes the records of lejarat.mail-sink, writes a letter for each, hands it
// to one SMTP relay, and records what became of it in lejarat.deliveries before it lets go of the record.
//
// Rules that every file here keeps:
//
//   - A mail is composed into memory before its envelope is opened, and it is the same, byte for byte, at every
//     attempt: Message-ID, Date and boundary come from the record.
//   - Everything that fails before the final dot is written was provably not delivered and is tried again. Only from
//     the dot to its answer is a mail in doubt. Such a mail is recorded as in_doubt, then sent once more at most
//     (Options.InDoubt); "resent" stands in deliveries before that second attempt begins, so a crash cannot make it
//     a third. After a doubt comes a pause and then this mail before any other: a relay that has fallen silent gets one
//     mail into doubt, not one after another.
//   - A mail that the relay puts off (4xx) waits by itself, up to its not_after, and holds up nobody; its offset is not
//     committed before it is settled. A relay that puts off one after another is asked at growing intervals.
//   - Whether a mail may still go (not_after, suppressions, already settled) is asked before MAIL FROM at every
//     attempt, and once more before the dot.
//   - An answer of the relay to one mail never touches another: after a refusal the connection is reset or thrown
//     away, and after any I/O error it is thrown away.
//   - Addresses, names and the relay's own words (which quote addresses) are never logged, recorded or returned.
//     Errors carry the phase and the reply codes.
//
// What can be sent twice unnoticed: a mail that the relay accepted in the moment before the process was killed,
// that is, before the outcome was in deliveries; and one held for a retry while its partition moved to another
// instance that sends it at the same moment.
package smtp
