package alert

import (
	"cmp"
	"slices"
	"strings"

	"vigil/ledger/noun"
)

// Named schemes. Others may be used; a number without its scheme means nothing.
const (
	SchemeINHOPE   = "inhope-ucs"        // INHOPE Universal Classification Schema
	SchemeBaseline = "interpol-baseline" // value "baseline"
	SchemeIWF      = "iwf"               // values "a", "b", "c"
	SchemeCOPINE   = "copine"            // values "1" to "10"
	SchemeNCMEC    = "ncmec"             // values "a1", "a2", "b1", "b2"
)

// Classification is one value in one named scheme.
type Classification struct {
	_      struct{} `cbor:",toarray"`
	Scheme string   // a-z 0-9 . -
	Value  string
}

func compareClassifications(a, b Classification) int {
	return cmp.Or(strings.Compare(a.Scheme, b.Scheme), strings.Compare(a.Value, b.Value))
}

// Validate checks one classification.
func (c Classification) Validate() error {
	if c.Scheme == "" || strings.Trim(c.Scheme, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return noun.At("scheme", noun.ErrText)
	}
	if c.Value == "" {
		return noun.At("value", noun.ErrRequired)
	}
	if len(c.Scheme) > maxSchemeBytes {
		return noun.At("scheme", noun.ErrTooLong)
	}
	return noun.At("value", noun.Line(c.Value, maxValueBytes))
}

func validClassifications(list []Classification) error {
	if len(list) > MaxClassifications {
		return noun.At("classifications", noun.ErrCount)
	}
	for i, c := range list {
		err := c.Validate()
		if err == nil && i > 0 && compareClassifications(list[i-1], c) >= 0 {
			err = noun.ErrNotSorted
		}
		if err != nil {
			return noun.At(noun.Item("classifications", i), err)
		}
	}
	return nil
}

// sortedSet returns a copy in order, equal items once, and never nil: an absent list has one encoding.
func sortedSet[T any](list []T, compare func(a, b T) int) []T {
	out := append(make([]T, 0, len(list)), list...)
	slices.SortFunc(out, compare)
	return slices.CompactFunc(out, func(a, b T) bool { return compare(a, b) == 0 })
}
