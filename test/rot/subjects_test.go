package rot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node"
	"vigil/node/accesslog"
	"vigil/node/api"
	"vigil/node/board"
	"vigil/node/cluster"
	"vigil/node/match"
	"vigil/node/store"
	"vigil/test/nodetest"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return b
}

func digest(v any) string { return fmt.Sprintf("%.16x", sha256.Sum256(fmt.Append(nil, v))) }

// shown is the digest of what is exported of a value, through its pointers.
func shown(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return digest(b)
}

// answer is one thing that is served.
func answer(what string, err error, v ...any) string {
	if err != nil {
		return refusal + what
	}
	return what + " " + fmt.Sprint(v...)
}

// prepare makes a ledger with a mirror and a node with a past, and returns their files; bare reads the raft log as raft-boltdb comes.
func prepare(t *testing.T) (all []subject, bare func(*tally)) {
	t.Helper()
	all = ledgerSubjects(t)
	dir, older, keys, c := pastOf(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	old := func(name string) []byte { return read(t, filepath.Join(older, name)) }
	add := func(s subject) {
		s.name, s.now, s.older = filepath.Base(s.path), read(t, s.path), old(s.path[len(dir)+1:])
		all = append(all, s)
	}
	ledgerOf, err := store.Open(at("ledger"), store.Identity{Origin: keys.id.Origin, Node: keys.id.Node})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ledgerOf.Close() })

	logs := raftAnswers(at("raft"), keys, ledgerOf)
	baseline, _ := logsOf(at("raft/raft.db"))
	add(subject{path: at("raft/raft.db"), weight: 18_000, answers: logs, prefix: func(before, now []string) bool {
		return len(now) == len(before) // CheckDir found nothing: a transaction less, as the others remember
	}})
	add(subject{path: at("raft/snapshot.json"), weight: 2_000, answers: func() ([]string, error) {
		_, found := cluster.CheckDir(at("raft"), keys.Node, cluster.Config{Store: ledgerOf})
		if len(found) > 0 {
			return nil, found[0].Err
		}
		var v any
		err := json.Unmarshal(read(t, at("raft/snapshot.json")), &v)
		return []string{answer("reference", err, v)}, nil
	}})
	for _, name := range append(names(t, at("access"), "records-"), "access/head", "access/marks") {
		if len(read(t, at(name))) > 0 {
			add(subject{path: at(name), weight: 5_000, beside: []string{at("access/head"), at("access/marks")}, answers: func() ([]string, error) { return reads(at("access"), keys) }})
		}
	}
	boards := boardAnswers(at("board"), keys, ledgerOf)
	add(subject{path: at("board/board.db"), weight: 900, beside: []string{at("board/board.db-wal"), at("board/board.db-shm"), at("board/board.db.rebuild")}, answers: boards, scrubbed: func() bool {
		return boardScrubbed(t, at("board"), keys, ledgerOf)
	}})
	add(subject{path: at("match/index"), weight: 8_000, answers: func() ([]string, error) {
		_, cursor, err := match.OpenFile(at("match/index"), keys.Agency[0].Derive("vigil match index v1"))
		if err != nil {
			return nil, err
		}
		_, err = match.CheckFile(at("match/index"), keys.Agency[0].Derive("vigil match index v1"))
		return []string{digest(cursor)}, err
	}})
	add(subject{path: at("identity.json"), weight: 2_000, answers: func() ([]string, error) {
		id, err := node.ReadIdentity(dir)
		id.Sum = ""
		return []string{fmt.Sprint(id)}, err
	}})
	add(subject{path: at("keys.pgp"), weight: 100, answers: func() ([]string, error) {
		k, _, err := node.OpenKeys(c)
		if err != nil {
			return nil, err
		}
		return []string{digest(k.Agency[0].Secret()), digest(k.Node.Seed()), digest(k.Checkpoint.Seed())}, nil
	}})
	return all, func(n *tally) {
		n.damages++
		if now, err := logsOf(at("raft/raft.db")); err == nil && !reflect.DeepEqual(now, baseline) {
			n.wrong++
		}
	}
}

func names(t *testing.T, dir, prefix string) (out []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		out = append(out, filepath.Base(dir)+"/"+filepath.Base(f))
	}
	return out
}

type unlocked struct {
	node.Keys
	id node.Identity
}

