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
	a.cfg.Promises.Made(receipt)
	for _, r := range s.group.requests {
		r.done <- outcome{receipt: receipt}
		receipt.First += uint32(r.rows)
	}
	select {
	case a.confirms <- confirmation{receipt, receipt.Acknowledged}:
	default:
		a.cfg.Promises.Settled(receipt) // a backlog of confirmations is bounded; the periodic root comparison still covers what is passed over
	}
}

type confirmation struct {
	receipt Receipt
	since   time.Time // when this process learned of it
}

type noPromises struct{}

func (noPromises) Made(Receipt)    {}
func (noPromises) Settled(Receipt) {}
func (noPromises) Open() []Receipt { return nil }
func (noPromises) Sync()           {}

// confirmAll watches until ctx ends that what was acknowledged appears in the own replica: first what an earlier process was
// told, and had not seen when it ended.
func (a *Author) confirmAll(ctx context.Context) error {
	began := time.Now()
	for _, r := range a.earlier {
		a.confirm(ctx, confirmation{r, began})
	}
	a.earlier = nil
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
// has stood still for as long as a receipt gives, while it heard of one leader all the time: one that is cut off, or whose
// disk is slow, is behind without anybody's lie, and where one leader follows the other none comes to tell it.
func (a *Author) arrives(ctx context.Context, c confirmation) bool {
	size, since, r := uint64(0), c.since, c.receipt
	if state := a.cfg.Ledger.State(); state != nil {
		size = state.Size()
	}
	term, _ := a.cfg.Ledger.Heard()
	for ctx.Err() == nil && time.Since(since) < a.cfg.Within {
		look, cancel := context.WithTimeout(ctx, min(confirmLook, a.cfg.Within-time.Since(since)))
		err := a.cfg.Ledger.Wait(look, r.Index+1)
		cancel()
		if err == nil {
			return true
		}
		a.cfg.Promises.Sync()
		now := size
		if state := a.cfg.Ledger.State(); state != nil {
			now = state.Size()
		}
		leads, heard := a.cfg.Ledger.Heard()
		if now != size || !heard || leads != term {
			size, term, since = now, leads, time.Now()
		}
	}
	return false
}

func (a *Author) confirm(ctx context.Context, c confirmation) {
	if !a.arrives(ctx, c) {
		if ctx.Err() == nil {
			a.cfg.Late("an acknowledged entry did not reach this replica in time", c.receipt)
			a.cfg.Promises.Settled(c.receipt)
		}
		return
	}
	index, leaf, ok, err := a.cfg.Ledger.Committed(c.receipt.Writer, c.receipt.Sequence)
	if err != nil || !ok || index != c.receipt.Index || leaf != c.receipt.Leaf {
		a.cfg.Late("this replica holds another entry than the one acknowledged", c.receipt)
	}
	a.cfg.Promises.Settled(c.receipt)
}
