package ledger

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

// Errors of records, leaves and entries.
var (
	// ErrRecord says that a record is not well-formed; the text names the field.
	ErrRecord = errors.New("ledger: record")
	// ErrLeaf says that a leaf is not well-formed.
	ErrLeaf = errors.New("ledger: leaf")
	// ErrPayload says that a payload is not the one its record names, or not well-formed.
	ErrPayload = errors.New("ledger: payload")
	// ErrAbsent says that what is asked for is not here: not yet, only as a hash, or expunged.
	ErrAbsent = errors.New("ledger: not here")
)

// RecordVersion is the version of records this binary writes, and the highest it accepts.
const RecordVersion = 1

// Kind says what an entry is. Unknown kinds are refused by every binary.
type Kind uint64

// The kinds of entries; the numbers are stored and never change.
const (
	KindSealed      Kind = 1 // events sealed to an audience
	KindGovernance  Kind = 2 // an act of governance, in clear
	KindExpungement Kind = 3 // removes events of an earlier entry
	KindRelease     Kind = 4 // carries an earlier entry to a further audience
)

func (k Kind) String() string {
	switch k {
	case KindSealed:
		return "sealed"
	case KindGovernance:
		return "governance"
	case KindExpungement:
		return "expungement"
	case KindRelease:
		return "release"
	}
	return fmt.Sprintf("kind %d", uint64(k))
}

// Record is the signed part of an entry: a CBOR array of twelve elements in this order.
type Record struct {
	_          struct{} `cbor:",toarray"`
	Version    uint64
	Origin     Origin
	Author     AgencyID
	Writer     crypto.NodeID
	Sequence   uint64 // per writer, from 1, without gaps
	Kind       Kind
	AuthoredAt int64         // ms since 1970, the author's word
	Audience   []AudienceRef // sorted by name; empty for governance
	Target     uint64        // kinds 3 and 4: the index of the entry meant; otherwise 0
	// PayloadHash and PayloadLength are of the payload as stored: ciphertext, or an act in clear.
	PayloadHash   [32]byte
	PayloadLength uint64
	// EventsRoot is the RFC 6962 root over the events; EmptyRoot where there are none.
	EventsRoot tlog.Hash
}

// EmptyRoot is the RFC 6962 root of a tree without leaves.
var EmptyRoot = tlog.Hash(sha256.Sum256(nil))

// Encode returns the bytes that are signed.
func (r *Record) Encode() []byte { return Marshal(r) }

// DecodeRecord accepts exactly what Encode writes for a well-formed record.
func DecodeRecord(b []byte) (*Record, error) {
	r := &Record{}
	if err := Unmarshal(b, r, MaxLeafBytes); err != nil {
		return nil, err
	}
	return r, r.check()
}

// Authored returns the author's time.
func (r *Record) Authored() time.Time { return time.UnixMilli(r.AuthoredAt) }

// SignedAt returns the second the signature must be made for.
func (r *Record) SignedAt() time.Time { return time.Unix(r.AuthoredAt/1000, 0) }

func (r *Record) check() error {
	if r.Version != RecordVersion {
		return fmt.Errorf("%w: version %d, this binary knows %d; upgrade", ErrRecord, r.Version, RecordVersion)
	}
	if _, err := ParseOrigin(string(r.Origin)); err != nil {
		return fmt.Errorf("%w: origin: %w", ErrRecord, err)
	}
	if _, err := ParseAgencyID(string(r.Author)); err != nil {
		return fmt.Errorf("%w: author: %w", ErrRecord, err)
	}
	// OpenPGP counts seconds in 32 bits.
	if r.Sequence == 0 || r.AuthoredAt < 0 || r.AuthoredAt/1000 > 1<<32-1 {
		return fmt.Errorf("%w: sequence 0 or authored-at out of range", ErrRecord)
	}
	if r.PayloadLength == 0 || r.PayloadLength > MaxPayloadBytes {
		return fmt.Errorf("%w: a payload of %d bytes, 1 to %d", ErrRecord, r.PayloadLength, MaxPayloadBytes)
	}
	if err := checkAudience(r.Audience); err != nil {
		return err
	}
	return r.checkKind()
}

