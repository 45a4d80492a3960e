package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"vigil/ledger"
	"vigil/node/durable"
	"vigil/node/store"
)

// Restored is what became of a restore.
type Restored struct {
	BackupReport
	Identity Identity `json:"identity"`
	// From is the member whose ledger the new node begins with. It is empty where nobody lent theirs: then the node has it from them
	// once it is started, or is alone with the backup's.
	From string `json:"from,omitempty"`
	// Alone says that no member took the new node: it reads what the backup has, and writes nothing.
	Alone bool `json:"alone,omitempty"`
}

// Restore makes a new node of an agency from a backup, one file or a chain of them, and the agency's keys. The backup is read to its end before anything else
// happens. The node's keys are made here, and it stands in the old one's place as after Replace. Where a member takes it, its ledger
// comes from the members, so that nothing that they have expunged since the backup is ever on its disk; one that does not go on from
// the backup is refused. alone lets the node come up without them, on what the backup has, in which it has no part any more.
// One that was interrupted or refused goes on in the same directory, with the keys that it made.
func Restore(ctx context.Context, c Config, chain []string, r Replacing, alone bool) (out Restored, err error) {
	staged := c.Dir + ".restoring"
	if err := os.RemoveAll(staged); err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staged)) }()
	if out.BackupReport, err = CheckBackup(chain, filepath.Join(staged, "drill"), "drill", r.Keys); err != nil {
		return out, err
	}
	if out.Agency != r.Agency || out.Origin != r.Origin || out.Genesis != r.Genesis {
		return out, fmt.Errorf("%w: it is of %s in %s", ErrBackupOther, out.Agency, out.Origin)
	}
	if err := setAside(c.Dir, staged); err != nil {
		return out, err
	}
	keys, id, err := replacement(c, r)
	if err != nil {
		return out, err
	}
	out.Identity = id
	from := filepath.Join(staged, "drill")
	if err = handIn(ctx, r, keys, nodeOf(c, keys)); err == nil {
		from, err = newerThan(ctx, &out, keys, r, staged)
	} else if out.Alone = alone && ctx.Err() == nil; out.Alone {
		err = nil
	} else {
		err = fmt.Errorf("%w; start another member's node, or restore with --alone what can then only be read", err)
	}
	if err != nil {
		return out, err
	}
	if from != "" {
		if err := settle(from, filepath.Join(c.Dir, "ledger"), store.Identity{Origin: r.Origin, Node: out.Identity.Node}); err != nil {
			return out, err
		}
	}
	return out, writeIdentity(c.Dir, out.Identity) // last: a directory without it is no node
}

// setAside takes away the ledger that an interrupted restore left beside its keys: it was never used, and is asked for again.
func setAside(dir, staged string) error {
	left := filepath.Join(dir, "ledger")
	if !holds(dir, keysFile, "ledger") || !holds(left, "current", "lock", "store.json") {
		return nil
	}
	return os.Rename(left, filepath.Join(staged, "left"))
}

// newerThan takes the ledger of the first member who has all that the backup has, the same; none where nobody lends theirs.
func newerThan(ctx context.Context, out *Restored, keys Keys, r Replacing, staged string) (from string, err error) {
	dir := filepath.Join(staged, "theirs")
	lend := lenders{key: keys.Node, members: lendersOf(out.Identity, keys.Node, nil).members}
	askErr := lend.each(ctx, "/ledger/journal", nil, func(p Pin, journal io.Reader) error {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		id := store.Identity{Origin: r.Origin, Node: "drill"}
		if err := store.Rebuild(dir, id, r.Genesis, journal); err != nil {
			return err
		}
		s, err := store.Open(dir, id)
		if err != nil {
			return err
		}
		err = goesOn(s, out.BackupReport)
		if err = errors.Join(err, s.Close()); err == nil {
			out.From, from = string(p.Agency), dir
		}
		return err
	})
	if errors.Is(askErr, errForked) || errors.Is(askErr, errLess) {
		return "", fmt.Errorf("%w; the roster names the new node, whose keys are in the directory: once that is settled, restore there again", askErr)
	}
	return from, ctx.Err()
}

// errForked says that the others' ledger is not the one that was backed up.
var errForked = fmt.Errorf("%w: the ledger of another member does not go on from it: one of the two is forked; keep the backup as proof and ask the others", ErrBackup)

// errLess says that another member has lost what the backup has.
var errLess = fmt.Errorf("%w: another member has less than it, although enough members have signed for it: keep the backup, and ask the others for theirs", ErrBackup)

// goesOn says whether a ledger begins with what a backup has.
func goesOn(s *store.Store, b BackupReport) error {
	switch size := s.Size(b.Origin); {
	case size < b.Sealed:
		return errLess
	case size < b.Entries:
		return store.ErrAbsent
	}
	root, err := ledger.RootAt(b.Entries, s.HashReader(b.Origin))
	if err == nil && root.String() != b.Root {
		err = errForked
	}
	return err
}

// settle moves a folded ledger to where a node keeps it, that node's already: a crash leaves none there or the whole.
func settle(from, to string, id store.Identity) error {
	b, err := json.Marshal(id)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(from, "store.json"), b, 0o600); err != nil {
		return err
	}
	return durable.Rename(from, to)
}
