package peer

import (
	"context"
	"time"

	"vigil/ledger"
)

// doubt is until when nobody of ours is believed that it follows a partner, and how long the next doubt lasts.
type doubt struct {
	until time.Time
	next  time.Duration
}

// claim is what a gateway that stands by has seen of the one that says it follows.
type claim struct {
	origin ledger.Origin
	asked  time.Time
	cursor uint64 // of the mirror, then
	behind bool   // the partner had more
}

// taken says whether a gateway before this one follows a partner, as it says and is believed.
func (p *Peer) taken(origin ledger.Origin) bool {
	p.mu.Lock()
	doubted := time.Now().Before(p.doubts[origin].until)
	p.mu.Unlock()
	return !doubted && p.cfg.Roster.Taken(origin) != ""
}

// myTurn says whether to follow now. A gateway of higher rank waits while one before it follows, and until the mirror has
// not moved for a while.
func (p *Peer) myTurn(ctx context.Context, c *claim) bool {
	rank := p.cfg.Roster.Rank()
	if rank < 0 {
		pause(ctx, lookAgain)
		return false
	}
	if p.taken(c.origin) {
		pause(ctx, min(lookAgain, p.cfg.Watch))
		p.examine(ctx, c)
		return false
	}
	before := p.cfg.Sink.Cursor(c.origin)
	for deadline := time.Now().Add(time.Duration(rank) * standBy); time.Now().Before(deadline); {
		pause(ctx, lookAgain)
		if ctx.Err() != nil || p.cfg.Sink.Cursor(c.origin) != before || p.taken(c.origin) {
			return false
		}
	}
	return ctx.Err() == nil
}

// examine judges a claim by what it does: where the partner, asked twice, has more than the mirror and the mirror has not moved
// between, whoever says that it follows does not. That two follow for a while is harmless: one of two batches is a repeat.
func (p *Peer) examine(ctx context.Context, c *claim) {
	if time.Since(c.asked) < p.cfg.Watch || ctx.Err() != nil {
		return
	}
	cursor, behind := p.cfg.Sink.Cursor(c.origin), p.beyond(ctx, c.origin)
	stuck := behind && c.behind && cursor == c.cursor && cursor == p.cfg.Sink.Cursor(c.origin)
	c.asked, c.cursor, c.behind = time.Now(), cursor, behind
	if !stuck {
		return
	}
	by := p.cfg.Roster.Taken(c.origin)
	p.mu.Lock()
	d := p.doubts[c.origin]
	d.next = min(max(2*d.next, doubtFirst), doubtMost)
	d.until = time.Now().Add(d.next)
	p.doubts[c.origin] = d
	p.mu.Unlock()
	p.cfg.Log.Warn("another gateway says that it follows a partner, and the mirror does not move; this one follows", "partner", c.origin, "gateway", by, "mirror", cursor)
	if p.cfg.Idle != nil && by != "" {
		p.cfg.Idle(c.origin, by)
	}
}
