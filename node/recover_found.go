package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/durable"
)

// resume takes up what an interrupted recovery left. Before the new node may have had an identity nothing has started, so that its
// directory or another one will do. After that only the very one that closed.json names will, as long as it has none.
func (w *recovery) resume() error {
	c, err := readClosing(filepath.Join(w.r.Old.Dir, closedFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if w.prepared, err = awaits(w.r.New, c.SuccessorFile); err != nil {
		return err
	}
	if !w.prepared && !c.Founding {
		return fmt.Errorf("%w; where that was interrupted, name the same directory", c.refusal())
	}
	w.closed = &c
	return nil
}

// awaits says whether a directory is what was made for the founder of a successor, and lacks its identity alone.
func awaits(c Config, f SuccessorFile) (bool, error) {
	if c.Dir == "" || !holds(c.Dir, genesisFile, keysFile, successorFile) {
		return false, nil
	}
	have, err := ReadSuccessor(filepath.Join(c.Dir, successorFile))
	if err != nil || have.Origin != f.Origin || have.Genesis != f.Genesis || have.Of != f.Of {
		return false, err
	}
	genesis, err := readGenesis(c.Dir)
	if err != nil {
		return false, err
	}
	keys, err := ReadKeys(c)
	return err == nil && ledger.LeafHash(genesis.Leaf).String() == f.Genesis && keys.Node.Public().ID().String() == f.Members[0].Node, err
}

// found closes the ledger and makes the node that founds its successor. The order is: the new node's keys and genesis; what
// keeps the old directory from being started again; the old ledger's end, which may be of what was never committed, so that the old
// one must not run on it; last the new identity, without which there is no node. The command run again goes on wherever that ended.
func (w *recovery) found() error {
	old, dir := w.r.Old.Dir, w.r.New.Dir
	c := closing{Sealed: w.Sealed, Founding: true}
	var err error
	if w.prepared {
		c = *w.closed
		err = w.endsThere(c)
	} else if c.SuccessorFile, err = w.prepare(); err == nil {
		err = closeDirectory(old, c)
	}
	if err != nil {
		return err
	}

	if c.Of.Size == w.Here { // else what was not sealed may be another history than the one that was
		if err := errors.Join(w.rest.Commit(), w.sign()); err != nil {
			return err
		}
	}

	c.Founding = false // a crash behind this may leave a node that starts: there is no other successor any more
	if err := closeDirectory(old, c); err != nil {
		return err
	}
	w.Successor, w.Node, w.File = c.Origin, c.Members[0].Node, filepath.Join(dir, successorFile)
	return writeIdentity(dir, Identity{
		Format: identityFormat, Agency: w.id.Agency, Origin: c.Origin, Genesis: c.Genesis, Node: w.Node,
		Founder: true, Predecessor: &OldLedger{Dir: absolute(old), Origin: w.id.Origin, Node: w.id.Node, Sealed: w.Sealed},
	})
}

// endsThere refuses to go on with a genesis of another end than the one that is known now, where one of this end can be made.
func (w *recovery) endsThere(c closing) error {
	end := w.end()
	if !c.Founding || end.Size == c.Of.Size && end.Root.String() == c.Of.Root {
		return nil
	}
	return fmt.Errorf("%w: %s was made for an end at %d entries, and it is at %d; choose an empty one", ErrDirectoryTaken, w.r.New.Dir, c.Of.Size, end.Size)
}

// prepare makes all of the new node but its identity.
func (w *recovery) prepare() (f SuccessorFile, err error) {
	c := w.r.New
	passphrase, err := c.Passphrase()
	if err != nil {
		return f, err
	}
	if err := c.Dialable(); err != nil {
		return f, err
	}
	if err := makeDirectory(c.Dir); err != nil {
		return f, err
	}
	keys := Keys{Agency: w.keys.Agency}
	if keys.Node, err = crypto.GenerateNodeKey(); err != nil {
		return f, err
	}
	if keys.Checkpoint, err = crypto.GenerateNodeKey(); err != nil {
		return f, err
	}
	end := w.end()
	genesis, origin, err := w.genesis(end, keys)
	if err != nil {
		return f, err
	}
	f = SuccessorFile{
		Version: 1, Origin: origin, Genesis: ledger.LeafHash(genesis.Leaf).String(),
		Members: []Pin{{Agency: w.id.Agency, Node: keys.Node.Public().ID().String(), Address: c.Address()}},
		Of:      ClosedLedger{Origin: end.Origin, Size: end.Size, Root: end.Root.String()},
	}
	if err := writeKeys(c.Dir, keys, passphrase); err != nil {
		return f, err
	}
	if err := durable.WriteFile(filepath.Join(c.Dir, genesisFile), ledger.Marshal(genesis), 0o600); err != nil {
		return f, err
	}
	return f, writeSuccessor(filepath.Join(c.Dir, successorFile), f)
}
