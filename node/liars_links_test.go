package node

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	p2pcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	ltls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/prometheus/client_golang/prometheus"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/peer"
	"vigil/test/spread"
)

// provedMost is within what time a fork that was shown over a link is proved: what is promised.
const provedMost = 10 * time.Second

// linked is the roster of a gateway that follows one liar.
type linked struct {
	partner peer.Partner
	changed chan struct{}
}

// Partners implements peer.Roster.
func (r linked) Partners() []peer.Partner { return []peer.Partner{r.partner} }

// Rank implements peer.Roster.
func (r linked) Rank() int { return 0 }

// Taken implements peer.Roster.
func (r linked) Taken(ledger.Origin) string { return "" }

// Changed implements peer.Roster.
func (r linked) Changed() <-chan struct{} { return r.changed }

// linkedSink is of an observer, which signs nothing of its own that others could have forgotten.
type linkedSink struct{ peerSink }

// Third implements peer.Sink.
func (s linkedSink) Third(from ledger.Origin, signed []byte) { s.n.forks.take(from, signed) }

// TestLiarsWhoForkAreProvedOverLinks: a partner's gateway with its real key, on TCP or QUIC, shows a checkpoint that members of its
// jurisdiction signed beside the one that is mirrored here, passed on by itself or as the end of a batch. The real peer code must
// have each signer proved, nobody else named, and nothing taken.
func TestLiarsWhoForkAreProvedOverLinks(t *testing.T) {
	l := newLied(t)
	var took []time.Duration
	for i := range *cases {
		if d := l.shown(i); d > 0 {
			took = append(took, d)
		}
	}
	if len(took) != *cases {
		t.Fatalf("%d of %d proved", len(took), *cases)
	}
	t.Logf("%d forks shown over links and proved; %s", len(took), spread.Of(took, provedMost))
}

// shown shows one fork over a link and returns how long its proof took.
func (l *lied) shown(i int) time.Duration {
	t, listen := l.t, []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}[i%2]
	s := l.mirrors[liarStages-1]
	size := 1 + l.rng.Uint64N(s.Size(l.in.Origin()))
	liars := slices.Clone(l.in.Members)[:1+l.rng.IntN(3)]
	signed := l.checkpoint(l.rng.Uint64N(size), size, liars)
	n := l.observer(l.uk, s)
	n.metrics = &metrics{batches: prometheus.NewCounter(prometheus.CounterOpts{Name: "refused"}), alarms: prometheus.NewCounter(prometheus.CounterOpts{Name: "alarms"})}
	kind, body := byte('T'), signed
	if l.rng.IntN(2) == 0 { // as the end of a batch that is refused
		b := *l.batches[0]
		b.From, b.Items, b.Checkpoint = s.Size(l.in.Origin()), b.Items[:1], signed
		kind, body = 'B', b.Encode()
	}

	private, err := p2pcrypto.UnmarshalEd25519PrivateKey(l.in.Members[0].Node.Private())
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.Identity(private), libp2p.ListenAddrStrings(listen), libp2p.Security(ltls.ID, ltls.New), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var once sync.Once
	sent := make(chan time.Time, 1)
	h.SetStreamHandler("/vigil/follow/1", func(s network.Stream) {
		defer s.Reset()
		if _, err := io.ReadFull(s, make([]byte, 5)); err != nil {
			return
		}
		once.Do(func() { sent <- time.Now() })
		_, _ = s.Write(append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body))), body...))
		_, _ = io.Copy(io.Discard, s)
	})
	roster := linked{peer.Partner{Origin: l.in.Origin(), Gateways: []libpeer.AddrInfo{{ID: h.ID(), Addrs: h.Addrs()}}}, make(chan struct{})}
	p, err := peer.New(peer.Config{Own: l.uk.Origin(), Key: n.keys.Node, Listen: []string{listen}, Roster: roster, Source: peerSource{n}, Sink: linkedSink{peerSink{n}}, Log: n.log, Refused: n.refusedGateway})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	defer func() {
		cancel()
		if err := errors.Join(<-done, p.Close()); err != nil {
			t.Error(err)
		}
	}()

	began := <-sent
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := began.Add(time.Minute); ; <-tick.C {
		n.forks.mu.Lock()
		named := len(n.forks.found)
		n.forks.mu.Unlock()
		if named == len(liars) {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("case %d: %d of %d signers are proved in a minute", i, named, len(liars))
			return 0
		}
	}
	took := time.Since(began)
	n.forks.mu.Lock()
	defer n.forks.mu.Unlock()
	for _, f := range n.forks.found {
		if !slices.ContainsFunc(liars, func(m ledgertest.Member) bool { return m.ID == f.signer }) {
			t.Errorf("case %d: %s is named, who told the truth", i, f.signer)
		}
	}
	if len(n.forks.accused) > 0 || s.Size(l.in.Origin()) != uint64(len(l.hashes)) {
		t.Errorf("case %d: accused without a proof: %v; the mirror has %d entries", i, n.forks.accused, s.Size(l.in.Origin()))
	}
	return took
}
