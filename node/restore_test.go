package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/node"
	"vigil/node/api"
	"vigil/node/store"
	"vigil/test/nodetest"
)

// TestARestoreGoesOn: the members have less than the backup, and it is refused: what is left is no node. Once they have it again the same
// directory is restored, with the same keys, also where its identity was not written before a crash.
func TestARestoreGoesOn(t *testing.T) {
	nodes, configs := jurisdiction(t, 2, nil)
	nodetest.Until(t, "both vote", func() bool { return role(t, nodes[1]) != "non-voter" })
	put := func(from, to string) {
		t.Helper()
		for i := range nodes {
			nodes[i].Stop()
			dir := filepath.Dir(configs[i].Dir)
			if err := errors.Join(os.RemoveAll(filepath.Join(dir, to)), os.CopyFS(filepath.Join(dir, to), os.DirFS(filepath.Join(dir, from)))); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range configs {
			n, err := node.Open(c, nodetest.Quiet)
			if err != nil {
				t.Fatal(err)
			}
			nodes[i] = nodetest.Serve(t, c, n)
		}
		nodetest.Until(t, "both are ready", func() bool {
			a, errA := nodes[0].Operator.Status(t.Context())
			b, errB := nodes[1].Operator.Status(t.Context())
			return errA == nil && errB == nil && a.Ready && b.Ready
		})
	}
	put("n", "earlier")
	if _, err := nodes[1].As(t, api.RoleLab).Raise(t.Context(), "later", api.RaiseAlert{Signals: md5(1)}); err != nil {
		t.Fatal(err)
	}
	replacing, err := node.ReplacingFrom(t.Context(), configs[1])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "in.backup")
	var report node.BackupReport
	nodetest.Until(t, "all that is backed up is sealed", func() bool {
		f, err := os.Create(path)
		if err == nil {
			err = errors.Join(nodes[1].Operator.Backup(t.Context(), nil, f), f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		report, err = node.CheckBackup([]string{path}, filepath.Join(t.TempDir(), "ledger"), "drill", replacing.Keys)
		return err == nil && report.Sealed == report.Entries
	})
	put("n", "later")
	put("earlier", "n")

	again := nodetest.Config(t, filepath.Join(t.TempDir(), "new"))
	identity := filepath.Join(again.Dir, "identity.json")
	restore := func() (out node.Restored, err error) {
		t.Helper()
		nodetest.Until(t, "the other member knows the new node, and lends its ledger", func() bool {
			out, err = node.Restore(t.Context(), again, []string{path}, replacing, false)
			return err != nil || out.From != "" || os.Remove(identity) != nil
		})
		return out, err
	}
	for range 2 {
		if out, err := restore(); !errors.Is(err, node.ErrBackup) || !strings.Contains(err.Error(), "has less than it") || !strings.Contains(err.Error(), "restore there again") {
			t.Fatalf("the members have less: %+v %v", out, err)
		}
		if _, err := node.Open(again, nodetest.Quiet); !errors.Is(err, node.ErrNoDirectory) {
			t.Fatalf("what was refused is started: %v", err)
		}
	}
	keys, err := node.ReadKeys(again)
	if err != nil {
		t.Fatal(err)
	}
	put("later", "n")
	restored := func(when string) {
		t.Helper()
		out, err := restore()
		if err != nil || out.From != "in/a0" || out.Identity.Node != keys.Node.Public().ID().String() {
			t.Fatalf("%s: %+v %v", when, out, err)
		}
	}
	restored("once they have it")
	if err := os.Rename(identity, filepath.Join(again.Dir, ".identity.json17")); err != nil { // as the power cut leaves one that was not renamed
		t.Fatal(err)
	}
	restored("without its identity")
	r := nodetest.Run(t, again)
	nodetest.Until(t, "everything is there", func() bool { return len(listed(t, r.As(t, api.RoleAnalyst), api.ListQuery{})) == 1 })
	if _, err := os.Lstat(again.Dir + ".restoring"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
	if _, err := restore(); !errors.Is(err, node.ErrDirectoryTaken) {
		t.Errorf("over a node: %v", err)
	}
}

// TestARestoredLedgerIsItsNodesBeforeItIsThere: a crash behind the rename leaves what that node opens.
func TestARestoredLedgerIsItsNodesBeforeItIsThere(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "drill"), filepath.Join(t.TempDir(), "ledger")
	id := store.Identity{Origin: "in/aaaaaaaaaaaaaaaaaaaaaaaaaa", Node: "drill"}
	s, err := store.Open(from, id)
	if err == nil {
		err = errors.Join(s.Close(), os.MkdirAll(filepath.Join(to, "x"), 0o700))
	}
	if err != nil {
		t.Fatal(err)
	}
	id.Node = "new"
	if err := node.Settle(from, to, id); err == nil {
		t.Fatal("moved over another one")
	}
	if s, err = store.Open(from, id); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
