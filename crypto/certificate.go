package crypto

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Fingerprint is the OpenPGP v6 fingerprint of a primary key.
type Fingerprint [32]byte

// String returns 64 lower-case hex digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// ParseFingerprint accepts exactly what String writes.
func ParseFingerprint(s string) (Fingerprint, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 || hex.EncodeToString(b) != s {
		return Fingerprint{}, fmt.Errorf("%w: a fingerprint is 64 lower-case hex digits", ErrMalformed)
	}
	return Fingerprint(b), nil
}

// Certificate is the public half of an AgencyKey, parsed once. It is immutable and safe for concurrent use.
type Certificate struct {
	raw     []byte
	primary *packet.PublicKey
	subkey  *packet.PublicKey
	suite   Suite
}

// ParseCertificate accepts our one canonical form: a v6 Ed25519 primary key with one direct-key signature, and one
// encryption subkey of a known suite with its binding. No user ids, no revocations, no third-party signatures, no
// expiry, no other packets; both self-signatures must verify.
func ParseCertificate(b []byte) (c *Certificate, err error) {
	defer guard(&err)
	if len(b) > MaxCertificateBytes {
		return nil, fmt.Errorf("%w: a certificate of %d bytes", ErrTooLarge, len(b))
	}
	if err := checkKeyPackets(b, tagPublicKey, tagPublicSubkey); err != nil {
		return nil, err
	}
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(b)))
	if err != nil || len(e.Subkeys) != 1 || len(e.DirectSignatures) != 1 || len(e.Subkeys[0].Bindings) != 1 {
		return nil, fmt.Errorf("%w: certificate", ErrMalformed)
	}
	suite, err := checkEntity(e)
	if err != nil {
		return nil, err
	}
	var again bytes.Buffer
	if err := e.Serialize(&again); err != nil || !bytes.Equal(again.Bytes(), b) {
		return nil, fmt.Errorf("%w: certificate in another encoding", ErrMalformed)
	}
	return &Certificate{raw: bytes.Clone(b), primary: e.PrimaryKey, subkey: e.Subkeys[0].PublicKey, suite: suite}, nil
}

// checkKeyPackets checks the packet sequence of a key before the library sees it.
func checkKeyPackets(b []byte, primary, subkey byte) error {
	packets, err := splitPackets(b, 4)
	if err != nil {
		return err
	}
	want := []byte{primary, tagSignature, subkey, tagSignature}
	if len(packets) != len(want) {
		return fmt.Errorf("%w: a key has %d packets, not %d", ErrMalformed, len(want), len(packets))
	}
	for i, p := range packets {
		if p.tag != want[i] || len(p.body) == 0 || p.body[0] != 6 {
			return fmt.Errorf("%w: packet %d of a key", ErrMalformed, i)
		}
	}
	return nil
}

func checkEntity(e *openpgp.Entity) (Suite, error) {
	sub := e.Subkeys[0]
	suite, known := suiteOf(sub.PublicKey.PubKeyAlgo)
	if e.PrimaryKey.PubKeyAlgo != packet.PubKeyAlgoEd25519 || e.PrimaryKey.Version != 6 || sub.PublicKey.Version != 6 || !known {
		return "", fmt.Errorf("%w: a certificate of another suite", ErrMalformed)
	}
	direct, binding := e.DirectSignatures[0].Packet, sub.Bindings[0].Packet
	if lifetime(direct) || lifetime(binding) {
		return "", fmt.Errorf("%w: a certificate with an expiry", ErrMalformed)
	}
	if direct.SigType != packet.SigTypeDirectSignature || binding.SigType != packet.SigTypeSubkeyBinding {
		return "", fmt.Errorf("%w: a certificate's signatures", ErrMalformed)
	}
	if e.PrimaryKey.VerifyDirectKeySignature(direct) != nil || e.PrimaryKey.VerifyKeySignature(sub.PublicKey, binding) != nil {
		return "", fmt.Errorf("%w: a certificate's self-signature", ErrBadSignature)
	}
	return suite, nil
}

func lifetime(s *packet.Signature) bool {
	return s.SigLifetimeSecs != nil && *s.SigLifetimeSecs != 0 || s.KeyLifetimeSecs != nil && *s.KeyLifetimeSecs != 0
}

// Bytes returns the certificate as it is exchanged: a binary transferable public key.
func (c *Certificate) Bytes() []byte { return bytes.Clone(c.raw) }

// Fingerprint returns the v6 fingerprint of the primary key.
func (c *Certificate) Fingerprint() Fingerprint { return Fingerprint(c.primary.Fingerprint) }

// Created returns when the key was made, by the clock of its maker.
func (c *Certificate) Created() time.Time { return c.primary.CreationTime }

// Suite returns the suite's name.
func (c *Certificate) Suite() Suite { return c.suite }
