package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Members returns how many members each of the groups has that has any. One that was killed counts until its session
// times out.
func (c *Client) Members(ctx context.Context, groups ...string) (map[string]int, error) {
	described, err := c.adm.DescribeGroups(ctx, groups...)
	if err != nil {
		return nil, fmt.Errorf("describing groups: %w", classify(err))
	}
	out := map[string]int{}
	for name, g := range described {
		if errors.Is(g.Err, kerr.GroupIDNotFound) {
			continue
		}
		if g.Err != nil {
			return nil, fmt.Errorf("describing group %s: %w", name, classify(g.Err))
		}
		if len(g.Members) > 0 {
			out[name] = len(g.Members)
		}
	}
	return out, nil
}

// DeleteTopics deletes topics; one that is not there is no error.
func (c *Client) DeleteTopics(ctx context.Context, topics ...string) error {
	if len(topics) == 0 {
		return nil
	}
	deleted, err := c.adm.DeleteTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("deleting topics: %w", classify(err))
	}
	for _, d := range deleted {
		if d.Err != nil && !errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("deleting topic %s: %w", d.Topic, classify(d.Err))
		}
	}
	return nil
}

// TopicSizes lists the topics whose names the filter takes, with the number of offsets that each holds.
func (c *Client) TopicSizes(ctx context.Context, filter func(name string) bool) (map[string]int64, error) {
	all, err := c.adm.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", classify(err))
	}
	var names []string
	for _, name := range all.Names() {
		if filter(name) {
			names = append(names, name)
		}
	}
	spans, err := c.Spans(ctx, names...)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for tp, span := range spans {
		out[tp.Topic] += span.End - span.Start
	}
	return out, nil
}
