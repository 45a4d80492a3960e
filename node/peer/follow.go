package peer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"vigil/ledger"
)

// follow follows one partner until ctx ends: one gateway after the other, with a pause that grows while none serves.
func (p *Peer) follow(ctx context.Context, origin ledger.Origin) {
	wait, patience, claim := backoffFirst, withheldAgain, &claim{origin: origin}
	for turn := 0; ctx.Err() == nil; turn++ {
		if !p.myTurn(ctx, claim) {
			continue
		}
		before := p.cfg.Sink.Cursor(origin)
		err := p.followWhileFree(ctx, origin, turn, patience)
		if ctx.Err() != nil {
			return
		}
		moved := p.cfg.Sink.Cursor(origin) > before
		if moved {
			wait, patience = backoffFirst, withheldAgain
		}
		if errors.Is(err, errHeld) && !moved {
			patience = min(2*patience, quietMost) // they may all be slow
		}
		if errors.Is(err, errStandBy) || errors.Is(err, errQuiet) || errors.Is(err, errHeld) {
			p.note(origin, func(s *Status) { s.Gateway, s.Error = "", "" })
			continue
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

// followWhileFree follows until something fails, a gateway of lower rank is back, or another of the partner's has more.
func (p *Peer) followWhileFree(ctx context.Context, origin ledger.Origin, turn int, patience time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	gateways := p.gatewaysOf(origin)
	if len(gateways) == 0 {
		return errors.New("peer: the partner names no gateway, or is none any more")
	}
	gateway := gateways[turn%len(gateways)]
	f := &following{Peer: p, origin: origin, from: gateway.ID, patience: patience}
	f.look()
	f.brought()
	go func() {
		for ctx.Err() == nil {
			pause(ctx, min(lookAgain, p.cfg.Watch))
			if p.taken(origin) {
				cancel(errStandBy)
			}
			f.look()
			if f.withheld(ctx) {
				cancel(errHeld)
			}
		}
	}()
	err := p.followOne(ctx, f, gateway)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errStandBy):
		return errStandBy
	case errors.Is(cause, errHeld):
		f.left()
		return errHeld
	}
	return err
}

func (p *Peer) gatewaysOf(origin ledger.Origin) []peer.AddrInfo {
	for _, partner := range p.cfg.Roster.Partners() {
		if partner.Origin == origin {
			return partner.Gateways
		}
	}
	return nil
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
func (p *Peer) followOne(ctx context.Context, f *following, gateway peer.AddrInfo) error {
	s, err := p.open(ctx, gateway)
	if err != nil {
		return err
	}
	defer func() { _ = s.Reset() }()
	stop := context.AfterFunc(ctx, func() { _ = s.Reset() })
	defer stop()
	ask := request{Version: 1, Origin: f.origin, From: p.cfg.Sink.Cursor(f.origin)}
	if err := send(s, frameRequest, ledger.Marshal(ask)); err != nil {
		return err
	}
	err = f.receive(ctx, s)
	if errors.Is(err, ErrBatch) || errors.Is(err, ErrFrame) {
		p.note(f.origin, func(x *Status) { x.Refused++ })
		p.refused(f.origin, f.from, err)
	}
	return err
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
