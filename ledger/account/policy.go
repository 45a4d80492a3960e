package account

import "vigil/ledger/noun"

// Act is what a second person may have to agree to.
type Act = string

// The acts that a policy can put under the four-eyes rule.
const (
	ActRetract Act = "retract" // an alert is taken back
	ActExport  Act = "export"  // content leaves the node as a file
	ActGrant   Act = "grant"   // somebody gets to read what they could not: earlier epochs, releases
	ActRemove  Act = "remove"  // an agency is removed, an event expunged
	ActUsers   Act = "users"   // people and tokens are added, or get other roles
)

// Acts are all of them.
var Acts = []Act{ActRetract, ActExport, ActGrant, ActRemove, ActUsers}

// Policy is what a jurisdiction agreed on for access.
type Policy struct {
	_ struct{} `cbor:",toarray"`
	// Purpose and Case name the roles that must say, with every read of content, why, and for which case.
	Purpose []Role `json:"purpose"`
	Case    []Role `json:"case"`
	// FourEyes names what takes a second person's agreement.
	FourEyes []Act `json:"four_eyes"`
	// SessionHours and IdleMinutes end a session.
	SessionHours uint64 `json:"session_hours"`
	IdleMinutes  uint64 `json:"idle_minutes"`
}

// Section is the policy's part for access.
var Section = noun.Section[*Policy]{Name: "access", Default: defaultPolicy, Fresh: func() *Policy { return &Policy{} }}

func defaultPolicy() *Policy {
	return &Policy{Purpose: []Role{}, Case: []Role{}, FourEyes: []Act{}, SessionHours: 12, IdleMinutes: 60}
}

// Validate accepts sorted lists of known names.
func (p *Policy) Validate() error {
	role := func(r Role) error { return noun.OneOf(Roles, r) }
	if p.SessionHours == 0 || p.SessionHours > 7*24 {
		return noun.At("session_hours", noun.ErrCount)
	}
	if p.IdleMinutes == 0 || p.IdleMinutes > 24*60 {
		return noun.At("idle_minutes", noun.ErrCount)
	}
	return noun.First(
		noun.SortedSet("purpose", p.Purpose, len(Roles), role), noun.SortedSet("case", p.Case, len(Roles), role),
		noun.SortedSet("four_eyes", p.FourEyes, len(Acts), func(a Act) error { return noun.OneOf(Acts, a) }),
	)
}
