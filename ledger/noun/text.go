package noun

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line checks an optional text on one line.
func Line(s string, limit int) error { return clean(s, limit, "") }

// Prose checks an optional text that may have new lines and tabs.
func Prose(s string, limit int) error { return clean(s, limit, "\n\t") }

// Words checks a text that must be there.
func Words(s string, limit int) error {
	if s == "" {
		return ErrRequired
	}
	return Prose(s, limit)
}

func clean(s string, limit int, allowed string) error {
	if len(s) > limit {
		return ErrTooLong
	}
	if !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return ErrText
	}
	for _, r := range s {
		if !strings.ContainsRune(allowed, r) && (unicode.IsControl(r) || overrides(r)) {
			return ErrText
		}
	}
	return nil
}

// overrides are the marks that make text read in another order than it is stored, or in separate lines.
func overrides(r rune) bool {
	return (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) || r == 0x2028 || r == 0x2029 || r == 0xfeff
}

// OneOf checks that a name is one of those known.
func OneOf[T comparable](known []T, v T) error {
	if !slices.Contains(known, v) {
		return ErrUnknownName
	}
	return nil
}

// SortedSet checks a list of 0 to most items in ascending order, none twice, each of them acceptable.
func SortedSet[T cmp.Ordered](field string, list []T, most int, check func(T) error) error {
	if len(list) > most {
		return At(field, ErrCount)
	}
	for i, x := range list {
		err := check(x)
		if err == nil && i > 0 && list[i-1] >= x {
			err = ErrNotSorted
		}
		if err != nil {
			return At(Item(field, i), err)
		}
	}
	return nil
}

// Set returns a list as SortedSet accepts it: a copy in order, equal items once, never nil, so that it has one encoding.
func Set[T cmp.Ordered](list []T) []T {
	out := append(make([]T, 0, len(list)), list...)
	slices.Sort(out)
	return slices.Compact(out)
}
