package report

import (
	"slices"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Policy is what a jurisdiction agreed on for reports.
type Policy struct {
	_ struct{} `cbor:",toarray"`
	// Desk is who reads and triages a report beside the agency that took it in, such as the lab.
	Desk []ledger.AudienceName `json:"desk"`
	// Tell are the outcomes that a platform hears of.
	Tell []Outcome `json:"tell"`
}

// Section is the policy's part for reports.
var Section = noun.Section[*Policy]{Name: "report", Default: defaultPolicy, Fresh: func() *Policy { return &Policy{} }}

// defaultPolicy keeps reports with the agency that took them in, and says what a platform can use to report better.
func defaultPolicy() *Policy {
	return &Policy{Desk: []ledger.AudienceName{}, Tell: []Outcome{Actioned, Known, Duplicate, NotActionable}}
}

// Validate accepts audiences by name and known outcomes, none twice.
func (p *Policy) Validate() error {
	if len(p.Desk) > maxDesk {
		return noun.At("desk", noun.ErrCount)
	}
	for i, n := range p.Desk {
		err := audience(n)
		if err == nil && slices.Contains(p.Desk[:i], n) {
			err = noun.ErrNotSorted
		}
		if err != nil {
			return noun.At(noun.Item("desk", i), err)
		}
	}
	for i, o := range p.Tell {
		err := noun.OneOf(Outcomes, o)
		if err == nil && slices.Contains(p.Tell[:i], o) {
			err = noun.ErrNotSorted
		}
		if err != nil {
			return noun.At(noun.Item("tell", i), err)
		}
	}
	return nil
}

// Told returns the outcome a platform may hear of; empty where there is none, or the policy keeps it.
func (p *Policy) Told(o Outcome) Outcome {
	if slices.Contains(p.Tell, o) {
		return o
	}
	return ""
}
