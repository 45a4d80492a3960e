package storm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// storm is a jurisdiction of three voters, and what is done to it.
type storm struct {
	t      *testing.T
	net    *network.Network
	places *places
	random *rand.Rand

	mu      sync.Mutex
	clients []*api.Client // guarded by mu; of each node, made anew after its start

	acknowledged int
	failovers    []time.Duration // from the fault until the next acknowledgement
	done         map[string]int  // faults by name
}

var three = []ledger.AgencyID{"in/a", "in/b", "in/c"}

// fault is something that goes wrong with a node, while the others are whole.
type fault struct {
	name string
	do   func(s *storm, x *network.Node, rest []*network.Node) error
	heal func(s *storm, x *network.Node, rest []*network.Node) error
}

var kinds = []fault{
	{"killed", func(_ *storm, x *network.Node, _ []*network.Node) error { x.Kill(); return nil }, (*storm).again},
	{"stopped", func(_ *storm, x *network.Node, _ []*network.Node) error { x.Stop(); return nil }, (*storm).again},
	{
		"paused",
		func(_ *storm, x *network.Node, _ []*network.Node) error { return x.Pause() },
		func(_ *storm, x *network.Node, _ []*network.Node) error { return x.Resume() },
	},
	{"cut off", cut(true, true, 2), heal(true, true, 2)},
	{"not heard", cut(true, false, 2), heal(true, false, 2)},
	{"deaf", cut(false, true, 2), heal(false, true, 2)},
	{"cut off from one", cut(true, true, 1), heal(true, true, 1)},
	{
		"without its cable",
		func(s *storm, x *network.Node, _ []*network.Node) error { return s.places.pull(x, true) },
		func(s *storm, x *network.Node, _ []*network.Node) error { return s.places.pull(x, false) },
	},
	{"flapping", flap, func(*storm, *network.Node, []*network.Node) error { return nil }},
	{"with a full disk", fill, (*storm).renew},
	{"whose disk syncs nothing", broken("fsync,fdatasync", "EIO"), (*storm).renew},
	{"whose disk takes nothing", broken("write,pwrite64", "EIO"), (*storm).renew},
	{"with a read-only disk", broken("write,pwrite64,ftruncate,fsync,fdatasync", "EROFS"), (*storm).renew},
}

// cut mutes a node towards the others, or them towards it, or both.
func cut(out, in bool, others int) func(*storm, *network.Node, []*network.Node) error {
	return func(s *storm, x *network.Node, rest []*network.Node) error {
		return s.mute(x, rest[:others], out, in, true)
	}
}

func heal(out, in bool, others int) func(*storm, *network.Node, []*network.Node) error {
	return func(s *storm, x *network.Node, rest []*network.Node) error {
		return s.mute(x, rest[:others], out, in, false)
	}
}

func (s *storm) mute(x *network.Node, rest []*network.Node, out, in, mute bool) (err error) {
	for _, o := range rest {
		if out {
			err = errors.Join(err, s.places.mute(x, o, mute))
		}
		if in {
			err = errors.Join(err, s.places.mute(o, x, mute))
		}
	}
	return err
}

// flap cuts a node off and lets it back, a few times, in whatever state that leaves the others.
func flap(s *storm, x *network.Node, rest []*network.Node) error {
	for range 5 {
		if err := s.mute(x, rest, true, true, true); err != nil {
			return err
		}
		s.pause(200 + s.random.IntN(1500))
		if err := s.mute(x, rest, true, true, false); err != nil {
			return err
		}
		s.pause(s.random.IntN(800))
	}
	return nil
}

// pause lets a fault last: its length is what is drawn, so nothing can be waited for.
func (s *storm) pause(millis int) {
	select {
	case <-s.t.Context().Done():
	case <-time.After(time.Duration(millis) * time.Millisecond):
	}
}

// again starts a node that has ended, and makes its client anew.
func (s *storm) again(x *network.Node, _ []*network.Node) error {
	if err := x.Start(s.t.Context()); err != nil {
		return err
	}
	return s.client(slices.Index(s.net.Order(), x.Agency))
}

