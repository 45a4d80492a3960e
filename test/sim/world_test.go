package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	libp2p "github.com/libp2p/go-libp2p/core/peer"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// shape is what kind of history is made.
type shape struct {
	seed   uint64
	sides  []int // agencies of each jurisdiction
	length time.Duration
	rate   time.Duration // mean time between one agency's writes
	liar   bool          // one agency lies where it leads
	fast   bool          // heartbeats on the library's fast path: the control
}

// world is one history: jurisdictions on a network, what is done to them, and what was acknowledged.
type world struct {
	shape
	t     *testing.T
	rng   *rand.Rand // of the schedule; used by its goroutine only
	net   *network
	sides []*side
	began time.Time
	plan  *plan
	liar  *node // nil where all are honest

	tell                    time.Duration
	lull                    time.Duration // at most, between two faults
	snapshotAfter, keepLogs uint64

	mu     sync.Mutex
	trace  []string // guarded by mu; what was done, and when
	wrong  []string // guarded by mu; what must not be
	faults map[string]int
	writes []*write                  // guarded by mu
	opens  map[openedBy]bool         // guarded by mu
	lines  map[string]string         // guarded by mu; the first root and state line seen of each ledger and size, and by whom
	bad    map[*process]bool         // guarded by mu; whose disk failed
	events map[ledger.EventID]*write // guarded by mu
	pick   func(int) int             // guarded by mu; for writers
	late   map[[32]byte]bool         // guarded by mu; leaves that were missed by whoever wrote them
	proofs map[proof]bool            // guarded by mu
}

// proof is of a checkpoint of another history, by who was shown it.
type proof struct {
	by     *process
	signed string
}

type openedBy struct {
	agency   ledger.AgencyID
	origin   ledger.Origin
	writer   crypto.NodeID
	sequence uint64
}

// side is one jurisdiction.
type side struct {
	w      *world
	origin ledger.Origin
	number int
	root   string                   // of its disks
	j      *ledgertest.Jurisdiction // as it was founded

	mu      sync.Mutex
	told    atomic.Pointer[[]libp2p.AddrInfo] // gateways of this side that the other's operators were told of
	nodes   []*node                           // guarded by mu; of the members
	came    int                               // guarded by mu; agencies so far
	changes bool                              // guarded by mu; the members are changing the roster
}

// members are the nodes of the agencies that belong now.
func (s *side) members() []*node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.nodes)
}

// beginning is when histories begin: after the day the test's keys were made.
var beginning = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, s shape) *world {
	t.Helper()
	time.Sleep(time.Until(beginning))
	w := &world{
		shape: s, t: t, rng: rand.New(rand.NewPCG(s.seed, 2)), net: newNetwork(s.seed), faults: map[string]int{}, opens: map[openedBy]bool{}, lines: map[string]string{},
		bad: map[*process]bool{}, late: map[[32]byte]bool{}, proofs: map[proof]bool{}, events: map[ledger.EventID]*write{},
	}
	w.pick = rand.New(rand.NewPCG(s.seed, 3)).IntN
	w.tell = choose(w.rng, 50*time.Millisecond, 200*time.Millisecond, 500*time.Millisecond)
	w.lull = choose(w.rng, 20*time.Second, time.Minute, 4*time.Minute)
	w.snapshotAfter = choose[uint64](w.rng, 16, 64, 2048)
	w.keepLogs = choose[uint64](w.rng, 4, 32, 1024)
	names := []ledger.JurisdictionID{"in", "uk"}
	root := t.TempDir() // in memory: see environment
	for i, agencies := range s.sides {
		w.sides = append(w.sides, w.newSide(names[i], i, agencies, root))
	}
	if w.linked() {
		ledgertest.Link(t, w.sides[0].j, w.sides[1].j)
	}
	w.plan = &plan{still: make(chan struct{}, 1), busy: map[*node]bool{}}
	w.plan.resting.Store(true)
	w.began = time.Now()
	return w
}

