package peer

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"vigil/ledger"
)

// withheld judges a gateway that is followed by what the partner's others have: where one of them, asked twice, has more than the
// mirror, and the mirror has not moved between and nothing is on its way, this one does not hand on what there is. It may lie, or
// be cut off from its own jurisdiction: it is left, and no proof is claimed.
func (f *following) withheld(ctx context.Context) bool {
	c := &f.claim
	again := f.cfg.Watch
	if c.behind {
		again = f.patience
	}
	others := *f.others.Load()
	if len(others) == 0 || ctx.Err() != nil || time.Since(c.asked) < again {
		return false
	}
	if f.busy.Load() {
		c.behind = false
		return false
	}
	cursor, last := f.cfg.Sink.Cursor(f.origin), f.last.Load()
	behind := f.anyBeyond(ctx, f.origin, others)
	held := behind && c.behind && cursor == c.cursor && cursor == f.cfg.Sink.Cursor(f.origin) && last == f.last.Load() && !f.busy.Load()
	c.asked, c.cursor, c.behind = time.Now(), cursor, behind
	return held
}

// look takes the partner's other gateways from the roster: they come and go while one is followed.
func (f *following) look() {
	others := slices.DeleteFunc(slices.Clone(f.gatewaysOf(f.origin)), func(g peer.AddrInfo) bool { return g.ID == f.from })
	f.others.Store(&others)
}

// left says that the gateway withheld.
func (f *following) left() {
	f.cfg.Log.Warn("a gateway of a partner does not hand on what another of its gateways has; that one is followed", "partner", f.origin, "gateway", f.from, "mirror", f.cfg.Sink.Cursor(f.origin))
	if f.cfg.Withheld != nil {
		f.cfg.Withheld(f.origin, f.from)
	}
}

// anyBeyond asks gateways at once whether any has more than is mirrored here.
func (p *Peer) anyBeyond(ctx context.Context, origin ledger.Origin, gateways []peer.AddrInfo) bool {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	var all sync.WaitGroup
	var found atomic.Bool
	for _, gateway := range gateways {
		all.Go(func() {
			theirs, _, err := p.ask(ctx, origin, gateway)
			if err == nil && theirs != nil && p.cfg.Sink.Beyond(origin, theirs) {
				found.Store(true)
				cancel() // one is enough
			}
		})
	}
	all.Wait()
	return found.Load()
}
