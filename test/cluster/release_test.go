package cluster

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/node/api"
)

// TestReleasedAcrossTheBorder: an alert that was for home alone is asked for abroad by its index, released, and read there
// with its author's own signature, on a board built anew too; what stands beside it in the same entry stays closed.
func TestReleasedAcrossTheBorder(t *testing.T) {
	n := start(t, "in/a", "in/b", "uk/a", "uk/b")
	if err := n.Connect(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	a, abroad := n.Node("in/a"), n.Node("uk/b")
	signals := network.RandomSignals()
	one, err := a.Work.Raise(t.Context(), "one", api.RaiseAlert{Signals: signals})
	if err != nil {
		t.Fatal(err)
	}
	eventually := func(what string, f func() error) {
		t.Helper()
		if err := network.Eventually(t.Context(), 30*time.Second, f); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	eventually("it is abroad as a hash", func() error {
		e, err := abroad.Work.Entry(t.Context(), one.Ledger, one.Index)
		if err == nil && !e.Bare {
			err = errors.New("it is there in full")
		}
		return err
	})
	if _, err := abroad.Work.AskRelease(t.Context(), "ask", api.AskRelease{Ledger: one.Ledger, Index: one.Index, Reason: "a case of ours"}); err != nil {
		t.Fatal(err)
	}
	eventually("the author sees the request", func() error {
		page, err := a.Work.Releases(t.Context(), "", 0, 0)
		if err == nil && (len(page.Asks) != 1 || page.Asks[0].State != "open" || page.Asks[0].By != "uk/b") {
			err = fmt.Errorf("%+v", page)
		}
		return err
	})
	if _, err := n.Node("in/b").Work.Release(t.Context(), api.Release{Alert: one.ID, To: []string{"uk/*"}}); err == nil {
		t.Error("who did not write it released it")
	}
	if _, err := a.Work.Release(t.Context(), api.Release{Alert: one.ID, To: []string{"uk/*"}}); err != nil {
		t.Fatal(err)
	}
	for _, x := range []*network.Node{n.Node("uk/a"), abroad} {
		eventually(string(x.Agency)+" reads it", func() error {
			found, err := x.LookUp(t.Context(), signals)
			if err == nil && len(found.Results[0].Alerts) != 1 {
				err = errors.New("nothing found")
			}
			return err
		})
	}
	got, err := abroad.Work.Alert(t.Context(), one.ID)
	if err != nil || got.Author != "in/a" || got.Ledger != one.Ledger || got.Index != one.Index {
		t.Fatalf("%+v %v", got, err)
	}
	if e, err := abroad.Work.Entry(t.Context(), one.Ledger, one.Index); err != nil || !e.Bare {
		t.Errorf("the mirror was changed behind its cursor: %+v %v", e, err)
	}
	eventually("both sides say that it was released", func() error {
		for _, x := range []*network.Node{a, abroad} {
			page, err := x.Work.Releases(t.Context(), one.Ledger, 0, 0)
			if err != nil {
				return err
			}
			if len(page.Releases) == 0 || page.Releases[0].Target != one.Index || page.Asks[0].State != "released" {
				return fmt.Errorf("%s: %+v", x.Agency, page)
			}
		}
		return nil
	})
	if err := network.Eventually(t.Context(), 30*time.Second, func() error {
		_, err := abroad.Work.Assess(t.Context(), "seen", one.ID, api.Assess{Verdict: "confirms", Basis: "examined"})
		return err
	}); err != nil {
		t.Error(err)
	}
	eventually("its author reads what they make of it", func() error {
		x, err := a.Work.Alert(t.Context(), one.ID)
		if err == nil && len(x.Timeline) < 2 {
			err = errors.New("not yet")
		}
		return err
	})
}
