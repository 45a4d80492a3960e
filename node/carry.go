package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/node/author"
	"vigil/node/store"
)

const (
	// maxCarriedBytes bounds the events that one entry carries; the rest comes in the next.
	maxCarriedBytes = 1<<20 + 192<<10
	rowOverhead     = 40 // bytes of a carried row beside what it says: its hash, or its salt, with their framing
)

// named is an entry of our ledger that another is to name, opened.
type named struct {
	index   ledger.Index
	leaf    []byte
	rec     *ledger.Record
	payload *ledger.Payload
}

// openNamed opens the entry to be released or expunged. This agency must hold it.
func (n *Node) openNamed(index ledger.Index) (named, error) {
	if n.store.State() == nil {
		return named{}, errNotYet
	}
	if index >= n.Size() {
		return named{}, refuse(http.StatusNotFound, "not-found", fmt.Sprintf("no entry %d in %s", index, n.id.Origin), "'vigil ledger status' shows the sizes; entries of partners are theirs to release")
	}
	e, _, _, err := n.store.Entry(n.id.Origin, index)
	if errors.Is(err, store.ErrAbsent) {
		return named{}, refuse(http.StatusGone, "expunged", fmt.Sprintf("entry %d was expunged", index), "what was left of it stays with those who had it")
	}
	if err != nil {
		return named{}, err
	}
	rec, err := e.Open()
	if err != nil {
		return named{}, err
	}
	if rec.Kind != ledger.KindSealed {
		return named{}, refuse(http.StatusConflict, "no-target", fmt.Sprintf("entry %d is no sealed entry but a %s", index, rec.Kind), "name the entry in which it was written first")
	}
	p, err := n.opener.Open(rec, e.Payload)
	if errors.Is(err, crypto.ErrNotForUs) {
		return named{}, refuse(http.StatusConflict, "not-held", fmt.Sprintf("entry %d is not sealed to this agency, or to an epoch whose key it does not hold", index), "ask "+string(rec.Author)+", who wrote it")
	}
	return named{index, e.Leaf, rec, p}, err
}

// wholeEvents returns the rows of the events in which the rows named lie, event by event; all events where none is named.
func (x *named) wholeEvents(leaves []uint32) ([][]int, error) {
	var out [][]int
	first, used := uint32(0), 0
	for i := range x.payload.Events {
		count := uint32(x.payload.Events[i].Count())
		inside := 0
		for _, leaf := range leaves {
			if leaf >= first && leaf < first+count {
				inside++
			}
		}
		if used += inside; inside > 0 || len(leaves) == 0 {
			rows := make([]int, count)
			for r := range rows {
				rows[r] = int(first) + r
			}
			out = append(out, rows)
		}
		first += count
	}
	if used != len(leaves) {
		return nil, refuse(http.StatusNotFound, "not-found", fmt.Sprintf("entry %d has the rows 0 to %d", x.index, first-1), "'vigil ledger show' shows its events in order")
	}
	return out, nil
}

// mayName says whether this agency may write an entry of a kind that names another, or how it may.
func (n *Node) mayName(kind ledger.Kind, x *named) error {
	if x.rec.Author == n.id.Agency || len(n.store.State().Governance.Decided(kind, x.index, ledger.LeafHash(x.leaf), n.id.Agency)) > 0 {
		return nil
	}
	return refuse(http.StatusForbidden, "not-author", fmt.Sprintf("%s wrote entry %d: only that agency may, or this one once the members have decided it", x.rec.Author, x.index), "ask "+string(x.rec.Author)+", or propose it to the members with --propose")
}

// Release implements api.Node: it releases the events of an entry in which the rows named lie to further audiences, or
// proposes that.
func (n *Node) Release(ctx context.Context, index ledger.Index, leaves []uint32, to []ledger.AudienceName, propose bool) (author.Receipt, error) {
	x, err := n.openNamed(index)
	if err != nil {
		return author.Receipt{}, err
	}
	events, err := x.wholeEvents(leaves)
	if err == nil {
		err = n.releasable(ctx, &x, events, to)
	}
	if err != nil {
		return author.Receipt{}, err
	}
	to = slices.Clone(to)
	slices.Sort(to)
	to = slices.Compact(to)
	if propose {
		return n.propose(ctx, &ledger.Release{Target: index, Leaf: ledger.LeafHash(x.leaf), Rows: rowNumbers(events, len(leaves) == 0), Audiences: to})
	}
	if err := n.mayName(ledger.KindRelease, &x); err != nil {
		return author.Receipt{}, err
	}
	if x.rec.Author != n.id.Agency {
		if err := n.asDecided(&x, events, to); err != nil {
			return author.Receipt{}, err
		}
	}
	return n.carry(ctx, ledger.KindRelease, &x, events, n.withSelf(to))
}

// rowNumbers is what a proposal names; all rows are none.
func rowNumbers(events [][]int, all bool) []uint64 {
	out := []uint64{}
	if all {
		return out
	}
	for _, rows := range events {
		for _, r := range rows {
			out = append(out, uint64(r))
		}
	}
	return out
}

