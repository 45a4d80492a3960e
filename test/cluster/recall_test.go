package cluster

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
)

// states is what a node says of a recall, an agency a word.
func states(r api.Recall) string {
	var out []string
	for _, a := range r.Agencies {
		out = append(out, a.Agency+"="+a.State)
	}
	return strings.Join(out, " ")
}

// recallIs waits until a node says so of a recall.
func recallIs(t *testing.T, n *network.Node, id, want string) api.Recall {
	t.Helper()
	var got api.Recall
	err := network.Eventually(t.Context(), 40*time.Second, func() error {
		if err := n.Lab(t.Context()); err != nil {
			return err
		}
		var err error
		if got, err = n.Work.Recall(t.Context(), id); err == nil && states(got) != want {
			err = errors.New(states(got))
		}
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v, want %s", n.Agency, err, want)
	}
	return got
}

// proved checks that an answer is in the ledger of the agency that signed it, under the newest checkpoint a node has of it.
func proved(ctx context.Context, c *api.Client, a api.RecallAnswer) error {
	e, err := c.Entry(ctx, a.Ledger, a.Index)
	if err != nil {
		return err
	}
	p, err := c.Proof(ctx, a.Ledger, a.Index)
	if err != nil {
		return err
	}
	cp, _, err := ledger.ParseSigned([]byte(p.Checkpoint))
	if err != nil {
		return err
	}
	var path []tlog.Hash
	for _, text := range p.Path {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return err
		}
		path = append(path, tlog.Hash(b))
	}
	leaf, err := base64.StdEncoding.DecodeString(e.Leaf)
	if err != nil {
		return err
	}
	if e.Author != a.Agency || string(cp.Origin) != a.Ledger || e.Leaf != p.Leaf {
		return fmt.Errorf("an answer of %s in %s by %s", a.Agency, cp.Origin, e.Author)
	}
	return ledger.CheckInclusion(path, cp.Size, cp.Root, a.Index, tlog.Hash(leaf))
}

