package node_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
	"vigil/node/store"
	"vigil/test/nodetest"
)

// TestTheOldLedgerComesLater: the old directory is not there when the successor starts, then an empty one is; once the right one is back,
// the ledger is taken over from it.
func TestTheOldLedgerComesLater(t *testing.T) {
	next, old, origin := succeeded(t)
	away := old.Dir + "-away"
	if err := os.Rename(old.Dir, away); err != nil {
		t.Fatal(err)
	}
	tried := func(r *nodetest.Running) { // nothing says it but the log: it is tried again each second
		t.Helper()
		until := time.Now().Add(2500 * time.Millisecond)
		nodetest.Until(t, "it is tried twice", func() bool { return time.Now().After(until) })
		if size := sizeOf(t, r, origin); size != 0 {
			t.Errorf("%d entries came from nowhere", size)
		}
	}
	r := nodetest.Run(t, next)
	tried(r)
	if _, err := os.Lstat(old.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("something was made in the old one's place: %v", err)
	}
	r.Stop()

	id, err := node.ReadIdentity(away)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := store.Open(filepath.Join(old.Dir, "ledger"), store.Identity{Origin: id.Origin, Node: id.Node})
	if err == nil {
		err = empty.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	r = nodetest.Run(t, next)
	tried(r)
	if err := errors.Join(os.Rename(old.Dir, old.Dir+"-empty"), os.Rename(away, old.Dir)); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "the old ledger is there", func() bool {
		return !strings.Contains(problemsOf(t, r), "of the old ledger") && sizeOf(t, r, origin) > 0
	})
}

