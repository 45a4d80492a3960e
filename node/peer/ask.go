package peer

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"vigil/ledger"
)

// tell answers a question: the newest checkpoint of our own ledger, and the newest of the asker's that is mirrored here.
func (p *Peer) tell(s network.Stream, partner Partner) error {
	if own := p.cfg.Source.Newest(); own != nil {
		if err := send(s, frameThird, own); err != nil {
			return err
		}
	}
	for _, signed := range p.cfg.Source.Thirds() {
		if cp, _, err := ledger.ParseSigned(signed); err != nil || cp.Origin != partner.Origin {
			continue
		}
		if err := send(s, frameThird, signed); err != nil {
			return err
		}
	}
	return s.CloseWrite()
}

// ask asks one gateway of a partner how far its ledger is, and how far it has ours.
func (p *Peer) ask(ctx context.Context, partner ledger.Origin, gateway peer.AddrInfo) (theirs, ours []byte, err error) {
	s, err := p.open(ctx, gateway)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = s.Reset() }()
	stop := context.AfterFunc(ctx, func() { _ = s.Reset() })
	defer stop()
	_ = s.SetReadDeadline(time.Now().Add(requestWait))
	if err := send(s, frameAsk, ledger.Marshal(request{Version: 1, Origin: partner})); err != nil {
		return nil, nil, err
	}
	r := bufio.NewReader(s)
	for range maxAnswers {
		kind, body, err := readFrame(r, ledger.MaxCheckpointBytes)
		if err != nil {
			break // the end, or as good
		}
		if kind != frameThird {
			return nil, nil, fmt.Errorf("%w: answer", ErrFrame)
		}
		switch cp, _, err := ledger.ParseSigned(body); {
		case err != nil:
			return nil, nil, err
		case cp.Origin == partner:
			theirs = body
		case cp.Origin == p.cfg.Own:
			ours = body
		}
	}
	return theirs, ours, ctx.Err()
}

// Remembered asks the gateways of all partners at once, and returns the newest checkpoints of our own ledger that they keep,
// by who keeps them. Who does not answer before ctx ends, remembers nothing.
func (p *Peer) Remembered(ctx context.Context) map[ledger.Origin][][]byte {
	var mu sync.Mutex
	var all sync.WaitGroup
	out := map[ledger.Origin][][]byte{}
	for _, partner := range p.cfg.Roster.Partners() {
		for _, gateway := range partner.Gateways {
			all.Go(func() {
				_, ours, err := p.ask(ctx, partner.Origin, gateway)
				if err != nil {
					p.cfg.Log.Debug("a partner was asked what it remembers, and did not answer", "partner", partner.Origin, "error", err)
				}
				if ours == nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				out[partner.Origin] = append(out[partner.Origin], ours)
			})
		}
	}
	all.Wait()
	return out
}

// beyond asks a partner's gateways, one after the other, whether its ledger has more than is mirrored here.
func (p *Peer) beyond(ctx context.Context, origin ledger.Origin) bool {
	partners := p.cfg.Roster.Partners()
	i := slices.IndexFunc(partners, func(x Partner) bool { return x.Origin == origin })
	if i < 0 {
		return false
	}
	for _, gateway := range partners[i].Gateways {
		wait, cancel := context.WithTimeout(ctx, p.cfg.Watch)
		theirs, _, err := p.ask(wait, origin, gateway)
		cancel()
		if err == nil && theirs != nil && p.cfg.Sink.Beyond(origin, theirs) {
			return true
		}
	}
	return false
}
