package kafka

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"

	"lejarat/processor/event"
)

// classify puts an error of the library into one of event's classes, or leaves it. The text says what to look at.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case is(err, kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.FencedInstanceID):
		return fmt.Errorf("%w: %w", event.ErrFenced, err)
	case is(err, kerr.SaslAuthenticationFailed, kerr.TransactionalIDAuthorizationFailed, kerr.GroupAuthorizationFailed,
		kerr.ClusterAuthorizationFailed, kerr.IllegalSaslState, kerr.UnsupportedSaslMechanism, kerr.SecurityDisabled):
		return fmt.Errorf("%w: %w: check kafka.sasl and the ACLs of this user", event.ErrAccess, err)
	case is(err, kerr.UnknownTopicOrPartition, kerr.TopicAuthorizationFailed, kerr.UnknownTopicID, kerr.InconsistentTopicID, kerr.InvalidTopicException):
		return fmt.Errorf("%w (Kafka may give the same answer to both): %w", event.ErrTopic, err)
	case is(err, kerr.InvalidTimestamp):
		return fmt.Errorf("%w: %w", event.ErrClock, err)
	case is(err, kerr.OffsetOutOfRange):
		return fmt.Errorf("%w: %w", event.ErrRange, err)
	}
	return classifyTLS(err)
}

func classifyTLS(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w: %w: check kafka.tls.ca_file and the names in the broker's certificate", event.ErrAccess, err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fmt.Errorf("%w: %w: this listener does not speak TLS; check kafka.tls and the port", event.ErrAccess, err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return fmt.Errorf("%w: %w: check kafka.tls.cert_file and key_file", event.ErrAccess, err)
	}
	return err
}

func is(err error, kinds ...*kerr.Error) bool {
	for _, k := range kinds {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}
