package node

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/durable"
)

// maxKeys bounds the keys of an agency that a node holds.
const maxKeys = 64

// Keys are a node's private keys. They exist in memory and, locked, in one file.
type Keys struct {
	// Agency holds the agency's keys, the oldest first. Those that left open what was sealed to them; the last may wait for
	// the roster to name it.
	Agency     []*crypto.AgencyKey
	Node       *crypto.NodeKey
	Checkpoint *crypto.NodeKey
}

// lockedKeys is what the passphrase locks: CBOR [version, agency secret keys, node seed, checkpoint seed].
type lockedKeys struct {
	_          struct{} `cbor:",toarray"`
	Version    uint64
	Agency     [][]byte
	Node       []byte
	Checkpoint []byte
}

const lockedVersion = 2

// writeKeys locks and writes the keys, synced, 0600.
func writeKeys(dir string, k Keys, passphrase []byte) error {
	l := lockedKeys{Version: lockedVersion, Node: k.Node.Seed(), Checkpoint: k.Checkpoint.Seed()}
	for _, a := range k.Agency {
		l.Agency = append(l.Agency, a.Secret())
	}
	locked, err := crypto.Lock(ledger.Marshal(l), passphrase)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, keysFile), locked, 0o600)
}

// ReadKeys unlocks the keys of the node in a directory, as whoever has the directory and its passphrase can.
func ReadKeys(c Config) (Keys, error) {
	passphrase, err := c.Passphrase()
	if err != nil {
		return Keys{}, err
	}
	return readKeys(c.Dir, passphrase)
}

func readKeys(dir string, passphrase []byte) (Keys, error) {
	locked, err := readSmall(filepath.Join(dir, keysFile))
	if err != nil {
		return Keys{}, err
	}
	plain, err := crypto.Unlock(locked, passphrase)
	if err != nil {
		return Keys{}, fmt.Errorf("node: keys of %s: %w", dir, err)
	}
	var l lockedKeys
	if err := ledger.Unmarshal(plain, &l, maxSmallFile); err != nil {
		return Keys{}, fmt.Errorf("node: keys of %s: %w", dir, err)
	}
	if l.Version != lockedVersion || len(l.Agency) == 0 || len(l.Agency) > maxKeys {
		return Keys{}, fmt.Errorf("%w: %s of version %d with %d keys", ErrDirectory, keysFile, l.Version, len(l.Agency))
	}
	var k Keys
	for _, secret := range l.Agency {
		a, err := crypto.ParseAgencyKey(secret)
		if err != nil {
			return Keys{}, err
		}
		k.Agency = append(k.Agency, a)
	}
	if k.Node, err = crypto.ParseNodeKey(l.Node); err != nil {
		return Keys{}, err
	}
	k.Checkpoint, err = crypto.ParseNodeKey(l.Checkpoint)
	return k, err
}

// keyRing holds this agency's keys while the node runs, and writes what is added before anyone uses it.
type keyRing struct {
	save func([]*crypto.AgencyKey) error

	mu   sync.Mutex
	list []*crypto.AgencyKey // guarded by mu; the oldest first
}

func (r *keyRing) all() []*crypto.AgencyKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

// named returns the key with a certificate; nil where it is not here.
func (r *keyRing) named(certificate []byte) *crypto.AgencyKey {
	for _, k := range r.all() {
		if bytes.Equal(k.Certificate().Bytes(), certificate) {
			return k
		}
	}
	return nil
}

var errTooManyKeys = errors.New("node: this agency has too many keys")

// add keeps a key on disk, as the newest or the oldest, and then in memory. One that is there already is not added.
func (r *keyRing) add(k *crypto.AgencyKey, newest bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.list, func(o *crypto.AgencyKey) bool { return o.Certificate().Fingerprint() == k.Certificate().Fingerprint() }) {
		return nil
	}
	if len(r.list) >= maxKeys {
		return errTooManyKeys
	}
	list := append(slices.Clone(r.list), k)
	if !newest {
		list = append([]*crypto.AgencyKey{k}, r.list...)
	}
	if err := r.save(list); err != nil {
		return err
	}
	r.list = list
	return nil
}

// saveAgencyKeys writes the keys file anew with the agency's keys as given.
func (n *Node) saveAgencyKeys(list []*crypto.AgencyKey) error {
	passphrase, err := n.cfg.Passphrase()
	if err != nil {
		return err
	}
	return writeKeys(n.cfg.Dir, Keys{Agency: list, Node: n.keys.Node, Checkpoint: n.keys.Checkpoint}, passphrase)
}

// signer returns this agency's key as a state names it; nil where that is not here.
func (n *Node) signer(state *ledger.State) *crypto.AgencyKey {
	if state == nil {
		return nil
	}
	a, ok := state.Governance.Agency(n.id.Agency)
	if !ok {
		return nil
	}
	return n.ring.named(a.Certificate)
}

// current returns the key in force, or the newest where no roster names one of ours.
func (n *Node) current() *crypto.AgencyKey {
	if k := n.signer(n.store.State()); k != nil {
		return k
	}
	all := n.ring.all()
	return all[len(all)-1]
}

// waiting returns a key that was made for a rotation which has not been carried out; nil where there is none.
func (n *Node) waiting(g *ledger.Governance) *crypto.AgencyKey {
	all := n.ring.all()
	last := all[len(all)-1]
	a, ok := g.Agency(n.id.Agency)
	left := func(f ledger.Former) bool { return bytes.Equal(f.Certificate, last.Certificate().Bytes()) }
	if !ok || bytes.Equal(a.Certificate, last.Certificate().Bytes()) || slices.ContainsFunc(g.Former, left) {
		return nil
	}
	return last
}

// nextKey returns the key for the next rotation, on disk before anyone hears of it.
func (n *Node) nextKey(g *ledger.Governance) (*crypto.AgencyKey, error) {
	if k := n.waiting(g); k != nil {
		return k, nil
	}
	k, err := crypto.GenerateAgencyKey(n.current().Certificate().Suite(), time.Now())
	if err != nil {
		return nil, err
	}
	if err := n.ring.add(k, true); err != nil {
		return nil, err
	}
	n.opener.add(k)
	return k, nil
}

// OpenKeys unlocks the keys of a directory, for tools that look at what a stopped node left.
func OpenKeys(c Config) (Keys, Identity, error) {
	id, err := ReadIdentity(c.Dir)
	if err != nil {
		return Keys{}, id, err
	}
	passphrase, err := c.Passphrase()
	if err != nil {
		return Keys{}, id, err
	}
	k, err := id.unlock(c.Dir, passphrase)
	return k, id, err
}
