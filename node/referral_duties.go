package node

import (
	"context"
	"slices"
	"time"

	"vigil/ledger"
	"vigil/ledger/referral"
	"vigil/node/duty"
)

const (
	owedAtOnce = 64               // referrals that a duty takes in one look
	alarmLook  = 15 * time.Second // deadlines are looked at so often: a checkpoint that dates one is no change
)

// escalations says of deadlines that they have passed.
type escalations struct{ n *Node }

func (escalations) Name() string { return "escalate referrals" }

// Owed implements duty.Duty.
func (e escalations) Owed(ctx context.Context, now time.Time) ([]duty.Owed, time.Time, error) {
	again := now.Add(alarmLook)
	if ready, _ := e.n.Ready(); !ready {
		return nil, again, nil // what answered in time may be among what this node has not followed yet
	}
	at := agreed(now, e.n.clocks(now))
	late, next, err := e.n.board.Alarms(ctx, at, owedAtOnce)
	if err != nil {
		return nil, again, err
	}
	if wait := next.Sub(at); !next.IsZero() && wait < alarmLook {
		again = now.Add(wait)
	}
	var owed []duty.Owed
	table := e.n.board.Timetable()
	for i := range late {
		r := late[i].Object
		for _, d := range r.Deadlines(table, late[i].Dates) {
			if !d.Overdue(at) || d.Escalated.Origin != "" {
				continue
			}
			event, err := r.Escalate(e.n.id.Agency, &d)
			if err == nil {
				owed, err = e.n.owe(ctx, owed, r, event)
			}
			if err != nil {
				return nil, again, err
			}
		}
	}
	return owed, again, nil
}

// releases hands over what this agency holds and what was accepted abroad, unless the policy leaves that to people.
type releases struct{ n *Node }

func (releases) Name() string { return "release referrals" }

// Owed implements duty.Duty.
func (d releases) Owed(ctx context.Context, _ time.Time) (owed []duty.Owed, again time.Time, err error) {
	if d.n.board.Timetable().ManualRelease() {
		return nil, again, nil
	}
	accepted, err := d.n.board.HandedOver(ctx, owedAtOnce)
	for i := range accepted {
		var event ledger.Event
		if event, err = accepted[i].Object.ReleaseOwed(d.n.id.Agency); err == nil {
			owed, err = d.n.owe(ctx, owed, accepted[i].Object, event)
		}
		if err != nil {
			break
		}
	}
	return owed, again, err
}

// owe adds an event on a referral to what is owed, unless it is written.
func (n *Node) owe(ctx context.Context, owed []duty.Owed, r *referral.Referral, event ledger.Event) ([]duty.Owed, error) {
	_, written, err := n.board.ByEvent(ctx, n.id.Agency, event.ID)
	if err != nil || written {
		return owed, err
	}
	readers := slices.DeleteFunc(r.Opened.Readers(r.Opener), func(name ledger.AudienceName) bool { return n.HasLeft(ledger.AgencyID(name)) })
	return append(owed, duty.Owed{Audience: readers, Event: event}), nil
}

// HasLeft implements api.Node.
func (n *Node) HasLeft(agency ledger.AgencyID) bool {
	state := n.store.State()
	if state == nil {
		return false
	}
	g := state.Governance
	if j := agency.Jurisdiction(); j != n.id.Origin.Jurisdiction() {
		link, linked := g.PartnerOf(j)
		if !linked {
			return false
		}
		g = n.governanceOf(link.Card.Origin)
	}
	if g == nil {
		return false // their roster has not arrived
	}
	_, member := g.Agency(agency)
	return !member
}

// clockHeard is how old another node's word on the time may be.
const clockHeard = time.Minute

// clocks are how far the other nodes' clocks are ahead of ours.
func (n *Node) clocks(now time.Time) []time.Duration {
	var out []time.Duration
	for _, h := range n.cluster.Heights() {
		if now.Sub(h.Heard) < clockHeard {
			out = append(out, h.Clock)
		}
	}
	return out
}

// agreed is the time by the clock in the middle of ours and those of the others: less than half of them cannot move it out
// of what the others say. Of two the earlier counts, since what was said too early cannot be taken back.
func agreed(now time.Time, ahead []time.Duration) time.Time {
	all := append([]time.Duration{0}, ahead...)
	slices.Sort(all)
	return now.Add(all[(len(all)-1)/2])
}
