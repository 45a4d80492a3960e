package main

import (
	"time"

	"vigil/ledger"
	"vigil/node/author"
	"vigil/node/cluster"
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
