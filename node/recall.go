package node

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/recall"
	"vigil/node/board"
	"vigil/node/duty"
)

const (
	recallsAtOnce = 2_000            // in one look
	recallRetry   = 30 * time.Second // where an audience cannot be written to now: its link is suspended
)

// answerRecalls is the duty to answer, for this agency, every recall of an alert that it holds.
type answerRecalls struct{ n *Node }

// Name implements duty.Duty.
func (answerRecalls) Name() string { return "answer recalls" }

// Owed implements duty.Duty. An answer goes to whoever the retraction was sealed to; audiences that cannot be written to
// now get theirs when they can.
func (d answerRecalls) Owed(ctx context.Context, _ time.Time) ([]duty.Owed, time.Time, error) {
	if !d.n.mayAnswer() {
		return nil, time.Now().Add(time.Second), nil
	}
	names, err := d.n.board.OwedAudiences(ctx)
	if err != nil || len(names) == 0 {
		return nil, time.Time{}, err
	}
	owed, err := d.n.board.OwedRecalls(ctx, d.n.reachable(names), recallsAtOnce)
	if err != nil {
		return nil, time.Time{}, err
	}
	events, err := d.answers(ctx, owed)
	return events, time.Now().Add(recallRetry), err
}

// answers packs what is owed: one event for each author and audience.
func (d answerRecalls) answers(ctx context.Context, owed []board.OwedRecall) ([]duty.Owed, error) {
	type group struct {
		home     ledger.Origin
		author   ledger.AgencyID
		exercise bool
		to       string
	}
	packed := map[group]*recall.Answered{}
	var order []group
	for _, x := range owed {
		derived, err := d.n.board.Derived(ctx, x.Key, x.Rows)
		if err != nil {
			return nil, err
		}
		g := group{x.Key.Home, x.Key.Author, x.Exercise, audienceText(d.n.withSelf(x.To))}
		if packed[g] == nil {
			packed[g], order = &recall.Answered{Home: g.home, Author: g.author, Exercise: g.exercise}, append(order, g)
		}
		packed[g].Answers = append(packed[g].Answers, recall.Answer{Recall: recall.Recall{Alert: x.Key.Event, Retraction: x.Retraction}, Derived: derived})
	}
	var out []duty.Owed
	for _, g := range order {
		e, err := packed[g].Normal().Encode(ledger.EventID{})
		if err != nil {
			return nil, err
		}
		e.ID = ledger.EventIDFor(d.n.id.Agency, "recall.answered "+g.to+" "+answersKey(&e))
		out = append(out, duty.Owed{Audience: audienceFrom(g.to), Event: e})
	}
	return out, nil
}

// answersKey names the recalls that are answered, whatever is counted.
func answersKey(e *ledger.Event) string {
	key := bytes.Clone(e.Shared)
	for i := range e.Count() {
		key = append(key, e.Row(i)[:32]...)
	}
	return string(key)
}

func audienceText(names []ledger.AudienceName) string {
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = string(n)
	}
	return strings.Join(words, " ")
}

func audienceFrom(text string) []ledger.AudienceName {
	var out []ledger.AudienceName
	for _, word := range strings.Fields(text) {
		out = append(out, ledger.AudienceName(word))
	}
	return out
}

// retellRecalls is the duty to tell those of our retractions who could open the alert and were not told: their link was
// suspended, or the alert was released to them meanwhile. What is told again is told to all, so that all see all answers.
type retellRecalls struct{ n *Node }

// Name implements duty.Duty.
func (retellRecalls) Name() string { return "tell recalls again" }

// Owed implements duty.Duty.
func (d retellRecalls) Owed(ctx context.Context, _ time.Time) ([]duty.Owed, time.Time, error) {
	if !d.n.mayAnswer() {
		return nil, time.Now().Add(time.Second), nil
	}
	names, err := d.n.board.UntoldAudiences(ctx)
	if err != nil || len(names) == 0 {
		return nil, time.Time{}, err
	}
	stored, err := d.n.board.Untold(ctx, d.n.reachable(names), recallsAtOnce)
	if err != nil {
		return nil, time.Time{}, err
	}
	var out []duty.Owed
	for i := range stored {
		again, err := d.again(ctx, &stored[i])
		if err != nil {
			return nil, time.Time{}, err
		}
		out = append(out, again)
	}
	return out, time.Now().Add(recallRetry), nil
}

