package peer

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	libp2p "github.com/libp2p/go-libp2p/core/peer"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// side is one jurisdiction's gateway over a state in memory.
type side struct {
	t *testing.T
	j *ledgertest.Jurisdiction

	mu       *sync.Mutex   // shared by sides over the same jurisdiction
	partners []Partner     // guarded by mu
	changed  chan struct{} // guarded by mu
	lines    []string      // guarded by mu
	lie      bool          // guarded by mu: serve a flipped leaf
	silent   bool          // guarded by mu: serve nothing, and keep the stream
	strip    bool          // guarded by mu: serve entries without their payloads
	bare     int           // guarded by mu: entries that were taken like that
	own      ledger.Origin
	partner  ledger.Origin
	peer     *Peer
	accused  []accusation // guarded by mu
	thirds   atomic.Int64
	asNodes  bool          // with the times that nodes have
	quiet    time.Duration // how long it bears nothing new; zero is 300 ms
	patience time.Duration // how long it bears silence; zero is two seconds
	taken    atomic.Bool
	idle     atomic.Value // who was named for claiming to follow
}

func (s *side) Partners() []Partner {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.partners
}
func (s *side) Rank() int { return 0 }
func (s *side) Taken(ledger.Origin) string {
	if s.taken.Load() {
		return "another"
	}
	return ""
}

func (s *side) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *side) set(p []Partner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partners = p
	s.wake()
}

// wake is called with mu held.
func (s *side) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *side) Serves(origin ledger.Origin) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return origin == s.j.Origin()
}

