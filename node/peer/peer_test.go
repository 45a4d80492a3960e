package peer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
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

func TestReleasedEntriesCrossTheBorder(t *testing.T) {
	for name, listen := range map[string]string{"tcp": "/ip4/127.0.0.1/tcp/0", "quic": "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, listen)
			a.link(t, b)
			b.link(t, a)
			a.write(3)
			until(t, "the partner has it", func() bool { return b.has(a) })
			b.write(2)
			until(t, "and the other way", func() bool { return a.has(b) })
			until(t, "their cosignature came back", func() bool {
				a.mu.Lock()
				defer a.mu.Unlock()
				return len(a.lines) > 0 && strings.HasPrefix(a.lines[0], "— uk/a0 ")
			})

			a.set(nil) // no partner any more: the live connection is cut
			until(t, "the connection is cut", func() bool { return len(a.peer.host.Network().Peers()) == 0 })
			a.write(1000)
			if b.has(a) {
				t.Fatal("an unlinked partner still gets entries")
			}
			a.link(t, b)
			until(t, "healed, a thousand entries later", func() bool { return b.has(a) })
		})
	}
}

func TestAStrangerIsNotServed(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	b.link(t, a) // a does not know b
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	info := gatewayOf(t, a, a.j.Members[0].Node).Gateways[0]
	err := b.peer.host.Connect(ctx, info)
	if err == nil { // the refusal may come with the first stream
		var s network.Stream
		if s, err = b.peer.host.NewStream(ctx, info.ID, protocolID); err == nil {
			err = send(s, frameRequest, ledger.Marshal(request{Version: 1, Origin: a.own}))
			if err == nil {
				_, _, err = readFrame(s, maxFrameBytes)
			}
		}
	}
	if err == nil {
		t.Fatal("a stranger was served")
	}
}

func TestOnlyTheRostersAddressesAreDialled(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	link, err := net.Listen("tcp", "127.0.0.1:0") // what the roster names: it leads nowhere
	if err != nil {
		t.Fatal(err)
	}
	if err := link.Close(); err != nil {
		t.Fatal(err)
	}
	key := a.j.Members[0].Node
	elsewhere, err := Gateway(key.Public(), []string{"/ip4/127.0.0.1/tcp/" + strconv.Itoa(link.Addr().(*net.TCPAddr).Port)})
	if err != nil {
		t.Fatal(err)
	}
	known := gatewayOf(t, b, b.j.Members[0].Node)
	known.Gateways[0].Addrs = nil // a lets b in and does not dial it
	a.set([]Partner{known})
	b.link(t, a)
	a.write(3)
	until(t, "it follows", func() bool { return b.has(a) })
	if learned := b.peer.host.Peerstore().Addrs(elsewhere.ID); len(learned) > 1 {
		t.Errorf("it knows %v", learned)
	}
	b.peer.host.Peerstore().AddAddrs(elsewhere.ID, gatewayOf(t, a, key).Gateways[0].Addrs, time.Hour) // as a peer could tell it
	b.set([]Partner{{Origin: a.own, Gateways: []libp2p.AddrInfo{elsewhere}}})
	if err := b.peer.host.Network().ClosePeer(elsewhere.ID); err != nil {
		t.Fatal(err)
	}
	a.write(3)
	until(t, "it tries what the roster names", func() bool { return strings.Contains(b.peer.Status(a.own).Error, "peer: connect: ") || b.has(a) })
	if b.has(a) {
		t.Error("it dialled an address that is not in the roster")
	}
}

func TestALyingGatewayIsNamedAndChangesNothing(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	a.lie = true
	before := b.Cursor(a.own)
	a.write(2)
	a.link(t, b)
	b.link(t, a)
	until(t, "the lie is noticed", func() bool { return b.peer.Status(a.own).Refused > 0 })
	if b.Cursor(a.own) != before {
		t.Fatal("a forged batch moved the mirror")
	}
	until(t, "the gateway is named", func() bool {
		return strings.Contains(b.peer.Status(a.own).Error, a.peer.host.ID().String())
	})
	a.mu.Lock()
	a.lie = false
	a.mu.Unlock()
	until(t, "the truth is taken", func() bool { return b.has(a) })
}

func TestAGatewayStandsByWhileAnotherFollows(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	a.link(t, b)
	b.link(t, a)
	a.write(3)
	until(t, "it follows", func() bool { return b.has(a) && len(b.peer.Follows()) == 1 })
	b.taken.Store(true) // a gateway of lower rank is back
	until(t, "it stands by", func() bool { return len(b.peer.Follows()) == 0 })
	a.write(3)
	if b.has(a) {
		t.Fatal("it followed beside the other")
	}
	b.taken.Store(false)
	until(t, "it takes over", func() bool { return b.has(a) })
}

