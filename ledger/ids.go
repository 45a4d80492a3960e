package ledger

import (
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Errors of the identifiers.
var (
	ErrAgencyID = errors.New("ledger: an agency id is <jurisdiction>/<name>, each half 1 to 32 of a-z 0-9 -, beginning with a letter")
	ErrOrigin   = errors.New("ledger: an origin is <jurisdiction>/<26 base32 characters>")
	ErrAudience = errors.New("ledger: an audience is <jurisdiction>/*, <jurisdiction>/@<name> or an agency id")
	ErrEventID  = errors.New("ledger: an event id is 32 lower-case hex digits")
)

// Index is the position of an entry in its ledger, from 0 (genesis).
type Index = uint64

// JurisdictionID names a jurisdiction, such as "in".
type JurisdictionID string

// ParseJurisdictionID accepts 1 to 32 of a-z, 0-9 and -, beginning with a letter.
func ParseJurisdictionID(s string) (JurisdictionID, error) {
	if !validName(s) {
		return "", ErrAgencyID
	}
	return JurisdictionID(s), nil
}

// AgencyID names an agency within its jurisdiction: "in/ncrb".
type AgencyID string

// ParseAgencyID reads "jurisdiction/name".
func ParseAgencyID(s string) (AgencyID, error) {
	j, name, ok := strings.Cut(s, "/")
	if !ok || !validName(j) || !validName(name) {
		return "", fmt.Errorf("%w: %.80q", ErrAgencyID, s)
	}
	return AgencyID(s), nil
}

// Jurisdiction returns the part before the slash.
func (a AgencyID) Jurisdiction() JurisdictionID {
	j, _, _ := strings.Cut(string(a), "/")
	return JurisdictionID(j)
}

// Origin names one ledger for good: the jurisdiction and 16 random bytes drawn at its founding.
type Origin string

var originEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewOrigin makes the origin of a new ledger from 16 random bytes.
func NewOrigin(j JurisdictionID, random [16]byte) Origin {
	return Origin(string(j) + "/" + strings.ToLower(originEncoding.EncodeToString(random[:])))
}

// ParseOrigin accepts exactly what NewOrigin writes.
func ParseOrigin(s string) (Origin, error) {
	j, random, ok := strings.Cut(s, "/")
	if !ok || !validName(j) || len(random) != 26 || strings.ToLower(random) != random {
		return "", fmt.Errorf("%w: %.80q", ErrOrigin, s)
	}
	b, err := originEncoding.DecodeString(strings.ToUpper(random))
	if err != nil || len(b) != 16 || NewOrigin(JurisdictionID(j), [16]byte(b)) != Origin(s) {
		return "", fmt.Errorf("%w: %.80q", ErrOrigin, s)
	}
	return Origin(s), nil
}

// Jurisdiction returns the name people see.
func (o Origin) Jurisdiction() JurisdictionID {
	j, _, _ := strings.Cut(string(o), "/")
	return JurisdictionID(j)
}

// AudienceName names who can open an entry: "in/*" (the audience every ledger is founded with), "in/@name" (a
// further named set), or an agency id (that agency alone).
type AudienceName string

// ParseAudienceName reads one of the three forms.
func ParseAudienceName(s string) (AudienceName, error) {
	j, name, ok := strings.Cut(s, "/")
	if !ok || !validName(j) || (name != "*" && !validName(strings.TrimPrefix(name, "@"))) {
		return "", fmt.Errorf("%w: %.80q", ErrAudience, s)
	}
	return AudienceName(s), nil
}

// Everyone is the audience a ledger is founded with.
func Everyone(j JurisdictionID) AudienceName { return AudienceName(string(j) + "/*") }

// Jurisdiction returns the part before the slash.
func (n AudienceName) Jurisdiction() JurisdictionID {
	j, _, _ := strings.Cut(string(n), "/")
	return JurisdictionID(j)
}

// Agency returns the agency a single-agency audience names.
func (n AudienceName) Agency() (AgencyID, bool) {
	_, name, _ := strings.Cut(string(n), "/")
	return AgencyID(n), validName(name)
}

// AudienceRef is an audience at one epoch. For a single agency the epoch is the generation of its key, from 1.
type AudienceRef struct {
	_     struct{} `cbor:",toarray"`
	Name  AudienceName
	Epoch uint64
}

// EventID names one event; the first of an author's events with an id stands.
type EventID [16]byte

// String returns 32 lower-case hex digits.
func (id EventID) String() string { return hex.EncodeToString(id[:]) }

// ParseEventID accepts exactly what String writes.
func ParseEventID(s string) (EventID, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 16 || hex.EncodeToString(b) != s {
		return EventID{}, ErrEventID
	}
	return EventID(b), nil
}

// Position is the place of one event or row: the entry's index and the position in its events tree.
type Position struct {
	Index Index
	Leaf  uint32
}

func validName(s string) bool {
	if len(s) == 0 || len(s) > maxNameBytes || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
