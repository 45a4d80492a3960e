package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vigil/ledger"
	"vigil/node/api"
)

// swapTurns is into how many parts the time after which a voter counts as unheard is divided: each further voter proposes one
// such part later, so that one does.
const swapTurns = 24

// voterWatch swaps a voter that was not heard for a day for the next in roster order, and looks whether the others' swaps
// are of voters that this node did hear. It belongs to one goroutine.
type voterWatch struct {
	n       *Node
	started time.Time
	heard   map[ledger.AgencyID]time.Time // when each agency's node was heard last, as of the tick before
	seen    ledger.Index                  // the last swap that was looked at
}

// keepVoters runs it until ctx ends.
func (n *Node) keepVoters(ctx context.Context) error {
	w := &voterWatch{n: n, started: time.Now(), heard: map[ledger.AgencyID]time.Time{}}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		changed := n.store.Changed()
		if state := n.store.State(); state != nil {
			w.judge(state.Governance)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-tick.C:
			if state := n.store.State(); state != nil {
				w.propose(ctx, state.Governance, time.Now())
				w.note(state.Governance)
			}
		}
	}
	return nil
}

// note keeps when each was heard.
func (w *voterWatch) note(g *ledger.Governance) {
	heights := w.n.cluster.Heights()
	for i := range g.Agencies {
		if h, ok := heights[g.Agencies[i].Node.Key.ID()]; ok {
			w.heard[g.Agencies[i].ID] = h.Heard
		}
	}
}

// silent says for how long an agency's node has not been heard, as far as this process can know.
func (w *voterWatch) silent(id ledger.AgencyID, now time.Time) time.Duration {
	if id == w.n.id.Agency {
		return 0
	}
	last := w.started
	if h := w.heard[id]; h.After(last) {
		last = h
	}
	return now.Sub(last)
}

// propose writes a swap where one is due and it is this node's turn.
func (w *voterWatch) propose(ctx context.Context, g *ledger.Governance, now time.Time) {
	unheard := time.Duration(w.n.unheard.Load())
	swap, silent := dueSwap(g, unheard, now, func(id ledger.AgencyID) time.Duration { return w.silent(id, now) })
	if swap == nil {
		return
	}
	leader, _ := w.n.cluster.Leader()
	leads, _ := g.NodeOwner(leader)
	rank := slices.Index(swappers(g, leads), w.n.id.Agency)
	if rank < 0 || silent < unheard+time.Duration(rank)*unheard/swapTurns {
		return
	}
	if _, err := w.n.author.Govern(ctx, swap); err != nil && ctx.Err() == nil {
		w.n.log.Warn("a voter that is not heard was not swapped", "voter", swap.Out, "for", swap.In, "error", err)
		return
	}
	w.n.log.Warn("a voter was not heard for long: another votes in its place", "voter", swap.Out, "for", swap.In, "silent", silent.Round(time.Second))
}

// dueSwap returns the swap of the voter that was silent the longest, and for how long; none where the ledger would refuse
// it, or where the next in roster order is not heard either.
func dueSwap(g *ledger.Governance, unheard time.Duration, now time.Time, silent func(ledger.AgencyID) time.Duration) (swap *ledger.SwapVoter, longest time.Duration) {
	if g.Format < ledger.FormatVoters {
		return nil, 0
	}
	for _, last := range g.Swaps {
		if now.UnixMilli() < last.Authored+ledger.SwapEvery.Milliseconds() {
			return nil, 0
		}
	}
	for _, v := range g.Voters() {
		in, ok := g.NextVoter(v)
		if s := silent(v); ok && s >= unheard && s > longest && silent(in) < heardLately*time.Second {
			swap, longest = &ledger.SwapVoter{Out: v, In: in}, s
		}
	}
	return swap, longest
}

// swappers are who may make the next swap, in the order in which they try: whoever leads, then the other voters.
func swappers(g *ledger.Governance, leads ledger.AgencyID) []ledger.AgencyID {
	out := []ledger.AgencyID{leads}
	for _, v := range g.Voters() {
		if v != leads {
			out = append(out, v)
		}
	}
	return slices.DeleteFunc(out, func(id ledger.AgencyID) bool {
		return !slices.Contains(g.Voters(), id) || len(g.Swaps) > 0 && g.Swaps[0].By == id
	})
}

// freshSwap is how old a swap may be, by its author's word, for this node to say what it heard at that time.
const freshSwap = time.Minute

// judge looks at a swap that has just come: it is no member's word alone whether a voter was heard.
func (w *voterWatch) judge(g *ledger.Governance) {
	for _, s := range g.Swaps {
		age := time.Since(time.UnixMilli(s.Authored)).Abs()
		if s.At == w.seen || age > freshSwap {
			continue
		}
		w.seen = s.At
		if s.By == w.n.id.Agency {
			continue
		}
		if s.Out == w.n.id.Agency {
			w.n.alarm(string(s.By), fmt.Sprintf("it took the vote of this agency as unheard and gave it to %s, and this node runs: either %s does not reach it, or lies", s.In, s.By))
			continue
		}
		if last, ok := w.heard[s.Out]; ok && time.Since(last) < time.Duration(w.n.unheard.Load())/2 {
			w.n.alarm(string(s.By), fmt.Sprintf("it took the vote of %s as unheard and gave it to %s, and this node heard %s %.0f s ago: either %s does not reach it, or lies",
				s.Out, s.In, s.Out, time.Since(last).Seconds(), s.By))
		}
	}
}

// swapProblems says who lost its vote so and could have it back.
func swapProblems(g *ledger.Governance, nodes []api.NodeStatus) []api.NodeProblem {
	var out []api.NodeProblem
	for _, s := range g.Swaps {
		i := slices.IndexFunc(nodes, func(x api.NodeStatus) bool { return x.Agency == string(s.Out) })
		if i >= 0 && !nodes[i].Voter && nodes[i].Heard >= 0 && nodes[i].Heard <= heardLately {
			out = append(out, api.NodeProblem{
				Severity: "warning", What: fmt.Sprintf("%s was not heard and lost its vote to %s on %s; it is heard again", s.Out, s.In, time.UnixMilli(s.Authored).UTC().Format(time.DateOnly)),
				Fix: "to give it back, name the voters: vigil policy show, vigil policy propose",
			})
		}
	}
	return out
}
