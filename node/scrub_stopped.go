package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/accesslog"
	"vigil/node/api"
	"vigil/node/board"
	"vigil/node/store"
)

// ScrubStopped scrubs the directory of a node that does not run. What the ledger has lost it gets from the other members, where need
// be all of it. Where raft's log, the keys or what was signed are damaged, nothing mends them: the node is to be replaced.
func ScrubStopped(ctx context.Context, c Config, log *slog.Logger, line func(api.ScrubLine)) error {
	id, err := ReadIdentity(c.Dir)
	if err != nil {
		return err
	}
	passphrase, err := c.Passphrase()
	if err != nil {
		return err
	}
	keys, err := id.unlock(c.Dir, passphrase)
	if err != nil {
		return fmt.Errorf("%w; if %s was damaged: vigil node replace --kit FILE --dir NEW-DIR", err, keysFile)
	}
	x := &stopped{cfg: c, id: id, keys: keys, log: log, line: line}
	if err := x.open(ctx); err != nil {
		return err
	}
	defer func() { _ = x.store.Close() }() // what was mended is synced already
	return x.scrub(ctx)
}

type stopped struct {
	cfg   Config
	id    Identity
	keys  Keys
	log   *slog.Logger
	line  func(api.ScrubLine)
	store *store.Store
}

// open opens the ledger, or has it made anew where it is too damaged for that.
func (x *stopped) open(ctx context.Context) (err error) {
	dir, id := filepath.Join(x.cfg.Dir, "ledger"), store.Identity{Origin: x.id.Origin, Node: x.id.Node}
	if x.store, err = store.Open(dir, id); !errors.Is(err, store.ErrDamaged) {
		return err
	}
	x.log.Warn("the ledger cannot be opened and is made anew from another member's", "error", err)
	if rebuildErr := x.rebuild(ctx, nil); rebuildErr != nil {
		return errors.Join(err, rebuildErr)
	}
	x.line(api.ScrubLine{Part: "ledger", Damage: err.Error(), Repaired: "made anew from another member's"})
	x.store, err = store.Open(dir, id)
	return err
}

// rebuild makes the ledger anew from the first member that has it. Nobody may have it open.
func (x *stopped) rebuild(ctx context.Context, state *ledger.State) error {
	err := lendersOf(x.id, x.keys.Node, state).each(ctx, "/ledger/journal", nil, func(_ Pin, r io.Reader) error {
		return store.Rebuild(filepath.Join(x.cfg.Dir, "ledger"), store.Identity{Origin: x.id.Origin, Node: x.id.Node}, x.id.Genesis, r)
	})
	if err != nil {
		return fmt.Errorf("%w; start another member's node and run this again, or: vigil node replace --from %s --dir NEW-DIR", err, x.cfg.Dir)
	}
	return nil
}

func (x *stopped) scrub(ctx context.Context) error {
	beyond := 0
	lend := lendersOf(x.id, x.keys.Node, x.store.State())
	s := newScrubber(x.cfg.Dir, x.log, []scrubPart{
		ledgerPart(x.store, func(ctx context.Context, d store.Damage) scrubDamage {
			done, err := x.store.Mend(ctx, d, lend.entry)
			if err != nil {
				beyond++
				return scrubDamage{what: fmt.Sprintf("%s (%v)", d.What, err), done: "the ledger is made anew from another member's"}
			}
			return scrubDamage{what: d.What, done: done}
		}),
	})
	if err := s.pass(ctx, scrubAskedRate, true, false, x.line); err != nil {
		return err
	}
	if beyond > 0 {
		if err := x.anew(ctx); err != nil {
			return err
		}
	}
	return newScrubber(x.cfg.Dir, x.log, x.rest()).pass(ctx, scrubAskedRate, true, false, x.line)
}

