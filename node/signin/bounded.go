package signin

import (
	"crypto/rand"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// tries bounds how often a name's password is tried.
type tries struct {
	mu   sync.Mutex
	each map[string]*rate.Limiter // guarded by mu
}

func newTries() *tries { return &tries{each: map[string]*rate.Limiter{}} }

func (t *tries) allow(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.each[name]
	if l == nil {
		if len(t.each) >= maxTried {
			t.each = map[string]*rate.Limiter{} // names that do not exist fill it: forgetting slows nobody down for long
		}
		l = rate.NewLimiter(rate.Every(triesEvery), triesBurst)
		t.each[name] = l
	}
	return l.Allow()
}

func (t *tries) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.each, name)
}

// pending keeps what a ceremony began with until it is finished, once.
type pending struct {
	mu   sync.Mutex
	open map[string]begun // guarded by mu
}

type begun struct {
	what  any
	until time.Time
}

func newPending() *pending { return &pending{open: map[string]begun{}} }

// put keeps what under a new name.
func (p *pending) put(what any) (name string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for n, b := range p.open {
		if now.After(b.until) {
			delete(p.open, n)
		}
	}
	if len(p.open) >= maxCeremonies {
		return "", ErrBusy
	}
	name = rand.Text()
	p.open[name] = begun{what, now.Add(ceremonyTime)}
	return name, nil
}

// take returns what is kept under a name, once.
func (p *pending) take(name string) (any, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, ok := p.open[name]
	delete(p.open, name)
	return b.what, ok && time.Now().Before(b.until)
}
