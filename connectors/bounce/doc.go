// Package bounce takes in what comes back of mails that the relay had accepted: delivery reports (RFC 3464) and complaints
// (RFC 5965) at the envelope sender's address, and the relay's own log.
//
// Rules that every file here keeps:
//
//   - A message counts only with a token of ours (token.go): anybody may write to the address. A Message-ID or envelope id
//     in it is the second proof, and one that names another mail disproves it.
//   - Only a mail that deliveries knows as accepted, or as in doubt, can bounce. What was recorded once stays: reports may come
//     twice, late and out of order.
//   - Only a failure of the address itself suppresses it (hard in judge.go), and only where the report is about that address:
//     who forwards mail elsewhere and lets that address die is still there.
//   - The suppression is durable before the delivery that says bounced, and both before a message is taken over (I36): what
//     breaks off between is done again, and a report that comes again finds that it was recorded and changes nothing, also
//     after an operator has lifted what it did.
//   - Nothing of a message is logged, recorded or returned but codes: it holds addresses, and often a letter.
package bounce
