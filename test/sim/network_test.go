package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// network connects the hosts of a simulation: streams as TCP makes them and packets as UDP does, each direction between two
// hosts on its own. What is written to a stream while its way is cut is kept and comes some time after the way is free
// again, as if sent anew; packets are lost. Nothing here blocks but on channels and timers that a bubble knows.
type network struct {
	rng *rand.Rand // guarded by mu

	mu      sync.Mutex
	hosts   map[string]*host
	cuts    map[way]int           // guarded by mu; how many faults cut it
	since   map[way]time.Time     // guarded by mu; when a way that is cut was
	delays  map[way]time.Duration // guarded by mu; beside the usual
	loss    map[way]float64       // guarded by mu; of packets
	pipes   map[*pipe]struct{}    // guarded by mu
	changed chan struct{}         // guarded by mu; closed and replaced when ways or hosts change
}

// way is one direction between two hosts.
type way struct{ from, to string }

const (
	usualDelay = 2 * time.Millisecond // one way
	resendMost = 10 * time.Second     // after a cut, until what was kept is sent again
	maxPackets = 4096                 // that wait at one host; more are lost
)

func newNetwork(seed uint64) *network {
	return &network{
		rng: rand.New(rand.NewPCG(seed, 1)), hosts: map[string]*host{}, cuts: map[way]int{}, since: map[way]time.Time{}, delays: map[way]time.Duration{},
		loss: map[way]float64{}, pipes: map[*pipe]struct{}{}, changed: make(chan struct{}),
	}
}

// host returns the host of an address, which is made when it is asked for.
func (n *network) host(ip string) *host {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts[ip] == nil {
		n.hosts[ip] = &host{n: n, ip: ip, conns: map[*conn]struct{}{}}
	}
	return n.hosts[ip]
}

// wake is called with mu held.
func (n *network) wake() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// cut makes a way carry nothing until it is healed as often as it was cut.
func (n *network) cut(w way) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cuts[w]++; n.cuts[w] == 1 {
		n.since[w] = time.Now()
	}
}

func (n *network) heal(w way) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cuts[w]--; n.cuts[w] > 0 {
		return
	}
	delete(n.cuts, w)
	again := time.Duration(n.rng.Int64N(int64(min(time.Since(n.since[w]), resendMost)) + 1))
	for p := range n.pipes {
		if p.way == w {
			p.resend(again)
		}
	}
	n.wake()
}

// slow adds to what a way takes; none takes it away again.
func (n *network) slow(w way, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delays[w] = d
}

// lose makes a way lose a share of packets.
func (n *network) lose(w way, share float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss[w] = share
}

func (n *network) open(w way) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cuts[w] == 0
}

func (n *network) delay(w way) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return usualDelay + n.delays[w]
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

var errNoHost = errors.New("sim: no such host")
