package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

// ErrBinding says that what is inside a sealed payload is not what the record outside says: someone else's ciphertext
// was sealed again, or the events are not those of the signed root. Nothing of it takes effect.
var ErrBinding = errors.New("ledger: the sealed payload does not belong to this record")

// PayloadVersion is the version of the sealed payload.
const PayloadVersion = 1

// Event is one fact, or a packed list of facts that share everything but their rows. Its unit is the row: what can be
// proved, retracted or expunged alone. CBOR array [id, type, version, shared, width, rows].
type Event struct {
	_       struct{} `cbor:",toarray"`
	ID      EventID
	Type    string // "alert.raised"
	Version uint64 // of the type; a reader keeps what it does not know
	Shared  []byte // CBOR of the part all rows share; may be empty
	Width   uint32 // bytes of one row
	Rows    []byte // rows one after the other; a single fact has one
}

// Count returns the number of rows.
func (e *Event) Count() int {
	if e.Width == 0 {
		return 0
	}
	return len(e.Rows) / int(e.Width)
}

// Row returns row i.
func (e *Event) Row(i int) []byte {
	return e.Rows[i*int(e.Width) : (i+1)*int(e.Width) : (i+1)*int(e.Width)]
}

// SharedPart returns what every row's leaf commits to: CBOR [id, type, version, shared, width].
func (e *Event) SharedPart() []byte {
	return Marshal([]any{e.ID[:], e.Type, e.Version, e.Shared, e.Width})
}

// Digest names the content: SHA-256 over SHA-256 of the shared part ‖ SHA-256 of the rows.
func (e *Event) Digest() [32]byte {
	shared, rows := sha256.Sum256(e.SharedPart()), sha256.Sum256(e.Rows)
	return sha256.Sum256(append(shared[:], rows[:]...))
}

func (e *Event) check() error {
	switch {
	case len(e.Type) == 0 || len(e.Type) > maxEventType || !printable(e.Type):
		return fmt.Errorf("%w: event type", ErrPayload)
	case e.Width == 0 || len(e.Rows) == 0 || len(e.Rows)%int(e.Width) != 0:
		return fmt.Errorf("%w: %d bytes of rows of %d", ErrPayload, len(e.Rows), e.Width)
	}
	return nil
}

func printable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// EventLeafHash returns the RFC 6962 leaf hash of one row: over salt ‖ SHA-256(shared part) ‖ row. The salt keeps a
// bare hash from being guessed.
func EventLeafHash(salt [16]byte, sharedPart, row []byte) tlog.Hash {
	shared := sha256.Sum256(sharedPart)
	return eventLeaf(salt[:], shared, row, nil)
}

func eventLeaf(salt []byte, shared [32]byte, row, scratch []byte) tlog.Hash {
	b := append(append(append(scratch[:0], salt...), shared[:]...), row...)
	return tlog.RecordHash(b)
}

// Payload is the plaintext of a sealed entry: CBOR array [version, author, ledger, audience, seed, events, padding].
// Author, ledger and audience repeat the record's and are compared with it; that, under the signature over the
// payload's hash, is what makes someone else's ciphertext useless.
type Payload struct {
	Author   AgencyID
	Origin   Origin
	Audience []AudienceRef
	Seed     [32]byte
	Events   []Event
}

type payloadWire struct {
	_        struct{} `cbor:",toarray"`
	Version  uint64
	Author   AgencyID
	Origin   Origin
	Audience []AudienceRef
	Seed     [32]byte
	Events   []Event
	Padding  []byte
}

// Encode returns the plaintext, padded to the next Padmé size.
func (p *Payload) Encode() []byte {
	w := payloadWire{Version: PayloadVersion, Author: p.Author, Origin: p.Origin, Audience: p.Audience, Seed: p.Seed, Events: p.Events, Padding: []byte{}}
	if w.Audience == nil {
		w.Audience = []AudienceRef{}
	}
	plain := Marshal(w)
	b := plain[:len(plain)-1] // without the empty padding string
	return append(b, paddingFor(len(b))...)
}

// paddingFor returns the CBOR byte string of zeros that brings n bytes to the next Padmé size. The string's head
// grows with its length, so some sizes cannot be met; the next one that can is taken.
func paddingFor(n int) []byte {
	for target := padme(n + 1); ; target = padme(target + 1) {
		for _, head := range []int{1, 2, 3, 5} {
			if zeros := target - n - head; zeros >= 0 && stringHead(zeros) == head {
				return Marshal(make([]byte, zeros))
			}
		}
	}
}

func stringHead(n int) int {
	switch {
	case n < 24:
		return 1
	case n < 1<<8:
		return 2
	case n < 1<<16:
		return 3
	}
	return 5
}

// padme returns the next size of the Padmé scheme (Nikitin et al., 2019): at most 12 % more, revealing O(log log n)
// bits of the length.
func padme(n int) int {
	if n < 2 {
		return n
	}
	e := bits.Len(uint(n)) - 1
	s := bits.Len(uint(e))
	mask := 1<<(e-s) - 1
	return (n + mask) &^ mask
}

