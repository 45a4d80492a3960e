package board_test

import (
	"crypto/sha256"
	"maps"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/board"
)

// plain is ledgers whose payloads are not sealed and whose records nobody signed: the board opens what it is told to and
// checks no signature, so that thousands of entries cost a test nothing.
type plain struct {
	*fakeLedgers
	hidden map[[32]byte]bool // payloads that do not open yet
}

func newPlain(origins ...ledger.Origin) *plain {
	return &plain{
		fakeLedgers: &fakeLedgers{origins: origins, entries: map[ledger.Origin][]ledger.Entry{}, shown: map[ledger.Origin]uint64{}, changed: make(chan struct{})},
		hidden:      map[[32]byte]bool{},
	}
}

// write appends an entry of an agency and returns its index.
func (p *plain) write(t testing.TB, o ledger.Origin, author ledger.AgencyID, hidden bool, events ...ledger.Event) uint64 {
	t.Helper()
	index := uint64(len(p.entries[o]))
	r := ledger.Record{
		Version: ledger.RecordVersion, Origin: o, Author: author, Sequence: index + 1, Kind: ledger.KindSealed, AuthoredAt: 1_700_000_000_000,
		Audience: []ledger.AudienceRef{{Name: ledger.AudienceName(author), Epoch: 1}}, EventsRoot: tlog.Hash{1},
	}
	payload := (&ledger.Payload{Author: author, Origin: o, Audience: r.Audience, Seed: [32]byte{byte(index)}, Events: events}).Encode()
	r.PayloadHash, r.PayloadLength = sha256.Sum256(payload), uint64(len(payload))
	p.entries[o] = append(p.entries[o], ledger.Entry{Leaf: ledger.Leaf{Record: r.Encode(), Signature: []byte{}}.Encode(), Payload: payload})
	p.hidden[r.PayloadHash] = hidden
	return index
}

// Open implements board.Opener.
func (p *plain) Open(rec *ledger.Record, payload []byte) (*ledger.Payload, error) {
	if p.hidden[rec.PayloadHash] {
		return nil, crypto.ErrNotForUs
	}
	return ledger.DecodePayload(payload)
}

// reveal lets everything open from now on.
func (p *plain) reveal() { clear(p.hidden) }

// again lets a board follow every ledger again from its beginning, with everything opening now, and to an entry more.
func (p *plain) again(t testing.TB, b *board.Board) {
	t.Helper()
	p.reveal()
	for _, o := range p.origins {
		b.Rewind(o, 0)
		p.write(t, o, ledger.AgencyID(o.Jurisdiction())+"/a0", false, ledgertest.Event("last"))
	}
	p.showAll()
	catchUp(t, b, p.fakeLedgers)
}

// showAll shows every ledger whole.
func (p *plain) showAll() {
	for _, o := range slices.Collect(maps.Keys(p.entries)) {
		p.shown[o] = uint64(len(p.entries[o]))
	}
}

// board opens a board on the ledgers.
func (p *plain) board(t testing.TB, dir string, policy func() ledger.Policy) *board.Board {
	t.Helper()
	return openWith(t, dir, p.fakeLedgers, nil, func(c *board.Config) { c.Opener, c.Policy = p, policy })
}
