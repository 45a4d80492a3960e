package ledger

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

// ErrReceipt says that a receipt is not well-formed or not signed by the node it names.
var ErrReceipt = errors.New("ledger: receipt")

const receiptDomain = "vigil receipt v1"

// Receipt is a node's word that an entry is, or will be by the deadline, in the ledger, and which event in it was
// acknowledged: CBOR array [origin, leaf hash, index, event digest, at (ms), deadline (ms), agency]. An inclusion proof
// completes it.
type Receipt struct {
	_        struct{} `cbor:",toarray"`
	Origin   Origin
	Hash     tlog.Hash
	Index    Index
	Event    [32]byte // Event.Digest of what was acknowledged; zero where it is the entry as a whole
	At       int64
	Deadline int64
	Agency   AgencyID
}

type signedReceipt struct {
	_         struct{} `cbor:",toarray"`
	Receipt   []byte
	Node      crypto.NodePublic
	Signature []byte
}

// SignReceipt returns the signed receipt: CBOR [receipt, node key, signature].
func SignReceipt(r Receipt, key *crypto.NodeKey) []byte {
	b := Marshal(r)
	return Marshal(signedReceipt{Receipt: b, Node: key.Public(), Signature: key.Sign(receiptDomain, b)})
}

// OpenReceipt checks a receipt's signature and returns it with the key that made it.
func OpenReceipt(raw []byte) (Receipt, crypto.NodePublic, error) {
	var s signedReceipt
	var r Receipt
	if err := Unmarshal(raw, &s, MaxLeafBytes); err != nil {
		return r, s.Node, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	if err := s.Node.Verify(receiptDomain, s.Receipt, s.Signature); err != nil {
		return r, s.Node, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	if err := Unmarshal(s.Receipt, &r, MaxLeafBytes); err != nil {
		return r, s.Node, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	return r, s.Node, nil
}

// VerifyReceipt checks a bundle as VerifyBundle does, and that a receipt is for what the bundle shows: the same entry of the
// same ledger, the event that is shown, and signed by a node of the author, the one that wrote the entry or the one it has
// at the checkpoint.
func VerifyReceipt(receipt, bundle []byte, t *Trust) *Report {
	r := VerifyBundle(bundle, t)
	b, err := DecodeBundle(bundle)
	if err != nil {
		return r // as the report says
	}
	got, key, err := OpenReceipt(receipt)
	if !r.add("receipt", err, codeSignature, "a node has signed it") {
		r.Verified = false
		return r
	}
	rec, _, err := OpenLeaf(b.Carried.Leaf)
	if err == nil && !b.nodeOf(rec, key) {
		err = fmt.Errorf("%w: signed by a node that is not %s's", ErrReceipt, rec.Author)
	}
	r.add("node", err, codeSignature, fmt.Sprintf("signed by a node of %s", r.Author))
	err = nil
	if got.Origin != b.Carried.Origin || got.Index != b.Carried.Index || got.Hash != LeafHash(b.Carried.Leaf) || got.Agency != r.Author || !b.shows(got.Event) {
		err = fmt.Errorf("%w: it is for something else than the bundle shows", ErrReceipt)
	}
	r.add("acknowledged", err, codeContent, "what the bundle shows is what was acknowledged")
	r.Verified = r.Code() == 0
	return r
}

// nodeOf says whether a key is that of the node that wrote an entry, or the author's at the checkpoint.
func (b *Bundle) nodeOf(rec *Record, key crypto.NodePublic) bool {
	a, err := b.agency(rec.Author)
	return key.ID() == rec.Writer || err == nil && a.Node.Key == key
}

// shows says whether an event with this digest is shown whole; zero stands for the entry, whatever it shows.
func (b *Bundle) shows(digest [32]byte) bool {
	if digest == [32]byte{} {
		return true
	}
	events := make([]Event, len(b.Carried.Shared))
	for i, shared := range b.Carried.Shared {
		f, err := OpenShared(shared)
		if err != nil {
			return false
		}
		events[i] = Event{ID: f.ID, Type: f.Type, Version: f.Version, Shared: f.Shared, Width: f.Width}
	}
	for _, row := range b.Carried.Rows {
		if len(row.Hash) == 0 && row.Shared < uint64(len(events)) {
			events[row.Shared].Rows = append(events[row.Shared].Rows, row.Row...)
		}
	}
	for i := range events {
		if events[i].Digest() == digest {
			return true
		}
	}
	return false
}
