package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/node/author"
	"vigil/node/cluster"
	"vigil/node/cosign"
)

// beLiar makes a node, with the keys of a member, lie where it leads: of what others write it withholds some, and says of some
// that it is committed and drops it. What was acknowledged like that may be missing, if whoever wrote it notices; nothing
// else changes: nobody differs, nothing else is lost, and once it tells the truth again all is well.
func (w *world) beLiar(n *node) {
	w.liar = n
	lie := func(e ledger.Entry, of byte) bool {
		rec, err := e.Open()
		if err != nil || rec.Author == n.member.ID || w.quiet() || rec.Kind != ledger.KindSealed {
			return false
		}
		leaf := ledger.LeafHash(e.Leaf)
		return leaf[0]%8 == of // the same whenever it is asked again
	}
	n.lies = cluster.Lies{
		Withhold: func(e ledger.Entry) bool { return lie(e, 0) },
		Pretend:  func(e ledger.Entry) bool { return lie(e, 1) },
	}
}

// missed is told of what was acknowledged and did not come: only a liar's doing.
func (w *world) missed(n *node, reason string, r author.Receipt) {
	if w.liar == nil || w.liar.side != n.side {
		w.alarm("%s: author: %s (entry %d)", n.member.ID, reason, r.Index)
		return
	}
	w.note("%s misses entry %d, which was acknowledged", n.member.ID, r.Index)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late[r.Leaf] = true
}

// missedWithin is how long a node that is well may take to miss what was acknowledged, with cuts in between.
const missedWithin = 3 * time.Minute

// excused says whether a write that was acknowledged may be missing: whoever wrote it has missed it, or its process ended
// before it could. What a process waits for is not on its disk; whoever asked has the receipt. world.mu is held.
func (w *world) excused(x *write) bool {
	if w.liar == nil || w.liar.side != x.by.side {
		return false
	}
	p := x.told
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	return w.late[x.receipt.Leaf] || !p.ended.IsZero() && p.ended.Sub(x.receipt.Acknowledged) < missedWithin
}

// equivocate has the liar show others, now and then, a checkpoint of a history that is none, under a key that has signed the one
// that is. Whoever has that one must refuse it, and can prove it to anybody.
func (p *process) equivocate(ctx context.Context) error {
	w, others := p.n.w, p.n.side
	for {
		w.mu.Lock()
		wait, to := time.Duration(w.pick(int(time.Minute/time.Millisecond)))*time.Millisecond, w.pick(1<<16)
		w.mu.Unlock()
		if pause(ctx, wait) != nil {
			return nil
		}
		members := others.members()
		if n := members[to%len(members)]; n != p.n && !w.quiet() {
			p.show(ctx, n)
		}
	}
}

// show shows one node another history than the newest that the liar has signed.
func (p *process) show(ctx context.Context, to *node) {
	w, at := p.n.w, to.live()
	signed, err := p.store.Latest(p.n.side.origin)
	if err != nil || signed == nil || at == nil {
		return
	}
	cp, _, err := ledger.ParseSigned(signed)
	if err != nil {
		w.fail("%s: %v", p.n.member.ID, err)
		return
	}
	other := cp
	other.Root[0] ^= 1
	line, err := ledger.Cosign(other, p.n.member.ID, p.own.checkpoint, time.Now())
	if err != nil {
		w.fail("%s: %v", p.n.member.ID, err)
		return
	}
	lie := ledger.Assemble(other, line)
	knows := at.provable(lie) != nil && at.store.Size(cp.Origin) >= cp.Size // a node keeps what lies ahead until it has come there
	ask, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err = p.cluster.Post(ask, to.id(), "/checkpoint", lie)
	// One that has much to do may not have looked at it: it says 503, to whoever asks.
	judged := knows && to.live() == at && errors.Is(err, cluster.ErrRemote) && !strings.Contains(err.Error(), "503")
	switch {
	case err == nil:
		w.fail("%s takes a checkpoint that one signed, of another history", to.member.ID)
	case judged && !strings.Contains(err.Error(), cosign.ErrNotOurs.Error()):
		w.fail("%s does not notice another history: %v", to.member.ID, err)
	case judged && !w.hasProof(at, lie):
		w.fail("%s keeps no proof of another history", to.member.ID)
	}
}

func (w *world) hasProof(p *process, of []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.proofs[proof{p, string(of)}]
}

// provable returns a portable proof that whoever signed a checkpoint of another history has signed the one that is, too; nil
// where that cannot be shown with what is here.
func (p *process) provable(signed []byte) *ledger.Fork {
	state := p.store.State()
	if state == nil {
		return nil
	}
	keys := state.Governance.CheckpointKeys()
	cp, theirs, err := ledger.VerifyCosignatures(signed, keys)
	if err != nil || len(theirs) != 1 {
		return nil
	}
	kept, err := p.store.Checkpoint(cp.Origin, cp.Size)
	if err != nil || kept == nil {
		return nil
	}
	_, ours, err := ledger.VerifyCosignatures(kept, keys)
	if err != nil || !slices.ContainsFunc(ours, func(c ledger.Cosignature) bool { return c.Agency == theirs[0].Agency && c.Key == theirs[0].Key }) {
		return nil
	}
	return ledger.ProveFork(theirs[0].Agency, theirs[0].Key, kept, signed)
}

// contradicted is told of a checkpoint of another history: only the liar's.
func (w *world) contradicted(p *process, signed []byte) {
	_, theirs, err := ledger.VerifyCosignatures(signed, p.store.State().Governance.CheckpointKeys())
	if err != nil || w.liar == nil || slices.ContainsFunc(theirs, func(c ledger.Cosignature) bool { return c.Agency != w.liar.member.ID }) {
		w.alarm("%s: cosign: another history, signed by %v: %v", p.n.member.ID, theirs, err)
		return
	}
	what := "equivocation, noticed"
	if f := p.provable(signed); f != nil {
		what = "equivocation, proved"
		if r := ledger.VerifyFork(f.Encode(), nil); slices.ContainsFunc(r.Checks, func(c ledger.Check) bool { return c.Outcome == ledger.Failed }) {
			w.fail("%s: the proof of another history does not hold: %v", p.n.member.ID, r.Checks)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[what]++
	w.proofs[proof{p, string(signed)}] = true
}

// accused hears what cosigning says of whom.
func (w *world) accused(n *node, reason, who string) {
	if w.liar != nil && w.liar.side == n.side && strings.Contains(reason, "fewer than a quorum") {
		return // contradicted looks at who it was
	}
	w.alarm("%s: cosign: of %s: %s", n.member.ID, who, reason)
}
