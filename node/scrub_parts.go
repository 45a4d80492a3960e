package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"vigil/node/accesslog"
	"vigil/node/board"
	"vigil/node/cluster"
	"vigil/node/match"
	"vigil/node/store"
)

// scrubParts are the parts of a node that runs.
func (n *Node) scrubParts() []scrubPart {
	replace := "vigil node replace --from " + n.cfg.Dir + " --dir NEW-DIR"
	return []scrubPart{
		ledgerPart(n.store, func(ctx context.Context, d store.Damage) scrubDamage {
			done, err := n.store.Mend(ctx, d, lendersOf(n.id, n.keys.Node, n.store.State()).entry)
			if err != nil {
				return scrubDamage{what: d.What + fmt.Sprintf(" (%v)", err), fix: "stop the node, then: vigil ledger scrub --dir " + n.cfg.Dir + " builds the ledger anew from another member's"}
			}
			return scrubDamage{what: d.What, done: done}
		}),
		{"raft log", func() uint64 { return sizeOf(filepath.Join(n.cfg.Dir, "raft", "raft.db")) }, func(_ context.Context, cursor []byte) ([]byte, uint64, []scrubDamage, error) {
			return n.scrubLog(cursor, replace)
		}},
		{"access log", func() uint64 { return dirSize(filepath.Join(n.cfg.Dir, "access")) }, func(ctx context.Context, _ []byte) ([]byte, uint64, []scrubDamage, error) {
			return accessSlice(ctx, n.access, n.cfg.Dir)
		}},
		boardPart(n.board, filepath.Join(n.cfg.Dir, "board")),
		indexPart(n.finder.path, n.finder.key),
		{"keys", func() uint64 { return sizeOf(filepath.Join(n.cfg.Dir, keysFile)) }, n.scrubSmall},
	}
}

func sizeOf(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return uint64(info.Size())
}

func dirSize(dir string) (sum uint64) {
	entries, _ := os.ReadDir(dir) // what cannot be read is found by reading it
	for _, e := range entries {
		sum += sizeOf(filepath.Join(dir, e.Name()))
	}
	return sum
}

// ledgerPart scrubs the ledger of a directory. mend is told of what is damaged.
func ledgerPart(s *store.Store, mend func(context.Context, store.Damage) scrubDamage) scrubPart {
	size := func() uint64 { return s.Bytes() }
	return scrubPart{"ledger", size, func(ctx context.Context, cursor []byte) ([]byte, uint64, []scrubDamage, error) {
		slice, err := s.Scrub(ctx, cursor, scrubSlice)
		var found []scrubDamage
		for _, d := range slice.Found {
			found = append(found, mend(ctx, d))
		}
		return slice.Next, slice.Bytes, found, err
	}}
}

func (n *Node) scrubLog(cursor []byte, replace string) (after []byte, read uint64, found []scrubDamage, err error) {
	from := uint64(1)
	if len(cursor) == 8 {
		from = binary.BigEndian.Uint64(cursor)
	}
	next, read, damages := n.cluster.ScrubLog(from, scrubSlice)
	for _, d := range damages {
		x := scrubDamage{what: d.Err.Error(), fix: replace}
		if d.Index > 0 && n.cluster.MendLog(d.Index) == nil {
			x.done = "the ledger has it: a snapshot stands for it"
		}
		found = append(found, x)
	}
	if next > 0 {
		after = binary.BigEndian.AppendUint64(nil, next)
	}
	return after, read, found, nil
}

func accessSlice(ctx context.Context, l *accesslog.Log, dir string) ([]byte, uint64, []scrubDamage, error) {
	r, err := l.Verify(ctx, nil)
	if ctx.Err() != nil {
		return nil, 0, nil, ctx.Err()
	}
	var found []scrubDamage
	fix := "tell the auditor; stop the node, keep the log as evidence: vigil access set-aside --dir " + dir
	if err != nil {
		found = append(found, scrubDamage{what: err.Error(), fix: fix})
	}
	for _, f := range r.Faults {
		found = append(found, scrubDamage{what: f.Error(), fix: fix})
	}
	return nil, dirSize(filepath.Join(dir, "access")), found, nil
}

