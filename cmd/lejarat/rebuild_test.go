package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/kafka"
	"lejarat/processor"
	"lejarat/processor/event"
	"lejarat/state"
)

// rebuild makes a new generation under another identity key, as an operator does who rotates it. Abandoned, the first
// attempt is stopped soon after it began. At the end an instance of the former generation must find that it is one.
func (s *stage) rebuild(t *testing.T, ctx context.Context, o stageOptions, abandoned, lose bool) {
	t.Helper()
	former := s.cfg
	s.stop()
	s.running.Wait()
	s.nextGeneration(t, ctx, o)
	if lose {
		s.shared.Close()
		s.shared = state.NewShared(stageCache, true)
	}
	if abandoned {
		short, cancel := context.WithTimeout(ctx, time.Duration(50+s.mix.IntN(300))*time.Millisecond)
		_, _ = s.tryRebuild(short)
		cancel()
	}
	done, err := s.tryRebuild(ctx)
	var refused *processor.Refused
	if abandoned && errors.As(err, &refused) && strings.Contains(refused.Text, "is live") {
		t.Log("the generation was live before its rebuild could be stopped")
		s.nextGeneration(t, ctx, o)
		done, err = s.tryRebuild(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !done.Live || done.Records == 0 {
		t.Fatalf("want a live generation: %+v", done)
	}
	made := s.cfg
	s.cfg = former
	if err := s.start(ctx, o); !errors.As(err, &refused) {
		t.Fatalf("the former generation must be refused: %v", err)
	}
	s.cfg = made
	if err := s.start(ctx, o); err != nil {
		t.Fatal(err)
	}
}

// nextGeneration makes the configuration of the next generation the stage's, under another identity key, and its topics.
func (s *stage) nextGeneration(t *testing.T, ctx context.Context, o stageOptions) {
	t.Helper()
	generation := s.cfg.State.Generation + 1
	env := []string{"LEJARAT_IDENTITY_KEY=" + inventedKey(o.Seed, 100+uint64(generation)), "LEJARAT_REFERENCE_KEY=" + inventedKey(o.Seed, 2),
		fmt.Sprintf("LEJARAT_STATE_GENERATION=%d", generation)}
	cfg, err := config.Parse("demo.yaml", fmt.Appendf(nil, stageConfig, s.broker.Brokers()[0], "127.0.0.1:25"), env)
	if err != nil {
		t.Fatal(err)
	}
	s.cfg = cfg
	if _, err := s.k.CreateTopics(ctx, kafka.EmbeddedSpecs(topicSpecs(s.cfg))); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) tryRebuild(ctx context.Context) (processor.Rebuilt, error) {
	ec, err := engineConfig(s.cfg, s.k, s.clock, s.log, nil, s.shared)
	if err != nil {
		return processor.Rebuilt{}, err
	}
	return processor.Rebuild(ctx, ec, func(string, *processor.Progress) {})
}

// TestNewGenerationTakesOverFromARunningOne: an instance of the former generation that is still there when the new one
// goes live ends, and says why.
func TestNewGenerationTakesOverFromARunningOne(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o := stageOptions{Seed: 1, People: 50, Start: event.NewDate(2031, 1, 10), Log: discard}
	s, err := openStage(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := s.snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	live := func() int {
		t.Helper()
		g, err := processor.LiveGeneration(ctx, s.k, s.clock, s.cfg.Kafka.TopicPrefix)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	if g := live(); g != 1 {
		t.Errorf("generation %d is live, want the first", g)
	}
	s.nextGeneration(t, ctx, o)
	own := s.shared // the running instance has its own
	s.shared = state.NewShared(stageCache, true)
	defer own.Close()
	if _, err := s.tryRebuild(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.failed:
		var refused *processor.Refused
		if !errors.As(err, &refused) {
			t.Errorf("want a refusal: %v", err)
		}
	case <-ctx.Done():
		t.Error("the former generation still runs")
	}
	s.running.Wait()
	if g := live(); g != 2 {
		t.Errorf("generation %d is live, want the second", g)
	}
}
