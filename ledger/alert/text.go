package alert

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// line checks an optional text on one line; prose also allows new lines and tabs.
func line(s string, limit int) error  { return clean(s, limit, "") }
func prose(s string, limit int) error { return clean(s, limit, "\n\t") }

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
