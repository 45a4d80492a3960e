package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"vigil/crypto"
	"vigil/ledger"
)

// ask asks every member at once what it remembers of this node.
func (c *Cluster) ask(ctx context.Context, own []byte) map[crypto.NodeID]rememberedWire {
	ctx, cancel := context.WithTimeout(ctx, rememberWait)
	defer cancel()
	targets := c.known()
	type said struct {
		id crypto.NodeID
		w  rememberedWire
		ok bool
	}
	answers := make(chan said, len(targets))
	for _, id := range targets {
		go func() {
			a := said{id: id}
			raw, err := c.Post(ctx, id, "/cluster/remembers", own)
			a.ok = err == nil && ledger.Unmarshal(raw, &a.w, answerBytes) == nil
			answers <- a
		}()
	}
	out := map[crypto.NodeID]rememberedWire{}
	for range targets {
		if a := <-answers; a.ok {
			out[a.id] = a.w
		}
	}
	return out
}

// known are the other nodes that this one can ask.
func (c *Cluster) known() []crypto.NodeID {
	var out []crypto.NodeID
	if g := c.roster(); g != nil {
		for i := range g.Agencies {
			out = append(out, g.Agencies[i].Node.Key.ID())
		}
	}
	for id := range c.cfg.Pins {
		if c.Member(id) && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return slices.DeleteFunc(out, func(id crypto.NodeID) bool { return id == c.self })
}

// electorate are the nodes of which a majority must have answered: raft's voters as this node knows them or, where it was
// shown a newer roster, that one's. There are none before it has a log.
func (c *Cluster) electorate() []crypto.NodeID {
	var out []crypto.NodeID
	if shown := c.shown(); shown != nil {
		for _, v := range shown.roster.Voters() {
			a, _ := shown.roster.Agency(v)
			out = append(out, a.Node.Key.ID())
		}
		return out
	}
	for _, s := range c.servers() {
		if id, err := crypto.ParseNodeID(string(s.ID)); err == nil && s.Suffrage == raft.Voter {
			out = append(out, id)
		}
	}
	return out
}

// hearing asks once and judges what is said. It is true once this node may take part.
func (c *Cluster) hearing(ctx context.Context) (bool, error) {
	now, err := c.durable()
	if err != nil {
		return false, nil // a log that cannot be read has its own end
	}
	voters, known := c.electorate(), c.known()
	answers := c.ask(ctx, signStanding(now, c.cfg.Key))
	recent, agree := false, 0
	for id, a := range answers {
		if slices.Contains(voters, id) {
			agree++
		}
		if was, err := openStanding(a.Remembered, c.self, now.Origin); err == nil && now.behind(was) {
			return false, fmt.Errorf("%w: %s remembers that it was at %s, here is %s", ErrRolledBack, c.named(id), was, now)
		}
		other, err := openStanding(a.Other, c.self, now.Origin)
		if err != nil || other.Instance == c.instance.id || a.Age >= uint64(twinPatience.Milliseconds()) {
			continue
		}
		recent = true
		c.mu.Lock()
		lives := c.goesOn(id, other, now)
		c.mu.Unlock()
		if lives && earlier(other, now) {
			return false, fmt.Errorf("%w: %s hears it, too", ErrTwin, c.named(id))
		}
	}
	if recent && time.Since(c.instance.started) < 2*twinPatience { // it was killed a moment ago, or lives
		return false, nil
	}
	if slices.Contains(voters, c.self) {
		agree++
	}
	if len(voters) == 0 {
		return len(known) == 0 || len(answers) > 0, nil
	}
	return agree > len(voters)/2, nil
}

func (c *Cluster) named(id crypto.NodeID) string {
	if g := c.roster(); g != nil {
		if owner, ok := g.NodeOwner(id); ok {
			return string(owner)
		}
	}
	return "node " + id.Short()
}

// hearings asks until this node may take part, or must not.
func (c *Cluster) hearings(ctx context.Context) error {
	for c.Unheard() != nil && !c.Halted() {
		ok, err := c.hearing(ctx)
		if err != nil {
			return err
		}
		if ok {
			close(c.heard)
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(rememberEvery):
		}
	}
	return nil
}

// alone says whether raft would go on without anybody: a sole voter, which no closed door keeps from leading.
func (c *Cluster) alone() bool {
	v := c.electorate()
	return len(v) == 1 && v[0] == c.self
}

// firstHearing asks before raft is there. Where nobody answers yet, because all start at once, raft begins behind a closed
// door and the asking goes on.
func (c *Cluster) firstHearing() error {
	for again := time.Tick(rememberEvery); ; <-again {
		ok, err := c.hearing(context.Background())
		if err != nil {
			return err
		}
		if ok {
			close(c.heard)
			return nil
		}
		if !c.alone() || time.Since(c.instance.started) > 3*twinPatience { // where its own log cannot be read, raft says so
			return nil
		}
	}
}

// farewell tells the others that this process ends, so that the next one with this key need not wait.
func (c *Cluster) farewell() {
	if c.Halted() || c.Unheard() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellWait)
	defer cancel()
	var all sync.WaitGroup
	for _, id := range c.known() {
		all.Go(func() {
			w := c.height(id)
			w.Leaves = true
			_, _ = c.Post(ctx, id, "/cluster/height", ledger.Marshal(w)) // who is away hears nothing
		})
	}
	all.Wait()
}

// tellBack gives a node that does not know this one its own word.
func (c *Cluster) tellBack(ctx context.Context, id crypto.NodeID) {
	if r, ok := c.memory.of(id); ok {
		if _, err := c.Post(ctx, id, "/cluster/remembered", r.raw); err != nil && !strings.Contains(err.Error(), "not this node's word") {
			c.cfg.Log.Debug("a node that does not know this one did not take its own word", "node", id.Short(), "error", err)
		}
	}
}
