package node

import (
	"context"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/node/api"
	"vigil/node/match"
)

// CloseAccessSegment closes the access log's open segment now.
func (n *Node) CloseAccessSegment(ctx context.Context) error { return n.access.CloseSegment(ctx) }

// WriteThrough lets the API write through another author. It is for a node that does not run yet.
func (n *Node) WriteThrough(wrap func(api.Author) api.Author) error {
	c, err := n.apiConfig()
	if err != nil {
		return err
	}
	c.Author = wrap(c.Author)
	return n.answerBy(c)
}

// FirstCode is the code of FirstLink, of a node that is not ready either.
func (n *Node) FirstCode(ctx context.Context) string {
	code, _, _ := n.api.FirstRun(ctx)
	return code
}

// SetSpaceFloor says how many bytes of the disk stay free. The node must not run yet.
func (n *Node) SetSpaceFloor(bytes uint64) { n.floor = bytes }

// Agreed is the time by the clock in the middle.
var Agreed = agreed

// Govern signs an act with this node's agency and commits it.
func (n *Node) Govern(ctx context.Context, act any) error {
	_, err := n.author.Govern(ctx, act)
	return err
}

// Governance is the roster as this node has it.
func (n *Node) Governance() *ledger.Governance { return n.store.State().Governance }

// Withhold makes a node of this configuration, when it leads, pretend never to have got some entries.
func (c *Config) Withhold(f func(ledger.Entry) bool) { c.lies.Withhold = f }

// Pretend makes a node of this configuration, when it leads, acknowledge some entries and write none of them.
func (c *Config) Pretend(f func(ledger.Entry) bool) { c.lies.Pretend = f }

// Tail makes a node of this configuration, when it leads, show a follower another raft command than the one it writes.
func (c *Config) Tail(f func(to crypto.NodeID, command []byte) []byte) { c.lies.Tail = f }

// Promise makes receipts of a node of this configuration promise other than ten seconds.
func (c *Config) Promise(within time.Duration) { c.within = within }

// SetUnheard says after what time without a word this node swaps a voter.
func (n *Node) SetUnheard(d time.Duration) { n.unheard.Store(int64(d)) }

// Idle makes a node of this configuration say that it follows partners, and not do so.
func (c *Config) Idle() { c.idles = true }

// Falsify changes what a node of this configuration sends to partners.
func (c *Config) Falsify(f func(*ledger.MirrorBatch)) { c.falsify = f }

// Filed says whether the index holds a fingerprint.
func (n *Node) Filed(s alert.Signal) bool {
	x := n.finder.index.Load()
	if x == nil {
		return false
	}
	has, err := x.Has(&s)
	return err == nil && has
}

// SavedRefs returns how many fingerprints the saved index has.
func (n *Node) SavedRefs() (int, error) {
	x, _, err := match.OpenFile(n.finder.path, n.finder.key)
	if err != nil {
		return 0, err
	}
	return x.Size().Refs, nil
}

// SavedHas says whether the saved index has a fingerprint.
func (n *Node) SavedHas(s alert.Signal) (bool, error) {
	x, _, err := match.OpenFile(n.finder.path, n.finder.key)
	if err != nil {
		return false, err
	}
	return x.Has(&s)
}

// Alike returns how many fingerprints of what is watched are compared with alerts.
func (n *Node) Alike() int { return n.watching.index.Load().Size().Refs }

// LateAnswers counts whose answers to expungements of this agency are overdue at a time.
func (n *Node) LateAnswers(now time.Time) int { return n.lateAnswers(now) }

// TestKeys are a running node's keys: tests lie with them.
func (n *Node) TestKeys() Keys { return n.keys }

// TakeThird gives a node a checkpoint of another ledger as if a partner had passed it on.
func (n *Node) TakeThird(from string, signed []byte) { peerSink{n}.Third(ledger.Origin(from), signed) }

// TestState is what a node's replica holds.
func (n *Node) TestState() *ledger.State { return n.store.State() }

// Settle moves a folded ledger to where a node keeps it.
var Settle = settle
