package ledger

import "golang.org/x/mod/sumdb/tlog"

// governance1 is a governance as the binary before FormatVoters stored it.
type governance1 struct {
	_         struct{} `cbor:",toarray"`
	Origin    Origin
	Genesis   tlog.Hash
	Format    uint64
	Version   uint64
	Agencies  []Agency
	Audiences []Audience
	Policy    Policy
	Proposals []Proposal
	Partners  []PartnerLink
	Removed   []Removed
	Former    []Former
	Grants    []OpenGrant
	Approved  []Approved
}

type rosterWire1 struct {
	_       struct{} `cbor:",toarray"`
	Own     *governance1
	Mirrors []*governance1
}

func (g *governance1) now() *Governance {
	if g == nil {
		return nil
	}
	return &Governance{
		Origin: g.Origin, Genesis: g.Genesis, Format: g.Format, Version: g.Version, Agencies: g.Agencies, Audiences: g.Audiences, Policy: g.Policy,
		Proposals: g.Proposals, Partners: g.Partners, Removed: g.Removed, Former: g.Former, Grants: g.Grants, Approved: g.Approved,
		Swaps: []Swap{}, Predecessor: []Closed{}, Successions: []Succession{},
	}
}

// decodeRosters reads what this binary stored, or the one before.
func decodeRosters(b []byte) (rosterWire, error) {
	var w rosterWire
	err := unmarshal(stateMode, b, &w, maxStateBytes)
	if err == nil {
		return w, nil
	}
	var old rosterWire1
	if unmarshal(stateMode, b, &old, maxStateBytes) != nil {
		return w, err
	}
	w = rosterWire{Own: old.Own.now()}
	for _, g := range old.Mirrors {
		w.Mirrors = append(w.Mirrors, g.now())
	}
	return w, nil
}