func (s *storm) client(i int) error {
	x := s.net.Node(s.net.Order()[i])
	err := network.Eventually(s.t.Context(), 30*time.Second, func() error { return x.Lab(s.t.Context()) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[i] = x.Work
	return err
}

func (s *storm) serve(i int) *api.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients[i]
}

const (
	longest  = 6000
	shortest = 500
)

// round lets one fault loose under load and accounts for all that was acknowledged meanwhile.
func (s *storm) round(n int) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
	defer cancel()
	leader, err := s.net.Leader(ctx, three[0])
	if err != nil {
		return err
	}
	x := leader
	if *only == "" && s.random.IntN(3) == 0 { // a follower now and then; mostly whoever leads
		x = s.net.Node(three[s.random.IntN(nodes)])
	}
	rest := slices.DeleteFunc([]*network.Node{s.net.Node(three[0]), s.net.Node(three[1]), s.net.Node(three[2])}, func(o *network.Node) bool { return o == x })
	s.random.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	f := kinds[(n+int(*seed))%len(kinds)]
	if i := slices.IndexFunc(kinds, func(f fault) bool { return f.name == *only }); i >= 0 {
		f = kinds[i]
	}
	name := f.name
	if x == leader {
		name = "the leader " + name
	}
	h := &history{began: time.Now(), serve: s.serve, signals: map[string]api.Signal{}}
	stop := s.load(ctx, h, n)
	err = s.weather(ctx, h, f, x, rest)
	if ended := stop(); err == nil {
		err = ended
	}
	if err == nil {
		err = s.account(ctx, h)
	}
	if err != nil {
		return fmt.Errorf("%s, %s: %w", x.Agency, name, err)
	}
	s.done[name]++
	s.acknowledged += h.len()
	s.t.Logf("fault %d: %s (%s): %d acknowledged in %d attempts", n, name, x.Agency, h.len(), h.attempts.Load())
	return nil
}

// weather is the fault itself: writes before it, while it lasts and after.
func (s *storm) weather(ctx context.Context, h *history, f fault, x *network.Node, rest []*network.Node) error {
	if err := h.more(ctx, *least); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	began := time.Now()
	if err := f.do(s, x, rest); err != nil {
		return err
	}
	took, during := h.after(ctx, began)
	if during == nil {
		s.failovers = append(s.failovers, took)
		during = h.more(ctx, *least)
	}
	s.pause(shortest + s.random.IntN(longest))
	if err := f.heal(s, x, rest); err != nil {
		return errors.Join(during, err)
	}
	if during != nil {
		return fmt.Errorf("while it lasted: %w", during)
	}
	if err := h.more(ctx, *least); err != nil {
		return fmt.Errorf("after: %w", err)
	}
	return nil
}

// load writes at every node until it is stopped.
func (s *storm) load(ctx context.Context, h *history, round int) (stop func() error) {
	var writing sync.WaitGroup
	done, failed := make(chan struct{}), make(chan error, nodes**writers)
	for node := range nodes {
		for writer := range *writers {
			writing.Go(func() { failed <- h.write(ctx, node, writer, round, done) })
		}
	}
	return func() (err error) {
		close(done)
		writing.Wait()
		for range nodes * *writers {
			err = errors.Join(err, <-failed)
		}
		return err
	}
}

// account checks that everything acknowledged is on every node once, and in an order that could have been.
func (s *storm) account(ctx context.Context, h *history) error {
	if err := s.net.Settled(ctx, "in"); err != nil {
		return err
	}
	for _, id := range three {
		if err := h.everywhere(ctx, s.net.Node(id)); err != nil {
			return err
		}
	}
	_, err := h.linearizable()
	return err
}

// TestNothingAcknowledgedIsLostInAStorm lets faults loose one after the other.
func TestNothingAcknowledgedIsLostInAStorm(t *testing.T) {
	places := newPlaces(t) // which end after what runs in them
	n := nodetest.Network(t, binary)
	s := &storm{t: t, net: n, places: places, random: rand.New(rand.NewPCG(*seed, 1)), clients: make([]*api.Client, nodes), done: map[string]int{}}
	n.Places = s.places.place
	for i, id := range three {
		if err := n.Add(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if err := s.client(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Voters(t.Context(), "in"); err != nil {
		t.Fatal(err)
	}
	for i := range *faults {
		if err := s.round(i); err != nil {
			t.Fatalf("fault %d, seed %d: %v", i, *seed, err)
		}
	}
	slices.Sort(s.failovers)
	at := func(share float64) time.Duration {
		return s.failovers[min(int(share*float64(len(s.failovers))), len(s.failovers)-1)].Round(time.Millisecond)
	}
	if known := func(f fault) bool { return f.name == *only }; *only != "" && !slices.ContainsFunc(kinds, known) {
		t.Errorf("no kind of fault is named %q", *only)
	}
	t.Logf("%d faults, %d acknowledged and accounted for, in order; from a fault until something asked for after it is acknowledged, anywhere: median %s, p99 %s; seed %d", *faults, s.acknowledged, at(0.5), at(0.99), *seed)
	t.Logf("by kind: %v", s.done)
}
