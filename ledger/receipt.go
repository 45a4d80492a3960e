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