func TestARecallIsProvedByEveryHolderAtHomeAndAbroad(t *testing.T) {
	ctx := t.Context()
	n := start(t, "in/a", "in/b", "in/c", "in/d")
	for _, id := range []ledger.AgencyID{"uk/x", "uk/y"} {
		if err := n.Add(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Connect(ctx, "in", "uk"); err != nil {
		t.Fatal(err)
	}
	a, b, d, x := n.Node("in/a"), n.Node("in/b"), n.Node("in/d"), n.Node("uk/x")
	signals := network.RandomSignals()
	w, err := a.Work.Raise(ctx, "wrong", api.RaiseAlert{Signals: signals, Audience: []string{"in/*", "uk/*"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Work.AddWatched(ctx, "", api.AddWatched{WatchFacts: api.WatchFacts{Case: "c"}, Rows: [][]api.Signal{signals}}); err != nil {
		t.Fatal(err)
	}
	settled(t, n, "in", "uk")
	export, err := x.Work.BeginExport(ctx, "", api.BeginExport{Format: "csv"})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := x.Work.ExportAlerts(ctx, export.ID, api.ExportMore{}); err != nil || len(left.Alerts) != 1 {
		t.Fatalf("%+v %v", left, err)
	}

	// The border is cut and one agency is away: the others answer, and nobody is said to have answered who has not.
	n.Cut(true)
	d.Stop()
	if _, err := a.Work.Retract(ctx, "r", w.ID, api.Retract{Reason: "another file"}); err != nil {
		t.Fatal(err)
	}
	part := "in/a=done in/b=done in/c=done in/d=not-yet-heard uk/x=not-yet-heard uk/y=not-yet-heard"
	for _, id := range []ledger.AgencyID{"in/a", "in/b", "in/c"} {
		if r := recallIs(t, n.Node(id), w.ID, part); r.Complete || r.Expected != 6 || r.Done != 3 {
			t.Errorf("%+v", r)
		}
	}
	if answer, err := x.LookUp(ctx, signals); err != nil || answer.Results[0].Alerts[0].Standing != "asserted" {
		t.Errorf("beyond the cut border: %+v %v", answer, err)
	}

	restart(t, d)
	recallIs(t, a, w.ID, strings.Replace(part, "in/d=not-yet-heard", "in/d=done", 1))
	n.Cut(false)
	whole := "in/a=done in/b=done in/c=done in/d=done uk/x=done uk/y=done"
	for _, id := range n.Order() {
		r := recallIs(t, n.Node(id), w.ID, whole)
		if !r.Complete || r.Done != 6 || r.Late != 0 || r.Hits != 1 || r.Exports != 1 {
			t.Errorf("%s sees %+v", id, r)
		}
		for _, answer := range r.Agencies {
			if answer.Hits > 0 != (answer.Agency == "in/b") || answer.Exports > 0 != (answer.Agency == "uk/x") {
				t.Errorf("%s sees %+v", id, answer)
			}
			if err := network.Eventually(ctx, 20*time.Second, func() error { return proved(ctx, n.Node(id).Work, answer) }); err != nil {
				t.Errorf("%s cannot prove the answer of %s: %v", id, answer.Agency, err)
			}
		}
	}

	// What left with the wrong alert is told so, once.
	more, err := x.Work.BeginExport(ctx, "", api.BeginExport{Format: "csv", Since: export.ID})
	if err != nil {
		t.Fatal(err)
	}
	back, err := x.Work.ExportWithdrawals(ctx, more.ID, api.ExportMore{})
	if err != nil || len(back.Withdrawals) != 1 || back.Withdrawals[0].Alert != w.ID {
		t.Errorf("%+v %v", back, err)
	}
	once(t, n)
}

// once checks that each agency has written one answer, and no more.
func once(t *testing.T, n *network.Network) {
	t.Helper()
	settled(t, n, "in", "uk")
	for _, at := range []ledger.AgencyID{"in/b", "uk/x"} {
		c := n.Node(at).Work
		s, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, l := range s.Ledgers {
			for i := range l.Size {
				e, err := c.Entry(t.Context(), l.Origin, i)
				if err != nil {
					t.Fatal(err)
				}
				for _, x := range e.Events {
					if m, ok := x.(map[string]any); ok && m["type"] == "recall.answered" {
						seen[e.Author]++
					}
				}
			}
		}
		if len(seen) != 6 {
			t.Errorf("%s has answers of %v", at, seen)
		}
		for author, times := range seen {
			if times != 1 {
				t.Errorf("%s has %d answers of %s", at, times, author)
			}
		}
	}
}

// TestWhoLeftIsNotOverdue: an agency whose key was rotated answers still, and one that was removed is shown as removed; so
// the recall can be complete.
func TestWhoLeftIsNotOverdue(t *testing.T) {
	ctx := t.Context()
	n := start(t, three...)
	a, b, c := n.Node("in/a"), n.Node("in/b"), n.Node("in/c")
	wide, err := a.Work.Raise(ctx, "wide", api.RaiseAlert{Signals: network.RandomSignals()})
	if err != nil {
		t.Fatal(err)
	}
	named, err := a.Work.Raise(ctx, "named", api.RaiseAlert{Signals: network.RandomSignals(), Audience: []string{"in/a", "in/b", "in/c"}})
	if err != nil {
		t.Fatal(err)
	}
	settled(t, n, "in")
	rotation, err := b.Operator.RotateKey(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []ledger.AgencyID{"in/a", "in/c"} {
		if err := n.Approve(ctx, by, rotation.ID); err != nil {
			t.Fatal(err)
		}
	}
	epoch(t, n, "in/a", 3)
	c.Stop()
	for _, id := range []string{wide.ID, named.ID} {
		if err := network.Eventually(ctx, 40*time.Second, func() error { // while the next epoch is made it is asked again
			_, err := a.Work.Retract(ctx, "r-"+id, id, api.Retract{Reason: "another file"})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		recallIs(t, b, id, "in/a=done in/b=done in/c=not-yet-heard")
	}
	removal, err := a.Operator.Remove(ctx, api.Removal{Agency: "in/c"})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Approve(ctx, "in/b", removal.ID); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{wide.ID, named.ID} {
		for _, by := range []*network.Node{a, b} {
			if r := recallIs(t, by, id, "in/a=done in/b=done in/c=removed"); !r.Complete || r.Removed != 1 || r.Overdue != 0 {
				t.Errorf("%s: %+v", by.Agency, r)
			}
		}
	}
}