func boardPart(b *board.Board, dir string) scrubPart {
	return scrubPart{"board", b.Bytes, func(ctx context.Context, cursor []byte) ([]byte, uint64, []scrubDamage, error) {
		slice, err := b.Scrub(ctx, cursor, scrubSlice)
		var found []scrubDamage
		for _, what := range slice.Found {
			d := scrubDamage{what: what, fix: "restart the node: it makes the board anew from its ledgers"}
			if err := board.Condemn(dir); err != nil {
				d.fix = "stop the node, delete " + dir + " and start it: it makes the board anew"
			}
			found = append(found, d)
		}
		return slice.Next, slice.Bytes, found, err
	}}
}

// indexPart scrubs the saved match index: it holds nothing that the board does not.
func indexPart(path string, key [32]byte) scrubPart {
	size := func() uint64 { return sizeOf(path) }
	return scrubPart{"match index", size, func(context.Context, []byte) ([]byte, uint64, []scrubDamage, error) {
		read, err := match.CheckFile(path, key)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil, uint64(read), nil, nil
		}
		d := scrubDamage{what: err.Error(), fix: "delete " + path + ": it is made anew from the board"}
		if os.Remove(path) == nil {
			d.done = "removed; it is made anew from the board"
		}
		return nil, uint64(read), []scrubDamage{d}, nil
	}}
}

// scrubSmall compares the small files with what this process was started with, and writes them again.
func (n *Node) scrubSmall(context.Context, []byte) ([]byte, uint64, []scrubDamage, error) {
	var found []scrubDamage
	again := func(what string, bad error, write func() error) {
		if bad == nil {
			return
		}
		d := scrubDamage{what: what + ": " + bad.Error(), fix: "keep this node running, then: vigil node replace --from " + n.cfg.Dir + " --dir NEW-DIR"}
		if write() == nil {
			d.done = "written again from memory"
		}
		found = append(found, d)
	}
	again(keysFile, n.checkKeys(), func() error { return n.saveAgencyKeys(n.ring.all()) })
	_, err := ReadIdentity(n.cfg.Dir)
	again(identityFile, err, func() error { return writeIdentity(n.cfg.Dir, n.id) })
	again("signed.json", n.store.CheckSigned(), n.store.RewriteSigned)
	return nil, sizeOf(filepath.Join(n.cfg.Dir, keysFile)), found, nil
}

// checkKeys opens the keys on disk again. A passphrase that is not at hand now says nothing about them.
func (n *Node) checkKeys() error {
	passphrase, err := n.cfg.Passphrase()
	if err != nil {
		return nil //nolint:nilerr // a credential that is gone is not damage
	}
	k, err := n.id.unlock(n.cfg.Dir, passphrase)
	if err != nil {
		return err
	}
	all := n.ring.all()
	same := len(k.Agency) == len(all)
	for i := 0; same && i < len(all); i++ {
		same = bytes.Equal(k.Agency[i].Certificate().Bytes(), all[i].Certificate().Bytes())
	}
	if !same {
		return fmt.Errorf("%w: it holds other keys than this node", ErrDirectory)
	}
	return nil
}

// raftDamages are what is wrong with the raft directory of a node that does not run.
func raftDamages(c Config, keys Keys, s *store.Store) (read uint64, found []scrubDamage) {
	read, damages := cluster.CheckDir(filepath.Join(c.Dir, "raft"), keys.Node, cluster.Config{Store: s})
	for _, d := range damages {
		found = append(found, scrubDamage{what: d.Err.Error(), fix: "vigil node replace --from " + c.Dir + " --dir NEW-DIR"})
	}
	return read, found
}