func (s *side) Next(ctx context.Context, _ ledger.Origin, _ ledger.JurisdictionID, from uint64) (*ledger.MirrorBatch, error) {
	for {
		s.mu.Lock()
		size, changed, lie := s.j.State.Size(), s.changed, s.lie
		var b *ledger.MirrorBatch
		if from < size && !s.silent {
			b = s.batch(from)
		}
		s.mu.Unlock()
		if b != nil {
			if lie {
				i := &b.Items[len(b.Items)-1]
				i.Leaf = append([]byte{}, i.Leaf...)
				i.Leaf[len(i.Leaf)-1] ^= 1
			}
			return b, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// batch is called with mu held.
func (s *side) batch(from uint64) *ledger.MirrorBatch {
	b := &ledger.MirrorBatch{Origin: s.own, From: from, Checkpoint: s.j.Checkpoint(s.t), Evidence: s.j.State.Evidence()}
	for _, e := range s.j.Entries[from:] {
		rec, err := e.Open()
		if err != nil {
			s.t.Error(err)
		}
		if s.strip && rec.Kind != ledger.KindGovernance {
			e.Payload = nil
		}
		if ledger.ReleasedTo(rec, s.partner.Jurisdiction()) {
			b.Items = append(b.Items, ledger.Full(e))
		} else {
			b.Items = append(b.Items, ledger.Bare(ledger.LeafHash(e.Leaf)))
		}
	}
	return b
}

func (s *side) Thirds() (out [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.j.State.Partners {
		if p.Mirror.Checkpoint != nil {
			out = append(out, p.Mirror.Checkpoint)
		}
	}
	return out
}

func (s *side) Third(ledger.Origin, []byte) { s.thirds.Add(1) }

func (s *side) Newest() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.j.Checkpoint(s.t)
}

func (s *side) Beyond(origin ledger.Origin, signed []byte) bool {
	cp, _, err := ledger.ParseSigned(signed)
	return err == nil && cp.Size > s.Cursor(origin)
}

func (s *side) TakeCosignature(_ context.Context, _ ledger.Origin, _ uint64, line string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
	return nil
}

func (s *side) Cursor(origin ledger.Origin) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.j.State.Partners[origin].Mirror.Size()
}

func (s *side) Commit(_ context.Context, b *ledger.MirrorBatch) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, r := s.j.State.ApplyMirror(b)
	if r.Verdict != ledger.MirrorApplied && r.Verdict != ledger.MirrorRepeat {
		return 0, errors.Join(ErrBatch, r.Reason)
	}
	s.j.State = next
	s.bare += b.Stripped()
	s.wake()
	return r.Next, nil
}

func (s *side) Cosign(_ context.Context, signed []byte) (string, error) {
	cp, _, err := ledger.ParseSigned(signed)
	if err != nil {
		return "", err
	}
	m := s.j.Members[0]
	return ledger.Cosign(cp, m.ID, m.Checkpoint, time.Now())
}

// write appends an entry released to the partner.
func (s *side) write(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := []ledger.AudienceName{ledger.Everyone(s.own.Jurisdiction()), ledger.Everyone(s.partner.Jurisdiction())}
	if to[0] > to[1] {
		to[0], to[1] = to[1], to[0]
	}
	for range n {
		s.j.Seal(s.t, 0, to, ledgertest.Event("row"))
	}
	s.wake()
}

func start(t *testing.T, s *side, listen string, key *crypto.NodeKey) {
	t.Helper()
	stop := run(t, s, listen, key)
	t.Cleanup(stop)
}

// run starts a gateway; stop ends it.
func run(t *testing.T, s *side, listen string, key *crypto.NodeKey) (stop func()) {
	t.Helper()
	c := Config{
		Own: s.own, Key: key, Listen: []string{listen}, Roster: s, Source: s, Sink: s, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Refused: func(_ ledger.Origin, gateway libp2p.ID, why error) { s.named(gateway, why) }, Withheld: func(_ ledger.Origin, gateway libp2p.ID) { s.named(gateway, errHeld) },
		Quiet: cmp.Or(s.quiet, 300*time.Millisecond), Silent: cmp.Or(s.patience, 2*time.Second), Watch: 100 * time.Millisecond, Idle: func(_ ledger.Origin, by string) { s.idle.Store(by) },
	}
	if s.asNodes {
		c.Quiet, c.Silent, c.Watch = 0, 0, 0
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.peer = p
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() {
		cancel()
		if err := errors.Join(<-done, p.Close()); err != nil {
			t.Error(err)
		}
	}
}

// accusation is whom a gateway named, and why.
type accusation struct {
	who libp2p.ID
	why error
}

func (s *side) named(gateway libp2p.ID, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accused = append(s.accused, accusation{gateway, why})
}

func gatewayOf(t *testing.T, s *side, key *crypto.NodeKey) Partner {
	t.Helper()
	info, err := Gateway(key.Public(), s.peer.Addresses())
	if err != nil {
		t.Fatal(err)
	}
	return Partner{Origin: s.own, Gateways: []libp2p.AddrInfo{info}}
}

func pair(t *testing.T, listen string) (a, b *side) {
	t.Helper()
	in, uk := ledgertest.Found(t, "in", 2), ledgertest.Found(t, "uk", 2)
	ledgertest.Link(t, in, uk)
	a = &side{t: t, mu: &sync.Mutex{}, j: in, own: in.Origin(), partner: uk.Origin(), changed: make(chan struct{})}
	b = &side{t: t, mu: &sync.Mutex{}, j: uk, own: uk.Origin(), partner: in.Origin(), changed: make(chan struct{})}
	start(t, a, listen, in.Members[0].Node)
	start(t, b, listen, uk.Members[0].Node)
	return a, b
}

func (s *side) link(t *testing.T, other *side) {
	s.set([]Partner{gatewayOf(t, other, other.j.Members[0].Node)})
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.Now().Add(20*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-tick.C
	}
}

func (s *side) has(other *side) bool {
	s.mu.Lock()
	m := s.j.State.Partners[other.own].Mirror
	s.mu.Unlock()
	other.mu.Lock()
	defer other.mu.Unlock()
	return m.Size() == other.j.State.Size() && m.Tree.Root() == other.j.State.Root()
}
