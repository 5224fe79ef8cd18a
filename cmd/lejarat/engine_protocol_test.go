package main

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// frame reads one length-prefixed message, without the length.
func frame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

func writeFrame(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...))
	return err
}

// encode is a response with its header.
func encode(correlation []byte, resp kmsg.Response) []byte {
	b := append([]byte(nil), correlation...)
	if resp.IsFlexible() {
		b = append(b, 0) // no tags
	}
	return resp.AppendTo(b)
}

// body is a request without its header: key, version, correlation, client id, and tags where it is flexible.
func body(b []byte, flexible bool) []byte {
	b = b[8:]
	if n := int16(binary.BigEndian.Uint16(b)); n > 0 {
		b = b[n:]
	}
	b = b[2:]
	if flexible {
		b = b[1:] // the client sends no tags
	}
	return b
}

// The gate recognises a request in either form of header.
func TestGateReadsHeaders(t *testing.T) {
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.Commit = "some-id", true
	for _, version := range []int16{0, 3} {
		req.SetVersion(version)
		raw := kmsg.NewRequestFormatter(kmsg.FormatterClientID("client")).AppendRequest(nil, req, 7)[4:]
		g := newGate(nil)
		r := g.when(&rule{key: kmsg.EndTxn, match: func(q kmsg.Request) bool { return q.(*kmsg.EndTxnRequest).TransactionalID == "some-id" }})
		if met, _ := g.ruleFor(asked{key: kmsg.EndTxn.Int16(), version: version}, raw); met != r {
			t.Errorf("version %d: the request was not recognised", version)
		}
	}
}
