package noun

import (
	"errors"
	"fmt"
	"strings"

	"vigil/ledger"
)

// Key names an object: the ledger its founding event is in, who wrote that event, and its id. The event id is its
// author's choice, so home and author belong to the name.
type Key struct {
	_      struct{} `cbor:",toarray"`
	Home   ledger.Origin
	Author ledger.AgencyID
	Event  ledger.EventID
}

// Validate checks the three parts.
func (k Key) Validate() error {
	if _, err := ledger.ParseOrigin(string(k.Home)); err != nil {
		return At("home", ledger.ErrOrigin)
	}
	if _, err := ledger.ParseAgencyID(string(k.Author)); err != nil {
		return At("author", ledger.ErrAgencyID)
	}
	return nil
}

// ErrID marks a text that is no id of an object, or no beginning of one.
var ErrID = errors.New("not an id, or the beginning of one")

// minPrefixNibbles is how much of an id must be given at least.
const minPrefixNibbles = 4

// ID returns the form people use: a noun's prefix, such as "rf_", and 32 hex digits. It leaves out the home ledger and
// the author, which the board knows.
func (k Key) ID(prefix string) string { return prefix + k.Event.String() }

// ParsePrefix reads an id of a noun or its beginning, with the noun's prefix or without it, and returns its hex digits, 4
// to 32 of them.
func ParsePrefix(prefix, s string) (string, error) {
	h := strings.TrimPrefix(strings.ToLower(s), prefix)
	if len(h) < minPrefixNibbles || len(h) > 32 || strings.Trim(h, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%w: give %s and 4 to 32 hex digits", ErrID, prefix)
	}
	return h, nil
}
