package accesslog

import (
	"crypto/rand"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vigil/ledger"
)

// Actor is who read: the id of a user or of a token.
type Actor string

// Role is the role in which the actor read.
type Role string

// Verb is what was done: "alert.show", "look-up", "export". Lower-case letters, digits, dots and hyphens.
type Verb string

// Object is the id of something read: of an event, a referral, a list. Printable ASCII without spaces; never a hash
// value or text that was read.
type Object string

// Outcome says whether the read was answered; the numbers are stored and never change.
type Outcome uint64

// The outcomes.
const (
	Answered Outcome = 1
	Refused  Outcome = 2
)

func (o Outcome) String() string {
	switch o {
	case Answered:
		return "answered"
	case Refused:
		return "refused"
	}
	return fmt.Sprintf("outcome %d", uint64(o))
}

// Record says who read what, and why: a CBOR array of nine elements in this order.
type Record struct {
	_       struct{} `cbor:",toarray"`
	Actor   Actor
	Role    Role
	Verb    Verb
	Objects []Object // the first MaxObjects of them
	Count   uint64   // how many there were: a look-up of a batch is one record
	Purpose string
	Case    string
	Outcome Outcome
	Reason  string // of a refusal
}

// Entry is a record in its place.
type Entry struct {
	Index  uint64
	At     time.Time // by this node's clock, when the record was written; ms
	Record Record
}

// Check says whether Append would take the record.
func (r *Record) Check() error {
	if err := r.checkNames(); err != nil {
		return err
	}
	if len(r.Objects) > MaxObjects || uint64(len(r.Objects)) > r.Count || r.Count > math.MaxInt64 {
		return fmt.Errorf("%w: %d objects of %d, at most %d", ErrRecord, len(r.Objects), r.Count, MaxObjects)
	}
	for _, o := range r.Objects {
		if err := within("object", string(o), 1, MaxObjectBytes, printable); err != nil {
			return err
		}
	}
	if r.Outcome != Answered && r.Outcome != Refused {
		return fmt.Errorf("%w: %s", ErrRecord, r.Outcome)
	}
	for _, f := range []struct {
		name, text string
		most       int
	}{{"purpose", r.Purpose, MaxPurposeBytes}, {"case", r.Case, MaxCaseBytes}, {"reason", r.Reason, MaxReasonBytes}} {
		if err := within(f.name, f.text, 0, f.most, unicode.IsPrint); err != nil {
			return err
		}
	}
	return nil
}

// bytes is at least what the record takes on disk.
func (r *Record) bytes() int {
	n := 128 + len(r.Actor) + len(r.Role) + len(r.Verb) + len(r.Purpose) + len(r.Case) + len(r.Reason)
	for _, o := range r.Objects {
		n += len(o) + 2
	}
	return n
}

func (r *Record) checkNames() error {
	if err := within("actor", string(r.Actor), 1, MaxActorBytes, unicode.IsPrint); err != nil {
		return err
	}
	if err := within("role", string(r.Role), 0, MaxRoleBytes, unicode.IsPrint); err != nil {
		return err
	}
	return within("verb", string(r.Verb), 1, MaxVerbBytes, func(c rune) bool {
		return strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.-", c)
	})
}

func printable(c rune) bool { return c > ' ' && c < 0x7f }

func within(name, text string, least, most int, allowed func(rune) bool) error {
	if len(text) < least || len(text) > most {
		return fmt.Errorf("%w: %s of %d bytes, %d to %d", ErrRecord, name, len(text), least, most)
	}
	refused := func(c rune) bool { return !allowed(c) }
	if !utf8.ValidString(text) || strings.ContainsFunc(text, refused) {
		return fmt.Errorf("%w: %s has characters that are not allowed", ErrRecord, name)
	}
	return nil
}

const leafVersion = 1

// leaf is what the tree is made of.
type leaf struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Index   uint64
	At      int64
	Salt    [16]byte
	Record  Record
}

func encodeLeaf(index uint64, at int64, r Record) []byte {
	l := leaf{Version: leafVersion, Index: index, At: at, Record: r}
	_, _ = rand.Read(l.Salt[:]) // never fails
	return ledger.Marshal(l)
}

// decodeLeaf accepts exactly what encodeLeaf writes for a well-formed record at this index.
func decodeLeaf(b []byte, index uint64) (Entry, error) {
	var l leaf
	if err := ledger.Unmarshal(b, &l, maxLeafBytes); err != nil {
		return Entry{}, fmt.Errorf("%w: not a leaf of version %d", ErrRecord, leafVersion) // what the decoder says may quote it
	}
	if l.Version != leafVersion {
		return Entry{}, fmt.Errorf("%w: a leaf of version %d", ErrNewer, l.Version)
	}
	if l.Index != index {
		return Entry{}, fmt.Errorf("%w: the leaf of record %d at %d", ErrRecord, l.Index, index)
	}
	if err := l.Record.Check(); err != nil {
		return Entry{}, err
	}
	return Entry{Index: index, At: time.UnixMilli(l.At).UTC(), Record: l.Record}, nil
}
