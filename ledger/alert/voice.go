package alert

import (
	"strings"

	"vigil/ledger"
)

// Independence. An agency's word is its own look at the material, or it repeats somebody else's. k agencies corroborate
// an alert when k different looks stand behind it:
//
//   - What an agency examined, investigated, heard from a victim, or says without stating a basis is its own look. (An
//     agency that hides that it repeats another lies under its signature; nothing in a ledger can tell.)
//   - A partner's list or a platform's report is the look of the body that the source names: everyone who repeats it is
//     one voice. Where that body is an agency, it is that agency's own voice, so that an agency that confirms another's
//     alert from that agency's list adds nothing. Where no source is named, all who name none are one voice.
//   - A classifier's or matcher's result that no examiner has seen is no look at all.
//
// The body is the first word of the source, in any case. Two lists of one body are one look: rather too few voices than
// too many.

// look names the look that an agency's word rests on; empty where it rests on none.
func look(agency ledger.AgencyID, b Basis, source string) string {
	switch b {
	case Automatic:
		return ""
	case PartnerList, PlatformReport:
		body := bodyOf(source)
		if _, err := ledger.ParseAgencyID(body); err == nil {
			return body
		}
		return "body " + body
	}
	return string(agency)
}

// bodyOf returns the first word of a source reference in lower case.
func bodyOf(source string) string {
	body := strings.ToLower(source)
	if end := strings.IndexAny(body, " \t,;:#"); end >= 0 {
		body = body[:end]
	}
	return body
}

// chorus is the different looks behind an alert, each with the jurisdictions of the agencies that speak for it.
type chorus map[string]map[ledger.JurisdictionID]bool

// add counts an agency's word and returns the look it rests on.
func (c chorus) add(agency ledger.AgencyID, b Basis, source string) string {
	name := look(agency, b, source)
	if name == "" {
		return ""
	}
	if c[name] == nil {
		c[name] = map[ledger.JurisdictionID]bool{}
	}
	c[name][agency.Jurisdiction()] = true
	return name
}

// count returns how many looks there are, and of how many jurisdictions those are who speak for them.
func (c chorus) count() (looks, jurisdictions int) {
	all := map[ledger.JurisdictionID]bool{}
	for _, speakers := range c {
		for j := range speakers {
			all[j] = true
		}
	}
	return len(c), len(all)
}
