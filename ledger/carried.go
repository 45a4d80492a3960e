package ledger

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrCarried says that a carried event does not lead to the events root its author signed.
var ErrCarried = errors.New("ledger: carried event")

// Carried is an entry's leaf and as much of its events as is to be shown: each row in clear with its salt, or its bare
// leaf hash. The reader computes the events root again, so that the author's own signature speaks.
type Carried struct {
	_      struct{} `cbor:",toarray"`
	Origin Origin
	Index  Index
	Leaf   []byte
	Path   []tlog.Hash  // RFC 6962 inclusion path, where the reader lacks the leaf's place
	Shared [][]byte     // shared parts of the events that are shown
	Rows   []CarriedRow // one for every leaf of the events tree, in order
}

// CarriedRow is one leaf of the events tree: shown (shared part, salt and row), or bare (hash alone).
type CarriedRow struct {
	_      struct{} `cbor:",toarray"`
	Shared uint64   // index into Carried.Shared
	Salt   []byte   // 16 bytes where shown
	Row    []byte
	Hash   []byte // 32 bytes where bare
}

// Carry shows the rows named and nothing else of an entry.
func Carry(origin Origin, index Index, leaf []byte, p *Payload, show []int) (*Carried, error) {
	c := &Carried{Origin: origin, Index: index, Leaf: leaf, Path: []tlog.Hash{}, Shared: [][]byte{}}
	salts, hashes := p.Salts(), p.LeafHashes()
	for _, n := range show {
		if n < 0 || n >= len(hashes) {
			return nil, fmt.Errorf("%w: row %d of %d", ErrCarried, n, len(hashes))
		}
	}
	shown := make(map[int]bool, len(show))
	for _, n := range show {
		shown[n] = true
	}
	n := 0
	for i := range p.Events {
		e := &p.Events[i]
		at := -1
		for r := range e.Count() {
			if !shown[n] {
				c.Rows = append(c.Rows, CarriedRow{Hash: hashes[n][:]})
				n++
				continue
			}
			if at < 0 {
				at = len(c.Shared)
				c.Shared = append(c.Shared, e.SharedPart())
			}
			c.Rows = append(c.Rows, CarriedRow{Shared: uint64(at), Salt: salts[n][:], Row: e.Row(r)})
			n++
		}
	}
	return c, nil
}

// EventsRoot computes the events root from what is shown and what is bare.
func (c *Carried) EventsRoot() (tlog.Hash, error) {
	if len(c.Rows) == 0 || len(c.Rows) > MaxEntryLeaves {
		return tlog.Hash{}, fmt.Errorf("%w: %d rows", ErrCarried, len(c.Rows))
	}
	hashes := make([]tlog.Hash, len(c.Rows))
	for i, r := range c.Rows {
		switch {
		case len(r.Hash) == tlog.HashSize && len(r.Salt) == 0 && len(r.Row) == 0 && r.Shared == 0:
			hashes[i] = tlog.Hash(r.Hash)
		case len(r.Hash) == 0 && len(r.Salt) == 16 && r.Shared < uint64(len(c.Shared)):
			hashes[i] = EventLeafHash([16]byte(r.Salt), c.Shared[r.Shared], r.Row)
		default:
			return tlog.Hash{}, fmt.Errorf("%w: row %d is neither shown nor bare", ErrCarried, i)
		}
	}
	return RootOf(hashes), nil
}

// SharedFacts is what a shared part says: CBOR [id, type, version, shared, width].
type SharedFacts struct {
	_       struct{} `cbor:",toarray"`
	ID      EventID
	Type    string
	Version uint64
	Shared  []byte
	Width   uint32
}

// OpenShared decodes a shared part.
func OpenShared(b []byte) (SharedFacts, error) {
	var f SharedFacts
	if err := Unmarshal(b, &f, MaxPlaintextBytes); err != nil {
		return f, fmt.Errorf("%w: %w", ErrCarried, err)
	}
	return f, nil
}
