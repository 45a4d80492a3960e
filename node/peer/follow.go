package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"vigil/ledger"
)

// follow follows one partner until ctx ends: one gateway after the other, with a pause that grows while none serves.
func (p *Peer) follow(ctx context.Context, origin ledger.Origin) {
	wait, claim := backoffFirst, &claim{origin: origin}
	for turn := 0; ctx.Err() == nil; turn++ {
		if !p.myTurn(ctx, claim) {
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
			if p.taken(origin) {
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
	s, err := p.open(ctx, gateway)
	if err != nil {
		return err
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

// open opens a stream to a partner's gateway.
func (p *Peer) open(ctx context.Context, gateway peer.AddrInfo) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	if n, ok := p.host.Network().(interface{ Backoff() *swarm.DialBackoff }); ok {
		n.Backoff().Clear(gateway.ID) // we wait ourselves, and want to know why it fails, not that it did before
	}
	p.host.Peerstore().ClearAddrs(gateway.ID) // only the roster's addresses are dialled, never one that was learned
	if err := p.host.Connect(ctx, gateway); err != nil {
		return nil, dialError(err)
	}
	s, err := p.host.NewStream(network.WithNoDial(ctx, "connected"), gateway.ID, protocolID)
	if err != nil {
		return nil, fmt.Errorf("peer: open a stream: %w", err)
	}
	return s, nil
}

// receive takes what one gateway sends. Where the partner has others, a quiet one is left after a while.
func (p *Peer) receive(ctx context.Context, s network.Stream, origin ledger.Origin, from peer.ID, others bool) error {
	r := bufio.NewReaderSize(s, 64<<10)
	for last := time.Now(); ; {
		silent, quiet := time.Now().Add(p.cfg.Silent), last.Add(p.cfg.Quiet)
		deadline := silent
		if others && quiet.Before(deadline) {
			deadline = quiet
		}
		_ = s.SetReadDeadline(deadline)
		_, err := r.Peek(1)
		switch {
		case err != nil && others && !time.Now().Before(quiet):
			return errQuiet
		case err != nil && !time.Now().Before(silent):
			_ = s.Conn().Close() // else the next stream would be opened over it
			return errSilent
		}
		_ = s.SetReadDeadline(time.Now().Add(frameWait))
		kind, body, err := readFrame(r, maxFrameBytes)
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
