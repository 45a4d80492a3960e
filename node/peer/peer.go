package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
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
	// Taken says that a gateway of ours of lower rank follows a partner.
	Taken(partner ledger.Origin) bool
	// Changed is closed when partners or ranks may have changed.
	Changed() <-chan struct{}
}

// Source is what partners are served from.
type Source interface {
	// Next waits for a checkpoint beyond from and returns the batch up to it, with what is released to the partner.
	Next(ctx context.Context, partner ledger.JurisdictionID, from uint64) (*ledger.MirrorBatch, error)
	// Thirds returns the newest checkpoints of the ledgers that this jurisdiction mirrors, the receiver's own among them.
	Thirds() [][]byte
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
	// Third takes a checkpoint of another ledger, as a partner has it.
	Third(from ledger.Origin, signed []byte)
}

// Config names what a Peer works with; every field but Quiet and Refused is required.
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
	// Refused is told of a gateway whose batch does not verify, once until it sends one that does. It must not block; nil is
	// told nothing.
	Refused func(partner ledger.Origin, gateway peer.ID, why error)
	// Host is added to what libp2p is set up with. It is set by simulations, for a network of theirs.
	Host []libp2p.Option
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
}

// New starts listening; Run serves and follows.
func New(cfg Config) (*Peer, error) {
	if cfg.Quiet == 0 {
		cfg.Quiet = quietMost
	}
	p := &Peer{cfg: cfg, status: map[ledger.Origin]*Status{}, liars: map[peer.ID]bool{}}
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

// serve answers one stream: batches after the receiver's cursor as they become ready.
func (p *Peer) serve(ctx context.Context, s network.Stream) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { _ = s.Reset() })
	defer stop()
	partner, ok := p.partnerOf(s.Conn().RemotePeer())
	if !ok {
		_ = s.Reset()
		return
	}
	err := p.push(ctx, cancel, s, partner)
	if ctx.Err() == nil {
		p.cfg.Log.Info("a partner's stream ended", "partner", partner.Origin, "peer", s.Conn().RemotePeer(), "error", err)
		_ = s.Reset()
	}
}

func (p *Peer) push(ctx context.Context, cancel context.CancelFunc, s network.Stream, partner Partner) error {
	_ = s.SetReadDeadline(time.Now().Add(requestWait))
	r := bufio.NewReader(s)
	kind, body, err := readFrame(r, maxRequestBytes)
	var q request
	if err == nil {
		err = ledger.Unmarshal(body, &q, maxRequestBytes)
	}
	if err != nil || kind != frameRequest || q.Version != 1 || q.Origin != p.cfg.Own {
		_ = send(s, frameRefusal, []byte("not a request for this ledger"))
		return fmt.Errorf("%w: request", ErrFrame)
	}
	_ = s.SetReadDeadline(time.Time{})

	pending := &sizes{}
	go p.takeLines(ctx, cancel, r, partner, pending)
	told := map[ledger.Origin]uint64{}
	for from := q.From; ; {
		if err := p.tellThirds(s, told); err != nil {
			return err
		}
		batch, err := p.next(ctx, s, partner, from, told)
		if err != nil {
			return err
		}
		cp, _, err := ledger.ParseSigned(batch.Checkpoint)
		if err != nil {
			return err
		}
		pending.push(cp.Size)
		if err := send(s, frameBatch, batch.Encode()); err != nil {
			return err
		}
		from += uint64(len(batch.Items))
	}
}

// tellThirds passes on what this side has verified of other ledgers since it was told last.
func (p *Peer) tellThirds(s network.Stream, told map[ledger.Origin]uint64) error {
	for _, signed := range p.cfg.Source.Thirds() {
		cp, _, err := ledger.ParseSigned(signed)
		if err != nil || cp.Size <= told[cp.Origin] || cp.Origin == p.cfg.Own {
			continue
		}
		if err := send(s, frameThird, signed); err != nil {
			return err
		}
		told[cp.Origin] = cp.Size
	}
	return nil
}

// next waits for the next batch and keeps the stream alive meanwhile.
func (p *Peer) next(ctx context.Context, s network.Stream, partner Partner, from uint64, told map[ledger.Origin]uint64) (*ledger.MirrorBatch, error) {
	for {
		wait, cancel := context.WithTimeout(ctx, keepAlive)
		batch, err := p.cfg.Source.Next(wait, partner.Origin.Jurisdiction(), from)
		cancel()
		if err == nil {
			return batch, nil
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		if err := errors.Join(send(s, frameAlive, nil), p.tellThirds(s, told)); err != nil {
			return nil, err
		}
	}
}

func send(s network.Stream, kind byte, body []byte) error {
	_ = s.SetWriteDeadline(time.Now().Add(frameWait))
	return writeFrame(s, kind, body)
}

// sizes are the checkpoints sent whose cosignature has not come back, in order.
type sizes struct {
	mu   sync.Mutex
	list []uint64 // guarded by mu
}

func (s *sizes) push(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, n)
}

