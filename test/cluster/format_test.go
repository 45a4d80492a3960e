package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// TestAClusterOfTwoFormats: nodes are upgraded one by one under load, the format is raised while one still runs the older
// binary, which stops there, says so and stays readable, and has everything once it is upgraded; a partner follows once it
// has raised its own.
func TestAClusterOfTwoFormats(t *testing.T) {
	n := start(t, "in/a", "in/b", "in/c", "uk/a")
	if err := n.Connect(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	a, b, c, uk := n.Node("in/a"), n.Node("in/b"), n.Node("in/c"), n.Node("uk/a")
	newer := nodetest.Built(t, nodetest.Vigil, "-tags", "vigil_next") // it knows one format more
	upgrade := func(x *network.Node) {
		t.Helper()
		x.Stop()
		x.Upgrade(newer)
		restart(t, x)
		if err := network.Eventually(t.Context(), 30*time.Second, func() error { return x.Lab(t.Context()) }); err != nil {
			t.Fatal(err)
		}
	}
	both := []string{"in/*", "uk/*"}
	w := &written{}

	refusal := refusalOf(t, func() error {
		_, err := a.Operator.RaiseFormat(t.Context(), api.Format{Format: ledger.StateFormat + 1})
		return err
	})
	if refusal.Status != http.StatusConflict || refusal.Code != "format" {
		t.Errorf("an old binary proposes: %v", refusal)
	}

	stop := w.load(t, "rolling", both, c.Work)
	w.more(t, 50)
	upgrade(a)
	w.more(t, 50)
	upgrade(b)
	w.more(t, 50)
	stop()
	proposal, err := a.Operator.RaiseFormat(t.Context(), api.Format{Format: ledger.StateFormat + 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := network.Eventually(t.Context(), 20*time.Second, func() error {
		var refusal *api.Refusal
		if _, err := c.Operator.Approve(t.Context(), proposal.ID); !errors.As(err, &refusal) || refusal.Code != "format" {
			return fmt.Errorf("the old binary's approval: %w", err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}

	stop = w.load(t, "raised", both, a.Work, b.Work)
	w.more(t, 50)
	if err := n.Approve(t.Context(), "in/b", proposal.ID); err != nil {
		t.Fatal(err)
	}
	formats := func(x *network.Node) (own, binary uint64, problems string) {
		s, err := x.Operator.Status(t.Context())
		if err != nil {
			return 0, 0, err.Error()
		}
		for _, l := range s.Ledgers {
			if l.Own {
				own = l.Format
			}
		}
		return own, s.Format, fmt.Sprint(s.Problems)
	}
	if err := network.Eventually(t.Context(), 20*time.Second, func() error {
		own, binary, problems := formats(c)
		if own == 0 || binary != ledger.StateFormat || // no higher where the raise shares a command with what only the next binary may judge
			!strings.Contains(problems, "upgrade vigil on this node") {
			return fmt.Errorf("format %d, binary %d: %s", own, binary, problems)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	w.more(t, 100) // the others go on
	stop()
	refusal = refusalOf(t, func() error {
		_, err := c.Work.Raise(t.Context(), "old", api.RaiseAlert{Signals: network.RandomSignals()})
		return err
	})
	if refusal.Status != http.StatusServiceUnavailable || refusal.Code != "upgrade" {
		t.Errorf("a write on the old binary: %d %s", refusal.Status, refusal.Code)
	}
	if page, err := c.Work.Alerts(t.Context(), api.ListQuery{}); err != nil || len(page.Alerts) == 0 {
		t.Errorf("reads on the old binary: %v", err)
	}

	// A restart changes nothing; an upgrade mends it.
	c.Kill()
	restart(t, c)
	if err := network.Eventually(t.Context(), 20*time.Second, func() error {
		if _, _, problems := formats(c); !strings.Contains(problems, "upgrade vigil on this node") {
			return errors.New(problems)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	upgrade(c)
	settled(t, n, "in")
	for _, x := range []*network.Node{a, b, c} {
		w.check(t, x)
	}

	// The partner goes on where it has raised its own format.
	upgrade(uk)
	if _, err := uk.Operator.RaiseFormat(t.Context(), api.Format{Format: ledger.StateFormat + 1}); err != nil {
		t.Fatal(err)
	}
	settled(t, n, "in", "uk")
	w.check(t, uk)
}
