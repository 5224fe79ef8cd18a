// Package letter makes the mail that a citizen reads, byte for byte the same from the same order, and says what is wrong
// with a template.
//
// Rules that every file here keeps:
//
//   - A mail is a function of its order (event.Mail) and of Options: no clock and no chance have a part in it. Signatures alone say
//     when they were made, and stand before what is the same (sign.go).
//   - What an order brings from a register adds no header field, recipient, wording or markup: templates see neither name nor
//     number (pattern.go), and only an address that cannot be read in two ways passes (address.go).
//   - A template that would fail, leave something out or fetch something is found with invented orders, before it meets a
//     citizen's (lint.go, samples.go).
//   - Errors say which file, setting or kind of fault, never whose mail.
package letter
