package node

import (
	"errors"
	"testing"

	"vigil/ledger"
	"vigil/node/api"
)

// TestWhatABinaryCannotFollowIsNotApproved: whether the ledger has the proposal or only a notice tells of it, both of which
// find returns.
func TestWhatABinaryCannotFollowIsNotApproved(t *testing.T) {
	for code, change := range map[string]ledger.Change{
		"":       ledger.NewChange(&ledger.RaiseFormat{Format: ledger.StateFormat}),
		"format": ledger.NewChange(&ledger.RaiseFormat{Format: ledger.StateFormat + 1}),
		"newer":  {Name: "what-comes-after"},
	} {
		err := understood(ledger.Proposal{Change: change})
		var refusal *api.Problem
		if code == "" && err != nil || code != "" && (!errors.As(err, &refusal) || refusal.Code != code) {
			t.Errorf("%q: %v", code, err)
		}
	}
}
