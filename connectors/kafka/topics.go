package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TopicSpec is a topic as it should be.
type TopicSpec struct {
	Name        string
	Partitions  int32
	Replication int16 // -1: the brokers' default
	Configs     map[string]string
}

// Difference is one thing about a topic that is not as it should be.
type Difference struct {
	Topic   string `json:"topic"`
	Setting string `json:"setting"`
	Want    string `json:"want"`
	Have    string `json:"have"`
}

// String says it to an operator.
func (d Difference) String() string {
	return fmt.Sprintf("%s: %s is %s, want %s", d.Topic, d.Setting, d.Have, d.Want)
}

// leaderWait is how long making topics waits until every partition has a leader: a producer that is there earlier hangs.
const leaderWait = 30 * time.Second

// CreateTopics makes the topics that are missing, leaves the others alone, and returns when every broker knows the leader
// of every partition.
func (c *Client) CreateTopics(ctx context.Context, specs []TopicSpec) (created []string, err error) {
	for _, s := range specs {
		configs := make(map[string]*string, len(s.Configs))
		for k, v := range s.Configs {
			configs[k] = kadm.StringPtr(v)
		}
		resp, err := c.adm.CreateTopic(ctx, s.Partitions, s.Replication, configs, s.Name)
		switch {
		case errors.Is(err, kerr.TopicAlreadyExists) || errors.Is(resp.Err, kerr.TopicAlreadyExists):
			continue
		case err != nil:
			return created, fmt.Errorf("making topic %s: %w", s.Name, classify(err))
		case resp.Err != nil:
			return created, fmt.Errorf("making topic %s: %s: %w", s.Name, resp.ErrMessage, classify(resp.Err))
		}
		created = append(created, s.Name)
	}
	return created, c.awaitLeaders(ctx, specs)
}

func (c *Client) awaitLeaders(ctx context.Context, specs []TopicSpec) error {
	ctx, cancel := context.WithTimeout(ctx, leaderWait)
	defer cancel()
	for _, s := range specs {
		for !c.led(ctx, s.Name) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting for leaders of topic %s: %w", s.Name, ctx.Err())
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// led says whether every broker knows a leader of every partition of the topic. Brokers learn of a topic one after the
// other, and whoever asks next may ask any of them.
func (c *Client) led(ctx context.Context, topic string) bool {
	brokers, err := c.adm.ListBrokers(ctx)
	if err != nil {
		return false
	}
	for _, id := range brokers.NodeIDs() {
		if !c.ledAt(ctx, id, topic) {
			return false
		}
	}
	return len(brokers) > 0
}

// ledAt says what one broker knows.
func (c *Client) ledAt(ctx context.Context, broker int32, topic string) bool {
	req := kmsg.NewPtrMetadataRequest()
	ask := kmsg.NewMetadataRequestTopic()
	ask.Topic = kmsg.StringPtr(topic)
	req.Topics = []kmsg.MetadataRequestTopic{ask}
	answer, err := c.base.Broker(int(broker)).RetriableRequest(ctx, req)
	if err != nil {
		return false
	}
	topics := answer.(*kmsg.MetadataResponse).Topics
	if len(topics) != 1 || topics[0].ErrorCode != 0 || len(topics[0].Partitions) == 0 {
		return false
	}
	for _, p := range topics[0].Partitions {
		if p.ErrorCode != 0 || p.Leader < 0 {
			return false
		}
	}
	return true
}

// VerifyTopics lists what differs: missing topics, partition counts, settings.
func (c *Client) VerifyTopics(ctx context.Context, specs []TopicSpec) (out []Difference, err error) {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	details, err := c.adm.ListTopics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("describing topics: %w", classify(err))
	}
	for _, s := range specs {
		d, ok := details[s.Name]
		if !ok || d.Err != nil {
			out = append(out, Difference{Topic: s.Name, Setting: "topic", Want: "present", Have: "missing (or not allowed)"})
			continue
		}
		if have := int32(len(d.Partitions)); have != s.Partitions {
			out = append(out, Difference{Topic: s.Name, Setting: "partitions", Want: strconv.Itoa(int(s.Partitions)), Have: strconv.Itoa(int(have))})
		}
		differs, err := c.verifyConfigs(ctx, s)
		if err != nil {
			return nil, err
		}
		out = append(out, differs...)
	}
	return out, nil
}

func (c *Client) verifyConfigs(ctx context.Context, s TopicSpec) (out []Difference, err error) {
	described, err := c.adm.DescribeTopicConfigs(ctx, s.Name)
	if err != nil {
		return nil, fmt.Errorf("describing topic %s: %w", s.Name, classify(err))
	}
	have := map[string]string{}
	for _, d := range described {
		if d.Err != nil {
			return nil, fmt.Errorf("describing topic %s: %w", s.Name, classify(d.Err))
		}
		for _, conf := range d.Configs {
			have[conf.Key] = conf.MaybeValue()
		}
	}
	for _, k := range slices.Sorted(maps.Keys(s.Configs)) {
		if have[k] != s.Configs[k] {
			out = append(out, Difference{Topic: s.Name, Setting: k, Want: s.Configs[k], Have: have[k]})
		}
	}
	return out, nil
}
