package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/accesslog"
	"vigil/node/cluster"
	"vigil/node/store"
)

const (
	workerDir    = "VIGIL_CRASH_DIR"
	workerScript = "VIGIL_CRASH_SCRIPT"

	wholeWait  = 90 * time.Second
	mostAtOnce = 16  // entries in one proposal
	readBack   = 100 // entries, from the end, after a start
)

// What a worker prints, a line each: what it found at its start, then what it was told is durable.
const (
	saidFound   = "found %d %d %d" // size, signed size, size of the access log
	saidWritten = "written %d"
	saidSigned  = "signed %d"
	saidRead    = "read %d"
	saidDone    = "done %d"
	saidWrong   = "wrong "
)

// work is the process that is killed.
func work(dir, path string) {
	w := &worker{dir: dir}
	err := w.open(path)
	if err == nil {
		err = w.check()
	}
	if err == nil {
		err = w.write()
	}
	if err != nil {
		fmt.Println(saidWrong + strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(1)
	}
	fmt.Printf(saidDone+"\n", w.store.State().Size())
}

type worker struct {
	dir     string
	script  *script
	store   *store.Store
	cluster *cluster.Cluster
	access  *accesslog.Log
}

func (w *worker) open(path string) (err error) {
	if w.script, err = readScript(path); err != nil {
		return err
	}
	key, err := crypto.ParseNodeKey(w.script.Node)
	if err != nil {
		return err
	}
	if w.store, err = store.Open(filepath.Join(w.dir, "ledger"), store.Identity{Origin: w.script.Origin, Node: key.Public().ID().String()}); err != nil {
		return err
	}
	if err := w.openAccess(key); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fatal := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3) // as a node would stop writing: a disk without power is no mistake
	}
	w.cluster, err = cluster.Open(cluster.Config{
		Dir: filepath.Join(w.dir, "raft"), Agency: "in/a0", Key: key, Store: w.store, Listener: l,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Heartbeat: 20 * time.Millisecond,
		Alarm: func(crypto.NodeID, string) {}, Fatal: fatal,
	})
	if err != nil {
		return err
	}
	go func() { fatal(w.cluster.Run(context.Background())) }()
	return nil
}

func (w *worker) openAccess(key *crypto.NodeKey) (err error) {
	cfg := accesslog.Config{
		Dir: filepath.Join(w.dir, "access"), Key: key.Derive("crash"), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		OnSegment: func(context.Context, *accesslog.Segment) (ledger.Index, error) { return 0, errors.New("not here") },
	}
	if w.access, err = accesslog.Open(cfg); errors.Is(err, accesslog.ErrAbsent) {
		w.access, err = accesslog.Create(cfg)
	}
	return err
}

// until waits for what raft does by itself.
func (w *worker) until(what string, ok func() bool) error {
	deadline, tick := time.After(wholeWait), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			return fmt.Errorf("not in time: %s", what)
		case <-tick.C:
		}
	}
	return nil
}

// check compares what came back with what it must be, and says how far it goes.
func (w *worker) check() error {
	ctx := context.Background()
	if w.cluster.Empty() {
		if err := w.cluster.Found(ctx, w.script.Entries[0]); err != nil {
			return err
		}
	}
	if err := w.until("the node leads", w.cluster.Leads); err != nil {
		return err
	}
	if err := w.cluster.Continue(ctx, w.script.Entries[0]); err != nil {
		return err
	}
	size := w.store.State().Size()
	r, err := w.cluster.Propose(ctx, w.script.Entries[size-1:size]) // raft has applied all that its log has once it answers
	if err != nil {
		return err
	}
	if r[0].Verdict != ledger.Repeat || uint64(r[0].Index) != size-1 {
		return fmt.Errorf("entry %d proposed again: %v at %d", size-1, r[0].Verdict, r[0].Index)
	}
	size = w.store.State().Size()
	if err := w.compare(max(size, readBack)-readBack, size); err != nil {
		return err
	}
	fmt.Printf(saidFound+"\n", size, w.store.LastSigned(), w.access.Status().Size)
	return nil
}

// compare reads entries back and compares them and the state with the script.
func (w *worker) compare(from, to uint64) error {
	state := w.store.State()
	if now := (truth{state.Root(), state.Line()}); now != w.script.After[to-1] {
		return fmt.Errorf("another state at size %d", to)
	}
	for i := from; i < to; i++ {
		e, _, _, err := w.store.Entry(w.script.Origin, ledger.Index(i))
		if errors.Is(err, store.ErrExpunged) {
			if e.Leaf, err = w.store.Leaf(w.script.Origin, ledger.Index(i)); err == nil {
				e.Payload = w.script.Entries[i].Payload
			}
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		if want := w.script.Entries[i]; !bytes.Equal(e.Leaf, want.Leaf) || !bytes.Equal(e.Payload, want.Payload) {
			return fmt.Errorf("entry %d is another", i)
		}
	}
	return nil
}

// write writes on until the script's end, and says what is durable.
func (w *worker) write() error {
	ctx := context.Background()
	for {
		size := w.store.State().Size()
		left := uint64(len(w.script.Entries)) - size
		if left == 0 {
			return w.whole()
		}
		n := min(left, 1+rand.Uint64N(mostAtOnce))
		results, err := w.cluster.Propose(ctx, w.script.Entries[size:size+n])
		if err != nil {
			return err
		}
		for i, r := range results {
			if r.Verdict != ledger.Accepted || uint64(r.Index) != size+uint64(i) {
				return fmt.Errorf("entry %d: %v at %d: %v", size+uint64(i), r.Verdict, r.Index, r.Reason)
			}
		}
		size += n
		fmt.Printf(saidWritten+"\n", size)
		if err := w.store.SetLastSigned(w.script.Origin, size, w.script.After[size-1].Root); err != nil {
			return err
		}
		fmt.Printf(saidSigned+"\n", size)
		at, err := w.access.Append(ctx, accesslog.Record{Actor: "analyst", Role: "analyst", Verb: "alert.show", Objects: []accesslog.Object{"object"}, Count: 1, Outcome: accesslog.Answered})
		if err != nil {
			return err
		}
		fmt.Printf(saidRead+"\n", at+1)
	}
}

// whole verifies everything once the script is at its end; what was expunged is in no file.
func (w *worker) whole() error {
	if err := w.compare(0, uint64(len(w.script.Entries))); err != nil {
		return err
	}
	var found error
	err := w.store.Verify(context.Background(), func(ledger.Origin, uint64, uint64) {}, func(f store.Finding) {
		found = errors.Join(found, fmt.Errorf("entry %d: %s", f.Index, f.What))
	})
	if err = errors.Join(err, found); err != nil {
		return err
	}
	report, err := w.access.Verify(context.Background(), nil)
	if err = errors.Join(err, report.Err()); err != nil {
		return err
	}
	if err := w.until("raft's log is purged", func() bool { return w.cluster.Purged() >= w.store.PurgeIndex() }); err != nil {
		return err
	}
	return filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, i := range w.script.Gone {
			if p := w.script.Entries[i].Payload; bytes.Contains(b, p[len(p)/2:len(p)/2+64]) {
				return fmt.Errorf("%s holds what was expunged: entry %d", filepath.Base(path), i)
			}
		}
		return err
	})
}
