package crypto

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A locked file is an OpenPGP message sealed to a passphrase: one v6 passphrase packet (Argon2id, AES-256-GCM) and
// one encrypted-data packet as in a sealed message. Any OpenPGP tool that knows RFC 9580 opens it.
//
// The passphrase packet has 85 bytes: version 06, count, AES-256, GCM, 14h octets of S2K (04, 16 salt, passes,
// parallelism, memory exponent), 12 nonce, 32+16 session key.
const (
	passphraseBytes  = 85
	passphrasePasses = 22
)

var passphraseHead = []byte{6, 35, 9, 3, 20, 4}

// Lock encrypts secret under a passphrase with Argon2id (3 passes, 4 lanes, 64 MiB).
func Lock(secret, passphrase []byte) (locked []byte, err error) {
	defer guard(&err)
	if len(secret) > MaxLockedBytes/2 {
		return nil, fmt.Errorf("%w: %d bytes to lock", ErrTooLarge, len(secret))
	}
	if len(passphrase) == 0 {
		return nil, fmt.Errorf("%w: the passphrase is empty", ErrWrongPassphrase)
	}
	config := profile(time.Unix(0, 0), chunkSmall)
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	var head bytes.Buffer
	if err := packet.SerializeSymmetricKeyEncryptedAEADReuseKey(&head, key, passphrase, true, config); err != nil {
		return nil, fmt.Errorf("crypto: lock: %w", err)
	}
	return sealBody(head.Bytes(), secret, key, config)
}

// Unlock opens what Lock wrote. The Argon2id work the file asks for is bounded before any of it is done.
func Unlock(locked, passphrase []byte) (secret []byte, err error) {
	defer guard(&err)
	if len(locked) > MaxLockedBytes {
		return nil, fmt.Errorf("%w: a locked file of %d bytes", ErrTooLarge, len(locked))
	}
	packets, err := splitPackets(locked, 2)
	if err != nil {
		return nil, err
	}
	if len(packets) != 2 || packets[0].tag != tagPassphraseKey || packets[1].tag != tagEncrypted {
		return nil, fmt.Errorf("%w: not a locked file", ErrMalformed)
	}
	if err := checkPassphrasePacket(packets[0].body); err != nil {
		return nil, err
	}
	if err := checkEncrypted(packets[1].body); err != nil {
		return nil, err
	}
	read, err := packet.Read(bytes.NewReader(packets[0].all))
	wrapped, ok := read.(*packet.SymmetricKeyEncrypted)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: not a locked file", ErrMalformed)
	}
	key, _, err := wrapped.Decrypt(passphrase)
	if err != nil {
		return nil, ErrWrongPassphrase
	}
	return decrypt(packets[1], key)
}

func checkPassphrasePacket(body []byte) error {
	if len(body) != passphraseBytes || !bytes.HasPrefix(body, passphraseHead) {
		return fmt.Errorf("%w: not a passphrase packet of Argon2id and AES-256-GCM", ErrMalformed)
	}
	passes, parallel, memory := body[passphrasePasses], body[passphrasePasses+1], body[passphrasePasses+2]
	if passes == 0 || passes > maxArgonPasses || parallel == 0 || parallel > maxArgonParallel || memory > maxArgonMemory || memory < 3 {
		return fmt.Errorf("%w: Argon2id work of %d passes, %d lanes, 2^%d KiB", ErrTooLarge, passes, parallel, memory)
	}
	return nil
}
