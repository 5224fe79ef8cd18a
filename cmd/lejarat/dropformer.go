package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"lejarat/processor"
)

// formerThing is a journal or a directory of a generation before the live one.
type formerThing struct {
	Generation int    `json:"generation"`
	Topic      string `json:"topic,omitempty"`
	Offsets    int64  `json:"offsets,omitempty"`
	Directory  string `json:"directory,omitempty"`
}

func dropFormerCommand(o *options) *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use:   "drop-former",
		Short: "Delete the journals of generations before the live one, and their directories under state.dir",
		Long: "Deletes the journal of every generation below the live one, and what stands of them in this instance's state.dir.\n" +
			"Nothing else is touched. --dry-run shows what would go.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return dropFormer(cmd, o, dry) },
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "show what would be deleted; delete nothing")
	return c
}

func dropFormer(cmd *cobra.Command, o *options, dry bool) error {
	cfg, err := o.load()
	if err != nil {
		return err
	}
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	log := newLogger(cfg)
	k, err := openKafka(ctx, cfg, log, nil)
	if err != nil {
		return err
	}
	defer k.Close()
	live, err := processor.LiveGeneration(ctx, k, &clock{}, cfg.Kafka.TopicPrefix)
	if err != nil {
		return err
	}
	sizes, err := k.TopicSizes(ctx, func(name string) bool { g, ok := journalOf(cfg.Kafka.TopicPrefix, name); return ok && g < live })
	if err != nil {
		return err
	}
	things := []formerThing{}
	var topics []string
	for _, name := range sortedKeys(sizes) {
		g, _ := journalOf(cfg.Kafka.TopicPrefix, name)
		topics = append(topics, name)
		things = append(things, formerThing{Generation: g, Topic: name, Offsets: sizes[name]})
		if err := nobodyRuns(ctx, cfg, k, log, processor.Groups(cfg.Kafka.TopicPrefix, g)...); err != nil {
			return err
		}
	}
	dirs, err := formerDirs(cfg.State.Dir, live)
	if err != nil {
		return err
	}
	things = append(things, dirs...)
	if !dry {
		if err := k.DeleteTopics(ctx, topics...); err != nil {
			return err
		}
		for _, d := range dirs {
			if err := os.RemoveAll(d.Directory); err != nil {
				return fmt.Errorf("deleting what stands of generation %d: %w", d.Generation, err)
			}
		}
	}
	if o.json {
		return printJSON(out, map[string]any{"live_generation": live, "deleted": !dry, "former": things})
	}
	for _, t := range things {
		fmt.Fprintf(out, "%s  generation %d  %s\n", map[bool]string{true: "would go", false: "deleted"}[dry], t.Generation, t.what())
	}
	if len(things) == 0 {
		fmt.Fprintf(out, "Nothing is left of generations before %d\n", live)
	}
	return nil
}

func (t formerThing) what() string {
	if t.Topic != "" {
		return fmt.Sprintf("topic %s (%d offsets)", t.Topic, t.Offsets)
	}
	return t.Directory
}

// journalOf is the generation of a journal's name.
func journalOf(prefix, topic string) (generation int, ok bool) {
	number, ok := strings.CutPrefix(topic, prefix+"journal.")
	if !ok {
		return 0, false
	}
	g, err := strconv.Atoi(number)
	return g, err == nil && g > 0
}

// formerDirs are the stores of generations before the live one: kind-generation-…
func formerDirs(dir string, live int) (out []formerThing, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing state.dir: %w", err)
	}
	for _, entry := range entries {
		parts := strings.Split(entry.Name(), "-")
		if len(parts) < 2 || !slices.Contains([]string{"intake", "watch", "former"}, parts[0]) {
			continue
		}
		if g, err := strconv.Atoi(parts[1]); err == nil && g < live {
			out = append(out, formerThing{Generation: g, Directory: filepath.Join(dir, entry.Name())})
		}
	}
	return out, nil
}
