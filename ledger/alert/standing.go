package alert

import (
	"slices"

	"vigil/ledger"
)

// State is how an alert stands. It is derived from what agencies said, never set.
type State uint8

// The states. A retraction outweighs everything, a dispute outweighs any number of confirmations.
const (
	Orphan       State = 0 // refers to something that cannot be read here
	Asserted     State = 1
	Corroborated State = 2
	Disputed     State = 3
	Withdrawn    State = 4 // retracted by its author
)

var stateNames = []string{"orphan", "asserted", "corroborated", "disputed", "retracted"}

// Standing is the state of one alert with the numbers behind it.
type Standing struct {
	State         State
	Agencies      int  // distinct agencies that stand for it, its author included
	Independent   int  // looks of its own among them, as voice tells them apart
	Jurisdictions int  // of the agencies whose looks those are
	Seconded      bool // another agency than the author stands for it by a look of its own
	Disputes      int  // distinct agencies that dispute it
}

// Opinion is what one agency says of one alert now.
type Opinion struct {
	Agency          ledger.AgencyID
	Verdict         Verdict // Confirms or Disputes
	Basis           Basis
	Source          string
	Classifications []Classification
	Reason          string
	AuthoredAt      int64 // ms; the agency's word
	Event           ledger.EventID
}

// Opinions returns what agencies say of a row now, by agency; what was withdrawn is left out.
func (o *Object) Opinions(row uint32) []Opinion {
	latest := map[ledger.AgencyID]mark{}
	for _, i := range o.about(row) {
		if m := o.marks[i]; !m.retracts {
			latest[m.placed.Author] = m
		}
	}
	opinions := make([]Opinion, 0, len(latest))
	for _, m := range latest {
		if m.verdict != Withdraws {
			opinions = append(opinions, m.opinion())
		}
	}
	slices.SortFunc(opinions, func(a, b Opinion) int { return compareAgencies(a.Agency, b.Agency) })
	return opinions
}

func compareAgencies(a, b ledger.AgencyID) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

func (m mark) opinion() Opinion {
	f := m.placed.Fact.(*Assessed)
	return Opinion{
		Agency: m.placed.Author, Verdict: f.Verdict, Basis: f.Basis, Source: f.Source,
		Classifications: f.Classifications, Reason: f.Reason,
		AuthoredAt: m.placed.AuthoredAt, Event: m.placed.Event,
	}
}

// Retraction returns the first retraction of a row by its author, nil where it stands.
func (o *Object) Retraction(row uint32) *Placed {
	for _, i := range o.about(row) {
		if o.marks[i].retracts {
			return &o.marks[i].placed
		}
	}
	return nil
}

// Standing derives how a row stands under a reader's rules. Neither clocks nor the ai_generated flag play a part. A row
// the alert does not have, like an orphan, has the state Orphan.
func (o *Object) Standing(row uint32, r Rules) Standing {
	cause, ok := o.Cause()
	if !ok || int(row) >= cause.Rows() {
		return Standing{}
	}
	s := Standing{State: Asserted, Agencies: 1}
	d := DetailsOf(cause)
	heard := chorus{}
	own := heard.add(o.Key.Author, d.Basis, d.Source)
	for _, opinion := range o.Opinions(row) {
		if opinion.Verdict == Disputes {
			s.Disputes++
			continue
		}
		s.Agencies++
		if look := heard.add(opinion.Agency, opinion.Basis, opinion.Source); look != "" && look != own {
			s.Seconded = true
		}
	}
	s.Independent, s.Jurisdictions = heard.count()
	switch {
	case o.Retraction(row) != nil:
		s.State = Withdrawn
	case s.Disputes > 0:
		s.State = Disputed
	case s.Independent >= r.Agencies && s.Jurisdictions >= r.Jurisdictions:
		s.State = Corroborated
	}
	return s
}

// about returns the marks about a row that have effect, in canonical order.
func (o *Object) about(row uint32) []int {
	all := append(slices.Clone(o.everyOf), o.rowOf[row]...)
	slices.Sort(all)
	return slices.DeleteFunc(all, func(i int) bool { return o.ineffective(o.marks[i]) != 0 })
}
