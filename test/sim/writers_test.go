package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/node/author"
	"vigil/node/board"
)

// write is one event that an agency has asked for.
type write struct {
	by       *node
	event    ledger.Event
	audience []ledger.AudienceName
	raised   bool // an alert; otherwise what somebody says of one

	// guarded by world.mu
	acknowledged bool
	receipt      author.Receipt
	told         *process // who got the acknowledgement
}

func (x *write) key() alert.Key {
	return alert.Key{Home: x.by.side.origin, Author: x.by.member.ID, Event: x.event.ID}
}

// write has an agency write, now and then, until ctx ends.
func (n *node) write(ctx context.Context, p *process) error {
	for {
		n.w.mu.Lock()
		wait := time.Duration(n.w.pick(int(2*n.w.rate/time.Millisecond))) * time.Millisecond
		n.w.mu.Unlock()
		if pause(ctx, wait) != nil {
			return nil
		}
		if n.w.quiet() || p.store.State() == nil {
			continue
		}
		x, err := n.next()
		if err != nil {
			return err
		}
		n.submit(ctx, p, x)
	}
}

// submit asks until it is acknowledged or the process ends; some of those whose outcome is unknown are asked for again, with
// the same id, by whoever comes after.
func (n *node) submit(ctx context.Context, p *process, x *write) {
	r, err := p.author.Submit(ctx, x.audience, []ledger.Event{x.event})
	switch {
	case err == nil:
		n.w.mu.Lock()
		x.acknowledged, x.receipt, x.told = true, r, p
		n.w.mu.Unlock()
	case errors.Is(err, author.ErrUnknown), errors.Is(err, author.ErrBusy), ctx.Err() != nil:
	case errors.Is(err, ledger.ErrNoAudience), errors.Is(err, ledger.ErrStaleEpoch), p.store.Failed() != nil, errors.Is(err, author.ErrNotMember):
		n.w.note("%s: not written: %v", n.member.ID, err)
	default:
		n.w.fail("%s: not written: %v", n.member.ID, err)
	}
}

// next makes an event: mostly an alert, else what this agency says of one that is acknowledged, or an earlier write whose
// outcome nobody knows.
func (n *node) next() (*write, error) {
	w := n.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.writes) > 0 && w.pick(10) == 0 {
		if x := w.writes[w.pick(len(w.writes))]; x.by == n && !x.acknowledged {
			return x, nil
		}
	}
	n.written++
	id := ledger.EventIDFor("sim", fmt.Sprintf("%s %d", n.member.ID, n.written))
	x := &write{by: n, audience: n.audience()}
	var err error
	if x.event, x.raised, err = n.event(id, x); err != nil {
		return nil, err
	}
	w.writes = append(w.writes, x)
	w.events[id] = x
	return x, nil
}

// audience is one of: the jurisdiction, it and the partner, the agency itself; world.mu is held.
func (n *node) audience() []ledger.AudienceName {
	home := ledger.Everyone(n.side.origin.Jurisdiction())
	switch n.w.pick(8) {
	case 0:
		return []ledger.AudienceName{ledger.AudienceName(n.member.ID)}
	case 1, 2, 3:
		return []ledger.AudienceName{home}
	}
	out := []ledger.AudienceName{}
	for _, s := range n.w.sides {
		out = append(out, ledger.Everyone(s.origin.Jurisdiction()))
	}
	return out
}

func (n *node) event(id ledger.EventID, x *write) (e ledger.Event, raised bool, err error) {
	w := n.w
	if len(w.writes) > 0 && w.pick(3) == 0 {
		if of := w.writes[w.pick(len(w.writes))]; of.raised && of.acknowledged && len(of.audience) > 1 {
			x.audience = of.audience
			verdict := []alert.Verdict{alert.Confirms, alert.Disputes, alert.Withdraws}[w.pick(3)]
			e, err = (&alert.Assessed{Target: of.key(), Rows: alert.RowSet{0}, Verdict: verdict}).Encode(id)
			return e, false, err
		}
	}
	sum := sha256.Sum256(id[:])
	signal := alert.Signal{Algorithm: alert.SHA256, Value: sum[:]}
	e, err = alert.Raise{
		Event: id, Details: alert.Details{Title: "sim " + id.String(), Handling: alert.Handling{TLP: alert.Amber}}.Normal(), File: alert.File{Signals: []alert.Signal{signal}},
	}.Decide(alert.View{Agency: n.member.ID})
	return e, true, err
}

// sees says whether an agency is in the audience of a write.
func (x *write) sees(n *node) bool {
	return slices.Contains(x.audience, ledger.AudienceName(n.member.ID)) ||
		slices.Contains(x.audience, ledger.Everyone(n.side.origin.Jurisdiction()))
}

// shown is what a board shows of an alert.
type shown struct {
	at   place
	text string
}

// picture is what a board shows of each alert, by its id.
func picture(b *board.Board) (map[alert.Key]shown, error) {
	out := map[alert.Key]shown{}
	for a, err := range b.Export(context.Background(), 0) {
		if err != nil {
			return nil, err
		}
		if _, twice := out[a.ID.Key]; twice {
			return nil, fmt.Errorf("alert %s stands there twice", a.ID)
		}
		out[a.ID.Key] = shown{place{a.Origin, a.Position.Index}, fmt.Sprintf("%d of %d, %d dispute", a.Standing, a.Agencies, a.Disputes)}
	}
	return out, nil
}
