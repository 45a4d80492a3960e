package peer

import (
	"context"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

// guest is a partner's gateway that is served here: how often it may ask, and its streams, the oldest first.
type guest struct {
	requests *rate.Limiter
	logs     *rate.Limiter
	streams  []*context.CancelFunc
}

// guestOf is called with mu held.
func (p *Peer) guestOf(id peer.ID) *guest {
	g := p.guests[id]
	if g == nil {
		g = &guest{requests: rate.NewLimiter(requestsEach, requestsBurst), logs: rate.NewLimiter(logsEach, logsBurst)}
		p.guests[id] = g
	}
	return g
}

// admit lets a stream of a gateway be served, unless it asks too often. Its newest streams count: what is left of a connection
// that broke gives way, and who opens without end ends only its own.
func (p *Peer) admit(id peer.ID, cancel context.CancelFunc) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.guestOf(id)
	if !g.requests.Allow() {
		return nil, false
	}
	if len(g.streams) >= maxServed {
		(*g.streams[0])()
		g.streams = g.streams[1:]
	}
	g.streams = append(g.streams, &cancel)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		g.streams = slices.DeleteFunc(g.streams, func(c *context.CancelFunc) bool { return c == &cancel })
	}, true
}

// logOf writes into the log what a gateway brought about, as long as that is not too often.
func (p *Peer) logOf(id peer.ID) func(msg string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.guestOf(id).logs.Allow() {
		return p.cfg.Log.Info
	}
	return p.cfg.Log.Debug
}

// forgetGuests forgets gateways that are no partner's any more.
func (p *Peer) forgetGuests() {
	var gone []peer.ID
	p.mu.Lock()
	for id := range p.guests {
		gone = append(gone, id)
	}
	p.mu.Unlock()
	gone = slices.DeleteFunc(gone, func(id peer.ID) bool { _, ok := p.partnerOf(id); return ok })
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range gone {
		delete(p.guests, id)
	}
}
