package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

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
	if err := errors.Join(nodes[2].Operator.Backup(t.Context(), nil, f), f.Close(), <-written); err != nil {
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
		return node.CheckBackup([]string{filepath.Join(dir, "b")}, filepath.Join(dir, "ledger"), "drill", replacing.Keys)
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
		"newer":         append(bytes.Replace(whole[:head], []byte(`"vigil_backup":2`), []byte(`"vigil_backup":3`), 1), whole[head:]...),
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
	if _, err := node.Restore(t.Context(), fresh(), []string{path}, other, false); !errors.Is(err, node.ErrBackupOther) {
		t.Errorf("another agency's keys: %v", err)
	}

	if _, err := nodes[0].Operator.Expunge(t.Context(), api.Expunge{Alert: single.ID, Order: order, Authority: "a court", Reason: "unlawful"}); err != nil {
		t.Fatal(err)
	}
	needles := payloadOfBackup(t, path, replacing, single.Index)
	nodetest.Until(t, "it is gone", func() bool { return len(holding(t, configs, needles)) == 0 })
	nodes[2].Stop()

	again := fresh()
	out, err := node.Restore(t.Context(), again, []string{path}, replacing, false)
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
	if _, err := node.CheckBackup([]string{path}, filepath.Join(dir, "ledger"), r.Members[2].Node, r.Keys); err != nil {
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
	if err := errors.Join(node.BackupStopped(c, nil, f), f.Close()); err != nil {
		t.Fatal(err)
	}
	again := nodetest.Config(t, filepath.Join(t.TempDir(), "n"))
	if _, err := node.Restore(t.Context(), again, []string{path}, replacing, false); !errors.Is(err, node.ErrReplaceRefused) {
		t.Fatalf("without the others: %v", err)
	}
	out, err := node.Restore(t.Context(), again, []string{path}, replacing, true)
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

// TestABackupGoesOnFromAnother: each part of a chain has what came after the one before it; together they are one backup, in which
// nothing is that was expunged. A part alone, a part that is missing, in another's place or of another ledger is refused.
func TestABackupGoesOnFromAnother(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	replacing, err := node.ReplacingFrom(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	lab, dir := r.As(t, api.RoleLab), t.TempDir()
	raise := func(b byte) api.Written {
		t.Helper()
		a, err := lab.Raise(t.Context(), fmt.Sprint(b), api.RaiseAlert{Signals: md5(b)})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	var chain []string
	part := func() int64 {
		t.Helper()
		path, base, err := node.NextPart(dir, "in/ncrb", chain, time.Unix(1_800_000_000, 0))
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.Operator.Backup(t.Context(), base, f), f.Close()); err != nil {
			t.Fatal(err)
		}
		chain, err = node.BackupChain(dir, "in/ncrb")
		if err != nil || chain[len(chain)-1] != path {
			t.Fatalf("%v after %s: %v", chain, path, err)
		}
		info, err := f.Stat()
		if err == nil {
			return info.Size()
		}
		info, err = os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	for b := range byte(40) {
		raise(b)
	}
	first := raise(100)
	whole := part()
	second := raise(101)
	if _, err := r.Operator.Expunge(t.Context(), api.Expunge{Alert: first.ID, Order: order, Authority: "a court", Reason: "unlawful"}); err != nil {
		t.Fatal(err)
	}
	next := part()
	empty := part() // nothing came in between
	third := raise(102)
	part()
	if next > whole/2 || empty > whole/2 {
		t.Errorf("the parts have %d, %d and %d bytes", whole, next, empty)
	}
	check := func(chain ...string) (node.BackupReport, error) {
		return node.CheckBackup(chain, filepath.Join(t.TempDir(), "ledger"), "drill", replacing.Keys)
	}
	report, err := check(chain...)
	if err != nil || report.Parts != 4 || report.Entries <= third.Index || report.Sealed == 0 {
		t.Fatalf("%+v %v", report, err)
	}
	foreign := filepath.Join(t.TempDir(), "foreign")
	f, err := os.Create(foreign)
	if err == nil {
		err = errors.Join(nodetest.Run(t, nodetest.Found(t)).Operator.Backup(t.Context(), nil, f), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, parts := range map[string][]string{
		"none": nil, "a part alone": chain[1:2], "the last alone": chain[3:], "the middle is missing": {chain[0], chain[2], chain[3]}, "another order": {chain[0], chain[2], chain[1]},
		"one that is empty is missing": {chain[0], chain[1], chain[3]}, "twice": {chain[0], chain[1], chain[1]}, "two whole ones": {chain[0], chain[0]}, "another ledger's": {chain[0], foreign}, "behind another ledger's": {foreign, chain[1]},
	} {
		if _, err := check(parts...); !errors.Is(err, node.ErrBackup) {
			t.Errorf("%s: %v", name, err)
		}
	}
	header := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b[:bytes.IndexByte(b, '\n')]
	}
	last := header(chain[3])
	for name, base := range map[string][]byte{
		"another ledger": header(foreign), "no header": []byte(`{"vigil_backup":2}`), "earlier version": bytes.Replace(last, []byte(`_backup":2`), []byte(`_backup":1`), 1),
		"another root":       bytes.Replace(last, []byte(report.Root), []byte(tlog.RecordHash(nil).String()), 1),
		"more than there is": bytes.Replace(last, fmt.Appendf(nil, `"entries":%d`, report.Entries), []byte(`"entries":1000000`), 1),
	} {
		if err := r.Operator.Backup(t.Context(), base, io.Discard); status(err) != 409 {
			t.Errorf("a backup that goes on from %s: %v", name, err)
		}
	}
	if err := os.Rename(chain[1], filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if _, err := node.BackupChain(dir, "in/ncrb"); !errors.Is(err, node.ErrBackup) {
		t.Errorf("a part is missing in the directory: %v", err)
	}
	if err := os.Rename(filepath.Join(dir, "elsewhere"), chain[1]); err != nil {
		t.Fatal(err)
	}
	if none, err := node.BackupChain(dir, "in/else"); err != nil || len(none) != 0 {
		t.Errorf("of another agency: %v %v", none, err)
	}

	r.Stop()
	again := nodetest.Config(t, filepath.Join(t.TempDir(), "n"))
	out, err := node.Restore(t.Context(), again, chain, replacing, true)
	if err != nil || !out.Alone || out.Entries != report.Entries {
		t.Fatalf("%+v %v", out, err)
	}
	n, err := node.Open(again, nodetest.Quiet)
	if err != nil {
		t.Fatal(err)
	}
	x := nodetest.Serve(t, again, n)
	for _, a := range []api.Written{second, third} {
		nodetest.Until(t, "what the later parts have is there", func() bool {
			e, err := x.Operator.Entry(t.Context(), "", a.Index)
			return err == nil && e.Author == "in/ncrb" && !strings.Contains(e.Note, "expunged")
		})
	}
	if e, err := x.Operator.Entry(t.Context(), "", first.Index); err != nil || !strings.Contains(e.Note, "expunged") {
		t.Errorf("what a later part expunged: %+v %v", e, err)
	}
}

// TestABackupThatIsNotMadeAnyMoreIsMissed: a node that was backed up once says when that is too long ago.
func TestABackupThatIsNotMadeAnyMoreIsMissed(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	complaint := func() string {
		s, err := r.Operator.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.Problems {
			if strings.Contains(p.What, "backup") {
				return p.What
			}
		}
		return ""
	}
	if got := complaint(); got != "" {
		t.Errorf("never made: %s", got)
	}
	for days, want := range map[int]bool{1: false, 30: false, 32: true} {
		report := node.BackupReport{BackupHeader: node.BackupHeader{Made: time.Now().AddDate(0, 0, -days), Entries: 7}}
		if err := node.NoteBackup(c, report); err != nil {
			t.Fatal(err)
		}
		if got := complaint(); (got != "") != want {
			t.Errorf("%d days ago: %q", days, got)
		}
	}
}
