package peer

import (
	"context"
	"io"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	p2pcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	ltls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/multiformats/go-multiaddr"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// theatre is where a lying partner attacks: uk is honest, in lies with its real keys and a libp2p host of its own, ke is an
// honest partner that uk goes on working with meanwhile.
type theatre struct {
	t          *testing.T
	in, uk, ke *side
	liar       host.Host
	ctx        context.Context
	stop       func()

	mu     sync.Mutex
	behave func(*attack) // guarded by mu; what the liar's gateway does with who follows it
}

// attack is one stream that the honest side has opened to the liar, its request read, or one that the liar opened.
type attack struct {
	*theatre
	s network.Stream
}

func newTheatre(t *testing.T) *theatre {
	t.Helper()
	var all []*side
	js := []*ledgertest.Jurisdiction{ledgertest.Found(t, "in", 3), ledgertest.Found(t, "uk", 1), ledgertest.Found(t, "ke", 1)}
	ledgertest.Link(t, js[0], js[1])
	ledgertest.Link(t, js[2], js[1])
	js[0].Mirror(t, js[1])
	for i, j := range js {
		all = append(all, &side{t: t, mu: &sync.Mutex{}, j: j, own: j.Origin(), partner: js[1].Origin(), changed: make(chan struct{})})
		if i == 1 {
			all[1].partner = js[0].Origin()
		}
	}
	x := &theatre{t: t, in: all[0], uk: all[1], ke: all[2]}
	start(t, x.ke, "/ip4/127.0.0.1/tcp/0", x.ke.j.Members[0].Node)
	x.in.write(4)
	return x
}

// open starts the honest gateway anew over a transport, and the liar's host beside it.
func (x *theatre) open(t *testing.T, listen string) {
	t.Helper()
	x.t = t
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	x.uk.patience = time.Second
	x.ctx, x.stop = ctx, run(t, x.uk, listen, x.uk.j.Members[0].Node)
	x.liar = liarsHost(t, x.in.j.Members[0].Node, listen)
	x.liar.SetStreamHandler(protocolID, func(s network.Stream) {
		defer s.Reset()
		if _, _, err := readFrame(s, maxRequestBytes); err != nil {
			return
		}
		x.mu.Lock()
		behave := x.behave
		x.mu.Unlock()
		if behave != nil {
			behave(&attack{x, s})
		}
		_, _ = io.Copy(io.Discard, s) // until it is left
	})
	x.uk.mu.Lock()
	x.uk.accused = nil
	x.uk.mu.Unlock()
	known := gatewayOf(t, x.uk, x.uk.j.Members[0].Node)
	known.Gateways[0].Addrs = nil // ke lets uk in and need not dial it
	x.ke.set([]Partner{known})
	x.uk.set(x.partners())
	t.Cleanup(func() {
		cancel()
		x.uk.set(nil)
		_ = x.liar.Close()
		x.stop()
	})
}

func (x *theatre) partners() []Partner {
	liar := Partner{Origin: x.in.own, Gateways: []libpeer.AddrInfo{{ID: x.liar.ID(), Addrs: x.liar.Addrs()}}}
	return []Partner{liar, gatewayOf(x.t, x.ke, x.ke.j.Members[0].Node)}
}

// liarsHost is libp2p as it comes, with every limit off.
func liarsHost(t *testing.T, key *crypto.NodeKey, listen ...string) host.Host {
	t.Helper()
	private, err := p2pcrypto.UnmarshalEd25519PrivateKey(key.Private())
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.Identity(private), libp2p.ListenAddrStrings(listen...), libp2p.Security(ltls.ID, ltls.New), libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// raw opens a stream to the honest side.
func (x *theatre) raw(h host.Host) (network.Stream, error) {
	var at []multiaddr.Multiaddr
	for _, a := range x.uk.peer.Addresses() {
		m, err := multiaddr.NewMultiaddr(a)
		if err != nil {
			return nil, err
		}
		transport, _ := libpeer.SplitAddr(m)
		at = append(at, transport)
	}
	if err := h.Connect(x.ctx, libpeer.AddrInfo{ID: x.uk.peer.host.ID(), Addrs: at}); err != nil {
		return nil, err
	}
	return h.NewStream(x.ctx, x.uk.peer.host.ID(), protocolID)
}

// goesOn checks that what the honest partner writes arrives.
func (x *theatre) goesOn(n int) {
	x.t.Helper()
	x.ke.write(n)
	until(x.t, "the honest partner's entries arrive", func() bool { return x.uk.has(x.ke) })
}

func (x *theatre) accused() []accusation {
	x.uk.mu.Lock()
	defer x.uk.mu.Unlock()
	return slices.Clone(x.uk.accused)
}

// held says what the liar makes the honest side hold: streams and connections.
func (x *theatre) held() (streams, conns int) {
	for _, c := range x.uk.peer.host.Network().ConnsToPeer(x.liar.ID()) {
		conns++
		for _, s := range c.GetStreams() {
			if s.Stat().Direction == network.DirInbound {
				streams++
			}
		}
	}
	return streams, conns
}

// heap is how much memory live objects took when they were counted last.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// watched runs an attack and fails where the honest side ever holds more than it says in limits.go. The liar's own memory, which
// is in this process, too, is counted with it.
func (x *theatre) watched(f func()) {
	x.t.Helper()
	before, most, worst := heap(), uint64(0), 0
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, heap())
			x.uk.peer.mu.Lock()
			if g := x.uk.peer.guests[x.liar.ID()]; g != nil {
				worst = max(worst, len(g.streams))
			}
			x.uk.peer.mu.Unlock()
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	f()
	close(done)
	all.Wait()
	if most > before+GatewayMemory {
		x.t.Errorf("%d MiB more than before, %d are stated", (most-before)>>20, GatewayMemory>>20)
	}
	if worst > maxServed {
		x.t.Errorf("%d streams of the liar were served, %d at most", worst, maxServed)
	}
	if streams, conns := x.held(); streams > maxStreams+2 || conns > maxConnections {
		x.t.Errorf("the liar holds %d streams and %d connections", streams, conns)
	}
}

// batch is the truth, from the honest mirror's end.
func (x *theatre) batch() *ledger.MirrorBatch {
	from := x.uk.Cursor(x.in.own)
	x.in.mu.Lock()
	defer x.in.mu.Unlock()
	return x.in.batch(from)
}

// sign gives a batch the checkpoint that its items lead to, signed by some members.
func (x *theatre) sign(b *ledger.MirrorBatch, members ...ledgertest.Member) {
	x.in.mu.Lock()
	defer x.in.mu.Unlock()
	tree := &ledger.Frontier{}
	for _, e := range x.in.j.Entries[:b.From] {
		tree.Append(ledger.LeafHash(e.Leaf))
	}
	for _, i := range b.Items {
		tree.Append(i.LeafHash())
	}
	cp := ledger.Checkpoint{Origin: b.Origin, Size: b.From + uint64(len(b.Items)), Root: tree.Root(), State: x.in.j.State.Line()}
	var lines []string
	for _, m := range members {
		line, err := ledger.Cosign(cp, m.ID, m.Checkpoint, x.in.j.Now)
		if err != nil {
			x.t.Error(err)
		}
		lines = append(lines, line)
	}
	b.Checkpoint = ledger.Assemble(cp, lines...)
}

func (a *attack) frame(kind byte, body []byte) error { return send(a.s, kind, body) }
