package figures

import "vigil/ledger/noun"

// Policy is what a jurisdiction agreed on for figures.
type Policy struct {
	_ struct{} `cbor:",toarray"`
	// Least is the smallest count that is published.
	Least uint64 `json:"publish_least"`
}

// Section is the policy's part for figures.
var Section = noun.Section[*Policy]{Name: "figures", Default: func() *Policy { return &Policy{Least: 5} }, Fresh: func() *Policy { return &Policy{} }}

// Validate accepts 2 to 100.
func (p *Policy) Validate() error {
	if p.Least < 2 || p.Least > 100 {
		return noun.At("publish_least", noun.ErrCount)
	}
	return nil
}