func (s *sizes) pop() (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) == 0 {
		return 0, false
	}
	n := s.list[0]
	s.list = s.list[1:]
	return n, true
}

// takeLines reads the receiver's cosignatures; the end of the stream ends the pushing too.
func (p *Peer) takeLines(ctx context.Context, cancel context.CancelFunc, r io.Reader, partner Partner, pending *sizes) {
	defer cancel()
	for {
		kind, line, err := readFrame(r, maxLineBytes)
		if err != nil || kind != frameCosigned {
			return
		}
		size, ok := pending.pop()
		if !ok {
			return
		}
		if len(line) == 0 {
			continue
		}
		if err := p.cfg.Source.TakeCosignature(ctx, partner.Origin, size, string(line)); err != nil && ctx.Err() == nil {
			p.cfg.Log.Info("a partner's cosignature is not taken", "partner", partner.Origin, "size", size, "error", err)
		}
	}
}

// follow follows one partner until ctx ends: one gateway after the other, with a pause that grows while none serves.
func (p *Peer) follow(ctx context.Context, origin ledger.Origin) {
	wait := backoffFirst
	for turn := 0; ctx.Err() == nil; turn++ {
		if !p.myTurn(ctx, origin) {
			continue
		}
		before := p.cfg.Sink.Cursor(origin)
		err := p.followWhileFree(ctx, origin, turn)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errStandBy) || errors.Is(err, errQuiet) {
			p.note(origin, func(s *Status) { s.Gateway, s.Error = "", "" })
			continue
		}
		if p.cfg.Sink.Cursor(origin) > before {
			wait = backoffFirst
		}
		p.note(origin, func(s *Status) { s.Gateway, s.Error = "", err.Error() })
		p.cfg.Log.Info("following a partner is interrupted", "partner", origin, "error", err)
		pause(ctx, wait/2+rand.N(wait))
		wait = min(2*wait, backoffMost)
	}
}

// myTurn says whether to follow now. A gateway of higher rank waits while one before it follows, and until the mirror has
// not moved for a while.
func (p *Peer) myTurn(ctx context.Context, origin ledger.Origin) bool {
	rank := p.cfg.Roster.Rank()
	if rank < 0 || p.cfg.Roster.Taken(origin) {
		pause(ctx, lookAgain)
		return false
	}
	before := p.cfg.Sink.Cursor(origin)
	for deadline := time.Now().Add(time.Duration(rank) * standBy); time.Now().Before(deadline); {
		pause(ctx, lookAgain)
		if ctx.Err() != nil || p.cfg.Sink.Cursor(origin) != before || p.cfg.Roster.Taken(origin) {
			return false
		}
	}
	return ctx.Err() == nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// followWhileFree follows until something fails or a gateway of lower rank is back.
func (p *Peer) followWhileFree(ctx context.Context, origin ledger.Origin, turn int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for ctx.Err() == nil {
			pause(ctx, lookAgain)
			if p.cfg.Roster.Taken(origin) {
				cancel(errStandBy)
			}
		}
	}()
	err := p.followOne(ctx, origin, turn)
	if cause := context.Cause(ctx); errors.Is(cause, errStandBy) {
		return errStandBy
	}
	return err
}

// ErrClock says that the other side's certificate is of a time that is not now here: they are made an hour before the start
// of their node, so that a clock that is hours off keeps a gateway from being spoken to.
var ErrClock = errors.New("peer: a clock, theirs or ours, is more than an hour off")

func dialError(err error) error {
	if strings.Contains(err.Error(), "certificate has expired or is not yet valid") {
		return fmt.Errorf("%w: connect: %w", ErrClock, err)
	}
	return fmt.Errorf("peer: connect: %w", err)
}

