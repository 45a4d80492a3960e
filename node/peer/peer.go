package peer

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"

	"vigil/crypto"
	"vigil/ledger"
)

// Partner is a linked jurisdiction and its gateways in the order they are tried.
type Partner struct {
	Origin   ledger.Origin
	Gateways []peer.AddrInfo
}

// Roster says whom to speak to.
type Roster interface {
	// Partners returns the linked partners that are not suspended.
	Partners() []Partner
	// Rank returns the place of this node among our own gateways: 0 follows, the others stand by.
	Rank() int
	// Taken names the gateway of ours, of lower rank, that says it follows a partner; nobody where none does.
	Taken(partner ledger.Origin) (by string)
	// Changed is closed when partners or ranks may have changed.
	Changed() <-chan struct{}
}

// Source is what partners are served from.
type Source interface {
	// Next waits for a checkpoint beyond from and returns the batch up to it, with what is released to the partner.
	Next(ctx context.Context, origin ledger.Origin, partner ledger.JurisdictionID, from uint64) (*ledger.MirrorBatch, error)
	// Serves says whether partners may follow a ledger here: our own, and the one that it continues.
	Serves(origin ledger.Origin) bool
	// Thirds returns the newest checkpoints of the ledgers that this jurisdiction mirrors, the receiver's own among them.
	Thirds() [][]byte
	// Newest returns the newest checkpoint of our own ledger; nil where there is none.
	Newest() []byte
	// TakeCosignature takes a partner's signature over our checkpoint of a size.
	TakeCosignature(ctx context.Context, partner ledger.Origin, size uint64, line string) error
}

// Sink takes what partners send.
type Sink interface {
	// Cursor returns how many entries of a partner are mirrored.
	Cursor(origin ledger.Origin) uint64
	// Commit has a batch verified and committed by all our replicas and returns the mirror's size after it.
	Commit(ctx context.Context, b *ledger.MirrorBatch) (next uint64, err error)
	// Cosign signs a partner's checkpoint that is committed here; an empty line where this node does not.
	Cosign(ctx context.Context, signed []byte) (line string, err error)
	// Beyond says whether a checkpoint of a partner, signed by an agency of it, covers more than is mirrored.
	Beyond(origin ledger.Origin, signed []byte) bool
	// Third takes a checkpoint of another ledger, as a partner has it.
	Third(from ledger.Origin, signed []byte)
}

// Config names what a Peer works with; every field but Quiet, Silent, Refused, Withheld, Host, Watch and Idle is required.
type Config struct {
	Own    ledger.Origin
	Key    *crypto.NodeKey
	Listen []string
	Roster Roster
	Source Source
	Sink   Sink
	Log    *slog.Logger
	// Quiet is how long a gateway may send nothing new before the partner's next one is asked: one that was removed, or
	// lies, keeps its stream alive and silent. Zero is a minute.
	Quiet time.Duration
	// Silent is how long a gateway may not even say that it is alive before its connection is given up: over QUIC nothing else
	// tells soon that the other side is gone. A third of it is how often we say so. Zero is six seconds.
	Silent time.Duration
	// Refused is told of a gateway whose batch does not verify (ErrBatch) or that does not speak the protocol (ErrFrame), once
	// until it sends a batch that does. It must not block; nil is told nothing.
	Refused func(partner ledger.Origin, gateway peer.ID, why error)
	// Withheld is told of a gateway that was left because another of the partner's has more than it hands on: it lies, or is cut
	// off from its own. It must not block; nil is told nothing.
	Withheld func(partner ledger.Origin, gateway peer.ID)
	// Host is added to what libp2p is set up with. It is set by simulations, for a network of theirs.
	Host []libp2p.Option
	// Watch is how often a gateway that stands by asks a partner how far it is. Zero is five seconds.
	Watch time.Duration
	// Idle is told of a gateway of ours that says it follows a partner and does not. It must not block; nil is told nothing.
	Idle func(partner ledger.Origin, gateway string)
}

// Status is how a link stands.
type Status struct {
	Gateway  string
	Known    uint64 // the greatest size a checkpoint of theirs named
	Progress time.Time
	Error    string
	Refused  uint64 // batches that did not verify
}

// Peer is this node as a gateway.
type Peer struct {
	cfg  Config
	host host.Host

	mu     sync.Mutex
	status map[ledger.Origin]*Status // guarded by mu
	liars  map[peer.ID]bool          // guarded by mu; gateways that were named
	guests map[peer.ID]*guest        // guarded by mu; gateways that are served
	doubts map[ledger.Origin]doubt   // guarded by mu

	stripped map[ledger.Origin]*stripped // guarded by mu; the newest stretch that came without payloads
}

