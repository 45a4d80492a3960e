package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/node"
	"vigil/node/api"
)

// TestRebuiltFromTheKit: by the commands people type, under load, with a partner connected: the machine of the gateway that
// partners follow is destroyed, rebuilt from the kit alone, and everything is there again. The copy of the old disk that turns
// up later writes nothing.
func TestRebuiltFromTheKit(t *testing.T) {
	n := start(t, "in/a", "in/b", "in/c", "uk/a")
	if err := n.Connect(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	a := n.Node("in/a")
	vigil := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
		return string(out), err
	}
	pass, kit := filepath.Join(t.TempDir(), "pass"), filepath.Join(t.TempDir(), "in-a.kit")
	if err := os.WriteFile(pass, []byte("kept in another safe\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := vigil("agency", "kit", "--config", a.Config.Dir+".toml", "--kit-passphrase-file", pass, "-o", kit); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := vigil("agency", "kit", "--check", kit, "--kit-passphrase-file", pass); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w := &written{}
	if _, err := a.Work.AddWatched(t.Context(), "w", api.AddWatched{WatchFacts: api.WatchFacts{Case: "117"}, Rows: [][]api.Signal{network.RandomSignals()}}); err != nil {
		t.Fatal(err)
	}
	if err := w.raise(t.Context(), a.Work, "to itself", "in/a"); err != nil {
		t.Fatal(err)
	}
	stop := w.load(t, "load", []string{"in/*", "uk/*"}, n.Node("in/b").Work, n.Node("in/c").Work)
	w.more(t, 50)
	a.Kill()
	kept := a.Config
	kept.Dir += "-kept"
	if err := os.Rename(a.Config.Dir, kept.Dir); err != nil {
		t.Fatal(err)
	}
	old, err := n.Rebuild(t.Context(), "in/a", func(c node.Config) error {
		b, err := c.Encode()
		if err != nil {
			return err
		}
		config := filepath.Join(t.TempDir(), "new.toml")
		if err := os.WriteFile(config, b, 0o600); err != nil {
			return err
		}
		out, err := vigil("node", "replace", "--config", config, "--kit", kit, "--kit-passphrase-file", pass)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		if out, err := vigil("node", "replace", "--config", config, "--dir", kept.Dir, "--kit", kit, "--kit-passphrase-file", pass); err == nil {
			return fmt.Errorf("a directory in use was taken: %s", out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if old.Link != nil {
		old.Link.Close()
	}
	w.more(t, 50)
	stop()
	fresh := n.Node("in/a")
	w.check(t, fresh)
	if err := network.Eventually(t.Context(), 20*time.Second, func() error {
		lists, err := fresh.Work.WatchLists(t.Context(), api.WatchQuery{})
		if err == nil && (len(lists.Lists) != 1 || lists.Lists[0].Case != "117") {
			err = fmt.Errorf("%+v", lists)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if err := n.Settled(t.Context(), "in", "uk"); err != nil {
		t.Error(err)
	}

	// The old disk turns up.
	old.Config.Dir = kept.Dir
	if err := old.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer old.Stop()
	if err := network.Eventually(t.Context(), 20*time.Second, func() error {
		s, err := old.Operator.Status(t.Context())
		if err == nil && (s.Ready || len(s.Problems) == 0) {
			err = errors.New("it does not know that it was replaced")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
