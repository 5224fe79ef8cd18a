package registry

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// dice is one stream of chance.
type dice struct{ pcg rand.PCG }

// The streams of a seed.
const (
	streamPeople uint64 = 0x70656f706c65
	streamLife   uint64 = 0x6c696665
)

// throw starts the stream of one index.
func (d *dice) throw(seed, stream, index uint64) {
	d.pcg.Seed(mix(seed^stream), mix(stream+index))
}

// mix is the finaliser of splitmix64: neighbours become strangers.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// below returns a number from 0 to n-1.
func (d *dice) below(n int) int {
	high, _ := bits.Mul64(d.pcg.Uint64(), uint64(n))
	return int(high)
}

// between returns a number from low to high, both included.
func (d *dice) between(low, high int) int { return low + d.below(high-low+1) }

// share returns a number from 0 to almost 1.
func (d *dice) share() float64 { return float64(d.pcg.Uint64()>>11) / (1 << 53) }

func (d *dice) chance(p float64) bool { return d.share() < p }

// wait returns an exponentially distributed time with the given mean.
func (d *dice) wait(mean float64) float64 { return -mean * math.Log(1-d.share()) }

// frequent picks from a list that is sorted by frequency, the first names far more often than the last.
func (d *dice) frequent(list []string) string {
	u := d.share()
	return list[int(u*u*float64(len(list)))]
}

// one picks from a list, all alike.
func (d *dice) one(list []string) string { return list[d.below(len(list))] }