// TestRecoverGoesOn: a crash between any two steps, as it leaves the files. The command run again finishes, and once there may have been a
// node, in its directory alone; never does the old one start.
func TestRecoverGoesOn(t *testing.T) {
	old, origin := burnt(t)
	before := filepath.Join(t.TempDir(), "before")
	if err := os.CopyFS(before, os.DirFS(old.Dir)); err != nil {
		t.Fatal(err)
	}
	config := func() node.Config { return nodetest.Config(t, filepath.Join(t.TempDir(), "next")) }
	next, other := config(), config()
	try := func(c node.Config) (node.Recovery, error) {
		t.Helper()
		if _, err := node.Open(old, nodetest.Quiet); !errors.Is(err, node.ErrClosed) {
			t.Errorf("the old directory is started: %v", err)
		}
		return node.Recover(t.Context(), node.Recovering{Old: old, New: c})
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	first, err := node.Recover(t.Context(), node.Recovering{Old: old, New: next})
	must(err)
	if first.Here == first.Sealed {
		t.Fatalf("all of it is sealed: %+v", first)
	}
	closed, err := os.ReadFile(filepath.Join(old.Dir, "closed.json"))
	must(err)

	// Before the identity.
	identity := func(c node.Config) string { return filepath.Join(c.Dir, "identity.json") }
	must(os.Remove(identity(next)))
	if _, err := try(other); !errors.Is(err, node.ErrClosed) {
		t.Errorf("another directory where the first may have been started: %v", err)
	}
	again, err := try(next)
	if err != nil || again.Successor != first.Successor || again.Node != first.Node || again.Sealed != first.Sealed {
		t.Fatalf("before the identity: %+v, then %+v: %v", first, again, err)
	}
	if _, err := try(next); !errors.Is(err, node.ErrClosed) {
		t.Errorf("once all is done: %v", err)
	}

	// Before the end is committed and signed.
	must(errors.Join(os.RemoveAll(old.Dir), os.CopyFS(old.Dir, os.DirFS(before)), os.Remove(identity(next))))
	unfounded := strings.Replace(string(closed), "{", `{"founding": true,`, 1)
	must(os.WriteFile(filepath.Join(old.Dir, "closed.json"), []byte(unfounded), 0o600))
	if seen, err := try(node.Config{}); err != nil || seen.Successor != "" {
		t.Errorf("only looking: %+v %v", seen, err)
	}
	if again, err = try(next); err != nil || again.Successor != first.Successor || again.Here != first.Here {
		t.Fatalf("before the end is signed: %+v %v", again, err)
	}

	// Once it is signed, in another directory: what the members sealed is known yet, and the first one never starts.
	must(os.Remove(identity(next)))
	must(os.WriteFile(filepath.Join(old.Dir, "closed.json"), []byte(unfounded), 0o600))
	if again, err = try(other); err != nil || again.Successor == first.Successor || again.Sealed != first.Sealed {
		t.Fatalf("in another directory: %+v %v", again, err)
	}
	if _, err := try(next); !errors.Is(err, node.ErrClosed) {
		t.Errorf("the one that was given up: %v", err)
	}
	r := nodetest.Run(t, other)
	nodetest.Until(t, "the old ledger is there", func() bool { return sizeOf(t, r, origin) == first.Here })
}

// burnt is a jurisdiction of two whose second node is gone; the first is stopped, with an entry that only its raft log has.
func burnt(t *testing.T) (left node.Config, origin ledger.Origin) {
	t.Helper()
	nodes, configs := jurisdiction(t, 2, nil)
	nodetest.Until(t, "both vote", func() bool { return role(t, nodes[1]) != "non-voter" })
	origin = nodes[0].Node.Identity().Origin
	lab := nodes[0].As(t, api.RoleLab)
	nodes[1].Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, _ = lab.Raise(ctx, "last", api.RaiseAlert{Signals: md5(1)}) // raft's log has it, and nobody sealed it
	nodes[0].Stop()
	return configs[0], origin
}

// succeeded founds a successor that has not been started.
func succeeded(t *testing.T) (next, old node.Config, origin ledger.Origin) {
	t.Helper()
	old, origin = burnt(t)
	next = nodetest.Config(t, filepath.Join(t.TempDir(), "next"))
	if _, err := node.Recover(t.Context(), node.Recovering{Old: old, New: next}); err != nil {
		t.Fatal(err)
	}
	return next, old, origin
}

// sizeOf says how many entries of a ledger a node has.
func sizeOf(t *testing.T, r *nodetest.Running, origin ledger.Origin) uint64 {
	t.Helper()
	s, err := r.Operator.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range s.Ledgers {
		if l.Origin == string(origin) {
			return l.Size
		}
	}
	return 0
}

// TestRecoverRefuses: what must not be continued is not, each for its reason; what may be is, and then never again.
func TestRecoverRefuses(t *testing.T) {
	nodes, configs := jurisdiction(t, 2, nil)
	nodetest.Until(t, "both vote", func() bool { return role(t, nodes[1]) != "non-voter" })
	try := func(r node.Recovering) (node.Recovery, error) { return node.Recover(t.Context(), r) }
	if _, err := try(node.Recovering{Old: configs[0]}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("a node that runs: %v", err)
	}
	origin, keys := nodes[0].Node.Identity().Origin, []node.Keys{nodes[0].Node.TestKeys(), nodes[1].Node.TestKeys()}
	nodes[0].Stop()
	if _, err := try(node.Recovering{Old: configs[0]}); !errors.Is(err, node.ErrAlive) {
		t.Errorf("while the other voter answers: %v", err)
	}
	nodes[1].Stop()
	seen, err := try(node.Recovering{Old: configs[0]})
	if err != nil || seen.Here == 0 || seen.Voters != 2 || seen.Answered != 1 || seen.Successor != "" {
		t.Fatalf("%+v: %v", seen, err)
	}

	signed := func(of ledger.Origin, size uint64, by int) []byte {
		cp := ledger.Checkpoint{Origin: of, Size: size}
		line, err := ledger.Cosign(cp, ledger.AgencyID([]string{"in/a0", "in/a1"}[by]), keys[by].Checkpoint, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return ledger.Assemble(cp, line)
	}
	stranger := strings.ReplaceAll(string(signed(origin, seen.Here+5, 1)), "in/a1", "in/a7")
	for name, c := range map[string]struct {
		checkpoint []byte
		reason     error
	}{
		"somebody has more":       {signed(origin, seen.Here+5, 1), node.ErrRemembersMore},
		"another root was signed": {signed(origin, seen.Here-1, 1), node.ErrContradicted},
		"nobody of it signed":     {[]byte(stranger), ledger.ErrCheckpoint},
		"it is of another ledger": {signed(ledger.NewOrigin("in", [16]byte{1}), 5, 1), ledger.ErrCheckpoint},
		"it is no checkpoint":     {[]byte("hello"), ledger.ErrCheckpoint},
	} {
		if _, err := try(node.Recovering{Old: configs[0], Checkpoints: map[string][]byte{"uk": c.checkpoint}}); !errors.Is(err, c.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
	entries, err := os.ReadDir(configs[0].Dir)
	for _, e := range entries {
		if err != nil || e.Name() == "closed.json" {
			t.Errorf("a refusal closed the ledger: %v", err)
		}
	}

	taken := nodetest.Config(t, t.TempDir()+"/taken")
	if err := os.MkdirAll(taken.Dir+"/x", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := try(node.Recovering{Old: configs[0], New: taken}); !errors.Is(err, node.ErrDirectoryTaken) {
		t.Errorf("into a directory that is not empty: %v", err)
	}

	// A checkpoint of more than remains, given up by name: the ledger ends there, and what is sealed here is taken over.
	next := nodetest.Config(t, t.TempDir()+"/next")
	made, err := try(node.Recovering{Old: configs[0], New: next, Lose: true, Checkpoints: map[string][]byte{"uk": signed(origin, seen.Here+5, 1)}})
	if err != nil || made.Lost != 5 || made.Successor == "" {
		t.Fatalf("%+v: %v", made, err)
	}
	if _, err := try(node.Recovering{Old: configs[0]}); !errors.Is(err, node.ErrClosed) {
		t.Errorf("again: %v", err)
	}
	if _, err := node.Open(configs[0], slog.New(slog.DiscardHandler)); !errors.Is(err, node.ErrClosed) {
		t.Errorf("the old directory is started: %v", err)
	}
	r := nodetest.Run(t, next)
	nodetest.Until(t, "what was sealed is there, and that it is not all is said", func() bool {
		s, err := r.Operator.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range s.Ledgers {
			if l.Origin == string(origin) {
				return l.Size == seen.Sealed && l.Closed == seen.Here+5 && strings.Contains(problemsOf(t, r), "of the old ledger")
			}
		}
		return false
	})

	// A file of another ledger brings nobody over.
	other := node.SuccessorFile{Of: node.ClosedLedger{Origin: ledger.NewOrigin("in", [16]byte{1})}}
	if err := (&node.Replacing{Origin: origin}).Follow(other); !errors.Is(err, node.ErrSuccessor) {
		t.Errorf("the successor of another ledger: %v", err)
	}
}
