package main

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// startProfile writes where this process spends its CPU time to a file, until stopProfile. Nothing of what is processed is in it.
func startProfile(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return usage("--cpu-profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return fmt.Errorf("--cpu-profile: %w", err)
	}
	return nil
}

// stopProfile writes the rest; without a profile it does nothing.
func stopProfile() { pprof.StopCPUProfile() }
