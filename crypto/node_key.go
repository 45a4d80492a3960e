package crypto

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// NodeKey is the Ed25519 key of a node, or its checkpoint key. It is made where it is used and never leaves.
type NodeKey struct{ private ed25519.PrivateKey }

// GenerateNodeKey makes a key.
func GenerateNodeKey() (*NodeKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("crypto: make a node key: %w", err)
	}
	return &NodeKey{private: private}, nil
}

// ParseNodeKey reads the 32-byte seed.
func ParseNodeKey(seed []byte) (*NodeKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: a node key's seed has %d bytes, not %d", ErrMalformed, ed25519.SeedSize, len(seed))
	}
	return &NodeKey{private: ed25519.NewKeyFromSeed(seed)}, nil
}

// Seed returns the 32-byte seed. It goes only into Lock.
func (k *NodeKey) Seed() []byte { return bytes.Clone(k.private.Seed()) }

// Derive returns a 32-byte key for one purpose of this node alone: HKDF-SHA256 over the seed, with the label as info.
func (k *NodeKey) Derive(label string) [32]byte {
	out, err := hkdf.Key(sha256.New, k.private.Seed(), nil, label, 32)
	if err != nil {
		panic(err) // 32 bytes are within HKDF's bound
	}
	return [32]byte(out)
}

// Private returns the key for TLS and libp2p, which take it whole.
func (k *NodeKey) Private() ed25519.PrivateKey { return bytes.Clone(k.private) }

// Public returns the public half.
func (k *NodeKey) Public() NodePublic { return NodePublic(k.private.Public().(ed25519.PublicKey)) }

// Sign signs message for one purpose: Ed25519 over domain ‖ 00 ‖ message.
func (k *NodeKey) Sign(domain string, message []byte) []byte {
	return ed25519.Sign(k.private, bind(domain, message))
}

// SignRaw signs message as it is, for formats that bring their own separation of purposes (C2SP notes).
func (k *NodeKey) SignRaw(message []byte) []byte { return ed25519.Sign(k.private, message) }

// Verify checks what Sign made.
func (p NodePublic) Verify(domain string, message, signature []byte) error {
	return p.VerifyRaw(bind(domain, message), signature)
}

// VerifyRaw checks what SignRaw made.
func (p NodePublic) VerifyRaw(message, signature []byte) error {
	if len(signature) != ed25519.SignatureSize || !ed25519.Verify(p[:], message, signature) {
		return ErrBadSignature
	}
	return nil
}

func bind(domain string, message []byte) []byte {
	return append(append([]byte(domain), 0), message...)
}