func (r *Record) checkKind() error {
	sealed := r.Kind == KindSealed || r.Kind == KindRelease || r.Kind == KindExpungement
	switch {
	case r.Kind == KindGovernance && (len(r.Audience) > 0 || r.EventsRoot != EmptyRoot || r.Target != 0):
		return fmt.Errorf("%w: a governance entry is in clear: no audience, no events, no target", ErrRecord)
	case sealed && (len(r.Audience) == 0 || r.EventsRoot == EmptyRoot):
		return fmt.Errorf("%w: a sealed entry has an audience and events", ErrRecord)
	case r.Kind == KindSealed && r.Target != 0:
		return fmt.Errorf("%w: a sealed entry has no target", ErrRecord)
	case !sealed && r.Kind != KindGovernance:
		return fmt.Errorf("%w: unknown %s; upgrade", ErrRecord, r.Kind)
	}
	return nil
}

func checkAudience(refs []AudienceRef) error {
	if len(refs) > MaxAudiences {
		return fmt.Errorf("%w: %d audiences, at most %d", ErrRecord, len(refs), MaxAudiences)
	}
	for i, a := range refs {
		if _, err := ParseAudienceName(string(a.Name)); err != nil {
			return fmt.Errorf("%w: %w", ErrRecord, err)
		}
		if a.Epoch == 0 || i > 0 && refs[i-1].Name >= a.Name {
			return fmt.Errorf("%w: audiences are sorted, named once, with an epoch from 1", ErrRecord)
		}
	}
	return nil
}

// Leaf is what the tree hashes: CBOR [record bytes, signature packet], under 64 KiB.
type Leaf struct {
	_         struct{} `cbor:",toarray"`
	Record    []byte
	Signature []byte
}

// Encode returns the leaf's bytes.
func (l Leaf) Encode() []byte { return Marshal(l) }

// DecodeLeaf accepts exactly what Encode writes.
func DecodeLeaf(b []byte) (Leaf, error) {
	var l Leaf
	if err := Unmarshal(b, &l, MaxLeafBytes); err != nil {
		return Leaf{}, fmt.Errorf("%w: %w", ErrLeaf, err)
	}
	return l, nil
}

// LeafHash returns the RFC 6962 leaf hash.
func LeafHash(leaf []byte) tlog.Hash { return tlog.RecordHash(leaf) }

// Entry is what travels and is stored: the leaf, and beside it the payload, which can be removed without breaking
// the tree.
type Entry struct {
	_       struct{} `cbor:",toarray"`
	Leaf    []byte
	Payload []byte
}

// SignEntry fills in the payload's hash and length, and signs the record at its authored-at.
func SignEntry(key *crypto.AgencyKey, r Record, payload []byte) (Entry, error) {
	r.PayloadHash, r.PayloadLength = sha256.Sum256(payload), uint64(len(payload))
	r.Audience = slices.Clone(r.Audience)
	if r.Audience == nil {
		r.Audience = []AudienceRef{}
	}
	if err := r.check(); err != nil {
		return Entry{}, err
	}
	record := r.Encode()
	signature, err := key.Sign(record, r.SignedAt())
	if err != nil {
		return Entry{}, err
	}
	leaf := Leaf{Record: record, Signature: signature}.Encode()
	if len(leaf) > MaxLeafBytes {
		return Entry{}, fmt.Errorf("%w: %d bytes, at most %d", ErrLeaf, len(leaf), MaxLeafBytes)
	}
	return Entry{Leaf: leaf, Payload: payload}, nil
}

// OpenLeaf decodes a leaf and its record. It checks no signature.
func OpenLeaf(leaf []byte) (*Record, Leaf, error) {
	l, err := DecodeLeaf(leaf)
	if err != nil {
		return nil, l, err
	}
	r, err := DecodeRecord(l.Record)
	return r, l, err
}

// Open decodes the record and checks that the payload is the one it names. It checks no signature.
func (e Entry) Open() (*Record, error) {
	r, _, err := OpenLeaf(e.Leaf)
	if err != nil {
		return nil, err
	}
	return r, r.CheckPayload(e.Payload)
}

// CheckPayload checks that payload is the one the record names.
func (r *Record) CheckPayload(payload []byte) error {
	hash := sha256.Sum256(payload)
	if uint64(len(payload)) != r.PayloadLength || !bytes.Equal(hash[:], r.PayloadHash[:]) {
		return fmt.Errorf("%w: not the one the record names", ErrPayload)
	}
	return nil
}

// VerifyLeaf decodes a leaf and checks its signature against the author's certificate.
func VerifyLeaf(leaf []byte, author *crypto.Certificate) (*Record, error) {
	r, l, err := OpenLeaf(leaf)
	if err != nil {
		return nil, err
	}
	return r, author.Verify(l.Record, l.Signature, r.SignedAt())
}
