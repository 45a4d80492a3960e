package cluster

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
)

// referralIs waits until a node says so of a referral.
func referralIs(t *testing.T, n *network.Node, id, what string, holds func(r api.Referral) bool) api.Referral {
	t.Helper()
	var got api.Referral
	err := network.Eventually(t.Context(), 40*time.Second, func() error {
		if err := n.Lab(t.Context()); err != nil {
			return err
		}
		var err error
		if got, err = n.Work.Referral(t.Context(), id); err == nil && !holds(got) {
			err = errors.New("not yet")
		}
		return err
	})
	if err != nil {
		t.Fatalf("%s: %s: %v: %+v", n.Agency, what, err, got)
	}
	return got
}

func heldBy(agency, state string) func(api.Referral) bool {
	return func(r api.Referral) bool { return r.Holder == agency && r.State == state }
}

func move(t *testing.T, n *network.Node, id string, m api.MoveReferral) {
	t.Helper()
	if _, err := n.Work.MoveReferral(t.Context(), "", id, m); err != nil {
		t.Fatalf("%s by %s: %v", m.Move, n.Agency, err)
	}
}

func TestAReferralHasOneHolderAcrossACutBorder(t *testing.T) {
	ctx := t.Context()
	n := start(t, "in/a", "in/b", "in/c")
	if err := n.Add(ctx, "uk/x"); err != nil {
		t.Fatal(err)
	}
	if err := n.Connect(ctx, "in", "uk"); err != nil {
		t.Fatal(err)
	}
	a, b, x := n.Node("in/a"), n.Node("in/b"), n.Node("uk/x")
	w, err := a.Work.OpenReferral(ctx, "o", api.OpenReferral{Kind: "investigation", To: "uk/x", Also: []string{"in/b"}, Title: "t"})
	if err != nil {
		t.Fatal(err)
	}
	settled(t, n, "in", "uk")

	// Behind a cut border both sides go on: it is accepted abroad, and given to another at home. Nobody abroad believes that
	// they hold it.
	n.Cut(true)
	move(t, x, w.ID, api.MoveReferral{Move: "accept"})
	move(t, a, w.ID, api.MoveReferral{Move: "transfer", To: "in/b"})
	referralIs(t, b, w.ID, "offered", func(r api.Referral) bool { return r.Offered == "in/b" })
	move(t, b, w.ID, api.MoveReferral{Move: "accept"})
	referralIs(t, x, w.ID, "accepted, and not released", heldBy("in/a", "handover"))
	referralIs(t, a, w.ID, "accepted at home", heldBy("in/b", "accepted"))
	n.Cut(false)
	for _, node := range []*network.Node{a, b, x} {
		referralIs(t, node, w.ID, "one holder, and what was said abroad without effect", func(r api.Referral) bool {
			stale := 0
			for _, e := range r.Timeline {
				if e.Author == "uk/x" && e.Move == "accept" && e.Effect != "" {
					stale++
				}
			}
			return heldBy("in/b", "accepted")(r) && stale == 1
		})
	}

	// It crosses the border by two acceptances; the second is given without anyone asking.
	move(t, b, w.ID, api.MoveReferral{Move: "transfer", To: "uk/x"})
	referralIs(t, x, w.ID, "offered", func(r api.Referral) bool { return r.Offered == "uk/x" })
	move(t, x, w.ID, api.MoveReferral{Move: "accept"})
	for _, node := range []*network.Node{a, b, x} {
		referralIs(t, node, w.ID, "handed over", heldBy("uk/x", "accepted"))
	}
	escalatedThroughFailOver(t, n)
}

// escalatedThroughFailOver lets the leader die before a deadline passes: that it has passed is said once, and seen by all.
func escalatedThroughFailOver(t *testing.T, n *network.Network) {
	t.Helper()
	a := n.Node("in/a")
	due := time.Now().Add(3 * time.Second)
	w, err := a.Work.OpenReferral(t.Context(), "late", api.OpenReferral{Kind: "take-down", To: "uk/x", Also: []string{"in/b"}, Title: "t", Due: &due})
	if err != nil {
		t.Fatal(err)
	}
	gone := leader(t, n, "in/a")
	gone.Kill()
	restart(t, gone)
	for _, id := range []ledger.AgencyID{"in/a", "in/b", "uk/x"} {
		r := referralIs(t, n.Node(id), w.ID, "escalated", func(r api.Referral) bool { return r.Deadline != nil && r.Deadline.Escalated != "" })
		said := ""
		for _, e := range r.Timeline {
			if e.Move == "escalate" {
				said += fmt.Sprintf("%s %q; ", e.Author, e.Effect)
			}
		}
		if r.Deadline.Escalated != "in/a" || !r.Deadline.Overdue || said != `in/a ""; in/a ""; ` { // to acknowledge, and to accept
			t.Errorf("%s sees %+v: %s", id, r.Deadline, said)
		}
	}
}
