// Package console is the web edge of a lejarat process: metrics, health, a page that says how the service stands and,
// in the demo, a local mailbox that shows the mails that went out.
//
// Rules:
//   - Every page works without JavaScript and loads nothing from anywhere else; its Content-Security-Policy allows no more.
//   - A mail is somebody else's text: it is escaped, and its HTML part is a document of its own in a sandboxed frame
//     that may neither run, load, send nor navigate anything.
//   - Nothing of a mail, no search, no row key and no address reaches the log.
//   - Every queue, body, header and connection count has a named maximum (limits.go).
package console