// DecodePayload accepts exactly what Encode writes.
func DecodePayload(b []byte) (*Payload, error) {
	var w payloadWire
	if err := Unmarshal(b, &w, MaxPlaintextBytes); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	if w.Version != PayloadVersion {
		return nil, fmt.Errorf("%w: version %d, this binary knows %d; upgrade", ErrPayload, w.Version, PayloadVersion)
	}
	p := &Payload{Author: w.Author, Origin: w.Origin, Audience: w.Audience, Seed: w.Seed, Events: w.Events}
	head := len(b) - stringHead(len(w.Padding)) - len(w.Padding)
	if err := p.check(); err != nil {
		return nil, err
	}
	if string(paddingFor(head)) != string(b[head:]) {
		return nil, fmt.Errorf("%w: padding", ErrPayload)
	}
	return p, nil
}

func (p *Payload) check() error {
	if len(p.Events) == 0 || len(p.Events) > MaxEvents {
		return fmt.Errorf("%w: %d events, 1 to %d", ErrPayload, len(p.Events), MaxEvents)
	}
	leaves := 0
	for i := range p.Events {
		if err := p.Events[i].check(); err != nil {
			return err
		}
		if leaves += p.Events[i].Count(); leaves > MaxEntryLeaves {
			return fmt.Errorf("%w: more than %d rows", ErrPayload, MaxEntryLeaves)
		}
	}
	return checkAudience(p.Audience)
}

// Leaves returns the number of rows of all events.
func (p *Payload) Leaves() int {
	n := 0
	for i := range p.Events {
		n += p.Events[i].Count()
	}
	return n
}

// Salts returns the salt of every leaf: bytes 16·i to 16·i+15 of AES-256-CTR under the seed with a zero counter.
func (p *Payload) Salts() [][16]byte {
	salts := make([]byte, 16*p.Leaves())
	block, err := aes.NewCipher(p.Seed[:])
	if err != nil {
		panic(err) // 32 bytes are an AES-256 key
	}
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(salts, salts)
	out := make([][16]byte, len(salts)/16)
	for i := range out {
		copy(out[i][:], salts[16*i:])
	}
	return out
}

// LeafHashes returns the hash of every leaf of the events tree, rows of all events in order.
func (p *Payload) LeafHashes() []tlog.Hash {
	salts := p.Salts()
	out := make([]tlog.Hash, 0, len(salts))
	scratch := make([]byte, 0, 256)
	for i := range p.Events {
		e := &p.Events[i]
		shared := sha256.Sum256(e.SharedPart())
		for r := range e.Count() {
			out = append(out, eventLeaf(salts[len(out)][:], shared, e.Row(r), scratch))
		}
	}
	return out
}

// EventsRoot returns the RFC 6962 root over the rows.
func (p *Payload) EventsRoot() tlog.Hash { return RootOf(p.LeafHashes()) }

// RootOf returns the RFC 6962 root over leaf hashes. It works in place on a copy, bottom up.
func RootOf(leaves []tlog.Hash) tlog.Hash {
	if len(leaves) == 0 {
		return EmptyRoot
	}
	level := slices.Clone(leaves)
	for len(level) > 1 {
		n := 0
		for i := 0; i < len(level); i += 2 {
			if i+1 < len(level) {
				level[n] = tlog.NodeHash(level[i], level[i+1])
			} else {
				level[n] = level[i] // an unpaired node moves up, which is RFC 6962's split at the largest power of two
			}
			n++
		}
		level = level[:n]
	}
	return level[0]
}

// SealPayload encrypts a payload to the audience's certificates and returns the events root for its record.
func SealPayload(p *Payload, to ...*crypto.Certificate) (sealed []byte, root tlog.Hash, err error) {
	if err := p.check(); err != nil {
		return nil, root, err
	}
	plain := p.Encode()
	if len(plain) > MaxPlaintextBytes {
		return nil, root, fmt.Errorf("%w: %d bytes, at most %d", ErrPayload, len(plain), MaxPlaintextBytes)
	}
	sealed, err = crypto.Seal(plain, to...)
	if err == nil && len(sealed) > MaxPayloadBytes {
		err = fmt.Errorf("%w: %d bytes sealed, at most %d", ErrPayload, len(sealed), MaxPayloadBytes)
	}
	return sealed, p.EventsRoot(), err
}

// OpenPayload opens what a record names and checks, before anything takes effect, that author, ledger and audience
// inside are those outside and that the events are those of the signed root. crypto.ErrNotForUs says that we are not
// in the audience.
func OpenPayload(sealed []byte, r *Record, ring *crypto.Keyring) (*Payload, error) {
	if err := r.CheckPayload(sealed); err != nil {
		return nil, err
	}
	plain, err := ring.Open(sealed)
	if err != nil {
		return nil, err
	}
	p, err := DecodePayload(plain)
	if err != nil {
		return nil, err
	}
	if p.Author != r.Author || p.Origin != r.Origin || !slices.Equal(p.Audience, r.Audience) || p.EventsRoot() != r.EventsRoot {
		return nil, ErrBinding
	}
	return p, nil
}

// EventIDFor derives an event id from an idempotency key: the first 16 bytes of SHA-256 over the agency's id, a zero
// byte and the key. The same key of the same agency is the same event.
func EventIDFor(agency AgencyID, key string) EventID {
	h := sha256.New()
	h.Write([]byte(agency))
	h.Write([]byte{0})
	h.Write([]byte(key))
	return EventID(h.Sum(nil)[:16])
}

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