func (x *stopped) anew(ctx context.Context) error {
	state := x.store.State()
	if err := x.store.Close(); err != nil {
		return err
	}
	err := x.rebuild(ctx, state)
	var openErr error
	x.store, openErr = store.Open(filepath.Join(x.cfg.Dir, "ledger"), store.Identity{Origin: x.id.Origin, Node: x.id.Node})
	return errors.Join(err, openErr)
}

// rest are the parts beside the ledger.
func (x *stopped) rest() []scrubPart {
	dir := func(name string) string { return filepath.Join(x.cfg.Dir, name) }
	derive := func(key *crypto.AgencyKey, name string) [32]byte { return key.Derive(name) }
	key := x.current()
	return []scrubPart{
		{"raft log", func() uint64 { return sizeOf(dir("raft/raft.db")) }, func(context.Context, []byte) ([]byte, uint64, []scrubDamage, error) {
			read, found := raftDamages(x.cfg, x.keys, x.store)
			return nil, read, found, nil
		}},
		{"access log", func() uint64 { return dirSize(dir("access")) }, func(ctx context.Context, _ []byte) ([]byte, uint64, []scrubDamage, error) {
			l, err := accesslog.Open(accesslog.Config{
				Dir: dir("access"), Key: x.keys.Node.Derive("vigil access log v1"), Log: x.log,
				OnSegment: func(context.Context, *accesslog.Segment) (ledger.Index, error) { return 0, errNotYet },
			})
			if errors.Is(err, accesslog.ErrAbsent) {
				return nil, 0, nil, nil
			}
			if err != nil {
				return nil, 0, []scrubDamage{{what: err.Error(), fix: "tell the auditor; keep it as evidence: vigil access set-aside --dir " + x.cfg.Dir}}, nil
			}
			next, read, found, err := accessSlice(ctx, l, x.cfg.Dir)
			return next, read, found, errors.Join(err, l.Close())
		}},
		x.boardPart(derive(key, "vigil board v1")),
		indexPart(dir("match/index"), derive(key, "vigil match index v1")),
	}
}

func (x *stopped) current() *crypto.AgencyKey {
	ring := &keyRing{list: x.keys.Agency}
	return (&Node{id: x.id, ring: ring, store: x.store}).current()
}

// boardPart opens the board, which makes it anew where it is damaged, and scrubs it.
func (x *stopped) boardPart(key [32]byte) scrubPart {
	dir := filepath.Join(x.cfg.Dir, "board")
	return scrubPart{"board", func() uint64 { return dirSize(dir) }, func(ctx context.Context, _ []byte) ([]byte, uint64, []scrubDamage, error) {
		if sizeOf(filepath.Join(dir, "board.db")) == 0 {
			return nil, 0, nil, nil
		}
		opener := &opener{agency: x.id.Agency, origin: x.id.Origin, store: x.store, log: x.log, ring: crypto.NewKeyring(x.keys.Agency...), found: func(*crypto.AgencyKey) {}}
		b, anew, err := board.OpenNoted(board.Config{
			Dir: dir, Key: key, Agency: x.id.Agency, Ledger: x.store, Opener: opener, Policy: (&Node{store: x.store}).policyInForce, Log: x.log,
		})
		if err != nil {
			return nil, 0, nil, err
		}
		var found []scrubDamage
		read := uint64(0)
		if anew != nil && !errors.Is(anew, fs.ErrNotExist) {
			found = append(found, scrubDamage{what: anew.Error(), done: "it is made anew from its ledgers"})
		}
		part := boardPart(b, dir)
		for cursor := []byte(nil); anew == nil; {
			next, n, some, err := part.slice(ctx, cursor)
			if err != nil {
				return nil, read, found, errors.Join(err, b.Close())
			}
			for i := range some {
				some[i].done = "it is made anew from its ledgers at the next start"
			}
			if read, found, cursor = read+n, append(found, some...), next; len(next) == 0 {
				break
			}
		}
		return nil, read, found, b.Close()
	}}
}
