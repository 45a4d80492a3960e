package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/node/store"
)

// scrubAll scrubs a store to its end in small slices, twice, and mends what it finds. It returns what could not be mended.
func scrubAll(t *testing.T, s *store.Store, fetch store.Fetch) (found int, left []string) {
	t.Helper()
	for range 2 {
		var cursor []byte
		for first := true; first || cursor != nil; first = false {
			slice, err := s.Scrub(t.Context(), cursor, 2<<10)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range slice.Found {
				found++
				if _, err := s.Mend(t.Context(), d, fetch); err != nil {
					left = append(left, d.What+": "+err.Error())
				}
			}
			cursor = slice.Next
		}
	}
	return found, left
}

// from fetches from a store, as from another member.
func from(s *store.Store) store.Fetch {
	return func(_ context.Context, origin ledger.Origin, index ledger.Index) (ledger.Entry, tlog.Hash, error) {
		e, _, hash, err := s.Entry(origin, index)
		if errors.Is(err, store.ErrAbsent) && len(e.Leaf) > 0 {
			err = nil
		}
		return e, hash, err
	}
}

// copyDir copies a store's directory, which nobody has open.
func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestScrubMends flips one bit of keys and values of every kind in the file, and of a payload. What is found is mended with the help
// of another member, after which everything verifies; or the ledger is built anew from that member's journal. Another member that
// lies mends nothing and breaks nothing.
func TestScrubMends(t *testing.T) {
	dir := t.TempDir()
	s, in, _ := filledWith(t, dir, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	compact(t, filepath.Join(dir, "current", "ledger.db"))
	other := open(t, copyDir(t, dir), in.Origin())
	t.Cleanup(func() { _ = other.Close() })
	if found, left := scrubAll(t, other, nil); found != 0 || left != nil {
		t.Fatalf("the undamaged store: %d found, %q", found, left)
	}
	journal := journalOf(t, other)
	mended, rebuilt := 0, 0
	flip := func(name string, at int) {
		t.Helper()
		path := filepath.Join(dir, name)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raw := bytes.Clone(before)
		raw[at] ^= 1
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		whole := copyDir(t, dir)
		if err := os.WriteFile(path, before, 0o600); err != nil {
			t.Fatal(err)
		}
		found, left := 1, []string{"refused"}
		if s, err := store.Open(whole, store.Identity{Origin: in.Origin(), Node: "n"}); err == nil {
			lied, _ := scrubAll(t, s, lying(other))
			found, left = scrubAll(t, s, from(other))
			found += lied // what is derived from the rest needs nobody
			if err := s.Close(); err != nil {
				t.Fatalf("%s byte %d: close: %v", name, at, err)
			}
		} else if !errors.Is(err, store.ErrDamaged) {
			t.Fatalf("%s byte %d: %v", name, at, err)
		}
		if found == 0 {
			t.Errorf("%s byte %d: not found", name, at)
		}
		if left != nil {
			rebuilt++
			if err := store.Rebuild(whole, store.Identity{Origin: in.Origin(), Node: "n"}, "", bytes.NewReader(journal)); err != nil {
				t.Fatalf("%s byte %d: rebuild: %v", name, at, err)
			}
		} else {
			mended++
		}
		if bad := verify(t, whole, in.Origin()); len(bad) > 0 {
			t.Errorf("%s byte %d: mended (%q), and still: %q", name, at, left, bad)
		}
	}
	for i, place := range stored(t, filepath.Join(dir, "current", "ledger.db")) {
		if at, n := place[0], place[1]; i%11 == 0 {
			flip("current/ledger.db", at+i%n)
		}
	}
	flip("current/payload-00000000", 100)
	if mended < 8 || rebuilt < 5 {
		t.Fatalf("%d mended, %d rebuilt: is everything tried?", mended, rebuilt)
	}
}

// TestAPayloadWithoutItsPlace: where a payload lay is lost, and the payload with it. It is written behind the others, and is there at the
// next start, behind a flush and without.
func TestAPayloadWithoutItsPlace(t *testing.T) {
	dir := t.TempDir()
	s, in, _ := filledWith(t, dir, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	other := open(t, copyDir(t, dir), in.Origin())
	t.Cleanup(func() { _ = other.Close() })
	last := uint64(len(in.Entries) - 1)
	db, err := bbolt.Open(filepath.Join(dir, "current", "ledger.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(in.Origin())).Bucket([]byte("payloads")).Delete(binary.BigEndian.AppendUint64(nil, last))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	segment := filepath.Join(dir, "current", "payload-00000000")
	raw, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segment, bytes.Replace(raw, in.Entries[last].Payload, make([]byte, len(in.Entries[last].Payload)), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, in.Origin())
	found, left := scrubAll(t, s, from(other))
	if err := s.Close(); err != nil || found == 0 || left != nil {
		t.Fatalf("%d found, %q, %v", found, left, err)
	}
	if bad := verify(t, dir, in.Origin()); len(bad) > 0 {
		t.Errorf("at the next start: %q", bad)
	}
}

// TestNobodyIsWaitedForForEver: nothing is flushed while a member is asked for what is to be mended.
func TestNobodyIsWaitedForForEver(t *testing.T) {
	dir := t.TempDir()
	s, in, _ := filledWith(t, dir, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segment := filepath.Join(dir, "current", "payload-00000000")
	raw, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	raw[100] ^= 1
	if err := os.WriteFile(segment, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, in.Origin())
	asked := false
	_, _ = scrubAll(t, s, func(ctx context.Context, _ ledger.Origin, _ ledger.Index) (e ledger.Entry, hash tlog.Hash, err error) {
		until, bounded := ctx.Deadline()
		if asked = true; !bounded || time.Until(until) > time.Minute {
			t.Errorf("asked until %s", until)
		}
		return e, hash, store.ErrAbsent
	})
	if err := s.Close(); err != nil || !asked {
		t.Errorf("asked %v: %v", asked, err)
	}
}

// lying answers with another entry than was asked for.
func lying(s *store.Store) store.Fetch {
	return func(_ context.Context, origin ledger.Origin, index ledger.Index) (ledger.Entry, tlog.Hash, error) {
		e, _, hash, err := s.Entry(origin, (index+1)%s.Size(origin))
		return e, hash, err
	}
}

func journalOf(t *testing.T, s *store.Store) []byte {
	t.Helper()
	j, err := s.Journal()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := j.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRebuildRefuses refuses a journal that is cut off, of another genesis, or older than what this node signed.
func TestRebuildRefuses(t *testing.T) {
	dir := t.TempDir()
	s, in, _ := filledWith(t, dir, 2)
	journal := journalOf(t, s)
	if err := s.SetLastSigned(in.Origin(), s.Size(in.Origin())+1, tlog.Hash{1}); err != nil {
		t.Fatal(err)
	}
	genesis := s.State().Governance.Genesis.String()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	id := store.Identity{Origin: in.Origin(), Node: "n"}
	if err := store.Rebuild(dir, id, genesis, bytes.NewReader(journal)); !errors.Is(err, store.ErrSigned) {
		t.Errorf("older than what was signed: %v", err)
	}
	if err := store.Rebuild(dir, id, strings.ToUpper(genesis), bytes.NewReader(journal)); !errors.Is(err, store.ErrOther) {
		t.Errorf("another genesis: %v", err)
	}
	if err := store.Rebuild(dir, id, genesis, bytes.NewReader(journal[:len(journal)/2])); err == nil {
		t.Error("half a journal was taken")
	}
	if found := verify(t, dir, in.Origin()); len(found) > 0 {
		t.Errorf("what was there is gone: %q", found)
	}
}

// TestACheckpointThatAJournalMakesUp: whoever sends a ledger says under which checkpoint it stands. One of another history refuses the
// journal, and one that goes further is not kept: it would stand for the newest for ever.
func TestACheckpointThatAJournalMakesUp(t *testing.T) {
	s, in, _ := filledWith(t, t.TempDir(), 2)
	t.Cleanup(func() { _ = s.Close() })
	journal := journalOf(t, s)
	latest, err := s.Latest(in.Origin())
	if err != nil {
		t.Fatal(err)
	}
	cp, lines, err := ledger.ParseSigned(latest)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*ledger.Checkpoint)
		taken  bool
		kept   bool
	}{
		"as it is":      {func(*ledger.Checkpoint) {}, true, true},
		"another root":  {func(c *ledger.Checkpoint) { c.Root[0] ^= 1 }, false, false},
		"another state": {func(c *ledger.Checkpoint) { c.State[0] ^= 1 }, false, false},
		"a future":      {func(c *ledger.Checkpoint) { c.Size += 1000 }, true, false},
	} {
		made := cp
		tt.change(&made)
		frame := func(signed []byte) []byte {
			return append(binary.BigEndian.AppendUint32([]byte{'C'}, uint32(len(signed))), signed...)
		}
		sent := bytes.Replace(journal, frame(latest), frame(ledger.Assemble(made, lines...)), 1)
		other := open(t, t.TempDir(), in.Origin())
		if err := other.Receive(bytes.NewReader(sent)); (err == nil) != tt.taken {
			t.Errorf("%s: %v", name, err)
		}
		if have, err := other.Latest(in.Origin()); err != nil || (have != nil) != tt.kept {
			t.Errorf("%s: kept %q, %v", name, have, err)
		}
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}
}
