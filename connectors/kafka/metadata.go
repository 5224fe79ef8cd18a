package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"lejarat/processor/event"
)

// Spans implements event.Log: starts and high watermarks, whatever transactions are open.
func (c *Client) Spans(ctx context.Context, topics ...string) (map[event.TopicPartition]event.Span, error) {
	out := make(map[event.TopicPartition]event.Span, len(topics))
	if len(topics) == 0 {
		return out, nil // to the library no topic means all
	}
	// The start first: it may only grow, and a start behind its end would be no span.
	starts, err := c.adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("listing offsets: %w", classify(err))
	}
	ends, err := c.adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("listing offsets: %w", classify(err))
	}
	for _, topic := range topics {
		if len(ends[topic]) == 0 {
			return nil, fmt.Errorf("topic %s: %w", topic, classify(kerr.UnknownTopicOrPartition))
		}
		for p, end := range ends[topic] {
			start := starts[topic][p]
			if err := errors.Join(end.Err, start.Err); err != nil {
				return nil, fmt.Errorf("topic %s: %w", topic, classify(err))
			}
			out[event.TopicPartition{Topic: topic, Partition: p}] = event.Span{Start: start.Offset, End: end.Offset}
		}
	}
	return out, nil
}

// TopicIDs implements event.Log.
func (c *Client) TopicIDs(ctx context.Context, topics ...string) (map[string]string, error) {
	details, err := c.details(ctx, topics)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(topics))
	for _, topic := range topics {
		out[topic] = details[topic].ID.String()
	}
	return out, nil
}

// Deleting implements event.Log.
func (c *Client) Deleting(ctx context.Context, topics ...string) (map[string]string, error) {
	out := map[string]string{}
	if len(topics) == 0 {
		return out, nil
	}
	described, err := c.adm.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("describing topics: %w", classify(err))
	}
	for _, d := range described {
		if d.Err != nil {
			return nil, fmt.Errorf("describing topic %s: %w", d.Name, classify(d.Err))
		}
		have := map[string]string{}
		for _, conf := range d.Configs {
			have[conf.Key] = conf.MaybeValue()
		}
		if how := deleting(have); how != "" {
			out[d.Name] = how
		}
	}
	return out, nil
}

// deleting names the settings by which old records go. With delete among the policies, and neither age nor size limited,
// none does: so it is on the embedded broker.
func deleting(configs map[string]string) string {
	if !strings.Contains(configs["cleanup.policy"], "delete") {
		return ""
	}
	how := ""
	for _, limit := range []string{"retention.ms", "retention.bytes"} {
		if v := configs[limit]; v != "" && v != "-1" {
			how += " " + limit + "=" + v
		}
	}
	if how == "" {
		return ""
	}
	return "cleanup.policy=" + configs["cleanup.policy"] + how
}

// Partitions is the number of partitions of a topic.
func (c *Client) Partitions(ctx context.Context, topic string) (int32, error) {
	details, err := c.details(ctx, []string{topic})
	if err != nil {
		return 0, err
	}
	return int32(len(details[topic].Partitions)), nil
}

// details describes topics that must all be there.
func (c *Client) details(ctx context.Context, topics []string) (kadm.TopicDetails, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	details, err := c.adm.ListTopicsWithInternal(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("describing topics: %w", classify(err))
	}
	for _, topic := range topics {
		d, ok := details[topic]
		if !ok {
			d.Err = kerr.UnknownTopicOrPartition
		}
		if d.Err != nil {
			return nil, fmt.Errorf("topic %s: %w", topic, classify(d.Err))
		}
	}
	return details, nil
}
