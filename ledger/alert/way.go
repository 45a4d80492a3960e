package alert

import (
	"slices"
	"strings"

	"vigil/ledger/noun"
)

// Way is how an alert leaves the agency that reads it.
type Way string

// The ways.
const (
	ByFile     Way = "a file"     // an export in an outside format
	ByBundle   Way = "a bundle"   // evidence for a court or an auditor
	ToPlatform Way = "a platform" // an answer to a platform's look-up, or its feed
)

// originatorControl are the caveats that keep an alert with who raised it, in any case.
var originatorControl = []string{"ORCON", "ORIGINATOR CONTROLLED"}

// Permits says whether an alert may leave an agency by a way; own says that the agency raised it. TLP 2.0: RED is for those
// it was sealed to and nobody else; AMBER+STRICT stays in their organisation, so that only who raised it hands it on; AMBER
// goes to an organisation's clients, which platforms are; GREEN and CLEAR go further. Under originator control only who
// raised it hands it on. The refusal says why.
func (h Handling) Permits(way Way, own bool) error {
	switch {
	case h.TLP == Red && (way != ByBundle || !own):
		return noun.Refuse("TLP:RED is for its recipients alone: it does not leave by %s", way)
	case h.TLP == AmberStrict && (way == ToPlatform || !own && way == ByBundle):
		return noun.Refuse("TLP:AMBER+STRICT stays in the organisation: it does not leave by %s", way)
	case !own && slices.ContainsFunc(h.Caveats, controlled):
		return noun.Refuse("it is under originator control: only who raised it hands it on by %s", way)
	}
	return nil
}

func controlled(caveat string) bool {
	return slices.Contains(originatorControl, strings.ToUpper(caveat))
}
