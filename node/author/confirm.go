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
	case a.confirms <- confirmation{receipt: receipt, by: receipt.Acknowledged.Add(a.cfg.Within)}:
	default: // a backlog of confirmations is bounded; the periodic root comparison still covers what is passed over
	}
}

type confirmation struct {
	receipt Receipt
	by      time.Time
}

// confirmAll watches until ctx ends that what was acknowledged appears in the own replica within ten seconds.
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

func (a *Author) confirm(ctx context.Context, c confirmation) {
	wait, cancel := context.WithDeadline(ctx, c.by)
	defer cancel()
	if err := a.cfg.Ledger.Wait(wait, c.receipt.Index+1); err != nil {
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
