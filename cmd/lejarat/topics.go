package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/kafka"
	"lejarat/processor"
	"lejarat/processor/event"
)

func topicsCommand(o *options) *cobra.Command {
	c := &cobra.Command{Use: "topics", Short: "Make or check lejarat's topics; alone it checks", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return topics(cmd, o, false) }}
	c.AddCommand(
		&cobra.Command{Use: "create", Short: "Make the topics that are missing; touch none that exists; list what differs", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return topics(cmd, o, true) }},
		&cobra.Command{Use: "verify", Short: "List what differs from what lejarat needs; exit status 1 if anything does", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return topics(cmd, o, false) }},
		&cobra.Command{Use: "restored", Short: "Say that a notifications topic made anew holds everything that the former one held", Args: cobra.NoArgs,
			Long: "The service refuses a notifications topic that was made anew: without what it held people would be mailed again.\n" +
				"After its records were restored (runbook, \"Lost notifications\") this lets the service go on with it.",
			RunE: func(cmd *cobra.Command, _ []string) error { return restored(cmd, o) }},
		dropFormerCommand(o),
	)
	return c
}

// restored writes down which topic notifications is from now on.
func restored(cmd *cobra.Command, o *options) error {
	cfg, err := o.load()
	if err != nil {
		return err
	}
	k, err := openKafka(cmd.Context(), cfg, newLogger(cfg), nil)
	if err != nil {
		return err
	}
	defer k.Close()
	topic := cfg.Kafka.Topics().Notifications
	ids, err := k.TopicIDs(cmd.Context(), topic)
	if err != nil {
		return err
	}
	message := processor.NotificationsMessage(cfg.Kafka.TopicPrefix, ids[topic], time.Now())
	if err := k.Produce(cmd.Context(), []event.Record{message}); err != nil {
		return err
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), map[string]string{"topic": topic, "topic_id": ids[topic]})
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s with the id %s counts from now on\n", topic, ids[topic])
	return nil
}

func topics(cmd *cobra.Command, o *options, create bool) error {
	cfg, err := o.load()
	if err != nil {
		return err
	}
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	k, err := openKafka(ctx, cfg, newLogger(cfg), nil)
	if err != nil {
		return err
	}
	defer k.Close()
	specs := topicSpecs(cfg)
	var created []string
	if create {
		if created, err = k.CreateTopics(ctx, specs); err != nil {
			return err
		}
	}
	differs, err := k.VerifyTopics(ctx, specs)
	if err != nil {
		return err
	}
	if o.json {
		if err := printJSON(out, map[string]any{"created": nonNil(created), "differs": nonNil(differs)}); err != nil {
			return err
		}
	} else {
		printTopics(out, specs, created, differs)
	}
	if len(differs) > 0 {
		return errors.New("topics differ from what lejarat needs: change them with Kafka's own tools (kafka-configs), or make missing ones with lejarat topics create")
	}
	return nil
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func printTopics(out io.Writer, specs []kafka.TopicSpec, created []string, differs []kafka.Difference) {
	for _, t := range created {
		fmt.Fprintf(out, "created  %s\n", t)
	}
	for _, d := range differs {
		fmt.Fprintf(out, "differs  %s\n", d)
	}
	if len(differs) == 0 {
		fmt.Fprintf(out, "%d topics are as they should be\n", len(specs))
	}
}

// topicSpecs are lejarat's own topics as they should be. notifications, runs and the journal must never lose the newest
// record of a key; mail-sink and rejects hold personal data or noise, and go after a while.
func topicSpecs(c *config.Config) []kafka.TopicSpec {
	t, p, r := c.Kafka.Topics(), c.Kafka.Partitions, c.Kafka.Retention
	compacted := func(name string, partitions int) kafka.TopicSpec {
		return kafka.TopicSpec{Name: name, Partitions: int32(partitions), Replication: int16(c.Kafka.Replication),
			Configs: withMinISR(c, map[string]string{"cleanup.policy": "compact", "delete.retention.ms": millis(r.Tombstones)})}
	}
	kept := func(name string, partitions int, keep time.Duration) kafka.TopicSpec {
		return kafka.TopicSpec{Name: name, Partitions: int32(partitions), Replication: int16(c.Kafka.Replication),
			Configs: withMinISR(c, map[string]string{"cleanup.policy": "delete", "retention.ms": millis(keep)})}
	}
	return []kafka.TopicSpec{
		compacted(c.Kafka.Journal(c.State.Generation), c.Kafka.JournalPartitions),
		compacted(t.Notifications, p.Notifications),
		compacted(t.Deliveries, p.Deliveries),
		compacted(t.Suppressions, p.Suppressions),
		compacted(t.Runs, p.Runs),
		kept(t.MailSink, p.MailSink, r.MailSink),
		kept(t.Rejects, p.Rejects, r.Rejects),
	}
}

// withMinISR asks for two copies of every acknowledged record where there are three.
func withMinISR(c *config.Config, configs map[string]string) map[string]string {
	if c.Kafka.Replication >= 3 {
		configs["min.insync.replicas"] = "2"
	}
	return configs
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
