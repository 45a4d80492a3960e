package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"vigil/node"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// TestARestoredNodeHasNothingThatWasExpungedSince: a backup is made while others write; what it holds is expunged afterwards; the
// machine is lost. The restored node is a new one, has everything that the others have and no trace of what is gone. A backup that is
// cut, changed or another's is refused before anything is made of it, and one whose ledger nobody answers for can only be read.
func TestARestoredNodeHasNothingThatWasExpungedSince(t *testing.T) {
	nodes, configs := jurisdiction(t, 3, nil)
	lab, lost := nodes[0].As(t, api.RoleLab), configs[2]
	single, err := lab.Raise(t.Context(), "single", api.RaiseAlert{Signals: md5(4)})
	if err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "it is there", func() bool {
		_, err := nodes[2].As(t, api.RoleAnalyst).Alert(t.Context(), single.ID)
		return err == nil
	})
	path := filepath.Join(t.TempDir(), "in.backup")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		var err error
		for i := range 10 {
			_, raised := lab.Raise(t.Context(), fmt.Sprint("meanwhile ", i), api.RaiseAlert{Signals: md5(byte(20 + i))})
			err = errors.Join(err, raised)
		}
		written <- err
	}()
	if err := errors.Join(nodes[2].Operator.Backup(t.Context(), f), f.Close(), <-written); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	replacing, err := node.ReplacingFrom(t.Context(), lost)
	if err != nil {
		t.Fatal(err)
	}
	check := func(b []byte) (node.BackupReport, error) {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "b"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return node.CheckBackup(filepath.Join(dir, "b"), filepath.Join(dir, "ledger"), "drill", replacing.Keys)
	}
	r, err := check(whole)
	if err != nil || r.Entries == 0 || r.Sealed == 0 || len(r.Members) != 3 || r.Agency != "in/a2" {
		t.Fatalf("the drill: %+v %v", r, err)
	}
	head := bytes.IndexByte(whole, '\n') + 1
	for name, b := range map[string][]byte{
		"cut":           whole[:len(whole)-100],
		"cut to a line": whole[:head],
		"nothing":       {},
		"a bit":         append(append(bytes.Clone(whole[:head+4000]), whole[head+4000]^1), whole[head+4001:]...),
		"more":          append(bytes.Clone(whole), 0),
		"header":        append(bytes.Replace(whole[:head], []byte(`"entries":`), []byte(`"entries":1`), 1), whole[head:]...),
		"newer":         append(bytes.Replace(whole[:head], []byte(`"vigil_backup":1`), []byte(`"vigil_backup":2`), 1), whole[head:]...),
	} {
		if _, err := check(b); !errors.Is(err, node.ErrBackup) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other, err := node.ReplacingFrom(t.Context(), configs[0])
	if err != nil {
		t.Fatal(err)
	}
	fresh := func() node.Config { return nodetest.Config(t, filepath.Join(t.TempDir(), "n")) }
	if _, err := node.Restore(t.Context(), fresh(), path, other, false); !errors.Is(err, node.ErrBackupOther) {
		t.Errorf("another agency's keys: %v", err)
	}

	if _, err := nodes[0].Operator.Expunge(t.Context(), api.Expunge{Alert: single.ID, Order: order, Authority: "a court", Reason: "unlawful"}); err != nil {
		t.Fatal(err)
	}
	needles := payloadOfBackup(t, path, replacing, single.Index)
	nodetest.Until(t, "it is gone", func() bool { return len(holding(t, configs, needles)) == 0 })
	nodes[2].Stop()

	again := fresh()
	out, err := node.Restore(t.Context(), again, path, replacing, false)
	if err != nil || out.Alone || out.From == "" || out.Identity.Node == replacing.Members[2].Node {
		t.Fatalf("%+v %v", out, err)
	}
	if found := holding(t, []node.Config{again}, needles); len(found) > 0 {
		t.Errorf("what was expunged is in %v", found)
	}
	restored := nodetest.Run(t, again)
	analyst := restored.As(t, api.RoleAnalyst)
	nodetest.Until(t, "everything is there", func() bool { return len(listed(t, analyst, api.ListQuery{})) == 10 })
	if _, err := analyst.Alert(t.Context(), single.ID); status(err) != 404 {
		t.Errorf("what was expunged: %v", err)
	}
	if found := holding(t, []node.Config{again}, needles); len(found) > 0 {
		t.Errorf("what was expunged is in %v", found)
	}
	if _, err := restored.As(t, api.RoleLab).Raise(t.Context(), "after", api.RaiseAlert{Signals: md5(99)}); err != nil {
		t.Errorf("the restored node writes: %v", err)
	}
}

// payloadOfBackup returns 64 bytes of a payload in a backup.
func payloadOfBackup(t *testing.T, path string, r node.Replacing, index uint64) []byte {
	t.Helper()
	dir := t.TempDir()
	if _, err := node.CheckBackup(path, filepath.Join(dir, "ledger"), r.Members[2].Node, r.Keys); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "identity.json"), fmt.Appendf(nil, `{"format":1,"agency":%q,"origin":%q,"genesis":%q,"node":%q,"founder":false}`, r.Agency, r.Origin, r.Genesis, r.Members[2].Node), 0o600); err != nil {
		t.Fatal(err)
	}
	return nodetest.Payloads(t, node.DefaultConfig(dir), index)[0]
}

// TestARestoreWithoutTheOthersIsReadOnly: nobody else is left.
func TestARestoreWithoutTheOthersIsReadOnly(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	one, err := r.As(t, api.RoleLab).Raise(t.Context(), "one", api.RaiseAlert{Signals: md5(1)})
	if err != nil {
		t.Fatal(err)
	}
	replacing, err := node.ReplacingFrom(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	r.Stop()
	path := filepath.Join(t.TempDir(), "in.backup")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(node.BackupStopped(c, f), f.Close()); err != nil {
		t.Fatal(err)
	}
	again := nodetest.Config(t, filepath.Join(t.TempDir(), "n"))
	if _, err := node.Restore(t.Context(), again, path, replacing, false); !errors.Is(err, node.ErrReplaceRefused) {
		t.Fatalf("without the others: %v", err)
	}
	out, err := node.Restore(t.Context(), again, path, replacing, true)
	if err != nil || !out.Alone {
		t.Fatalf("%+v %v", out, err)
	}
	n, err := node.Open(again, nodetest.Quiet)
	if err != nil {
		t.Fatal(err)
	}
	x := nodetest.Serve(t, again, n)
	nodetest.Until(t, "the ledger is there", func() bool {
		e, err := x.Operator.Entry(t.Context(), "", one.Index)
		return err == nil && e.Author == "in/ncrb"
	})
	s, err := x.Operator.Status(t.Context())
	if err != nil || s.Ready {
		t.Errorf("it says that it is ready: %+v %v", s, err)
	}
}