// followOne follows one gateway until something fails.
func (p *Peer) followOne(ctx context.Context, origin ledger.Origin, turn int) error {
	i := slices.IndexFunc(p.cfg.Roster.Partners(), func(x Partner) bool { return x.Origin == origin })
	if i < 0 {
		return errStopped
	}
	gateways := p.cfg.Roster.Partners()[i].Gateways
	if len(gateways) == 0 {
		return errors.New("peer: the partner names no gateway")
	}
	gateway := gateways[turn%len(gateways)]
	open, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	if n, ok := p.host.Network().(interface{ Backoff() *swarm.DialBackoff }); ok {
		n.Backoff().Clear(gateway.ID) // we wait ourselves, and want to know why it fails, not that it did before
	}
	p.host.Peerstore().ClearAddrs(gateway.ID) // only the roster's addresses are dialled, never one that was learned
	if err := p.host.Connect(open, gateway); err != nil {
		return dialError(err)
	}
	s, err := p.host.NewStream(network.WithNoDial(open, "connected"), gateway.ID, protocolID)
	if err != nil {
		return fmt.Errorf("peer: open a stream: %w", err)
	}
	defer func() { _ = s.Reset() }()
	stop := context.AfterFunc(ctx, func() { _ = s.Reset() })
	defer stop()
	ask := request{Version: 1, Origin: origin, From: p.cfg.Sink.Cursor(origin)}
	if err := send(s, frameRequest, ledger.Marshal(ask)); err != nil {
		return err
	}
	return p.receive(ctx, s, origin, gateway.ID, len(gateways) > 1)
}

// receive takes what one gateway sends. Where the partner has others, a quiet one is left after a while.
func (p *Peer) receive(ctx context.Context, s network.Stream, origin ledger.Origin, from peer.ID, others bool) error {
	r := bufio.NewReaderSize(s, 64<<10)
	for last := time.Now(); ; {
		deadline, quiet := time.Now().Add(frameWait), last.Add(p.cfg.Quiet)
		if others && quiet.Before(deadline) {
			deadline = quiet
		}
		_ = s.SetReadDeadline(deadline)
		kind, body, err := readFrame(r, maxFrameBytes)
		if err != nil && others && !time.Now().Before(quiet) {
			return errQuiet
		}
		if err != nil {
			return fmt.Errorf("peer: read: %w", err)
		}
		p.note(origin, func(x *Status) { x.Gateway, x.Error = from.String(), "" })
		switch kind {
		case frameAlive:
			continue
		case frameThird:
			p.cfg.Sink.Third(origin, body)
			continue
		case frameBatch:
		case frameRefusal:
			return fmt.Errorf("peer: refused: %.200q", body)
		default:
			return ErrFrame
		}
		last = time.Now()
		line, err := p.takeBatch(ctx, origin, body)
		if err != nil {
			p.note(origin, func(x *Status) { x.Refused++ })
			p.refused(origin, from, err)
			return fmt.Errorf("peer: batch from gateway %s: %w", from, err)
		}
		p.mu.Lock()
		delete(p.liars, from)
		p.mu.Unlock()
		if err := send(s, frameCosigned, []byte(line)); err != nil {
			return err
		}
	}
}

// ErrBatch marks what Sink.Commit answers where a batch does not verify: the gateway that sent it lies or is damaged.
var ErrBatch = errors.New("peer: the batch does not verify")

// refused names a gateway whose batch does not verify.
func (p *Peer) refused(origin ledger.Origin, gateway peer.ID, why error) {
	p.mu.Lock()
	known := p.liars[gateway] || len(p.liars) >= maxLiars
	if errors.Is(why, ErrBatch) && !known {
		p.liars[gateway] = true
	}
	p.mu.Unlock()
	if errors.Is(why, ErrBatch) && !known && p.cfg.Refused != nil {
		p.cfg.Refused(origin, gateway, why)
	}
}

// takeBatch commits a batch through our own replicas and cosigns its checkpoint.
func (p *Peer) takeBatch(ctx context.Context, origin ledger.Origin, body []byte) (line string, err error) {
	b, err := ledger.DecodeMirrorBatch(body)
	if err != nil {
		return "", err
	}
	if b.Origin != origin {
		return "", fmt.Errorf("%w: a batch of another ledger", ErrFrame)
	}
	ctx, cancel := context.WithTimeout(ctx, commitWait)
	defer cancel()
	next, err := p.cfg.Sink.Commit(ctx, b)
	if err != nil {
		return "", err
	}
	p.note(origin, func(x *Status) { x.Known, x.Progress = max(x.Known, next), time.Now() })
	line, err = p.cfg.Sink.Cosign(ctx, b.Checkpoint)
	if err != nil {
		p.cfg.Log.Debug("a partner's checkpoint is not cosigned", "partner", origin, "error", err)
		return "", nil
	}
	return line, nil
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
