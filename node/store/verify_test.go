package store_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/store"
)

// verify opens a directory and returns what does not hold there: the refusal to open it, or what Verify finds.
func verify(t *testing.T, dir string, origin ledger.Origin) []string {
	t.Helper()
	s, err := store.Open(dir, store.Identity{Origin: origin, Node: "n"})
	if err != nil {
		return []string{err.Error()}
	}
	defer func() { _ = s.Close() }()
	var found []string
	err = s.Verify(t.Context(), func(ledger.Origin, uint64, uint64) {}, func(f store.Finding) { found = append(found, f.What) })
	if err != nil {
		found = append(found, err.Error())
	}
	return found
}

// compact rewrites a bbolt file without what nothing leads to any more.
func compact(t *testing.T, path string) {
	t.Helper()
	from, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	to, err := bbolt.Open(path+".new", 0o600, nil)
	if err == nil {
		err = bbolt.Compact(to, from, 0)
	}
	if err := errors.Join(err, from.Close(), to.Close(), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// stored returns where every key and every value lies in a compact bbolt file, and every bucket's name.
func stored(t *testing.T, path string) (out [][2]int) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	add := func(k, v []byte) {
		pair := append(bytes.Clone(k), v...)
		for at := bytes.Index(raw, pair); at >= 0; {
			out = append(out, [2]int{at, len(k)})
			if len(v) > 0 {
				out = append(out, [2]int{at + len(k), len(v)})
			}
			next := bytes.Index(raw[at+1:], pair) // a name stands in each ledger's bucket
			if next < 0 {
				break
			}
			at += 1 + next
		}
	}
	var walk func(b *bbolt.Bucket) error
	walk = func(b *bbolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			if add(k, v); v == nil {
				return walk(b.Bucket(k))
			}
			return nil
		})
	}
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error { add(name, nil); return walk(b) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestVerifyFindsEveryFlippedBit flips one bit of every key and every value in the file, and of every payload.
func TestVerifyFindsEveryFlippedBit(t *testing.T) {
	dir := t.TempDir()
	s, in, _ := filledWith(t, dir, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	compact(t, filepath.Join(dir, "current", "ledger.db"))
	if found := verify(t, dir, in.Origin()); len(found) > 0 {
		t.Fatalf("the undamaged store: %q", found)
	}
	flip := func(name string, at int) {
		t.Helper()
		path := filepath.Join(dir, name)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(raw)
		bad[at] ^= 1 << rand.N(8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if len(verify(t, dir, in.Origin())) == 0 {
			t.Errorf("%s: bit %08b of byte %d was flipped and not found", name, bad[at]^raw[at], at)
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	places := stored(t, filepath.Join(dir, "current", "ledger.db"))
	if len(places) < 200 {
		t.Fatalf("only %d keys and values were found", len(places))
	}
	for _, x := range places {
		flip("current/ledger.db", x[0]+rand.N(x[1]))
	}
	payloads, err := os.Stat(filepath.Join(dir, "current", "payload-00000000"))
	if err != nil {
		t.Fatal(err)
	}
	for at := rand.N(97); at < int(payloads.Size()); at += 97 {
		flip("current/payload-00000000", at)
	}
}

func TestAFlippedBitLetsNobodySignAgain(t *testing.T) {
	dir := t.TempDir()
	s, in, _ := filled(t, dir)
	if err := s.SetLastSigned(in.Origin(), in.State.Size(), in.State.Root()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "signed.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range raw {
		bad := bytes.Clone(raw)
		bad[at] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(dir, store.Identity{Origin: in.Origin(), Node: "n"}); !errors.Is(err, store.ErrDamaged) {
			t.Fatalf("byte %d of %s flipped: %v", at, raw, err)
		}
	}
}

// TestVerifyJudgesCheckpoints keeps checkpoints that are whole and wrong.
func TestVerifyJudgesCheckpoints(t *testing.T) {
	in := ledgertest.Found(t, "in", 3)
	good, lines, err := ledger.ParseSigned(in.Checkpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	other := good
	other.Root[0] ^= 1
	var forged []string
	for _, m := range in.Members {
		l, err := ledger.Cosign(other, m.ID, m.Checkpoint, in.Now)
		if err != nil {
			t.Fatal(err)
		}
		forged = append(forged, l)
	}
	for name, c := range map[string]struct {
		signed []byte
		found  string
	}{
		"as it is":            {ledger.Assemble(good, lines...), ""},
		"too few":             {ledger.Assemble(good, lines[0]), "too few valid cosignatures"},
		"another signature":   {ledger.Assemble(good, lines[0], lines[1], forged[2]), "the cosignature of in/a2 at this size does not verify"},
		"another root":        {ledger.Assemble(other, forged...), "of another ledger"},
		"another's signature": {ledger.Assemble(good, lines[0], lines[1], strings.Replace(lines[2], "in/a2", "in/a9", 1)), ""},
	} {
		dir := t.TempDir()
		s := open(t, dir, in.Origin())
		var state *ledger.State
		for i, e := range in.Entries {
			next, a, err := store.ApplyOwn(state, e, nil)
			if err != nil {
				t.Fatal(err)
			}
			state = next
			if err := s.Commit(store.Batch{Index: uint64(i + 1), Term: 1, State: state, Own: []store.Appended{a}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.PutCheckpoint(in.Origin(), c.signed); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		found := strings.Join(verify(t, dir, in.Origin()), "; ")
		if c.found == "" && found != "" || !strings.Contains(found, c.found) {
			t.Errorf("%s: found %q, want %q", name, found, c.found)
		}
	}
}
