package peer

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vigil/test/spread"
)

// The experiment of gateways that withhold, over real connections with the times that nodes have:
//
//	go test ./node/peer -count 1 -v -timeout 0 -parallel 8 -run WithheldInTime -cases 1000
var cases = flag.Int("cases", 3, "how many gateways withhold")

const (
	casesAtOnce  = 8
	withheldMost = 10 * time.Second // until what was withheld is here by another way: what is promised
)

// TestWithheldInTime: a gateway hands everything on, and from a moment that is drawn on nothing more, and says that it is alive. How
// long until what was written then is here through the other one.
func TestWithheldInTime(t *testing.T) {
	took := spread.Cases(t, *cases, casesAtOnce, func(t *testing.T, i int) time.Duration {
		return withheldCase(t, []string{transports["tcp"], transports["quic"]}[i%2])
	})
	t.Logf("%d withheld, all noticed and routed round; %s", len(took), spread.Of(took, withheldMost))
}

func withheldCase(t *testing.T, listen string) time.Duration {
	x := newTheatre(t)
	honest := &side{t: t, mu: x.in.mu, j: x.in.j, own: x.in.own, partner: x.uk.own, changed: make(chan struct{})}
	start(t, honest, listen, x.in.j.Members[1].Node)
	x.uk.asNodes = true
	x.open(t, listen)
	known := gatewayOf(t, x.uk, x.uk.j.Members[0].Node)
	known.Gateways[0].Addrs = nil
	honest.set([]Partner{known})
	followed := make(chan struct{}, 8)
	x.again(func(a *attack) { // the truth once, and then only that it is alive
		b := a.batch()
		if len(b.Items) > 0 && a.frame(frameBatch, b.Encode()) != nil {
			return
		}
		if _, _, err := readFrame(a.s, maxLineBytes); err != nil {
			return
		}
		followed <- struct{}{}
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for a.frame(frameAlive, nil) == nil {
			<-tick.C
		}
	})
	until(t, "the liar is followed", func() bool { return len(followed) > 0 })
	both := x.partners()
	both[0].Gateways = append(both[0].Gateways, gatewayOf(t, honest, x.in.j.Members[1].Node).Gateways...)
	x.uk.set(both)
	pause(t.Context(), rand.N(watchEvery))
	honest.write(1)
	began := time.Now()
	for deadline := began.Add(time.Minute); !x.uk.has(x.in); pause(t.Context(), 10*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what was withheld is not noticed in a minute")
		}
	}
	took := time.Since(began)
	if named := x.accused(); len(named) == 0 || slices.ContainsFunc(named, func(a accusation) bool { return a.who != x.liar.ID() }) {
		t.Errorf("named: %v", named)
	}
	return took
}