func (d retellRecalls) again(ctx context.Context, s *board.Stored) (duty.Owed, error) {
	fact, err := alert.Decode(&s.Event)
	r, ok := fact.(*alert.Retracted)
	if err != nil || !ok {
		return duty.Owed{}, fmt.Errorf("node: a retraction cannot be read back: %w", err)
	}
	a, err := d.n.board.One(ctx, alert.ID{Key: r.Target}.String())
	if err != nil {
		return duty.Owed{}, err
	}
	holders, unknown, err := d.n.board.Holders(ctx, a.Origin, a.Position.Index)
	if err != nil {
		return duty.Owed{}, err
	}
	to := d.n.RecallAudience(holders, unknown)
	e, err := r.Encode(ledger.EventIDFor(d.n.id.Agency, "alert.retracted again "+hex.EncodeToString(s.Event.ID[:])+" "+audienceText(to)))
	return duty.Owed{Audience: to, Event: e}, err
}

// mayAnswer says whether this node is its agency's writer, and its board has all that its ledger has: what it has written
// itself is never written again.
func (n *Node) mayAnswer() bool {
	state := n.store.State()
	if state == nil {
		return false
	}
	owner, ok := state.Governance.NodeOwner(n.keys.Node.Public().ID())
	return ok && owner == n.id.Agency && n.board.Position(n.id.Origin) >= n.Size()
}

// reachable returns the audiences that can be written to now.
func (n *Node) reachable(names []ledger.AudienceName) []ledger.AudienceName {
	state := n.store.State()
	return slices.DeleteFunc(slices.Clone(names), func(name ledger.AudienceName) bool {
		_, _, err := state.Recipient(name)
		return err != nil
	})
}

// withSelf returns at most as many audiences as an entry may have, ourselves among them where we belong to none of them.
func (n *Node) withSelf(names []ledger.AudienceName) []ledger.AudienceName {
	self := ledger.AudienceName(n.id.Agency)
	if !slices.ContainsFunc(names, func(name ledger.AudienceName) bool { return n.reads(name, n.id.Agency) }) {
		names = append([]ledger.AudienceName{self}, names...)
	}
	out := slices.Clone(names[:min(len(names), ledger.MaxAudiences)])
	slices.Sort(out)
	return out
}

// rosterOf returns the roster of a jurisdiction as this node has it; nil where it has none.
func (n *Node) rosterOf(j ledger.JurisdictionID) *ledger.Governance {
	state := n.store.State()
	if state == nil {
		return nil
	}
	if j == n.id.Origin.Jurisdiction() {
		return state.Governance
	}
	if link, ok := state.Governance.PartnerOf(j); ok {
		return state.Partners[link.Card.Origin].Mirror.Governance
	}
	return nil
}

// reads says whether an agency can open what is sealed to an audience now.
func (n *Node) reads(name ledger.AudienceName, agency ledger.AgencyID) bool {
	if id, single := name.Agency(); single {
		return id == agency
	}
	g := n.rosterOf(name.Jurisdiction())
	if g == nil {
		return false
	}
	a, ok := g.Audience(name)
	return ok && slices.Contains(a.Members, agency)
}

// RecallAudience implements api.Node: the audiences of the alert that can be written to now, and by name each holder that
// belongs to none of them any more. Where those are too many, everyone of their jurisdictions.
func (n *Node) RecallAudience(holders []board.Holder, unknown []ledger.AudienceName) []ledger.AudienceName {
	names := slices.Clone(unknown)
	for _, h := range holders {
		names = append(names, h.By)
	}
	slices.Sort(names)
	names = n.reachable(slices.Compact(names))
	single, wide := slices.Clone(names), slices.Clone(names)
	for _, h := range holders {
		if slices.ContainsFunc(single, func(name ledger.AudienceName) bool { return n.reads(name, h.Agency) }) {
			continue
		}
		single = append(single, n.reachable([]ledger.AudienceName{ledger.AudienceName(h.Agency)})...)
		wide = append(wide, n.reachable([]ledger.AudienceName{ledger.Everyone(h.Agency.Jurisdiction())})...)
	}
	if len(single) >= ledger.MaxAudiences {
		slices.Sort(wide)
		single = slices.Compact(wide)
	}
	return n.withSelf(single)
}

// RemovedSince implements api.Node.
func (n *Node) RemovedSince(h board.Holder) bool {
	g := n.rosterOf(h.Agency.Jurisdiction())
	if g == nil {
		return false // nothing is known of it
	}
	a, ok := g.Agency(h.Agency)
	return !ok || h.Since > 0 && a.Joined > h.Since
}
