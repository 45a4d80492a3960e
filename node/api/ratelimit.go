package api

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"

	"golang.org/x/time/rate"
)

// limits bound what a bearer in a role may ask, by the token: so many a second, and so many at once.
var limits = map[string]struct{ each, burst int }{
	RolePlatform: {each: 50, burst: 200},
}

// limiters are the buckets of tokens. There are no more than tokens.
type limiters struct {
	mu   sync.Mutex
	byID map[string]*rate.Limiter // guarded by mu
}

// within takes one request out of a bearer's bucket, says in headers how it stands (draft-ietf-httpapi-ratelimit-headers),
// and refuses where it is empty. Roles without a limit pass.
func (l *limiters) within(h http.Header, p principal) *Problem {
	if len(p.roles) != 1 {
		return nil
	}
	limit, limited := limits[p.roles[0]]
	if !limited {
		return nil
	}
	bucket := l.of(p.name, limit.each, limit.burst)
	ok := bucket.AllowN(now(), 1)
	left := max(math.Floor(bucket.TokensAt(now())), 0)
	full := math.Ceil((float64(limit.burst) - left) / float64(limit.each))
	h.Set("RateLimit-Policy", fmt.Sprintf(`"token";q=%d;w=%d`, limit.burst, limit.burst/limit.each))
	h.Set("RateLimit", fmt.Sprintf(`"token";r=%.0f;t=%.0f`, left, full))
	if ok {
		return nil
	}
	refusal := problem(http.StatusTooManyRequests, "rate", fmt.Sprintf("this token may ask %d times a second, %d at once", limit.each, limit.burst), "wait, and ask again with the same idempotency key")
	refusal.retry = strconv.Itoa(1)
	return refusal
}

func (l *limiters) of(name string, each, burst int) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		l.byID = map[string]*rate.Limiter{}
	}
	b := l.byID[name]
	if b == nil {
		b = rate.NewLimiter(rate.Limit(each), burst)
		l.byID[name] = b
	}
	return b
}