// TestAClaimToFollowIsJudgedByTheMirror: a gateway of ours says that it follows and does nothing. While the partner has
// nothing new it is believed; once the mirror does not move though there is more, another follows and names it.
func TestAClaimToFollowIsJudgedByTheMirror(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	b.taken.Store(true)
	a.link(t, b)
	b.link(t, a)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	until(t, "nothing is missing", func() bool { return b.has(a) && len(b.peer.Remembered(ctx)) == 1 })
	if by := b.idle.Load(); by != nil {
		t.Fatalf("%v was named while there was nothing to do", by)
	}
	if got := b.peer.Follows(); len(got) > 0 {
		t.Fatalf("it follows %v beside the other", got)
	}
	a.write(3)
	until(t, "another follows after all", func() bool { return b.has(a) })
	if by := b.idle.Load(); by != "another" {
		t.Errorf("named: %v", by)
	}
	a.write(3)
	until(t, "and goes on", func() bool { return b.has(a) })
}

// TestAPartnerSaysWhatItHasOfUs: the newest of our checkpoints that it mirrors, and nothing to whom it does not know.
func TestAPartnerSaysWhatItHasOfUs(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	a.link(t, b)
	b.link(t, a)
	a.write(2)
	until(t, "it is mirrored", func() bool { return b.has(a) })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got := a.peer.Remembered(ctx)[b.own]
	if len(got) != 1 {
		t.Fatalf("%d answers", len(got))
	}
	if cp, _, err := ledger.ParseSigned(got[0]); err != nil || cp.Origin != a.own || cp.Size != a.j.State.Size() {
		t.Errorf("%+v %v", cp, err)
	}
	b.set(nil) // nobody's partner any more
	if got := a.peer.Remembered(ctx); len(got) > 0 {
		t.Errorf("a stranger was told: %v", got)
	}
}

func TestAWrongClockIsNamed(t *testing.T) {
	wrong := errors.New("failed to negotiate security protocol: tls: certificate verification failed: x509: certificate has expired or is not yet valid: current time 2026-11-26T02:09:32Z is before 2026-11-26T03:09:27Z")
	if err := dialError(wrong); !errors.Is(err, ErrClock) || !errors.Is(err, wrong) {
		t.Errorf("%v", err)
	}
	if err := dialError(io.EOF); errors.Is(err, ErrClock) || !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

// TestASilentGatewayIsLeft: one that was removed, or lies, keeps its stream and sends nothing; the partner's next is asked.
func TestASilentGatewayIsLeft(t *testing.T) {
	a, b := pair(t, "/ip4/127.0.0.1/tcp/0")
	silent := &side{t: t, mu: a.mu, j: a.j, own: a.own, partner: a.partner, changed: make(chan struct{}), silent: true}
	start(t, silent, "/ip4/127.0.0.1/tcp/0", a.j.Members[1].Node)
	a.link(t, b)
	silent.link(t, b)
	first, second := gatewayOf(t, silent, a.j.Members[1].Node), gatewayOf(t, a, a.j.Members[0].Node)
	b.set([]Partner{{Origin: a.own, Gateways: append(first.Gateways, second.Gateways...)}})
	a.write(3)
	until(t, "the other gateway is asked", func() bool { return b.has(a) })
}

// TestADeadConnectionIsGivenUp: a machine that lost its power says nothing, not even that it is gone; it is dialled anew.
func TestADeadConnectionIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, listen := range map[string]string{"tcp": "/ip4/127.0.0.1/tcp/0", "quic": "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := pair(t, listen)
			a.link(t, b)
			b.link(t, a)
			until(t, "both follow", func() bool { return a.has(b) && b.has(a) })
			var mu sync.Mutex
			connections := map[string]bool{}
			a.peer.host.SetStreamHandler(protocolID, func(s network.Stream) { // as a dead one: it takes, and never answers
				mu.Lock()
				defer mu.Unlock()
				connections[s.Conn().ID()] = true
			})
			for _, c := range a.peer.host.Network().Conns() {
				_ = c.Close()
			}
			until(t, "it is dialled anew", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(connections) > 2
			})
		})
	}
}

func TestFramesAreBounded(t *testing.T) {
	if _, _, err := readFrame(strings.NewReader("B\xff\xff\xff\xff"), maxFrameBytes); !errors.Is(err, ErrFrame) {
		t.Fatalf("4 GiB: %v", err)
	}
	if _, _, err := readFrame(strings.NewReader("B\x00\x00\x00\x05abc"), maxFrameBytes); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("cut off: %v", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("Q\x00\x00\x00\x02ab"))
	f.Add([]byte("B\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		kind, body, err := readFrame(bytes.NewReader(raw), 1<<16)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeFrame(&again, kind, body); err != nil || !bytes.HasPrefix(raw, again.Bytes()) {
			t.Fatal("accepted in another framing")
		}
		var q request
		if ledger.Unmarshal(body, &q, maxRequestBytes) == nil && !bytes.Equal(ledger.Marshal(q), body) {
			t.Fatal("a request accepted in another encoding")
		}
	})
}
