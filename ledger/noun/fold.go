package noun

import (
	"strings"

	"golang.org/x/text/cases"
)

// Fold makes one form of what differs in case only. Folding alone changes Cherokee from one case to the other and back: lower case is
// the same for both.
func Fold(s string) string { return strings.ToLower(cases.Fold().String(s)) }
