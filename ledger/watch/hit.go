package watch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

// HitPrefix begins the ids people use of hits.
const HitPrefix = "wh_"

// HitID names a hit: the first half of the SHA-256 over CBOR ["vigil hit v1", watched key, row, alert key, row]. It is
// the same wherever and in whatever order both became known.
type HitID [16]byte

// HitOf names the hit of an alert on a watched file.
func HitOf(watched ID, a alert.ID) HitID {
	sum := sha256.Sum256(ledger.Marshal([]any{"vigil hit v1", watched.Key, watched.Row, a.Key, a.Row}))
	return HitID(sum[:16])
}

// String returns the form people use.
func (h HitID) String() string { return HitPrefix + hex.EncodeToString(h[:]) }

// ParseHitID reads a whole id.
func ParseHitID(s string) (HitID, error) {
	digits, err := noun.ParsePrefix(HitPrefix, s)
	if err != nil || len(digits) != hex.EncodedLen(len(HitID{})) {
		return HitID{}, noun.ErrID
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return HitID{}, noun.ErrID
	}
	return HitID(b), nil
}

func compareHits(a, b HitID) int { return bytes.Compare(a[:], b[:]) }

func validHits(hits []HitID) error {
	if len(hits) == 0 || len(hits) > MaxHandled {
		return noun.At("hits", noun.ErrCount)
	}
	for i := range hits {
		if i > 0 && compareHits(hits[i-1], hits[i]) >= 0 {
			return noun.At(noun.Item("hits", i), noun.ErrNotSorted)
		}
	}
	return nil
}

// Handling is what was done about a hit; the last that was said stands. The numbers are stored: append only.
type Handling uint8

// What can be done about a hit.
const (
	Open      Handling = 0 // nothing yet; never said
	Seen      Handling = 1 // somebody looks into it
	Done      Handling = 2 // followed up; the note says how
	Dismissed Handling = 3 // of no use; the note says why
	Reopened  Handling = 4 // open again
)

var handlingNames = []string{"open", "seen", "done", "dismissed", "reopened"}

// String returns the public name. What was opened again is open.
func (h Handling) String() string {
	if int(h) >= len(handlingNames) {
		return "undefined"
	}
	return handlingNames[h]
}

// ParseHandling reads the public name of what can be said.
func ParseHandling(s string) (Handling, error) {
	i := slices.Index(handlingNames, s)
	if i < 1 {
		return 0, noun.ErrUnknownName
	}
	return Handling(i), nil
}

func (h Handling) validate() error {
	if h < Seen || h > Reopened {
		return noun.ErrUnknownValue
	}
	return nil
}

// State is where a hit stands after something was said: Open, Seen, Done or Dismissed.
func (h Handling) State() Handling {
	if h == Reopened {
		return Open
	}
	return h
}
