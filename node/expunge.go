package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/expunge"
	"vigil/node/author"
	"vigil/node/board"
	"vigil/node/duty"
	"vigil/node/store"
)

const expungementsAtOnce = 200 // answered in one look

// remains are what is left of an entry of our ledger: its payload, or what the last expungement carries of it, with the orders
// that took the rest.
type remains struct {
	named
	carried *ledger.Event  // of the last expungement; nil where the payload is here
	orders  []ledger.Event // of the expungements before, carried
	shown   map[int]bool   // rows that are still there
}

// openRemains opens what is left of an entry.
func (n *Node) openRemains(index ledger.Index) (*remains, error) {
	_, gone, err := n.store.Gone(n.id.Origin, index)
	if err != nil {
		return nil, err
	}
	if !gone {
		x, err := n.openNamed(index)
		r := &remains{named: x, shown: map[int]bool{}}
		if err == nil {
			for row := range x.payload.Leaves() {
				r.shown[row] = true
			}
		}
		return r, err
	}
	return n.openLast(index)
}

// openLast opens the last expungement of an entry.
func (n *Node) openLast(index ledger.Index) (*remains, error) {
	names, err := n.store.Naming(n.id.Origin, index)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, by := range slices.Backward(names) {
		e, _, _, err := n.store.Entry(n.id.Origin, by)
		if errors.Is(err, store.ErrExpunged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		rec, err := e.Open()
		if err != nil {
			return nil, err
		}
		if rec.Kind != ledger.KindExpungement {
			continue
		}
		p, err := n.opener.Open(rec, e.Payload)
		if err != nil {
			return nil, refuse(http.StatusConflict, "not-held", fmt.Sprintf("entry %d was expunged, and what is left of it is not sealed to this agency", index), "ask "+string(rec.Author)+", who wrote entry "+fmt.Sprint(by))
		}
		return n.lastOf(index, by, e.Leaf, p)
	}
	return nil, refuse(http.StatusGone, "expunged", fmt.Sprintf("entry %d was expunged", index), "")
}

func (n *Node) lastOf(index, by ledger.Index, leaf []byte, p *ledger.Payload) (*remains, error) {
	r := &remains{shown: map[int]bool{}}
	r.index = index
	row := 0
	for i := range p.Events {
		e := &p.Events[i]
		if e.Type == expunge.TypeOrdered {
			order, err := ledger.CarryEvent(n.id.Origin, by, leaf, p, []int{row})
			if err != nil {
				return nil, err
			}
			r.orders = append(r.orders, order)
		}
		row += e.Count()
		c, rec, _, err := ledger.OpenCarried(e)
		switch {
		case err != nil:
		case c.Index != index:
			r.orders = append(r.orders, *e)
		default:
			r.carried, r.leaf, r.rec = e, c.Leaf, rec
			for i, row := range c.Rows {
				r.shown[i] = len(row.Hash) == 0
			}
		}
	}
	if r.carried == nil {
		return nil, refuse(http.StatusGone, "expunged", fmt.Sprintf("nothing is left of entry %d", index), "")
	}
	return r, nil
}

// Expunge implements api.Node: it deletes rows of an entry everywhere, by an order, or proposes that.
func (n *Node) Expunge(ctx context.Context, index ledger.Index, leaves []uint32, o expunge.Ordered, propose bool) (author.Receipt, error) {
	x, err := n.openRemains(index)
	if err != nil {
		return author.Receipt{}, err
	}
	rows, err := x.rowsToGo(leaves)
	if err != nil {
		return author.Receipt{}, err
	}
	o.Target, o.Rows = index, nil
	for _, r := range rows {
		o.Rows = append(o.Rows, uint64(r))
	}
	if err := o.Validate(); err != nil {
		return author.Receipt{}, err
	}
	if propose {
		return n.propose(ctx, &ledger.Expunge{Target: index, Leaf: ledger.LeafHash(x.leaf), Rows: o.Rows, Order: o.Order})
	}
	if err := n.mayName(ledger.KindExpungement, &x.named); err != nil {
		return author.Receipt{}, err
	}
	if x.rec.Author != n.id.Agency && !n.orderDecided(x, &o) {
		return author.Receipt{}, refuse(http.StatusForbidden, "not-decided", "the members decided another expungement of this entry: of other rows, or by another order", "'vigil agency list' shows what is open; propose this one with --propose")
	}
	events, err := n.expungement(x, rows, o)
	if err != nil {
		return author.Receipt{}, err
	}
	holders, unknown, err := n.board.Holders(ctx, n.id.Origin, index)
	if err != nil {
		return author.Receipt{}, err
	}
	return n.author.Name(ctx, ledger.KindExpungement, index, n.RecallAudience(holders, unknown), events)
}

// expungement returns the events of the entry: the order, what is left, and the orders before.
func (n *Node) expungement(x *remains, rows []int, o expunge.Ordered) ([]ledger.Event, error) {
	seed := fmt.Sprintf("expunge %d %v %x %s", x.index, o.Rows, o.Order, o.Authority)
	order, err := expunge.Codec.Encode(ledger.EventIDFor(n.id.Agency, seed), expunge.TypeOrdered, &o)
	if err != nil {
		return nil, err
	}
	events, left := []ledger.Event{order}, true
	var carried ledger.Event
	if x.carried != nil {
		carried, left, err = ledger.CarryLess(x.carried, rows)
	} else {
		var show []int
		for row := range x.payload.Leaves() {
			if !slices.Contains(rows, row) {
				show = append(show, row)
			}
		}
		if left = len(show) > 0; left {
			carried, err = ledger.CarryEvent(n.id.Origin, x.index, x.leaf, x.payload, show)
		}
	}
	if left {
		events = append(events, carried)
	}
	return append(events, x.orders...), err
}

// rowsToGo are the rows named, whole events but for lists of alerts; all that is still there where none is named.
func (x *remains) rowsToGo(leaves []uint32) ([]int, error) {
	spans, total := x.spans()
	gone := map[int]bool{}
	for _, leaf := range leaves {
		if !x.shown[int(leaf)] {
			return nil, refuse(http.StatusNotFound, "not-found", fmt.Sprintf("entry %d has no row %d, or it was expunged before", x.index, leaf), fmt.Sprintf("it had the rows 0 to %d", total-1))
		}
		s := spans[slices.IndexFunc(spans, func(s span) bool { return int(leaf) >= s.first && int(leaf) < s.first+s.count })]
		if s.kind == alert.TypeListed {
			s = span{first: int(leaf), count: 1}
		}
		for r := range s.count {
			gone[s.first+r] = true
		}
	}
	var out []int
	for row := range total {
		if x.shown[row] && (gone[row] || len(leaves) == 0) {
			out = append(out, row)
		}
	}
	return out, nil
}

// span is an event's place among the rows of its entry.
type span struct {
	first, count int
	kind         string
}

func (x *remains) spans() (out []span, total int) {
	if x.carried == nil {
		for i := range x.payload.Events {
			e := &x.payload.Events[i]
			out = append(out, span{total, e.Count(), e.Type})
			total += e.Count()
		}
		return out, total
	}
	c, _, events, _ := ledger.OpenCarried(x.carried) // lastOf has opened it
	for i := range events {
		out = append(out, span{int(events[i].First), events[i].Event.Count(), events[i].Event.Type})
	}
	return out, len(c.Rows)
}

// orderDecided says whether the members decided exactly this.
func (n *Node) orderDecided(x *remains, o *expunge.Ordered) bool {
	for _, a := range n.store.State().Governance.Decided(ledger.KindExpungement, x.index, ledger.LeafHash(x.leaf), n.id.Agency) {
		if a.Order == o.Order && slices.Equal(a.Rows, o.Rows) {
			return true
		}
	}
	return false
}

// answerExpungements is the duty to say, for this agency, that what was expunged is gone from its node: from the ledger, the
// board, the index of fingerprints and raft's log.
type answerExpungements struct{ n *Node }

// Name implements duty.Duty.
func (answerExpungements) Name() string { return "answer expungements" }

// Owed implements duty.Duty.
func (d answerExpungements) Owed(ctx context.Context, _ time.Time) ([]duty.Owed, time.Time, error) {
	owed, err := d.n.board.OwedExpungements(ctx, expungementsAtOnce)
	if err != nil || len(owed) == 0 {
		return nil, time.Time{}, err
	}
	if gone, err := d.n.purged(ctx); !gone || !d.n.mayAnswer() { // of what was read before this
		return nil, time.Now().Add(time.Second), err
	}
	var out []duty.Owed
	for i := range owed {
		x := &owed[i]
		if _, gone, err := d.n.store.Gone(x.Ledger, x.Object.Ordered.Target); err != nil || !gone {
			continue // it took no effect here
		}
		to := d.n.withSelf(d.n.reachable(audienceNames(x)))
		id := ledger.EventIDFor(d.n.id.Agency, "expunge.answered "+x.Key.ID(expunge.IDs)+" "+string(x.Key.Author))
		e, err := expunge.Codec.Encode(id, expunge.TypeAnswered, &expunge.Answered{Target: x.Key})
		if err != nil {
			return nil, time.Time{}, err
		}
		out = append(out, duty.Owed{Audience: to, Event: e})
	}
	return out, time.Now().Add(recallRetry), nil
}

// purged says whether nothing that was expunged by now is left on this node's disk.
func (n *Node) purged(ctx context.Context) (bool, error) {
	if n.cluster.Purged() < n.store.PurgeIndex() || !n.board.Emptied() {
		return false, nil
	}
	return n.finder.forgot(ctx)
}

func audienceNames(x *board.Expungement) []ledger.AudienceName {
	var out []ledger.AudienceName
	for _, name := range x.Audience {
		out = append(out, ledger.AudienceName(name))
	}
	return out
}

// lateAnswers counts the holders of what this agency expunged lately who have not said in time that it is gone.
func (n *Node) lateAnswers(now time.Time) int {
	page, _, err := n.board.Expungements(context.Background(), 0, 0)
	if err != nil {
		return 0 // while the board cannot be read
	}
	policy, _ := expunge.Section.In(n.policyInForce())
	late := 0
	for i := range page {
		x := &page[i]
		if x.Key.Author != n.id.Agency {
			continue
		}
		holders, _, err := n.board.Holders(context.Background(), x.Ledger, x.Object.Ordered.Target)
		if err != nil {
			continue
		}
		seen := map[ledger.AgencyID]bool{}
		for _, h := range holders {
			if state, _ := policy.Judge(x.Object, h.Agency, n.RemovedSince(h), x.NoLaterThan, now); state == expunge.Overdue && !seen[h.Agency] {
				late++
			}
			seen[h.Agency] = true
		}
	}
	return late
}