func choose[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func (w *world) newSide(name ledger.JurisdictionID, number, agencies int, root string) *side {
	w.t.Helper()
	s := &side{w: w, number: number, root: root}
	var members []ledgertest.Member
	for i := range agencies {
		n := s.agency(name, i < 2)
		members, s.nodes = append(members, n.member), append(s.nodes, n)
	}
	s.j = ledgertest.FoundBy(w.t, name, members...)
	s.origin = s.j.Origin()
	return s
}

// agency makes an agency that is to belong, and its machine.
func (s *side) agency(of ledger.JurisdictionID, gateway bool) *node {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := ledgertest.NewMember(s.w.t, ledger.AgencyID(fmt.Sprintf("%s/a%d", of, s.came)))
	s.came++
	ip := fmt.Sprintf("1.%d.0.%d", s.number+1, s.came)
	m.Address, m.Peers = ip+":1", []string{}
	if gateway {
		m.Peers = []string{"/ip4/" + ip + "/udp/1/quic-v1"}
	}
	return &node{
		w: s.w, side: s, member: m, host: s.w.net.host(ip), disk: &disk{root: filepath.Join(s.root, strings.ReplaceAll(string(m.ID), "/", "-"))}, drift: 1,
		own: machine{m.Node, m.Checkpoint},
	}
}

func (w *world) linked() bool { return len(w.shape.sides) > 1 }

func (w *world) nodes() []*node {
	var out []*node
	for _, s := range w.sides {
		out = append(out, s.members()...)
	}
	return out
}

func (s *side) pins() map[crypto.NodeID]string {
	out := map[crypto.NodeID]string{}
	for _, n := range s.members() {
		out[n.id()] = n.member.Address
	}
	return out
}

func (s *side) named(id crypto.NodeID) string {
	for _, n := range s.members() {
		if n.id() == id {
			return string(n.member.ID)
		}
	}
	return id.Short()
}

func (s *side) leader() *node {
	for _, n := range s.members() {
		if p := n.live(); p != nil && p.cluster.Leads() {
			return n
		}
	}
	return nil
}

// found starts every node and has what founded the jurisdictions committed.
func (w *world) found() error {
	for _, n := range w.nodes() {
		if err := n.start(); err != nil {
			return fmt.Errorf("start %s: %w", n.member.ID, err)
		}
	}
	for _, s := range w.sides {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		first := s.members()[0].live().cluster
		err := first.Found(ctx, s.j.Entries[0])
		for i := 1; i < len(s.j.Entries) && err == nil; i++ {
			err = propose(ctx, first, s.j.Entries[i])
		}
		cancel()
		if err != nil {
			return fmt.Errorf("found %s: %w", s.origin, err)
		}
	}
	return w.until(3*time.Minute, "all have the ledger and vote", w.settled)
}

type proposer interface {
	Propose(ctx context.Context, entries []ledger.Entry) ([]ledger.Result, error)
}

func propose(ctx context.Context, c proposer, e ledger.Entry) error {
	for {
		r, err := c.Propose(ctx, []ledger.Entry{e})
		if err == nil && (r[0].Verdict == ledger.Accepted || r[0].Verdict == ledger.Repeat) {
			return nil
		}
		if err == nil {
			return fmt.Errorf("%v: %w", r[0].Verdict, r[0].Reason)
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return err
		}
	}
}

// until polls; simulated time costs nothing.
func (w *world) until(most time.Duration, what string, ok func() error) error {
	deadline := time.Now().Add(most)
	for {
		w.witness()
		err := ok()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %s: %w", most, what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

var errNotYet = errors.New("not yet")

// settled says why the world is not at rest yet: every node up, with one ledger, sealed, on the board, mirrored across.
func (w *world) settled() error {
	for _, s := range w.sides {
		var size uint64
		for _, n := range s.members() {
			p := n.live()
			if p == nil {
				return fmt.Errorf("%w: %s is down", errNotYet, n.member.ID)
			}
			state := p.store.State()
			if state == nil || state.Size() < uint64(len(s.j.Entries)) {
				return fmt.Errorf("%w: %s has too little", errNotYet, n.member.ID)
			}
			if size == 0 {
				size = state.Size()
			}
			if state.Size() != size {
				return fmt.Errorf("%w: %s has %d entries, %s has %d", errNotYet, n.member.ID, state.Size(), s.members()[0].member.ID, size)
			}
			if slices.Contains(state.Governance.Voters(), n.member.ID) && !p.cluster.Voting() {
				return fmt.Errorf("%w: %s does not vote", errNotYet, n.member.ID)
			}
			signed, err := p.store.Latest(s.origin)
			if err != nil || signed == nil {
				return fmt.Errorf("%w: %s has no checkpoint: %w", errNotYet, n.member.ID, err)
			}
			if cp, _, err := ledger.ParseSigned(signed); err != nil || cp.Size != size {
				return fmt.Errorf("%w: at %s %d of %d entries are sealed", errNotYet, n.member.ID, cp.Size, size)
			}
			if !p.board.CaughtUp() {
				return fmt.Errorf("%w: the board of %s follows", errNotYet, n.member.ID)
			}
		}
		if w.liar != nil && w.liar.side == s {
			if err := s.noticed(s.members()[0].live()); err != nil {
				return err
			}
		}
	}
	if !w.linked() {
		return nil
	}
	for i, s := range w.sides {
		other := w.sides[1-i]
		for _, n := range s.members() {
			p, theirs := n.live(), other.members()[0].live()
			if have, all := p.store.Size(other.origin), theirs.store.Size(other.origin); have != all {
				return fmt.Errorf("%w: %s has mirrored %d of %d entries of %s", errNotYet, n.member.ID, have, all, other.origin)
			}
		}
	}
	return nil
}

// stop ends every process.
func (w *world) stop() error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var err error
	for _, n := range w.nodes() {
		if p := n.live(); p != nil {
			all.Go(func() {
				ended := p.end()
				mu.Lock()
				defer mu.Unlock()
				if ended != nil {
					err = errors.Join(err, fmt.Errorf("%s ends with: %w", n.member.ID, ended))
				}
			})
		}
	}
	all.Wait()
	for _, n := range w.nodes() {
		n.host.crash() // what libp2p leaves open
	}
	return err
}

func (w *world) at() string { return time.Since(w.began).Round(time.Millisecond).String() }

// note writes into the history.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, w.at()+" "+fmt.Sprintf(format, args...))
}

// fail notes what must not be.
func (w *world) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, w.at()+" "+fmt.Sprintf(format, args...))
}

// alarm: all nodes are honest, so that an alarm accuses one falsely.
func (w *world) alarm(format string, args ...any) { w.fail("alarm: "+format, args...) }

// halted notes that a node's disk failed it; a disk that is not slow fails nobody.
func (w *world) halted(p *process, err error) {
	p.n.disk.mu.Lock()
	slow := p.n.disk.delay > 0
	p.n.disk.mu.Unlock()
	w.mu.Lock()
	w.bad[p] = true
	w.mu.Unlock()
	if slow {
		w.note("%s halts: %v", p.n.member.ID, err)
		return
	}
	w.fail("%s halts: %v", p.n.member.ID, err)
}

func (w *world) broken(p *process) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bad[p]
}
