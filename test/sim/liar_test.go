package main

import (
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
