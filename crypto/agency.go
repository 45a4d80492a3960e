package crypto

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/ed25519"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// AgencyKey is the private key of an agency, or of one epoch of an audience: an OpenPGP v6 key with one signing
// primary and one encryption subkey. It is immutable and safe for concurrent use.
type AgencyKey struct {
	entity      *openpgp.Entity
	secret      []byte
	certificate *Certificate
}

// GenerateAgencyKey makes a key of the suite. Its creation time is now in whole seconds; it never expires: the roster
// decides how long it counts.
func GenerateAgencyKey(s Suite, now time.Time) (*AgencyKey, error) {
	algorithm, err := s.subkey()
	if err != nil {
		return nil, err
	}
	config := profile(now.Truncate(time.Second), chunkSmall)
	e, err := openpgp.NewEntityWithoutId(config)
	if err != nil {
		return nil, fmt.Errorf("crypto: make a key: %w", err)
	}
	e.Subkeys = e.Subkeys[:0] // the library always adds an X25519 one; it is dropped before anything is written
	config.Algorithm = algorithm
	if s == SuiteClassic {
		config.Algorithm = packet.PubKeyAlgoEd25519 // the library derives X25519 from the signer's algorithm
	}
	if err := e.AddEncryptionSubkey(config); err != nil {
		return nil, fmt.Errorf("crypto: make a subkey: %w", err)
	}
	var secret bytes.Buffer
	if err := e.SerializePrivateWithoutSigning(&secret, config); err != nil {
		return nil, fmt.Errorf("crypto: write a key: %w", err)
	}
	return ParseAgencyKey(secret.Bytes())
}

// ParseAgencyKey reads what Secret returns: an unencrypted transferable secret key in our one canonical form.
func ParseAgencyKey(secret []byte) (key *AgencyKey, err error) {
	defer guard(&err)
	if len(secret) > MaxSecretBytes {
		return nil, fmt.Errorf("%w: a secret key of %d bytes", ErrTooLarge, len(secret))
	}
	if err := checkKeyPackets(secret, tagSecretKey, tagSecretSubkey); err != nil {
		return nil, err
	}
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(secret)))
	if err != nil {
		return nil, fmt.Errorf("%w: secret key", ErrMalformed)
	}
	if e.PrivateKey == nil || e.PrivateKey.Encrypted || len(e.Subkeys) != 1 || e.Subkeys[0].PrivateKey == nil || e.Subkeys[0].PrivateKey.Encrypted {
		return nil, fmt.Errorf("%w: secret key", ErrMalformed)
	}
	var again, public bytes.Buffer
	if err := e.SerializePrivateWithoutSigning(&again, profile(e.PrimaryKey.CreationTime, chunkSmall)); err != nil || !bytes.Equal(again.Bytes(), secret) {
		return nil, fmt.Errorf("%w: secret key in another encoding", ErrMalformed)
	}
	if err := e.Serialize(&public); err != nil {
		return nil, fmt.Errorf("%w: secret key", ErrMalformed)
	}
	c, err := ParseCertificate(public.Bytes())
	if err != nil {
		return nil, err
	}
	return &AgencyKey{entity: e, secret: bytes.Clone(secret), certificate: c}, nil
}

// Secret returns the unencrypted secret key. It goes only into Lock and Seal.
func (k *AgencyKey) Secret() []byte { return bytes.Clone(k.secret) }

// Certificate returns the public half.
func (k *AgencyKey) Certificate() *Certificate { return k.certificate }

// Derive returns a 32-byte key for one purpose: HKDF-SHA256 over the signing key, with the label as info.
func (k *AgencyKey) Derive(label string) [32]byte {
	signer, ok := k.entity.PrivateKey.PrivateKey.(*ed25519.PrivateKey)
	if !ok {
		panic("crypto: an agency key that does not sign with Ed25519") // ParseAgencyKey accepts no other
	}
	out, err := hkdf.Key(sha256.New, signer.MarshalByteSecret(), nil, label, 32)
	if err != nil {
		panic(err) // 32 bytes are within HKDF's bound
	}
	return [32]byte(out)
}
