package crypto

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A sealed message is a standard OpenPGP message of one grammar (RFC 9580): one v6 session-key packet a recipient,
// then one encrypted-data packet version 2 (AES-256-GCM), and inside it one literal packet. Every packet has a
// definite length in its shortest form. Who wrote it is not said here: the record that names its hash is signed.

// encryptedHead are the first octets of the encrypted-data packet: version 2, AES-256, GCM; the chunk octet follows.
var encryptedHead = []byte{2, 9, 3}

// sessionHead are the first octets of a session-key packet: version 6, 33 octets of key version 6 and fingerprint.
var sessionHead = []byte{6, 33, 6}

// literalHead are the first octets of the literal packet: binary, no name, no date.
var literalHead = []byte{'b', 0, 0, 0, 0, 0}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// Seal encrypts plaintext to the encryption subkey of each certificate.
func Seal(plaintext []byte, to ...*Certificate) (sealed []byte, err error) {
	defer guard(&err)
	if len(to) == 0 || len(to) > MaxRecipients {
		return nil, fmt.Errorf("%w: %d recipients, 1 to %d", ErrTooLarge, len(to), MaxRecipients)
	}
	if len(plaintext) > MaxSealedBytes/2 {
		return nil, fmt.Errorf("%w: %d bytes to seal", ErrTooLarge, len(plaintext))
	}
	chunk := byte(chunkSmall)
	if len(plaintext) > 16<<10 {
		chunk = chunkLarge
	}
	config := profile(time.Unix(0, 0), chunk) // no time appears in a sealed message
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	var out bytes.Buffer
	for _, c := range to {
		if err := packet.SerializeEncryptedKeyAEAD(&out, c.subkey, packet.CipherAES256, true, key, config); err != nil {
			return nil, fmt.Errorf("crypto: seal: %w", err)
		}
	}
	return sealBody(out.Bytes(), plaintext, key, config)
}

