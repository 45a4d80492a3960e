package alert

import (
	"strings"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// TLP is the Traffic Light Protocol 2.0 marking. There is no default.
type TLP uint8

// The markings, from open to closed.
const (
	Clear       TLP = 1
	Green       TLP = 2
	Amber       TLP = 3
	AmberStrict TLP = 4
	Red         TLP = 5
)

var tlpNames = []string{"", "TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"}

// ParseTLP reads a marking with or without "TLP:", in any case.
func ParseTLP(s string) (TLP, error) {
	if !strings.Contains(s, ":") {
		s = "TLP:" + s
	}
	return numberOf[TLP](tlpNames, s)
}

func (t TLP) String() string { return nameOf(tlpNames, t) }

// MarshalText writes the standard label.
func (t TLP) MarshalText() ([]byte, error) { return []byte(t.String()), defined(tlpNames, t) }

// UnmarshalText reads what ParseTLP reads.
func (t *TLP) UnmarshalText(b []byte) (err error) {
	v, err := ParseTLP(string(b))
	if err == nil {
		*t = v
	}
	return err
}

// Handling says what a reader may do with an alert. Who can read it at all is decided by whom it is sealed to.
type Handling struct {
	_       struct{} `cbor:",toarray"`
	TLP     TLP
	Release []ledger.AudienceName // who may have it, sorted, none twice; empty: the author's jurisdiction
	Caveats []string              // in words, sorted, none twice
}

func (h Handling) normal() Handling {
	h.Release = sortedSet(h.Release, func(a, b ledger.AudienceName) int { return strings.Compare(string(a), string(b)) })
	h.Caveats = sortedSet(h.Caveats, strings.Compare)
	return h
}

// Validate accepts a handling in canonical form.
func (h Handling) Validate() error {
	if err := defined(tlpNames, h.TLP); err != nil {
		return noun.At("tlp", err)
	}
	if len(h.Release) > ledger.MaxAudiences {
		return noun.At("release", noun.ErrCount)
	}
	if len(h.Caveats) > MaxCaveats {
		return noun.At("caveats", noun.ErrCount)
	}
	for i := range h.Release {
		if err := h.validRelease(i); err != nil {
			return noun.At(noun.Item("release", i), err)
		}
	}
	for i := range h.Caveats {
		if err := h.validCaveat(i); err != nil {
			return noun.At(noun.Item("caveats", i), err)
		}
	}
	return nil
}

func (h Handling) validRelease(i int) error {
	if _, err := ledger.ParseAudienceName(string(h.Release[i])); err != nil {
		return ledger.ErrAudience
	}
	if i > 0 && h.Release[i-1] >= h.Release[i] {
		return noun.ErrNotSorted
	}
	return nil
}

func (h Handling) validCaveat(i int) error {
	if h.Caveats[i] == "" {
		return noun.ErrRequired
	}
	if i > 0 && h.Caveats[i-1] >= h.Caveats[i] {
		return noun.ErrNotSorted
	}
	return noun.Line(h.Caveats[i], MaxCaveatBytes)
}

// addressed refuses a marking that contradicts the release list: TLP:RED is for named recipients.
func (h Handling) addressed() error {
	if h.TLP != Red {
		return nil
	}
	if len(h.Release) == 0 {
		return noun.At("handling.release", ErrRedNeedsNames)
	}
	for i, name := range h.Release {
		if strings.HasSuffix(string(name), "/*") {
			return noun.At("handling."+noun.Item("release", i), ErrRedNeedsNames)
		}
	}
	return nil
}
