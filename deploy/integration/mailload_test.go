//go:build integration && load

package integration

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

// mailPeakMB is what a connector may need, however much is queued; what it remembers of settled mails comes on top.
const mailPeakMB, mailRememberedMB = 200, 120

// TestMailMemory queues LEJARAT_BENCH_QUEUED mails (1,000,000) and looks at how much memory `lejarat mail` takes while they
// wait: for a relay that is away, one that is slow, one that puts off every recipient, for an operator, and with as many
// mails settled before, which it remembers. It fails above mailPeakMB, and mailRememberedMB more
// for a million mails remembered.
func TestMailMemory(t *testing.T) {
	queued := loadNumber(t, "LEJARAT_BENCH_QUEUED", 1_000_000)
	p := openPost(t)
	const atOnce = 5000
	for n := 0; n < queued; n += atOnce {
		mails := make([]event.Mail, min(atOnce, queued-n))
		for i := range mails {
			mails[i] = invented(fmt.Sprintf("kanari%d@waiting.example", n+i))
		}
		p.queueMails(mails)
	}
	fmt.Printf("\n%d mails queued, peak of lejarat mail\n", queued)
	look := func(name, relay string, limit int64) {
		p.smtp = relay
		v := p.instance(strings.ReplaceAll(name, " ", "-"), "tls: none")
		m := v.start("mail")
		peak := int64(0)
		for end := time.Now().Add(25 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			peak = max(peak, residentPeak(m.cmd.Process.Pid))
		}
		v.stop(m)
		fmt.Printf("  %-32s %4d MB\n", name, peak)
		if peak == 0 || peak > limit {
			t.Errorf("%s: %d MB, at most %d are right", name, peak, limit)
		}
	}
	look("relay away", "127.0.0.1:1", mailPeakMB)
	slow := slowRelay(t, map[string]string{})
	look("relay slow", slow, mailPeakMB)
	look("every recipient put off", slowRelay(t, map[string]string{"RCPT": "450 4.7.1 later"}), mailPeakMB)
	operator := p.instance("operator", "tls: none")
	operator.run("mail", "pause", "measuring")
	look("paused", slow, mailPeakMB)
	operator.run("mail", "resume")
	for n := 0; n < queued; n += atOnce {
		records := make([]event.Record, min(atOnce, queued-n))
		for i := range records {
			d := event.Delivery{ID: randomHex(), Status: event.DeliveryAccepted, Attempts: 1, At: time.Now().Format(event.TimeFormat)}
			records[i] = event.Message(p.prefix+"deliveries", d.ID, d.ID+"/1/accepted", "delivery", d.At, d)
		}
		if err := p.k.Produce(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	look("slow and as many settled before", slow, mailPeakMB+mailRememberedMB*int64(queued)/1_000_000)
}

// slowRelay takes mails, each after 50 ms, or answers a verb otherwise.
func slowRelay(t *testing.T, otherwise map[string]string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	serve := func(c net.Conn) {
		defer c.Close()
		fmt.Fprint(c, "220 relay.example ESMTP\r\n")
		inData := false
		for in := bufio.NewScanner(c); in.Scan(); {
			verb := strings.ToUpper(strings.Fields(in.Text() + " .")[0])
			answer := otherwise[verb]
			switch {
			case inData && in.Text() != ".":
				continue
			case inData:
				time.Sleep(50 * time.Millisecond)
				inData, answer = false, "250 2.0.0 Ok: queued as SLOW1234"
			case answer != "":
			case verb == "DATA":
				inData, answer = true, "354 go on"
			case verb == "QUIT":
				return
			default:
				answer = "250 2.0.0 Ok"
			}
			fmt.Fprint(c, answer+"\r\n")
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String()
}
