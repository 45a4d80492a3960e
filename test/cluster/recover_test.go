package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
)

// typed runs a command as people type it and returns what it said and its exit code.
func typed(t *testing.T, args ...string) (string, int) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if ended != nil {
		return string(out), ended.ExitCode()
	}
	return string(out), 0
}

// written to a file, as a node's configuration.
func configFile(t *testing.T, c node.Config) string {
	t.Helper()
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "vigil.toml")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// recovers founds the successor from an agency's directory.
func recovers(t *testing.T, n *network.Network, x *network.Node) *network.Node {
	t.Helper()
	if _, err := n.Rebuild(t.Context(), x.Agency, func(c node.Config) error {
		if out, code := typed(t, "ledger", "recover", "--from", x.Config.Dir, "--config", configFile(t, c), "--dir", c.Dir); code != 0 {
			return fmt.Errorf("exit %d: %s", code, out)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if x.Link != nil {
		x.Link.Close()
	}
	return n.Node(x.Agency)
}

// whole waits until a node has read all of its ledgers, the old one to its end.
func whole(t *testing.T, x *network.Node, ledgers int) {
	t.Helper()
	if err := network.Eventually(t.Context(), 40*time.Second, func() error {
		s, err := x.Operator.Status(t.Context())
		if err != nil {
			return err
		}
		s.Ledgers = slices.DeleteFunc(s.Ledgers, func(l api.LedgerStatus) bool { return strings.HasPrefix(l.Origin, "uk/") })
		if len(s.Ledgers) != ledgers || strings.Contains(fmt.Sprint(s.Problems), "of the old ledger") {
			return fmt.Errorf("%d ledgers, %v", len(s.Ledgers), s.Problems)
		}
		for _, l := range s.Ledgers {
			if l.Board < l.Size || l.Size == 0 {
				return fmt.Errorf("%s: %d of %d are read", l.Origin, l.Board, l.Size)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// provedOld has the oldest alert, of the old ledger, proved under the trust that the node exports. The newest may have been acknowledged
// and not sealed by members.
func provedOld(t *testing.T, x *network.Node) {
	t.Helper()
	oldest, err := x.Work.Alerts(t.Context(), api.ListQuery{Sort: "oldest", Limit: 1})
	if err != nil || len(oldest.Alerts) == 0 {
		t.Fatalf("no alert of the old ledger: %v", err)
	}
	bundle, err := x.Work.Bundle(t.Context(), oldest.Alerts[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	exported, err := x.Operator.Trust(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	trust, err := ledger.ParseTrust(exported)
	if err != nil {
		t.Fatal(err)
	}
	if r := ledger.VerifyBundle(bundle, trust); r.Code() != 0 {
		t.Errorf("a bundle of the old ledger: %+v", r)
	}
}

// TestAMajorityIsGone: two of three voters burn under load. What is left is refused while a majority lives, and where the
// partner remembers more; the node that has everything founds a successor, in which the old is read and the new written;
// another agency comes over from its old directory, and the partner follows and still shows the old.
func TestAMajorityIsGone(t *testing.T) {
	n := start(t, "in/a", "in/b", "in/c", "uk/a")
	if err := n.Connect(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	a, b, c, uk := n.Node("in/a"), n.Node("in/b"), n.Node("in/c"), n.Node("uk/a")
	both := []string{"in/*", "uk/*"}
	w, last := &written{}, &written{}
	stop := w.load(t, "all", both, b.Work, c.Work)
	w.more(t, 30)
	a.Kill()
	pass := a.Config.PassphraseFile
	examine := []string{"ledger", "recover", "--from", a.Config.Dir, "--passphrase-file", pass}
	if out, code := typed(t, examine...); code != 7 || !strings.Contains(out, "a majority of the voters answers") {
		t.Errorf("while two of three live: exit %d: %s", code, out)
	}
	w.more(t, 30)
	stop()
	settled(t, n, "in", "uk")
	old, err := uk.Operator.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	ctx, burn := context.WithCancel(t.Context()) // what is acknowledged now may be on the disk that burns alone
	var writing sync.WaitGroup
	for i := range 3 {
		writing.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				_ = last.raise(ctx, c.Work, fmt.Sprintf("last-%d-%d", i, k), both...)
			}
		})
	}
	last.more(t, 5)
	c.Kill()
	b.Kill()
	burn()
	writing.Wait()
	if err := os.RemoveAll(c.Config.Dir); err != nil {
		t.Fatal(err)
	}
	if out, code := typed(t, examine...); code != 7 || !strings.Contains(out, "remembers more of this ledger than remains here") || !strings.Contains(out, "has a checkpoint of") {
		t.Errorf("where the partner remembers more: exit %d: %s", code, out)
	}

	oldDir := b.Config.Dir
	fresh := recovers(t, n, b)
	whole(t, fresh, 2)
	w.check(t, fresh)
	provedOld(t, fresh)
	after := &written{}
	if err := after.raise(t.Context(), fresh.Work, "first of the successor", "in/*"); err != nil {
		t.Fatal(err)
	}
	if out, code := typed(t, "serve", "--dir", oldDir, "--passphrase-file", pass); code != 7 || !strings.Contains(out, "closed") {
		t.Errorf("the old directory is started: exit %d: %s", code, out)
	}
	if out, code := typed(t, "ledger", "verify", "--server", "unix://"+fresh.Config.SocketPath()); code != 0 {
		t.Errorf("verify: exit %d: %s", code, out)
	}

	if _, err := n.Rebuild(t.Context(), "in/a", func(x node.Config) error {
		out, code := typed(t, "node", "replace", "--config", configFile(t, x), "--from", a.Config.Dir, "--successor", filepath.Join(fresh.Config.Dir, "successor.json"))
		if code != 0 {
			return fmt.Errorf("exit %d: %s", code, out)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	whole(t, n.Node("in/a"), 2)
	w.check(t, n.Node("in/a"))

	card, err := fresh.Operator.Card(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uk.Operator.Link(t.Context(), api.Link{Card: card.Card}); err != nil {
		t.Fatal(err)
	}
	if err := network.Eventually(t.Context(), 30*time.Second, func() error {
		return after.raise(t.Context(), fresh.Work, "across", both...)
	}); err != nil {
		t.Fatal(err)
	}
	if err := network.Eventually(t.Context(), 40*time.Second, func() error {
		s, err := uk.Operator.Status(t.Context())
		if err != nil {
			return err
		}
		sizes := map[string]uint64{}
		for _, l := range s.Ledgers {
			sizes[l.Origin] = l.Board
		}
		for _, l := range old.Ledgers {
			if sizes[l.Origin] < l.Size {
				return fmt.Errorf("of %s %d are there", l.Origin, sizes[l.Origin])
			}
		}
		if len(sizes) != 3 {
			return fmt.Errorf("%v", sizes)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.check(t, uk)
	if err := network.Eventually(t.Context(), 40*time.Second, func() error {
		return w.raise(t.Context(), uk.Work, "back", "in/*", "uk/*")
	}); err != nil {
		t.Fatal(err)
	}
	settled(t, n, "in", "uk")
	w.check(t, fresh)
	after.check(t, fresh)
}

// TestOneOfTwoBurns: with two voters either loss is one of a majority; the same command goes on.
func TestOneOfTwoBurns(t *testing.T) {
	n := start(t, "in/a", "in/b")
	a, b := n.Node("in/a"), n.Node("in/b")
	w := &written{}
	for i := range 5 {
		if err := w.raise(t.Context(), []*network.Node{a, b}[i%2].Work, fmt.Sprint("before-", i), "in/*"); err != nil {
			t.Fatal(err)
		}
	}
	b.Kill()
	if out, code := typed(t, "ledger", "recover", "--from", a.Config.Dir, "--passphrase-file", a.Config.PassphraseFile); code != 7 || !strings.Contains(out, "in use") {
		t.Errorf("a node that runs: exit %d: %s", code, out)
	}
	a.Kill()
	if err := os.RemoveAll(b.Config.Dir); err != nil {
		t.Fatal(err)
	}
	fresh := recovers(t, n, a)
	whole(t, fresh, 2)
	w.check(t, fresh)
	if err := w.raise(t.Context(), fresh.Work, "after", "in/*"); err != nil {
		t.Fatal(err)
	}
	w.check(t, fresh)
	if out, code := typed(t, "ledger", "show", "0", "--server", "unix://"+fresh.Config.SocketPath()); code != 0 || !strings.Contains(out, "Successor") {
		t.Errorf("entry 0: exit %d: %s", code, out)
	}
}