// asDecided refuses what the members did not decide about another's entry.
func (n *Node) asDecided(x *named, events [][]int, to []ledger.AudienceName) error {
	for _, a := range n.store.State().Governance.Decided(ledger.KindRelease, x.index, ledger.LeafHash(x.leaf), n.id.Agency) {
		outside := func(r uint64) bool { return len(a.Rows) > 0 && !slices.Contains(a.Rows, r) }
		elsewhere := func(name ledger.AudienceName) bool { return !slices.Contains(a.Audiences, name) }
		if !slices.ContainsFunc(rowNumbers(events, false), outside) && !slices.ContainsFunc(to, elsewhere) {
			return nil
		}
	}
	return refuse(http.StatusForbidden, "not-decided", "the members decided another release of this entry: of other rows, or to others", "'vigil agency list' shows what is open; propose this one with --propose")
}

// releasable refuses a release that says nothing new, or that what is released forbids.
func (n *Node) releasable(ctx context.Context, x *named, events [][]int, to []ledger.AudienceName) error {
	if err := n.Sealable(to); err != nil {
		return err
	}
	earlier, err := n.board.ReleasesOf(ctx, n.id.Origin, x.index)
	if err != nil {
		return err
	}
	for _, name := range to {
		ref, _, err := n.store.State().Recipient(name)
		if err != nil {
			return err
		}
		if slices.Contains(x.rec.Audience, ref) {
			return refuse(http.StatusConflict, "twice", fmt.Sprintf("entry %d is sealed to %s already", x.index, name), "")
		}
		for _, r := range earlier {
			if r.Audience == name && r.Epoch == ref.Epoch && n.carries(r.Entry, events) {
				return refuse(http.StatusConflict, "twice", fmt.Sprintf("entry %d released it to %s already", r.Entry, name), "'vigil ledger release --list' shows them")
			}
		}
	}
	for _, rows := range events {
		if err := x.mayLeave(rows[0], to); err != nil {
			return err
		}
	}
	return nil
}

// carries says whether an entry carries all rows of events already.
func (n *Node) carries(index ledger.Index, events [][]int) bool {
	e, _, _, err := n.store.Entry(n.id.Origin, index)
	if err != nil {
		return false
	}
	rec, err := e.Open()
	if err != nil {
		return false
	}
	p, err := n.opener.Open(rec, e.Payload)
	if err != nil {
		return false
	}
	have := map[uint32]bool{}
	for i := range p.Events {
		if _, _, found, err := ledger.OpenCarried(&p.Events[i]); err == nil {
			for _, x := range found {
				have[x.First] = true
			}
		}
	}
	return !slices.ContainsFunc(events, func(rows []int) bool { return !have[uint32(rows[0])] })
}

// mayLeave refuses what its own handling keeps to named recipients.
func (x *named) mayLeave(leaf int, to []ledger.AudienceName) error {
	fact, err := alert.Decode(x.eventAt(leaf))
	c, ok := fact.(alert.Cause)
	if err != nil || !ok {
		return nil
	}
	h := alert.DetailsOf(c).Handling
	for _, name := range to {
		if h.TLP == alert.Red && !slices.Contains(h.Release, name) {
			return refuse(http.StatusConflict, "handling", fmt.Sprintf("it is marked TLP:RED for named recipients, and %s is none of them", name), "raise it anew with another handling")
		}
	}
	return nil
}

// carry writes entries of a kind that carry events of the one they name, as many as they need. What was written before an
// error stands: asked again, it is said to be there.
func (n *Node) carry(ctx context.Context, kind ledger.Kind, x *named, events [][]int, to []ledger.AudienceName) (author.Receipt, error) {
	var last author.Receipt
	for len(events) > 0 {
		show, taken := x.fit(events)
		carried, err := ledger.CarryEvent(n.id.Origin, x.index, x.leaf, x.payload, show)
		if err != nil {
			return last, err
		}
		r, err := n.author.Name(ctx, kind, x.index, to, []ledger.Event{carried})
		if err != nil {
			return last, err
		}
		last, events = r, events[taken:]
	}
	return last, nil
}

// fit returns the rows of as many of the first events as one entry can carry, at least of one.
func (x *named) fit(events [][]int) (show []int, taken int) {
	size := x.payload.Leaves()*rowOverhead + len(x.leaf)
	for _, rows := range events {
		e := x.eventAt(rows[0])
		size += len(e.Shared) + len(e.Rows) + len(e.Type) + 3*rowOverhead
		if taken > 0 && size > maxCarriedBytes {
			break
		}
		show, taken = append(show, rows...), taken+1
	}
	return show, taken
}

func (x *named) eventAt(leaf int) *ledger.Event {
	for i := range x.payload.Events {
		if leaf < x.payload.Events[i].Count() {
			return &x.payload.Events[i]
		}
		leaf -= x.payload.Events[i].Count()
	}
	return nil
}
