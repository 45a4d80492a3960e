package api

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

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

// within takes one request out of a bearer's bucket, and refuses where it is empty. Roles without a limit pass.
func (l *limiters) within(h http.Header, p principal) *Problem {
	if len(p.roles) != 1 {
		return nil
	}
	limit, limited := limits[p.roles[0]]
	if !limited {
		return nil
	}
	bucket, _ := l.of(p.name, rate.Limit(limit.each), limit.burst)
	if take(h, "token", bucket) {
		return nil
	}
	refusal := problem(http.StatusTooManyRequests, "rate", fmt.Sprintf("this token may ask %d times a second, %d at once", limit.each, limit.burst), "wait, and ask again with the same idempotency key")
	refusal.retry = strconv.Itoa(1)
	return refusal
}

// take takes one request out of a bucket, and says in headers how it stands (draft-ietf-httpapi-ratelimit-headers).
func take(h http.Header, policy string, bucket *rate.Limiter) bool {
	ok := bucket.AllowN(now(), 1)
	burst, each := float64(bucket.Burst()), float64(bucket.Limit())
	left := max(math.Floor(bucket.TokensAt(now())), 0)
	h.Set("RateLimit-Policy", fmt.Sprintf(`"%s";q=%.0f;w=%.0f`, policy, burst, math.Ceil(burst/each)))
	h.Set("RateLimit", fmt.Sprintf(`"%s";r=%.0f;t=%.0f`, policy, left, math.Ceil((burst-left)/each)))
	return ok
}

// of returns the bucket of a name, as large as it is to be now, and whether it is a new one.
func (l *limiters) of(name string, each rate.Limit, burst int) (b *rate.Limiter, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		l.byID = map[string]*rate.Limiter{}
	}
	if b = l.byID[name]; b == nil {
		b, fresh = rate.NewLimiter(each, burst), true
		l.byID[name] = b
	}
	if b.Limit() != each || b.Burst() != burst {
		b.SetLimitAt(now(), each)
		b.SetBurstAt(now(), burst)
	}
	return b, fresh
}

// refusals are when each was last recorded for a reason. There are no more than people and tokens, for each reason.
type refusals struct {
	mu   sync.Mutex
	last map[[2]string]refusedAt // guarded by mu; by name and reason
}

type refusedAt struct {
	at   time.Time
	more uint64 // since, of which there is no record
}

// due says whether a refusal is to be recorded, and how many were not since the last one.
func (r *refusals) due(name, reason string, at time.Time) (more uint64, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = map[[2]string]refusedAt{}
	}
	k := [2]string{name, reason}
	x, known := r.last[k]
	if known && at.Sub(x.at) < refusalEvery {
		x.more++
		r.last[k] = x
		return 0, false
	}
	r.last[k] = refusedAt{at: at}
	return x.more, true
}

// streams counts the open ones of each who asks.
type streams struct {
	mu   sync.Mutex
	open map[string]int // guarded by mu
}

// enter takes a place, which leave gives back.
func (x *streams) enter(name string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.open == nil {
		x.open = map[string]int{}
	}
	if x.open[name] >= maxStreams {
		return false
	}
	x.open[name]++
	return true
}

func (x *streams) leave(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.open[name]--; x.open[name] == 0 {
		delete(x.open, name)
	}
}

// few bounds how many streams each who asks has open.
func (s *Server) few(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := who(r.Context()).name
		if !s.streams.enter(name) {
			refusal := problem(http.StatusTooManyRequests, "streams", fmt.Sprintf("%d streams are open for you, and there may be no more", maxStreams), "close one, and ask again")
			refusal.retry = "5"
			writeProblem(w, refusal)
			return
		}
		defer s.streams.leave(name)
		h(w, r)
	})
}