// sealBody appends the encrypted-data packet to the key packets before it.
func sealBody(head, plaintext, key []byte, config *packet.Config) ([]byte, error) {
	var body bytes.Buffer
	w, err := packet.SerializeSymmetricallyEncrypted(nopCloser{&body}, packet.CipherAES256, true, gcm, key, config)
	if err != nil {
		return nil, fmt.Errorf("crypto: seal: %w", err)
	}
	literal := appendPacket(nil, tagLiteral, append(bytes.Clone(literalHead), plaintext...))
	if _, err := w.Write(literal); err != nil {
		return nil, fmt.Errorf("crypto: seal: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("crypto: seal: %w", err)
	}
	encrypted, err := joinPartial(body.Bytes(), tagEncrypted)
	if err != nil {
		return nil, err
	}
	return appendPacket(head, tagEncrypted, encrypted), nil
}

// Keyring holds private keys by the fingerprint of their encryption subkey. It is immutable and safe for concurrent
// use.
type Keyring struct {
	keys map[Fingerprint]*packet.PrivateKey
}

// NewKeyring makes a keyring of keys.
func NewKeyring(keys ...*AgencyKey) *Keyring { return (&Keyring{}).With(keys...) }

// With returns a keyring that holds keys too.
func (r *Keyring) With(keys ...*AgencyKey) *Keyring {
	next := make(map[Fingerprint]*packet.PrivateKey, len(r.keys)+len(keys))
	for f, k := range r.keys {
		next[f] = k
	}
	for _, k := range keys {
		private := k.entity.Subkeys[0].PrivateKey
		next[Fingerprint(private.Fingerprint)] = private
	}
	return &Keyring{keys: next}
}

// Holds says whether a key is in the ring.
func (r *Keyring) Holds(k *AgencyKey) bool {
	return r.keys[Fingerprint(k.entity.Subkeys[0].PrivateKey.Fingerprint)] != nil
}

// Open decrypts a sealed message with whichever key it names. ErrNotForUs says that it names none of ours; anything
// that departs from the one grammar is ErrMalformed, found before the library parses it.
func (r *Keyring) Open(message []byte) (plaintext []byte, err error) {
	defer guard(&err)
	sessions, encrypted, err := splitSealed(message)
	if err != nil {
		return nil, err
	}
	for _, s := range sessions {
		private := r.keys[s.to]
		if private == nil {
			continue
		}
		key, err := sessionKey(s.packet, private)
		if err != nil {
			return nil, err
		}
		return decrypt(encrypted, key)
	}
	return nil, ErrNotForUs
}

type session struct {
	to     Fingerprint
	packet rawPacket
}

// splitSealed checks the grammar of a sealed message without any cryptography.
func splitSealed(b []byte) (sessions []session, encrypted rawPacket, err error) {
	if len(b) > MaxSealedBytes {
		return nil, encrypted, fmt.Errorf("%w: a sealed message of %d bytes", ErrTooLarge, len(b))
	}
	for {
		p, rest, err := nextPacket(b)
		if err != nil {
			return nil, encrypted, err
		}
		if p.tag == tagEncrypted {
			if len(rest) > 0 || len(sessions) == 0 {
				return nil, encrypted, fmt.Errorf("%w: packets after the data, or no recipient", ErrMalformed)
			}
			return sessions, p, checkEncrypted(p.body)
		}
		if p.tag != tagSessionKey || len(sessions) == MaxRecipients {
			return nil, encrypted, fmt.Errorf("%w: packet %d in a sealed message, or more than %d recipients", ErrMalformed, p.tag, MaxRecipients)
		}
		if len(p.body) < len(sessionHead)+33 || len(p.body) > maxSessionKeyPacket || !bytes.HasPrefix(p.body, sessionHead) {
			return nil, encrypted, fmt.Errorf("%w: a session-key packet", ErrMalformed)
		}
		to := Fingerprint(p.body[len(sessionHead) : len(sessionHead)+32])
		sessions, b = append(sessions, session{to: to, packet: p}), rest
	}
}

func checkEncrypted(body []byte) error {
	if len(body) < len(encryptedHead)+1+32+16+16 || !bytes.HasPrefix(body, encryptedHead) {
		return fmt.Errorf("%w: encrypted data is not version 2 with AES-256-GCM", ErrMalformed)
	}
	if chunk := body[len(encryptedHead)]; chunk > chunkLarge {
		return fmt.Errorf("%w: chunk octet %d, at most %d", ErrTooLarge, chunk, chunkLarge)
	}
	return nil
}

func sessionKey(p rawPacket, private *packet.PrivateKey) ([]byte, error) {
	read, err := packet.Read(bytes.NewReader(p.all))
	encrypted, ok := read.(*packet.EncryptedKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: a session-key packet", ErrMalformed)
	}
	if err := encrypted.Decrypt(private, profile(time.Unix(0, 0), chunkSmall)); err != nil || len(encrypted.Key) != 32 {
		return nil, fmt.Errorf("%w: the session key does not open", ErrMalformed)
	}
	return encrypted.Key, nil
}

// decrypt opens the encrypted-data packet and takes the literal out of it.
func decrypt(p rawPacket, key []byte) ([]byte, error) {
	read, err := packet.Read(bytes.NewReader(p.all))
	encrypted, ok := read.(*packet.SymmetricallyEncrypted)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: encrypted data", ErrMalformed)
	}
	body, err := encrypted.Decrypt(0, key)
	if err != nil {
		return nil, fmt.Errorf("%w: encrypted data does not open", ErrMalformed)
	}
	inside, err := io.ReadAll(io.LimitReader(body, int64(len(p.body))+1))
	if err != nil || body.Close() != nil || len(inside) > len(p.body) {
		return nil, fmt.Errorf("%w: encrypted data does not open", ErrMalformed)
	}
	literal, rest, err := nextPacket(inside)
	if err != nil || len(rest) > 0 || literal.tag != tagLiteral || !bytes.HasPrefix(literal.body, literalHead) {
		return nil, fmt.Errorf("%w: not one literal inside", ErrMalformed)
	}
	return literal.body[len(literalHead):], nil
}

// MatchesCertificate checks that the private key really belongs to the certificate: equal bytes, and what is sealed
// to the one opens with the other.
func MatchesCertificate(k *AgencyKey, c *Certificate) error {
	if !bytes.Equal(k.certificate.raw, c.raw) {
		return ErrMismatch
	}
	probe := []byte("vigil key probe")
	sealed, err := Seal(probe, c)
	if err != nil {
		return err
	}
	opened, err := NewKeyring(k).Open(sealed)
	if err != nil || !bytes.Equal(opened, probe) {
		return ErrMismatch
	}
	signature, err := k.Sign(probe, time.Unix(0, 0))
	if err != nil || c.Verify(probe, signature, time.Unix(0, 0)) != nil {
		return ErrMismatch
	}
	return nil
}
