package crypto

import (
	"bytes"
	stdcrypto "crypto"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A record signature is one OpenPGP v6 signature packet of exactly 154 bytes:
//
//	 2  packet header: C2 98
//	 4  version 06, type 00 (binary), algorithm 1B (Ed25519), hash 0A (SHA-512)
//	 4  length of hashed subpackets: 00 00 00 29 (41)
//	 6  creation time: 05 82, seconds since 1970 as 4 bytes
//	35  issuer fingerprint: 22 21 06, 32 bytes
//	 4  length of unhashed subpackets: 00 00 00 00
//	 2  left 16 bits of the digest
//	33  salt: 20, 32 bytes
//	64  Ed25519 signature
//
// Whatever differs is refused before the library sees it, so that every replica of every version decides alike.
const (
	signatureBytes = 154
	timeOffset     = 12
	issuerOffset   = 19
	saltOffset     = 57
)

var (
	signatureHead   = []byte{0xC2, 0x98, 6, 0, 27, 10, 0, 0, 0, 41, 5, 0x82}
	signatureIssuer = []byte{34, 0x80 | 33, 6}
	signatureGap    = []byte{0, 0, 0, 0}
)

// Sign signs message with the creation time at, in whole seconds.
func (k *AgencyKey) Sign(message []byte, at time.Time) (signature []byte, err error) {
	defer guard(&err)
	config := profile(at, chunkSmall)
	s := &packet.Signature{
		Version: 6, SigType: packet.SigTypeBinary, PubKeyAlgo: packet.PubKeyAlgoEd25519, Hash: stdcrypto.SHA512, CreationTime: at,
	}
	h, err := s.PrepareSign(config)
	if err != nil {
		return nil, fmt.Errorf("crypto: sign: %w", err)
	}
	h.Write(message)
	if err := s.Sign(h, k.entity.PrivateKey, config); err != nil {
		return nil, fmt.Errorf("crypto: sign: %w", err)
	}
	var out bytes.Buffer
	if err := s.Serialize(&out); err != nil {
		return nil, fmt.Errorf("crypto: sign: %w", err)
	}
	if _, _, err := splitSignature(out.Bytes()); err != nil {
		return nil, fmt.Errorf("crypto: the library wrote another signature than agreed: %w", err)
	}
	return out.Bytes(), nil
}

// splitSignature checks the fixed bytes and returns the variable ones that bind time and key.
func splitSignature(b []byte) (at uint32, issuer Fingerprint, err error) {
	if len(b) != signatureBytes {
		return 0, issuer, fmt.Errorf("%w: a signature has %d bytes, not %d", ErrMalformed, signatureBytes, len(b))
	}
	for _, fixed := range []struct {
		offset int
		bytes  []byte
	}{{0, signatureHead}, {timeOffset + 4, signatureIssuer}, {issuerOffset + 32, signatureGap}, {saltOffset, []byte{32}}} {
		if !bytes.Equal(b[fixed.offset:fixed.offset+len(fixed.bytes)], fixed.bytes) {
			return 0, issuer, fmt.Errorf("%w: signature byte %d", ErrMalformed, fixed.offset)
		}
	}
	return binary.BigEndian.Uint32(b[timeOffset:]), Fingerprint(b[issuerOffset : issuerOffset+32]), nil
}

// Verify checks that signature is this key's over message, made for the second of at. Neither today's date nor
// anything a certificate says of itself decides: the roster does, by position.
func (c *Certificate) Verify(message, signature []byte, at time.Time) (err error) {
	defer guard(&err)
	made, issuer, err := splitSignature(signature)
	switch {
	case err != nil:
		return err
	case int64(made) != at.Unix():
		return ErrSignatureTime
	case issuer != c.Fingerprint():
		return ErrSignatureKey
	}
	p, err := packet.Read(bytes.NewReader(signature))
	s, ok := p.(*packet.Signature)
	if err != nil || !ok {
		return fmt.Errorf("%w: signature", ErrMalformed)
	}
	h, err := s.PrepareVerify()
	if err != nil {
		return fmt.Errorf("%w: signature", ErrMalformed)
	}
	h.Write(message)
	if c.primary.VerifySignature(h, s) != nil {
		return ErrBadSignature
	}
	return nil
}
