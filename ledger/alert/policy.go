package alert

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// Policy is what a jurisdiction agreed on for alerts, beside how many agencies corroborate one. It is the reader's: two
// jurisdictions may see one alert stand differently.
type Policy struct {
	_ struct{} `cbor:",toarray"`
	// Jurisdictions is of how many different ones the agencies that corroborate an alert must be, at least.
	Jurisdictions uint64 `json:"jurisdictions"`
	// Actionable is the standing from which an alert is acted on: "asserted" or "corroborated".
	Actionable string `json:"actionable"`
	// Benign are the agencies whose word on known-benign signals counts. None named: every agency of the jurisdiction.
	Benign []ledger.AgencyID `json:"benign"`
	Flood  Flood             `json:"flood"`
}

// Flood says how much a member may raise before the rest waits for another agency's look. It counts positions of the
// ledger, never time: a window is so many entries, whoever wrote them and however long that took.
type Flood struct {
	_ struct{} `cbor:",toarray"`
	// Window is the length of a window in entries; 0 holds nothing.
	Window uint64 `json:"window"`
	// Recent is how many windows before the present one a member's share is taken from.
	Recent uint64 `json:"recent"`
	// Factor is how many times its share a member may raise in one window.
	Factor uint64 `json:"factor"`
	// Signals is what a member may raise in one window in any case, Novel what it may of signals that no entry before
	// carried.
	Signals uint64 `json:"signals"`
	Novel   uint64 `json:"novel"`
}

// Section is the policy's part for alerts.
var Section = noun.Section[*Policy]{Name: "alert", Default: defaultPolicy, Fresh: func() *Policy { return &Policy{} }}

// defaultPolicy lets an asserted alert be acted on, and a laboratory that never raised anything import a hash set of some
// 30,000 new files with three fingerprints each before a second agency looks at the rest.
func defaultPolicy() *Policy {
	return &Policy{
		Jurisdictions: 1, Actionable: "asserted", Benign: []ledger.AgencyID{},
		Flood: Flood{Window: 1_000, Recent: 8, Factor: 8, Signals: 200_000, Novel: 100_000},
	}
}

// Validate accepts what can be encoded.
func (p *Policy) Validate() error {
	if p.Jurisdictions < 1 || p.Jurisdictions > ledger.MaxAgencies {
		return noun.At("jurisdictions", noun.ErrCount)
	}
	if _, err := p.from(); err != nil {
		return noun.At("actionable", err)
	}
	if p.Benign == nil {
		return noun.At("benign", noun.ErrRequired)
	}
	return noun.First(
		noun.SortedSet("benign", p.Benign, ledger.MaxAgencies, func(a ledger.AgencyID) error {
			_, err := ledger.ParseAgencyID(string(a))
			return err
		}),
		noun.At("flood", p.Flood.validate()),
	)
}

func (p *Policy) from() (State, error) {
	for _, s := range []State{Asserted, Corroborated} {
		if s.String() == p.Actionable {
			return s, nil
		}
	}
	return 0, noun.ErrUnknownName
}

func (f Flood) validate() error {
	for _, n := range []struct {
		field string
		value uint64
		most  uint64
	}{
		{"window", f.Window, maxWindow},
		{"recent", f.Recent, maxRecent},
		{"factor", f.Factor, maxFactor},
		{"signals", f.Signals, maxAllowance},
		{"novel", f.Novel, maxAllowance},
	} {
		if n.value > n.most || n.value == 0 && n.field != "window" {
			return noun.At(n.field, noun.ErrCount)
		}
	}
	return nil
}

// Rules are what a reader goes by: its jurisdiction's policy, read.
type Rules struct {
	Home          ledger.JurisdictionID
	Agencies      int   // independent ones that corroborate, at least 2
	Jurisdictions int   // that they are of, at least 1
	From          State // the standing from which an alert is acted on
	Flood         Flood
	benign        []ledger.AgencyID
}

// RulesOf reads the policy of a reader's jurisdiction.
func RulesOf(p ledger.Policy, home ledger.JurisdictionID) Rules {
	section, _ := Section.In(p)
	from, _ := section.from() // Validate has read it
	return Rules{
		Home: home, Agencies: max(int(p.Corroboration), 2), Jurisdictions: max(int(section.Jurisdictions), 1),
		From: from, Flood: section.Flood, benign: section.Benign,
	}
}

// MayDeclareBenign says whether an agency's word on known-benign signals counts here.
func (r Rules) MayDeclareBenign(a ledger.AgencyID) bool {
	for _, named := range r.benign {
		if named == a {
			return true
		}
	}
	return len(r.benign) == 0 && a.Jurisdiction() == r.Home
}
