package rot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/store"
)

// ledgerSubjects are the files of a ledger with a mirror, a release and an expungement.
func ledgerSubjects(t *testing.T) []subject {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ledger")
	in, uk := ledgertest.Found(t, "in", 3), ledgertest.Found(t, "uk", 3)
	ledgertest.Link(t, in, uk)
	for i := range 12 {
		in.Seal(t, i%3, []ledger.AudienceName{"in/*"}, ledgertest.Event(fmt.Sprint("row ", i)))
		uk.Seal(t, i%3, []ledger.AudienceName{"in/*", "uk/*"}[i%2:], ledgertest.Event(fmt.Sprint("from abroad ", i)))
	}
	last := uint64(len(in.Entries)) - 1
	author, err := in.Entries[last].Open()
	if err != nil {
		t.Fatal(err)
	}
	member := 0
	for i := range in.Members {
		if in.Members[i].ID == author.Author {
			member = i
		}
	}
	in.Naming(t, member, ledger.KindRelease, last, in.Opened(t, member, last), []int{0}, []ledger.AudienceName{"in/*"})
	in.Naming(t, member, ledger.KindExpungement, last, nil, nil, []ledger.AudienceName{"in/*"}, ledgertest.Event("by order"))
	for i := range 6 {
		in.Seal(t, i%3, []ledger.AudienceName{"in/*"}, ledgertest.Event(fmt.Sprint("after ", i)))
	}

	id := store.Identity{Origin: in.Origin(), Node: "n"}
	s, err := store.Open(dir, id)
	if err != nil {
		t.Fatal(err)
	}
	var state *ledger.State
	raftIndex := uint64(0)
	commit := func(from, to int) {
		for _, e := range in.Entries[from:to] {
			raftIndex++
			next, a, err := store.ApplyOwn(state, e, func(i ledger.Index) ([]byte, error) { return in.Entries[i].Leaf, nil })
			if err == nil {
				state = next
				err = s.Commit(store.Batch{Index: raftIndex, Term: 1, State: state, Own: []store.Appended{a}})
			}
			if err == nil {
				err = s.Flush()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	commit(0, 15)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	older := filepath.Join(t.TempDir(), "older")
	if err := os.CopyFS(older, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(dir, id); err != nil {
		t.Fatal(err)
	}
	commit(15, len(in.Entries))
	in.State = state
	batch := uk.Batch(t, in)
	next, verdict := state.ApplyMirror(batch)
	if verdict.Verdict != ledger.MirrorApplied {
		t.Fatal(verdict.Reason)
	}
	raftIndex++
	state, in.State = next, next
	if err := errors.Join(
		s.Commit(store.Batch{Index: raftIndex, Term: 1, State: state, Mirrors: []store.Mirrored{{Batch: batch, At: state.Size()}}}),
		s.PutCheckpoint(in.Origin(), in.Checkpoint(t)), s.SetLastSigned(in.Origin(), state.Size(), state.Root()), s.Close()); err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(t.TempDir(), "whole")
	if err := os.CopyFS(whole, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	other, err := store.Open(whole, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	var journal bytes.Buffer
	j, err := other.Journal()
	if err == nil {
		_, err = j.WriteTo(&journal)
	}
	if err != nil {
		t.Fatal(err)
	}

	answers := func() ([]string, error) { return served(dir, id, uk.Origin(), in.State.Size(), uk.State.Size()) }
	var beside []string
	for _, name := range []string{"store.json", "signed.json", "current/ledger.db", "current/payload-00000000", "lock"} {
		beside = append(beside, filepath.Join(dir, name))
	}
	mended := func() ([]string, error) {
		if err := mend(dir, id, other, journal.Bytes()); err != nil {
			return nil, err
		}
		return answers()
	}
	var out []subject
	for name, weight := range map[string]int{"current/ledger.db": 46_000, "current/payload-00000000": 10_000, "store.json": 1_000, "signed.json": 1_000} {
		x := subject{
			name: filepath.Base(name), path: filepath.Join(dir, name), weight: weight, beside: beside, answers: answers, scrubbed: func() bool { return scrubbed(dir, id) },
			now: read(t, filepath.Join(dir, name)), older: read(t, filepath.Join(older, name)),
		}
		if weight >= 10_000 {
			x.mended = mended
		}
		if name == "current/ledger.db" {
			x.prefix = func(_, now []string) bool { return len(now) > 0 && now[0] != fmt.Sprint("applied ", raftIndex) }
		}
		out = append(out, x)
	}
	return out
}

// served asks a store everything that it can be asked.
func served(dir string, id store.Identity, partner ledger.Origin, size, theirs uint64) (out []string, err error) {
	s, err := store.Open(dir, id)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	applied, _ := s.Applied()
	now := s.State()
	if now == nil {
		return nil, errors.New("empty")
	}
	out = append(out, fmt.Sprint("applied ", applied), digest(now.EncodeMoving()), digest(now.EncodeRosters()), fmt.Sprint("signed ", s.LastSigned()))
	out = append(append(out, entries(s, id.Origin, size)...), entries(s, partner, theirs)...)
	for i := range size {
		rec, err := recordOf(s, id.Origin, i)
		if err != nil {
			out = append(out, refusal+"sequence")
			continue
		}
		index, leaf, ok, err := s.BySequence(rec.Writer, rec.Sequence)
		out = append(out, answer("sequence", err, index, leaf, ok))
	}
	for _, from := range []uint64{0, size / 2} {
		b, err := s.Outgoing("uk", from)
		if err == nil && b != nil {
			out = append(out, answer("outgoing", err, digest(b.Encode())))
		} else {
			out = append(out, answer("outgoing", err, b == nil))
		}
	}
	j, err := s.Journal()
	var b bytes.Buffer
	if err == nil {
		_, err = j.WriteTo(&b)
	}
	return append(out, answer("journal", err, digest(b.Bytes()))), nil
}

func recordOf(s *store.Store, origin ledger.Origin, i uint64) (*ledger.Record, error) {
	leaf, err := s.Leaf(origin, i)
	if err != nil {
		return nil, err
	}
	rec, _, err := ledger.OpenLeaf(leaf)
	return rec, err
}

func entries(s *store.Store, origin ledger.Origin, n uint64) (out []string) {
	root, err := tlog.TreeHash(int64(n), s.HashReader(origin))
	out = append(out, answer("root", err, root))
	for i := range n {
		e, bare, hash, err := s.Entry(origin, i)
		if errors.Is(err, store.ErrAbsent) {
			out = append(out, answer("entry", nil, i, digest(e.Leaf), "absent", bare, hash))
		} else {
			out = append(out, answer("entry", err, i, digest(e.Leaf), digest(e.Payload), bare, hash))
		}
		by, gone, err := s.Gone(origin, i)
		out = append(out, answer("gone", err, by, gone))
		named, err := s.Naming(origin, i)
		out = append(out, answer("naming", err, named))
	}
	governance, err := s.Governance(origin, 0)
	out = append(out, answer("governance", err, governance))
	latest, err := s.Latest(origin)
	out = append(out, answer("latest", err, digest(latest)))
	sizes, err := s.Checkpoints(origin, 0)
	out = append(out, answer("checkpoints", err, sizes))
	for size := range n + 1 {
		signed, err := s.Checkpoint(origin, size)
		out = append(out, answer("checkpoint", err, digest(signed)))
		line, evidence, ok, err := s.Boundary(size)
		out = append(out, answer("boundary", err, line, digest(ledger.Marshal(evidence)), ok))
	}
	return out
}

func fetchFrom(other *store.Store) store.Fetch {
	return func(_ context.Context, origin ledger.Origin, index ledger.Index) (ledger.Entry, tlog.Hash, error) {
		e, _, hash, err := other.Entry(origin, index)
		if errors.Is(err, store.ErrAbsent) && len(e.Leaf) > 0 {
			err = nil
		}
		return e, hash, err
	}
}

// mend does what vigil ledger scrub does to a stopped directory.
func mend(dir string, id store.Identity, other *store.Store, journal []byte) error {
	beyond := false
	s, err := store.Open(dir, id)
	switch {
	case errors.Is(err, store.ErrDamaged):
		beyond = true
	case err != nil:
		return err
	default:
		for cursor := []byte(nil); ; {
			slice, err := s.Scrub(context.Background(), cursor, 1<<20)
			if err != nil {
				return errors.Join(err, s.Close())
			}
			for _, d := range slice.Found {
				if _, err := s.Mend(context.Background(), d, fetchFrom(other)); err != nil {
					beyond = true
				}
			}
			if cursor = slice.Next; len(cursor) == 0 {
				break
			}
		}
		if err := s.Close(); err != nil {
			beyond = true
		}
	}
	if !beyond {
		return nil
	}
	return store.Rebuild(dir, id, "", bytes.NewReader(journal))
}

// scrubbed says whether the scrub finds anything.
func scrubbed(dir string, id store.Identity) bool {
	s, err := store.Open(dir, id)
	if err != nil {
		return true
	}
	defer func() { _ = s.Close() }()
	for cursor := []byte(nil); ; {
		slice, err := s.Scrub(context.Background(), cursor, 1<<20)
		if err != nil || len(slice.Found) > 0 {
			return true
		}
		if cursor = slice.Next; len(cursor) == 0 {
			return false
		}
	}
}
