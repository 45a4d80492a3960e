package report

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vigil/ledger/noun"
)

// Why a field is not acceptable, beside what package noun says of any noun's.
var (
	ErrMoment   = errors.New("not a time between 1990 and 2100 with its zone")
	ErrFuture   = errors.New("lies in the future")
	ErrPointer  = errors.New("not written as its kind is: an e-mail has one @, a phone + and 7 to 15 digits, an ip its canonical form, a url http or https")
	ErrPort     = errors.New("a port is 1 to 65535, and only of an ip")
	ErrCountry  = errors.New("not two capital letters of ISO 3166")
	ErrNothing  = errors.New("the report names no file and nobody: nothing can be done with it")
	ErrPlatform = errors.New("not a platform's name: a letter or digit, then lower-case letters, digits, dots and hyphens, 64 at most")
)

// Statement is what a platform says, as a whole: an amendment replaces it.
type Statement struct {
	_         struct{} `cbor:",toarray"`
	Reference string   // optional: the platform's own number for it
	Kind      Kind
	Priority  []Priority // sorted, none twice
	Occurred  Moment     // the incident
	Place     Place      // where the platform believes those reported are
	About     []Pointer
	Files     []File
	Note      string   // optional: what makes it urgent
	Prior     []string // ids of earlier reports it goes with, sorted
}

// Moment is a time with the zone it was stated in; the zero value says that none was stated.
type Moment struct {
	_    struct{} `cbor:",toarray"`
	At   int64    // ms since 1970
	Zone int64    // minutes east of UTC
}

// Place is a country and, where known, a part of it.
type Place struct {
	_       struct{} `cbor:",toarray"`
	Country string   // ISO 3166 alpha-2
	Region  string
}

// Pointer points at somebody: the least that lets an agency ask further.
type Pointer struct {
	_       struct{} `cbor:",toarray"`
	Role    Role
	Kind    PointerKind
	Value   string
	Service string // where it belongs to, if not to the platform itself
	Port    uint64 // of an ip; 0 where not known
	Seen    Moment // when it was seen: an ip means little without
}

// MomentOf returns a time as it was written, to the millisecond.
func MomentOf(t time.Time) Moment {
	_, zone := t.Zone()
	return Moment{At: t.UnixMilli(), Zone: int64(zone / 60)}
}

// Stated says that there is one.
func (m Moment) Stated() bool { return m.At != 0 || m.Zone != 0 }

// Time returns it in the zone it was stated in.
func (m Moment) Time() time.Time {
	t := time.UnixMilli(m.At)
	if m.Zone == 0 {
		return t.UTC()
	}
	return t.In(time.FixedZone("", int(m.Zone)*60))
}

func (m Moment) validate() error {
	if m.Stated() && (m.At < firstMoment || m.At >= lastMoment || m.Zone < -maxZoneMinutes || m.Zone > maxZoneMinutes) {
		return ErrMoment
	}
	return nil
}

// Normal returns the statement in the one form it is encoded in.
func (s Statement) Normal() Statement {
	s.Priority, s.Prior = noun.Set(s.Priority), noun.Set(s.Prior)
	s.About = append([]Pointer{}, s.About...)
	files := make([]File, len(s.Files))
	for i, f := range s.Files {
		files[i] = f.normal()
	}
	s.Files = files
	return s
}

// Validate accepts what can be encoded.
func (s *Statement) Validate() error {
	return noun.First(
		noun.At("reference", noun.Line(s.Reference, MaxReference)),
		noun.At("kind", noun.OneOf(Kinds, s.Kind)),
		noun.SortedSet("priority", s.Priority, len(Priorities), func(p Priority) error { return noun.OneOf(Priorities, p) }),
		noun.At("occurred", s.Occurred.validate()),
		noun.At("place", s.Place.validate()),
		each("about", s.About, MaxPointers, (*Pointer).validate),
		each("files", s.Files, MaxFiles, (*File).validate),
		noun.At("note", noun.Prose(s.Note, MaxNoteBytes)),
		noun.SortedSet("prior", s.Prior, MaxPrior, idOf(IDPrefix)),
	)
}

// each checks a list in the order it was given.
func each[T any](field string, list []T, most int, check func(*T) error) error {
	if len(list) > most {
		return noun.At(field, noun.ErrCount)
	}
	for i := range list {
		if err := check(&list[i]); err != nil {
			return noun.At(noun.Item(field, i), err)
		}
	}
	return nil
}

// idOf accepts ids of a noun.
func idOf(prefix string) func(string) error {
	return func(id string) error {
		digits, ok := strings.CutPrefix(id, prefix)
		if !ok || digits == "" || len(id) > maxIDBytes || strings.Trim(digits, "0123456789abcdef.") != "" {
			return noun.ErrID
		}
		return nil
	}
}

func (p Place) validate() error {
	if p.Country == "" && p.Region == "" {
		return nil
	}
	if len(p.Country) != 2 || strings.Trim(p.Country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return noun.At("country", ErrCountry)
	}
	return noun.At("region", noun.Line(p.Region, MaxRegionBytes))
}

func (p *Pointer) validate() error {
	err := noun.First(
		noun.At("role", noun.OneOf(Roles, p.Role)),
		noun.At("kind", noun.OneOf(PointerKinds, p.Kind)),
		noun.At("value", noun.First(required(p.Value), noun.Line(p.Value, MaxPointerBytes), written(p.Kind, p.Value))),
		noun.At("service", noun.Line(p.Service, MaxServiceBytes)),
		noun.At("seen", p.Seen.validate()),
	)
	if err == nil && (p.Port > maxPort || p.Port > 0 && p.Kind != Address) {
		err = noun.At("port", ErrPort)
	}
	return err
}

// written checks the kinds of pointers that have one way of being written.
func written(k PointerKind, v string) error {
	ok := true
	switch k {
	case Email:
		before, after, _ := strings.Cut(v, "@")
		ok = before != "" && after != "" && !strings.ContainsAny(after, "@ ") && !strings.Contains(before, " ")
	case Phone:
		digits, plus := strings.CutPrefix(v, "+")
		ok = plus && len(digits) >= 7 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
	case Address:
		a, err := netip.ParseAddr(v)
		ok = err == nil && a.Zone() == "" && a.String() == v
	case Profile:
		ok = (strings.HasPrefix(v, "https://") || strings.HasPrefix(v, "http://")) && !strings.Contains(v, " ")
	}
	if !ok {
		return ErrPointer
	}
	return nil
}

func required(s string) error {
	if s == "" {
		return noun.ErrRequired
	}
	return nil
}

// PlatformName checks how a platform is called. The name is what its reports are kept under, so there is one way to
// write it.
func PlatformName(s string) error {
	if s == "" || len(s) > MaxNameBytes || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.ContainsAny(s[:1], ".-") {
		return ErrPlatform
	}
	return nil
}

// has says whether a priority signal was set.
func (s *Statement) has(p Priority) bool { return slices.Contains(s.Priority, p) }
