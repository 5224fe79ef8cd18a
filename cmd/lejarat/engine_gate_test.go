package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// gate is an instance's whole network: it can be frozen, cut and opened again, and it knows enough of Kafka's protocol to do so
// at a chosen request. It is the same before the embedded broker and before a real one.
type gate struct {
	far   func(ctx context.Context, network, address string) (net.Conn, error) // to the brokers
	lag   time.Duration                                                        // the most that a message takes
	mu    sync.Mutex
	links map[*link]bool
	rules []*rule
	cut   bool
	limbo bool          // see stuck
	open  chan struct{} // closed while traffic flows
	pens  chan struct{} // closed while that of writers does
	wg    sync.WaitGroup
}

// rule is something that happens at the first request that matches.
type rule struct {
	key   kmsg.Key
	match func(kmsg.Request) bool
	keep  bool // at every request that matches
	// before runs when the request has arrived and is not passed on yet; what it does to the gate holds for this request. down
	// is closed with the connection.
	before func(down <-chan struct{})
	// answer, where set, answers in the brokers' place, which do not see the request.
	answer func(kmsg.Request) kmsg.Response
	drop   bool // the connection ends, and the brokers do not see the request
	// lost: the request is passed on, and instead of its answer the connection ends. after, where set, runs then.
	lost  bool
	after func()
	met   chan struct{} // closed when the first request has come, or its answer where that is lost
	once  sync.Once
}

// link is one connection of the instance, and the one behind it.
type link struct {
	g         *gate
	near, far net.Conn
	pen       atomic.Bool // of a writer's client
	once      sync.Once
	down      chan struct{} // closed with the connections
	mu        sync.Mutex
	asked     []asked    // what is to be answered, in order
	idle      *sync.Cond // asked has become shorter
}

type asked struct {
	key, version int16
	rule         *rule
	at           time.Time
}

func newGate(far func(ctx context.Context, network, address string) (net.Conn, error)) *gate {
	g := &gate{far: far, links: map[*link]bool{}, open: make(chan struct{}), pens: make(chan struct{})}
	g.thaw()
	return g
}

// newCutGate leads nowhere.
func newCutGate() *gate {
	return newGate(func(context.Context, string, string) (net.Conn, error) { return nil, errCut })
}

var errCut = errors.New("connect: the network is cut")

// dial is what the instance's client uses.
func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	far, err := g.far(ctx, network, address)
	if err != nil {
		return nil, err
	}
	client, near := net.Pipe()
	k := &link{g: g, near: near, far: far, down: make(chan struct{})}
	k.idle = sync.NewCond(&k.mu)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cut {
		far.Close()
		return nil, errCut
	}
	g.links[k] = true
	g.wg.Go(k.requests)
	g.wg.Go(k.responses)
	return client, nil
}

// close ends the link. Towards the brokers it stays until they have answered a join or a sync: the embedded broker never gives a
// member up whose connection ends before, and the group then waits for it for ever.
func (k *link) close() {
	k.once.Do(func() {
		close(k.down)
		k.near.Close()
		k.mu.Lock()
		k.idle.Broadcast()
		at := slices.IndexFunc(k.asked, func(a asked) bool {
			return a.key == kmsg.JoinGroup.Int16() || a.key == kmsg.SyncGroup.Int16()
		})
		limbo := at >= 0 && time.Since(k.asked[at].at) > joinMost
		k.mu.Unlock()
		if at < 0 {
			k.far.Close()
		}
		if limbo {
			k.g.mu.Lock()
			k.g.limbo = true
			k.g.mu.Unlock()
		}
	})
}

// joinMost is a little less than the members of a group are given to join.
const joinMost = 55 * time.Second

// stuck says whether the brokers have left a join or a sync unanswered until the client gave up. The embedded broker does so now
// and then when a member dies while a group forms, over and over; nothing that the instance does helps.
func (g *gate) stuck() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.limbo
}

// pass takes the time that a message takes, and waits while the gate is frozen; an error means that the link has ended.
func (k *link) pass() error {
	if k.g.lag > 0 {
		time.Sleep(rand.N(k.g.lag))
	}
	for {
		k.g.mu.Lock()
		open := k.g.open
		if k.pen.Load() {
			open = k.g.pens
		}
		k.g.mu.Unlock()
		select {
		case <-open:
			return nil
		case <-k.down:
			return net.ErrClosed
		}
	}
}

func (k *link) requests() {
	defer k.close()
	for {
		b, err := frame(k.near)
		if err != nil {
			return
		}
		a := asked{key: int16(binary.BigEndian.Uint16(b)), version: int16(binary.BigEndian.Uint16(b[2:])), at: time.Now()}
		k.pen.CompareAndSwap(false, a.key == kmsg.InitProducerID.Int16() || a.key == kmsg.Produce.Int16())
		var req kmsg.Request
		if a.rule, req = k.g.ruleFor(a, b); a.rule != nil {
			if a.rule.before != nil {
				a.rule.before(k.down)
			}
			if !a.rule.lost {
				a.rule.once.Do(func() { close(a.rule.met) })
			}
		}
		if k.pass() != nil || a.rule != nil && a.rule.drop {
			return
		}
		if a.rule != nil && a.rule.answer != nil {
			if k.answer(b[4:8], a, a.rule.answer(req)) != nil {
				return
			}
			continue
		}
		k.mu.Lock()
		k.asked = append(k.asked, a)
		k.mu.Unlock()
		if writeFrame(k.far, b) != nil {
			return
		}
	}
}

// answer waits until the brokers have answered all that was asked before, then answers in their place.
func (k *link) answer(correlation []byte, a asked, resp kmsg.Response) error {
	k.mu.Lock()
	for len(k.asked) > 0 && !k.isDown() {
		k.idle.Wait()
	}
	k.mu.Unlock()
	resp.SetVersion(a.version)
	return writeFrame(k.near, encode(correlation, resp))
}

func (k *link) isDown() bool {
	return closed(k.down)
}

func (k *link) responses() {
	defer func() {
		k.close()
		k.far.Close()
		k.g.mu.Lock()
		delete(k.g.links, k)
		k.g.mu.Unlock()
	}()
	for {
		b, err := frame(k.far)
		if err != nil || k.isDown() {
			return
		}
		k.mu.Lock()
		if len(k.asked) == 0 {
			k.mu.Unlock()
			return
		}
		a := k.asked[0]
		k.mu.Unlock()
		if a.rule != nil && a.rule.lost {
			if a.rule.after != nil {
				a.rule.after()
			}
			a.rule.once.Do(func() { close(a.rule.met) })
			return
		}
		if k.pass() != nil || writeFrame(k.near, b) != nil {
			return
		}
		k.mu.Lock()
		k.asked = k.asked[1:]
		k.idle.Broadcast()
		k.mu.Unlock()
	}
}

// ruleFor finds the rule that a request meets, and takes it away.
func (g *gate) ruleFor(a asked, b []byte) (*rule, kmsg.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, r := range g.rules {
		if r.key.Int16() != a.key {
			continue
		}
		req := kmsg.RequestForKey(a.key)
		req.SetVersion(a.version)
		if req.ReadFrom(body(b, req.IsFlexible())) != nil || r.match != nil && !r.match(req) {
			continue
		}
		if !r.keep {
			g.rules = append(g.rules[:i:i], g.rules[i+1:]...)
		}
		return r, req
	}
	return nil, nil
}

// when puts a rule up.
func (g *gate) when(r *rule) *rule {
	r.met = make(chan struct{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rules = append(g.rules, r)
	return r
}

// forget takes all rules down.
func (g *gate) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rules = nil
}
