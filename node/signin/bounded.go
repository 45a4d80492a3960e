package signin

import (
	"crypto/rand"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// tries bounds how often something is tried: a burst of each name, then one each.
type tries struct {
	every time.Duration
	burst int

	mu   sync.Mutex
	each map[string]*rate.Limiter // guarded by mu
}

func newTries(every time.Duration, burst int) *tries {
	return &tries{every: every, burst: burst, each: map[string]*rate.Limiter{}}
}

func (t *tries) allow(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.each[name]
	if l == nil {
		if len(t.each) >= maxTried {
			t.each = map[string]*rate.Limiter{} // names that do not exist fill it: forgetting slows nobody down for long
		}
		l = rate.NewLimiter(rate.Every(t.every), t.burst)
		t.each[name] = l
	}
	return l.Allow()
}

func (t *tries) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.each, name)
}

// place is where somebody tries from: an address, or the /64 of one of IPv6, in which whoever has one has them all.
func place(from string) string {
	at, err := netip.ParseAddr(from)
	if err != nil {
		return from
	}
	if at = at.Unmap(); at.Is4() {
		return at.String()
	}
	cut, _ := at.Prefix(64) // no address of IPv6 is too short
	return cut.String()
}

// pending keeps what a ceremony began with until it is finished, once. Whoever begins many pushes out the oldest, so that
// nobody is kept from beginning one.
type pending struct {
	from *tries

	mu   sync.Mutex
	open map[string]begun // guarded by mu
}

type begun struct {
	what  any
	until time.Time
}

func newPending() *pending {
	return &pending{from: newTries(ceremonyEvery, ceremonyBurst), open: map[string]begun{}}
}

// put keeps what somebody began under a new name.
func (p *pending) put(from string, what any) (name string, err error) {
	if !p.from.allow(place(from)) {
		return "", ErrTooOften
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.makeRoom(time.Now())
	name = rand.Text()
	p.open[name] = begun{what, time.Now().Add(ceremonyTime)}
	return name, nil
}

// makeRoom drops what is over, and the oldest where there are too many; mu is held.
func (p *pending) makeRoom(now time.Time) {
	oldest := ""
	for n, b := range p.open {
		if now.After(b.until) {
			delete(p.open, n)
		} else if oldest == "" || b.until.Before(p.open[oldest].until) {
			oldest = n
		}
	}
	if len(p.open) >= maxCeremonies {
		delete(p.open, oldest)
	}
}

// take returns what is kept under a name, once.
func (p *pending) take(name string) (any, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, ok := p.open[name]
	delete(p.open, name)
	return b.what, ok && time.Now().Before(b.until)
}
