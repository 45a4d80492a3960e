package rot

import (
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

	"vigil/ledger"
	"vigil/node"
	"vigil/node/accesslog"
	"vigil/node/api"
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
