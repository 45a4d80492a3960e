package crypto

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// ErrNodeID says that a text is not a node id.
var ErrNodeID = errors.New("crypto: a node id is 64 lower-case hex digits")

// NodePublic is the raw 32-byte Ed25519 public key of a node or of its checkpoint key.
type NodePublic [32]byte

// ID returns the node id: SHA-256 of the raw public key.
func (p NodePublic) ID() NodeID { return NodeID(sha256.Sum256(p[:])) }

// NodeID names one node key, and so one writer: the raft server id, the pin of its TLS certificate.
type NodeID [32]byte

// String returns the 64 lower-case hex digits.
func (id NodeID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first 8 hex digits, for people.
func (id NodeID) Short() string { return id.String()[:8] }

// ParseNodeID reads what String writes and nothing else.
func ParseNodeID(s string) (NodeID, error) {
	var id NodeID
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) || hex.EncodeToString(b) != s {
		return NodeID{}, ErrNodeID
	}
	copy(id[:], b)
	return id, nil
}
