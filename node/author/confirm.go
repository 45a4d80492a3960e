package author

import (
	"context"
	"time"

	"vigil/ledger"
)

// committed answers a group's callers and sees to it that the own replica shows the leaf too: the leader's yes
// acknowledges, the replica confirms.
func (a *Author) committed(s signedGroup, result ledger.Result) {
	receipt := Receipt{
		Index: result.Index, Leaf: ledger.LeafHash(s.entry.Leaf), Writer: a.cfg.Writer, Sequence: s.sequence,
		AuthoredAt: s.at.UnixMilli(), Acknowledged: time.Now(),
	}
	for _, r := range s.group.requests {
		r.done <- outcome{receipt: receipt}
		receipt.First += uint32(r.rows)
	}
	select {
	case a.confirms <- confirmation{receipt}:
	default: // a backlog of confirmations is bounded; the periodic root comparison still covers what is passed over
	}
}

type confirmation struct {
	receipt Receipt
}

// confirmAll watches until ctx ends that what was acknowledged appears in the own replica.
func (a *Author) confirmAll(ctx context.Context) error {
	for {
		var c confirmation
		select {
		case <-ctx.Done():
			return nil
		case c = <-a.confirms:
		}
		a.confirm(ctx, c)
	}
}

// arrives waits until the own replica has the entry. It is false where the deadline of the receipt is over and the replica
// has stood still for as long as a receipt gives, while it heard of the leader all the time: one that is cut off, or whose
// disk is slow, is behind without anybody's lie.
func (a *Author) arrives(ctx context.Context, r Receipt) bool {
	size, since := a.cfg.Ledger.State().Size(), r.Acknowledged
	for ctx.Err() == nil && time.Since(since) < a.cfg.Within {
		look, cancel := context.WithTimeout(ctx, min(confirmLook, a.cfg.Within-time.Since(since)))
		err := a.cfg.Ledger.Wait(look, r.Index+1)
		cancel()
		if err == nil {
			return true
		}
		if now := a.cfg.Ledger.State().Size(); now != size || !a.cfg.Ledger.Heard() {
			size, since = now, time.Now()
		}
	}
	return false
}

func (a *Author) confirm(ctx context.Context, c confirmation) {
	if !a.arrives(ctx, c.receipt) {
		if ctx.Err() == nil {
			a.cfg.Late("an acknowledged entry did not reach this replica in time", c.receipt)
		}
		return
	}
	index, leaf, ok, err := a.cfg.Ledger.Committed(c.receipt.Writer, c.receipt.Sequence)
	if err != nil || !ok || index != c.receipt.Index || leaf != c.receipt.Leaf {
		a.cfg.Late("this replica holds another entry than the one acknowledged", c.receipt)
	}
}
