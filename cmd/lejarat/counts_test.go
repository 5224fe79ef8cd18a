//go:build !race

package main

import "testing"

// TestDecodingAllocates bounds what a source record allocates from its bytes to its journal records: what it allocates, and a
// quarter. What comes after is bounded by TestCounts in package processor.
func TestDecodingAllocates(t *testing.T) {
	const most = 9
	d := newDecoding(t)
	i := 0
	each := testing.AllocsPerRun(len(d.records), func() { d.take(t, i); i++ })
	t.Logf("%.1f allocations a record", each)
	if each > most {
		t.Errorf("a record of a source takes %.1f allocations to be decoded, mapped and fingerprinted, want at most %d: what made it more? If it must be, raise the bound here", each, most)
	}
}
