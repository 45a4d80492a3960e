package cluster

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/node"
)

// serves runs a directory's node until it ends by itself, and returns how it ended.
func serves(t *testing.T, c node.Config) (string, int) {
	t.Helper()
	config, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "vigil.toml")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "serve", "--config", path)
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out), ended.ExitCode()
}

// TestAWholeJurisdictionThatWasRestored: both nodes of a jurisdiction are put back to older copies. Nobody at home can notice;
// the partner does, at the start of either, before it signs or writes anything. While the partner is out of reach they start:
// whoever signs then is found out as soon as it is back.
func TestAWholeJurisdictionThatWasRestored(t *testing.T) {
	n := start(t, "in/a", "in/b", "uk/a")
	if err := n.Connect(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	w := &written{}
	if err := w.raise(t.Context(), n.Node("in/a").Work, "before", "in/*", "uk/*"); err != nil {
		t.Fatal(err)
	}
	settled(t, n, "in", "uk")
	home := []*network.Node{n.Node("in/a"), n.Node("in/b")}
	copied := func(to, from string) {
		t.Helper()
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range home {
		x.Stop()
		copied(x.Config.Dir+"-old", x.Config.Dir)
	}
	for _, x := range home {
		if err := x.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if err := network.Eventually(t.Context(), 30*time.Second, func() error {
			if err := home[0].Lab(t.Context()); err != nil {
				return err
			}
			return w.raise(t.Context(), home[0].Work, "after-"+string(rune('a'+i)), "in/*", "uk/*")
		}); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, n, "in", "uk")
	for _, x := range home {
		x.Kill()
		if err := os.Rename(x.Config.Dir, x.Config.Dir+"-newer"); err != nil {
			t.Fatal(err)
		}
		copied(x.Config.Dir, x.Config.Dir+"-old")
	}
	for _, x := range home {
		began := time.Now()
		out, code := serves(t, x.Config)
		if code != 7 || !strings.Contains(out, "a partner remembers more: uk/") || !strings.Contains(out, "vigil node replace --from "+x.Config.Dir) || !strings.Contains(out, "newest copy of any of them first") {
			t.Fatalf("%s, restored: %d\n%s", x.Agency, code, out)
		}
		t.Logf("%s refused after %s", x.Agency, time.Since(began))
	}

	// One member's newest copy is enough for all.
	newest := home[0]
	if err := errors.Join(os.Rename(newest.Config.Dir, newest.Config.Dir+"-undone"), os.Rename(newest.Config.Dir+"-newer", newest.Config.Dir)); err != nil {
		t.Fatal(err)
	}
	n.Cut(true) // without the partner it starts, too
	if err := newest.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.Cut(false)
	out, code := serves(t, home[1].Config)
	if code != 7 || !strings.Contains(out, "rolled back") {
		t.Fatalf("the other one beside it: %d\n%s", code, out)
	}
}

// TestARolledBackDirectoryIsRefused: a voter's directory is copied while it is stopped, the node goes on and writes, and the
// copy is put in its place; then the copy is started beside the node it was made of. Neither takes part, both print the way
// out, and it is a way out.
func TestARolledBackDirectoryIsRefused(t *testing.T) {
	n := start(t, three...)
	x, by := n.Node("in/c"), n.Node("in/a")
	w := &written{}
	for i := range 5 {
		if err := w.raise(t.Context(), x.Work, "before-"+string(rune('a'+i)), "in/*"); err != nil {
			t.Fatal(err)
		}
	}
	x.Stop()
	dir := x.Config.Dir
	old := dir + "-old"
	if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := x.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := network.Eventually(t.Context(), 20*time.Second, func() error { return w.raise(t.Context(), x.Work, "after", "in/*") }); err != nil {
		t.Fatal(err)
	}

	beside := x.Config
	beside.Dir, beside.Node.Address, beside.Node.Listen, beside.API.Listen = old, "", "127.0.0.1:0", "127.0.0.1:0"
	if out, code := serves(t, beside); code != 7 || !strings.Contains(out, "vigil node replace --from "+old) && !strings.Contains(out, "already runs") {
		t.Errorf("beside its original: %d\n%s", code, out)
	}
	settled(t, n, "in") // the original goes on

	if err := network.Eventually(t.Context(), 10*time.Second, func() error { // the others hear of it once a second
		s, err := by.Operator.Status(t.Context())
		if err != nil {
			return err
		}
		for _, h := range s.Nodes {
			if h.Agency == "in/c" && h.Heard < 1 && h.Size == s.Ledgers[0].Size {
				return nil
			}
		}
		return errors.New("not heard of")
	}); err != nil {
		t.Fatal(err)
	}
	x.Kill()
	newer := dir + "-newer"
	if err := errors.Join(os.Rename(dir, newer), os.CopyFS(dir, os.DirFS(old))); err != nil {
		t.Fatal(err)
	}
	out, code := serves(t, x.Config)
	if code != 7 || !strings.Contains(out, "rolled back") || !strings.Contains(out, "vigil node replace --from "+dir) {
		t.Fatalf("restored: %d\n%s", code, out)
	}
	if _, err := n.Replace(t.Context(), "in/c"); err != nil {
		t.Fatal(err)
	}
	if err := n.Voters(t.Context(), "in"); err != nil {
		t.Fatal(err)
	}
	if err := network.Eventually(t.Context(), 20*time.Second, func() error { return n.Node("in/c").Lab(t.Context()) }); err != nil {
		t.Fatal(err)
	}
	if err := w.raise(t.Context(), n.Node("in/c").Work, "replaced", "in/*"); err != nil {
		t.Fatal(err)
	}
	settled(t, n, "in")
	for _, id := range three {
		w.check(t, n.Node(id))
	}
}
