package account

import (
	"slices"

	"vigil/ledger/noun"
)

// Role is what somebody may do.
type Role = string

// The roles.
const (
	Analyst     Role = "analyst"     // reads and writes alerts, watch lists, referrals
	Liaison     Role = "liaison"     // reads and moves referrals
	Lab         Role = "lab"         // an analyst who also takes platform reports in and works in bulk
	Coordinator Role = "coordinator" // governance, users, tokens
	Support     Role = "support"     // victim-support referrals, and only those
	Reporter    Role = "reporter"    // a platform: reports, and looks hashes up
	Screening   Role = "screening"   // asks the registry, and learns yes or no
	Auditor     Role = "auditor"     // reads everything and the access log, writes nothing
	Operator    Role = "operator"    // runs the node; no content
)

// Roles are all of them.
var Roles = []Role{Analyst, Liaison, Lab, Coordinator, Support, Reporter, Screening, Auditor, Operator}

// maxRoles bounds the roles of one person.
const maxRoles = 4

// validRoles accepts roles that one person may have together: an auditor is nothing else, and an operator reads no content.
func validRoles(roles []Role) error {
	if len(roles) == 0 {
		return noun.At("roles", noun.ErrRequired)
	}
	err := noun.SortedSet("roles", roles, maxRoles, func(r Role) error { return noun.OneOf(Roles, r) })
	if err != nil {
		return err
	}
	if slices.Contains(roles, Auditor) && len(roles) > 1 {
		return noun.At("roles", ErrAuditorAlone)
	}
	if slices.Contains(roles, Operator) && slices.ContainsFunc(roles, func(r Role) bool { return r != Operator && r != Coordinator }) {
		return noun.At("roles", ErrOperatorContent)
	}
	return nil
}