// New starts listening; Run serves and follows.
func New(cfg Config) (*Peer, error) {
	if cfg.Quiet == 0 {
		cfg.Quiet = quietMost
	}
	if cfg.Silent == 0 {
		cfg.Silent = silentMost
	}
	if cfg.Watch == 0 {
		cfg.Watch = watchEvery
	}
	p := &Peer{cfg: cfg, status: map[ledger.Origin]*Status{}, liars: map[peer.ID]bool{}, guests: map[peer.ID]*guest{}, doubts: map[ledger.Origin]doubt{}, stripped: map[ledger.Origin]*stripped{}}
	h, err := newHost(cfg.Key, cfg.Listen, cfg.Host, &gater{allowed: func(id peer.ID) bool { _, ok := p.partnerOf(id); return ok }})
	if err != nil {
		return nil, err
	}
	p.host = h
	return p, nil
}

// Addresses returns where this node listens, with its PeerID.
func (p *Peer) Addresses() []string {
	var out []string
	listening, err := p.host.Network().InterfaceListenAddresses()
	if err != nil {
		listening = p.host.Network().ListenAddresses()
	}
	for _, a := range listening {
		out = append(out, a.String()+"/p2p/"+p.host.ID().String())
	}
	return out
}

// Close ends every connection. Run must have ended.
func (p *Peer) Close() error { return p.host.Close() }

// Follows names the partners whose gateway streams to this node now.
func (p *Peer) Follows() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for origin, s := range p.status {
		if s.Gateway != "" {
			out = append(out, string(origin))
		}
	}
	slices.Sort(out)
	return out
}

// Status returns how the link to a partner stands.
func (p *Peer) Status(origin ledger.Origin) Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.status[origin]; s != nil {
		return *s
	}
	return Status{}
}

func (p *Peer) note(origin ledger.Origin, f func(*Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status[origin] == nil {
		p.status[origin] = &Status{}
	}
	f(p.status[origin])
}

func (p *Peer) partnerOf(id peer.ID) (Partner, bool) {
	for _, partner := range p.cfg.Roster.Partners() {
		if slices.ContainsFunc(partner.Gateways, func(g peer.AddrInfo) bool { return g.ID == id }) {
			return partner, true
		}
	}
	return Partner{}, false
}

// Run serves partners and follows them until ctx ends.
func (p *Peer) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	p.host.SetStreamHandler(protocolID, func(s network.Stream) {
		group.Go(func() error { p.serve(ctx, s); return nil })
	})
	group.Go(func() error { return p.supervise(ctx, group) })
	err := group.Wait()
	p.host.RemoveStreamHandler(protocolID)
	return err
}

// supervise keeps one follower a partner running and cuts connections of peers that are no partners any more.
func (p *Peer) supervise(ctx context.Context, group *errgroup.Group) error {
	running := map[ledger.Origin]context.CancelFunc{}
	for {
		changed := p.cfg.Roster.Changed()
		wanted := map[ledger.Origin]bool{}
		for _, partner := range p.cfg.Roster.Partners() {
			wanted[partner.Origin] = true
			if running[partner.Origin] == nil {
				follow, cancel := context.WithCancel(ctx)
				running[partner.Origin] = cancel
				group.Go(func() error { p.follow(follow, partner.Origin); return nil })
			}
		}
		for origin, cancel := range running {
			if !wanted[origin] {
				cancel()
				delete(running, origin)
			}
		}
		for _, id := range p.host.Network().Peers() {
			if _, ok := p.partnerOf(id); !ok {
				_ = p.host.Network().ClosePeer(id) // gone already is as good
			}
		}
		p.forgetGuests()
		select {
		case <-ctx.Done():
			for _, cancel := range running {
				cancel()
			}
			return nil
		case <-changed:
		}
	}
}

// ParseGateway reads the address of a gateway as it is printed where one starts: a multiaddress that ends with the gateway's key.
func ParseGateway(address string) (peer.AddrInfo, error) {
	info, err := peer.AddrInfoFromString(address)
	if err != nil {
		return peer.AddrInfo{}, fmt.Errorf("peer: address %q: %w", address, err)
	}
	if len(info.Addrs) == 0 {
		return peer.AddrInfo{}, fmt.Errorf("peer: address %q: it says who, and not where", address)
	}
	return *info, nil
}

// Gateway makes the address information of a partner's gateway from the roster's words.
func Gateway(key crypto.NodePublic, addresses []string) (peer.AddrInfo, error) {
	id, err := IDOf(key)
	if err != nil {
		return peer.AddrInfo{}, err
	}
	info := peer.AddrInfo{ID: id}
	for _, a := range addresses {
		m, err := multiaddr.NewMultiaddr(a)
		if err != nil {
			return peer.AddrInfo{}, fmt.Errorf("peer: address %q: %w", a, err)
		}
		transport, _ := peer.SplitAddr(m)
		if transport != nil {
			info.Addrs = append(info.Addrs, transport)
		}
	}
	return info, nil
}
