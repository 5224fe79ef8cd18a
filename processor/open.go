package processor

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"lejarat/state"
)

// Refused is a state of affairs in which working on would do harm: other keys, other rules of the house. The command
// ends with exit status 2.
type Refused struct{ Text string }

func (r *Refused) Error() string { return r.Text }

func refuse(format string, args ...any) error { return &Refused{Text: fmt.Sprintf(format, args...)} }

// newGeneration is what helps where the journal does not fit what it is to be worked on with.
const newGeneration = "make a new generation from the sources: raise state.generation, lejarat topics create, lejarat rebuild --from-sources (nobody is mailed again)"

// lastAliveKey holds the real time (unix seconds) at which the store last advanced.
var lastAliveKey = []byte{0x01}

// refusals say what helps where a store was made for something else.
var refusals = map[string]string{
	stampIdentity:  "put the former key back (identity.key_file), or " + newGeneration,
	stampReference: "with another reference key everybody would be mailed again; put the former key back (identity.reference_key_file)",
	stampMapping:   "sources, columns or identity lists have changed; undo the change, or " + newGeneration,
	stampNotifications: "the notifications topic was made anew, and without what it held people would be mailed again; restore it, or for a new " +
		"installation take another topic prefix and state directory",
}

// openStore opens a store of this instance. One that was made for another broker, topic or generation, that is damaged or that has
// not advanced for too long (tombstones may be gone by then), is replaced by an empty one: the topics rebuild it. One
// that was made under other keys, mappings or notifications is refused.
func openStore(cfg *Config, dir string, stamp state.Stamp) (*state.Store, error) {
	store, _, err := state.Open(dir, cfg.Shared, stamp)
	var differs *state.StampError
	switch {
	case errors.As(err, &differs) && !slices.Equal(differs.Fields, []string{stampJournal}):
		for _, field := range differs.Fields {
			if field != stampJournal {
				return nil, refuse("%v: %s", err, refusals[field])
			}
		}
	case errors.As(err, &differs):
		cfg.Logger.Warn("state store belongs to another journal, rebuilding it", "dir", dir)
		if err := state.Remove(dir, cfg.Shared); err != nil {
			return nil, err
		}
		store, _, err = state.Open(dir, cfg.Shared, stamp)
	case errors.Is(err, state.ErrCorrupt):
		aside, moveErr := state.SetAside(dir, cfg.Shared, cfg.Clock.Real())
		if moveErr != nil {
			return nil, errors.Join(err, moveErr)
		}
		cfg.Logger.Warn("state store damaged, rebuilding it", "dir", dir, "set_aside", aside)
		store, _, err = state.Open(dir, cfg.Shared, stamp)
	case errors.Is(err, state.ErrVersion):
		return nil, &Refused{Text: err.Error()}
	}
	if err != nil {
		return nil, err
	}
	return freshEnough(cfg, store, dir, stamp)
}

func freshEnough(cfg *Config, store *state.Store, dir string, stamp state.Stamp) (*state.Store, error) {
	v, found, err := store.Get(lastAliveKey)
	if err != nil || !found {
		return store, err
	}
	at, err := strconv.ParseInt(string(v), 10, 64)
	if err == nil && cfg.Clock.Real().Unix()-at <= int64(cfg.Limits.StateAge.Seconds()) {
		return store, nil
	}
	cfg.Logger.Warn("state store too old to continue, rebuilding it", "dir", dir)
	if err := store.Close(); err != nil {
		return nil, err
	}
	if err := state.Remove(dir, cfg.Shared); err != nil {
		return nil, err
	}
	store, _, err = state.Open(dir, cfg.Shared, stamp)
	return store, err
}

// alive notes in a batch that the store advanced now.
func alive(cfg *Config, b *state.Batch) {
	b.Set(lastAliveKey, strconv.AppendInt(nil, cfg.Clock.Real().Unix(), 10))
}
