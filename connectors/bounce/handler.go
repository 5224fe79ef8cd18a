package bounce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"lejarat/processor/event"
)

// Options configure a Handler.
type Options struct {
	Tokens *Tokens
	Topics Topics
	// Prefix stands before topic names.
	Prefix string
	// Remember is how long a bounce can come after its mail: as long as mail-sink keeps records.
	Remember time.Duration
	// Now is the clock in use, for what is recorded.
	Now func() time.Time
	// Observer is told of every verdict. It must not block.
	Observer func(Verdict)
	Logger   *slog.Logger
}

// Handler judges messages one at a time. It is safe for concurrent use.
type Handler struct {
	o     Options
	limit time.Duration // of a message, its turn included
	turn  chan struct{} // full while somebody has fates
	fates *fates

	mu   sync.Mutex
	away bool // the brokers: said in the log
}

// acceptTimeout is how long the brokers may take: mail servers wait longer for an answer, and their retries are better than a
// queue of sessions here.
const acceptTimeout = 30 * time.Second

// NewHandler connects to nothing; Ready and Accept do.
func NewHandler(o Options) *Handler {
	if o.Observer == nil {
		o.Observer = func(Verdict) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{o: o, limit: acceptTimeout, turn: make(chan struct{}, 1), fates: newFates(o.Topics, o.Prefix+"deliveries", o.Prefix+"suppressions", o.Remember)}
}

// ErrInHand says that a connector has the mail in hand at this moment, or ended without a word: the message must come again later.
var ErrInHand = errors.New("the mail's own outcome is not recorded yet")

// Ready reads what is known of the mails of the last days. It may take a minute.
func (h *Handler) Ready(ctx context.Context) error {
	if err := h.begin(ctx); err != nil {
		return err
	}
	defer h.end()
	return h.fates.refresh(ctx)
}

// begin waits for the caller's turn.
func (h *Handler) begin(ctx context.Context) error {
	select {
	case h.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the brokers: %w", ctx.Err())
	}
}

func (h *Handler) end() { <-h.turn }

// Close lets go of the topics.
func (h *Handler) Close() {
	h.turn <- struct{}{}
	defer h.end()
	h.fates.close()
}

// Accept takes a message in. recipients are those of its envelope, where they are known. With nil everything that follows
// from it is durable. An error says that the message must come again: ErrInHand, or the brokers are away.
func (h *Handler) Accept(ctx context.Context, recipients []string, message io.Reader) (Verdict, error) {
	rep := read(message)
	if _, err := io.Copy(io.Discard, message); err != nil {
		return "", fmt.Errorf("reading a message: %w", err)
	}
	v, err := h.judge(ctx, recipients, &rep)
	if err == nil {
		h.o.Observer(v)
	}
	h.note(err)
	return v, err
}

// note says when the brokers go away and come back.
func (h *Handler) note(err error) {
	if errors.Is(err, ErrInHand) || errors.Is(err, context.Canceled) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err != nil && !h.away:
		h.o.Logger.Warn("bounces wait", "error", err)
	case err == nil && h.away:
		h.o.Logger.Info("bounces are taken in again")
	}
	h.away = err != nil
}

func (h *Handler) judge(ctx context.Context, recipients []string, rep *report) (Verdict, error) {
	k, verdict := h.o.Tokens.token(recipients, rep)
	if verdict != "" {
		return verdict, nil
	}
	verdict, _ = rep.says("") // whose address it was is not known yet: a failure is the mail's so far
	switch {
	case !rep.agrees(k):
		return Mismatch, nil
	case verdict != Complained && verdict != MailFailed:
		return verdict, nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.limit)
	defer cancel()
	if err := h.begin(ctx); err != nil {
		return "", err
	}
	defer h.end()
	if err := h.fates.refresh(ctx); err != nil {
		return "", err
	}
	id, ok := event.ParseID(k.ID)
	m := h.fates.mails[id]
	switch {
	case !ok || m.state == unknown:
		return Unknown, nil
	case m.state == claimed:
		return "", ErrInHand
	case m.state == returned, m.state == disliked && verdict == Complained:
		return Repeated, nil
	}
	return h.record(ctx, k, m, rep)
}

// record writes what a report says: the suppression first, so that a delivery that says it means that both are there.
func (h *Handler) record(ctx context.Context, k Token, m fate, rep *report) (Verdict, error) {
	r, found, err := h.o.Topics.At(ctx, event.TopicPartition{Topic: h.fates.deliveries, Partition: int32(m.partition)}, m.offset)
	if err != nil {
		return "", err
	}
	var d event.Delivery
	if !found || json.Unmarshal(r.Value, &d) != nil || d.ID != k.ID {
		return "", ErrInHand // another record has come after it, and this one is compacted away
	}
	mail, err := h.mail(ctx, k)
	if err != nil {
		return "", err
	}
	at := h.o.Now().Format(event.TimeFormat)
	verdict, about := rep.says(mail.To.Email)
	if verdict != MailFailed {
		if err := h.suppress(ctx, &mail, at); err != nil {
			return "", err
		}
	}
	what := event.DeliveryBounced
	if verdict == Complained {
		d, what = complained(d, at), reasonComplaint // the event that it was accepted is another
	} else {
		d = bounced(d, about, at)
	}
	return verdict, h.o.Topics.Produce(ctx, []event.Record{delivery(h.fates.deliveries, d, what)})
}

// delivery is a record of deliveries; what names the event among those of the mail.
func delivery(topic string, d event.Delivery, what string) event.Record {
	return event.Message(topic, d.ID, fmt.Sprintf("%s/%d/%s", d.ID, d.Attempts, what), "delivery", d.At, d)
}

// mail reads the mail's record; empty where it is gone.
func (h *Handler) mail(ctx context.Context, k Token) (m event.Mail, err error) {
	r, found, err := h.o.Topics.At(ctx, event.TopicPartition{Topic: h.o.Prefix + "mail-sink", Partition: k.Partition}, k.Offset)
	if err != nil || !found || json.Unmarshal(r.Value, &m) != nil || m.ID != k.ID {
		return event.Mail{}, err
	}
	return m, nil
}

// suppress stops what would go to the address of a mail.
func (h *Handler) suppress(ctx context.Context, m *event.Mail, at string) error {
	if m.AddressHash == "" || h.fates.addresses[m.RegistrationRef] == m.AddressHash {
		return nil
	}
	return h.o.Topics.Produce(ctx, []event.Record{suppression(h.fates.suppressions, m, at)})
}

// suppression stops mails to the address of a mail.
func suppression(topic string, m *event.Mail, at string) event.Record {
	key := event.SuppressionKey(m.RegistrationRef, event.SuppressAddress)
	return event.Message(topic, key, key+"@"+at, "suppression", at, event.Suppression{Since: at, AddressHash: &m.AddressHash})
}
