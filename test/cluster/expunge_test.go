package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// TestExpungedAtHomeAndAbroad: by the command people type, under load, while one node at home is down and the border is cut:
// an alert that partners have too. In the end no file of any node of either jurisdiction holds its bytes, every holder has
// answered, proofs made before hold, and what comes back from a stop or joins anew does not have it.
func TestExpungedAtHomeAndAbroad(t *testing.T) {
	n := start(t, "in/a", "in/b", "in/c", "uk/a", "uk/b")
	if err := n.Connect(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	a, c := n.Node("in/a"), n.Node("in/c")
	both := []string{"in/*", "uk/*"}
	eventually := func(what string, f func() error) {
		t.Helper()
		if err := network.Eventually(t.Context(), 60*time.Second, f); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	signals := network.RandomSignals()
	one, err := a.Work.Raise(t.Context(), "one", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: "to be expunged"}, Signals: signals, Audience: both})
	if err != nil {
		t.Fatal(err)
	}
	lookUp := func(x *network.Node, want int) func() error {
		return func() error {
			r, err := x.LookUp(t.Context(), signals)
			if err == nil && len(r.Results[0].Alerts) != want {
				err = fmt.Errorf("%d alerts", len(r.Results[0].Alerts))
			}
			return err
		}
	}
	for _, id := range n.Order() {
		eventually(string(id)+" has it", lookUp(n.Node(id), 1))
	}
	var bundle []byte
	eventually("a bundle", func() (err error) { bundle, err = a.Work.Bundle(t.Context(), one.ID); return err })
	c.Stop() // whose ledger is on its disk then, not in raft's log alone
	payload := nodetest.Payloads(t, c.Config, one.Index)[0]
	for _, id := range n.Order() {
		eventually("it is on the disk of "+string(id), func() error {
			if len(filesWith(t, n.Node(id).Config.Dir, payload)) == 0 {
				return errors.New("not yet")
			}
			return nil
		})
	}

	w := &written{}
	stop := w.load(t, "load", both, n.Node("in/b").Work)
	w.more(t, 20)
	n.Cut(true)
	order := filepath.Join(t.TempDir(), "order.txt")
	if err := os.WriteFile(order, []byte("by order of the court\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary, "ledger", "expunge", one.ID, "--order", order, "--authority", "High Court, WP 12", "--server", "unix://"+a.Config.SocketPath()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, id := range []ledger.AgencyID{"in/a", "in/b"} {
		eventually("gone at "+string(id), lookUp(n.Node(id), 0))
	}
	w.more(t, 20)
	n.Cut(false)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range n.Order() {
		eventually("gone at "+string(id), lookUp(n.Node(id), 0))
	}
	stop()
	eventually("every holder has answered", func() error {
		page, err := a.Work.Expungements(t.Context(), 0, 0)
		if err != nil {
			return err
		}
		if len(page.Expungements) != 1 || len(page.Expungements[0].Holders) != 5 {
			return fmt.Errorf("%+v", page)
		}
		for _, h := range page.Expungements[0].Holders {
			if h.State != "gone" {
				return fmt.Errorf("%s is %s", h.Agency, h.State)
			}
		}
		return nil
	})
	clean := func(when string) {
		t.Helper()
		for _, id := range n.Order() {
			if files := filesWith(t, n.Node(id).Config.Dir, payload); len(files) > 0 {
				t.Errorf("%s %s: still in %v", when, id, files)
			}
		}
	}
	clean("when all have answered,")
	if err := n.Settled(t.Context(), "in", "uk"); err != nil {
		t.Error(err)
	}
	raw, err := a.Work.Trust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	trust, err := ledger.ParseTrust(raw)
	if err != nil {
		t.Fatal(err)
	}
	if r := ledger.VerifyBundle(bundle, trust); !r.Verified {
		t.Errorf("a bundle made before: %+v", r.Checks)
	}

	// All stop and start; one is made anew.
	for _, id := range n.Order() {
		n.Node(id).Stop()
	}
	for _, id := range n.Order() {
		if err := n.Node(id).Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	old, err := n.Replace(t.Context(), "in/c")
	if err != nil {
		t.Fatal(err)
	}
	old.Stop()
	if old.Link != nil {
		old.Link.Close()
	}
	settled(t, n, "in")
	w.check(t, n.Node("in/c"))
	if err := lookUp(n.Node("in/c"), 0)(); err != nil {
		t.Error(err)
	}
	clean("after a start,")
	findings := 0
	if err := a.Work.Verify(t.Context(), func(l api.VerifyLine) {
		if l.Finding != "" {
			findings++
			t.Error(l.Finding)
		}
	}); err != nil {
		t.Error(err)
	}
}

func filesWith(t *testing.T, dir string, needle []byte) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // files come and go while nodes run
		}
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(b, needle) {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