// pastOf runs a node, twice, and returns its directory with a copy of what it was between.
func pastOf(t *testing.T) (dir, older string, keys unlocked, c node.Config) {
	t.Helper()
	c = nodetest.Found(t)
	r := nodetest.Run(t, c)
	lab := r.As(t, api.RoleLab)
	for i := range 5 {
		if _, err := lab.Raise(t.Context(), fmt.Sprint("early ", i), api.RaiseAlert{Signals: nodetest.Made(300 + i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.As(t, api.RoleAnalyst).Alerts(t.Context(), api.ListQuery{}); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	older = filepath.Join(t.TempDir(), "older")
	if err := os.CopyFS(older, os.DirFS(c.Dir)); err != nil {
		t.Fatal(err)
	}
	r = nodetest.Run(t, c)
	nodetest.Varied(t, r)
	r.Stop()
	var err error
	if keys.Keys, keys.id, err = node.OpenKeys(c); err != nil {
		t.Fatal(err)
	}
	return c.Dir, older, keys, c
}

// logsOf reads a raft log as raft-boltdb comes.
func logsOf(path string) (out []string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	if err := store.CheckPages(path, 1, true); err != nil {
		return nil, err // what would end this process is not tried
	}
	b, err := raftboltdb.New(raftboltdb.Options{Path: path, MsgpackUseNewTimeFormat: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, key := range []string{"CurrentTerm", "LastVoteTerm", "LastVoteCand"} {
		v, _ := b.Get([]byte(key))
		out = append(out, fmt.Sprintf("%s %x", key, v))
	}
	firstIndex, err := b.FirstIndex()
	if err != nil {
		return nil, err
	}
	lastIndex, err := b.LastIndex()
	if err != nil || lastIndex-firstIndex > 10_000 {
		return nil, errors.Join(err, errors.New("too many"))
	}
	for i := firstIndex; i <= lastIndex; i++ {
		var e raft.Log
		if err := b.GetLog(i, &e); err != nil {
			return nil, err
		}
		out = append(out, digest(e.Data)+fmt.Sprint(e.Index, e.Term, e.Type))
	}
	return out, nil
}

// raftAnswers checks a raft directory as a start does, and reads it where that finds nothing.
func raftAnswers(dir string, keys unlocked, s *store.Store) func() ([]string, error) {
	return func() ([]string, error) {
		if _, found := cluster.CheckDir(dir, keys.Node, cluster.Config{Store: s}); len(found) > 0 {
			return nil, found[0].Err
		}
		return logsOf(filepath.Join(dir, "raft.db"))
	}
}

// reads returns everything in an access log.
func reads(dir string, keys unlocked) (out []string, err error) {
	l, err := accesslog.Open(accesslog.Config{
		Dir: dir, Key: keys.Node.Derive("vigil access log v1"), Log: nodetest.Quiet,
		OnSegment: func(context.Context, *accesslog.Segment) (ledger.Index, error) { return 0, errors.New("not here") },
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for before := uint64(0); ; {
		page, err := l.Query(context.Background(), accesslog.Query{Before: before})
		if err != nil {
			return nil, err
		}
		for _, e := range page.Entries {
			out = append(out, digest(e))
		}
		if before = page.Next; before == 0 {
			break
		}
	}
	r, err := l.Verify(context.Background(), nil)
	return out, errors.Join(err, r.Err())
}

func boardConfig(dir string, keys unlocked, s *store.Store) board.Config {
	return board.Config{
		Dir: dir, Key: keys.Agency[0].Derive("vigil board v1"), Agency: keys.id.Agency, Ledger: s, Opener: &opening{s: s, keys: keys}, Log: nodetest.Quiet,
		Policy: func() ledger.Policy { return s.State().Governance.Policy },
	}
}

// opening opens what is sealed to the agency, with the audience keys that governance entries hold for it.
type opening struct {
	s    *store.Store
	keys unlocked
	ring *crypto.Keyring
}

// Open implements board.Opener.
func (o *opening) Open(rec *ledger.Record, payload []byte) (*ledger.Payload, error) {
	if o.ring == nil {
		ring, err := node.RingOf(o.s, o.keys.id, o.keys.Keys)
		if err != nil {
			return nil, err
		}
		o.ring = ring
	}
	return ledger.OpenPayload(payload, rec, o.ring)
}

// boardAnswers opens the board and reads all of it; one that is made anew was refused.
func boardAnswers(dir string, keys unlocked, s *store.Store) func() ([]string, error) {
	return func() (out []string, err error) {
		b, anew, err := board.OpenNoted(boardConfig(dir, keys, s))
		if err != nil || anew != nil {
			if b != nil {
				err = errors.Join(err, b.Close())
			}
			return nil, errors.Join(err, anew)
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		ctx := context.Background()
		page, err := b.List(ctx, board.Query{})
		out = append(out, answer("list", err, shown(page)))
		for _, a := range page.Alerts {
			x, events, err := b.Get(ctx, a.ID.String())
			out = append(out, answer("alert", err, shown(x), shown(events)))
			found, err := b.LookUp(ctx, a.File.Signals)
			out = append(out, answer("look-up", err, shown(found)))
		}
		for a, err := range b.Export(ctx, 0) {
			out = append(out, answer("export", err, shown(a)))
			if err != nil {
				return nil, err
			}
		}
		counts, err := b.Tally(ctx, board.FigureQuery{Of: "alerts", By: []string{"agency", "standing"}})
		out = append(out, answer("figures", err, shown(counts)))
		reports, err := b.WaitingReports(ctx)
		out = append(out, answer("reports", err, reports))
		gone, _, err := b.Expungements(ctx, 0, 0)
		out = append(out, answer("expungements", err, len(gone)))
		return out, nil
	}
}

// boardScrubbed scrubs as often as it takes for samples to meet everything in so small a board.
func boardScrubbed(t *testing.T, dir string, keys unlocked, s *store.Store) bool {
	t.Helper()
	b, err := board.Open(boardConfig(dir, keys, s))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	for range 8 {
		for cursor := []byte(nil); ; {
			slice, err := b.Scrub(t.Context(), cursor, 1<<20)
			if err != nil || len(slice.Found) > 0 {
				return true
			}
			if cursor = slice.Next; len(cursor) == 0 {
				break
			}
		}
	}
	return false
}

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
