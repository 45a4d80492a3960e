package pointer

import (
	"slices"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Policy is what a jurisdiction agreed on for deconfliction.
type Policy struct {
	_ struct{} `cbor:",toarray"`
	// Evaluators are the agencies that blind pointers, three to seven; empty: the first three that joined.
	Evaluators []ledger.AgencyID `json:"evaluators"`
	// PerDay bounds how many pointers of one agency an evaluator blinds in a day.
	PerDay uint64 `json:"per_day"`
}

// Section is the policy's part for deconfliction.
var Section = noun.Section[*Policy]{
	Name:    "deconfliction",
	Default: func() *Policy { return &Policy{Evaluators: []ledger.AgencyID{}, PerDay: 2000} },
	Fresh:   func() *Policy { return &Policy{} },
}

// Validate accepts none or enough evaluators.
func (p *Policy) Validate() error {
	if n := len(p.Evaluators); n > 0 && n < MinEvaluators {
		return noun.At("evaluators", noun.ErrCount)
	}
	if p.PerDay == 0 || p.PerDay > 1_000_000 {
		return noun.At("per_day", noun.ErrCount)
	}
	return noun.SortedSet("evaluators", p.Evaluators, maxEvaluators, func(a ledger.AgencyID) error {
		_, err := ledger.ParseAgencyID(string(a))
		return err
	})
}

// In returns the evaluators among the agencies of a roster, which is in the order in which they joined; none where there
// are too few.
func (p *Policy) In(roster []ledger.AgencyID) []ledger.AgencyID {
	chosen := p.Evaluators
	if len(chosen) == 0 {
		chosen = roster[:min(len(roster), MinEvaluators)]
	}
	chosen = slices.DeleteFunc(slices.Clone(chosen), func(a ledger.AgencyID) bool { return !slices.Contains(roster, a) })
	if len(chosen) < MinEvaluators {
		return nil
	}
	slices.Sort(chosen)
	return chosen
}
