package ledger

import "slices"

// Swap is the last swap of a voter: By took Out's vote and gave it to In.
type Swap struct {
	_           struct{} `cbor:",toarray"`
	Out, In, By AgencyID
	At          Index // the entry
	Authored    int64 // ms, By's word
}

// Voters returns the agencies whose nodes vote: those the policy names, or the first 1, 2, 3, 3, 5 of 1, 2, 3, 4 and
// five or more in roster order.
func (g *Governance) Voters() []AgencyID {
	if len(g.Policy.Voters) > 0 {
		return g.Policy.Voters
	}
	n := len(g.Agencies)
	switch {
	case n == 4:
		n = 3
	case n > 5:
		n = 5
	}
	out := make([]AgencyID, n)
	for i := range out {
		out[i] = g.Agencies[i].ID
	}
	return out
}

// CheckVoters says whether a policy may name these voters: none, or 1, 3 or 5 members, each once. Two are let in only where
// there are just two agencies: two of more lose the ledger with either of them, and gain nothing over one.
func (g *Governance) CheckVoters(voters []AgencyID) error {
	switch n := len(voters); {
	case n != 0 && n != 1 && n != 2 && n != 3 && n != 5,
		n == 2 && len(g.Agencies) != 2 && g.Format >= FormatVoters:
		return ErrVotersPolicy
	}
	for i, v := range voters {
		if _, ok := g.Agency(v); !ok || slices.Contains(voters[:i], v) {
			return ErrVotersPolicy
		}
	}
	return nil
}

// fillVoters keeps what CheckVoters asks of the voters that a policy names, when agencies come and go.
func (g *Governance) fillVoters() {
	v := slices.Clone(g.Policy.Voters)
	if g.Format >= FormatVoters && (len(v) == 4 || len(v) == 2 && len(g.Agencies) > 2) {
		for i := range g.Agencies {
			if id := g.Agencies[i].ID; !slices.Contains(v, id) {
				v = append(v, id)
				break
			}
		}
	}
	if len(v) == 4 {
		v = v[:3] // an even number of four tolerates no more than three
	}
	g.Policy.Voters = v
}

// NextVoter returns who votes instead of a voter that is swapped: the next after it in roster order, going round, that does
// not vote.
func (g *Governance) NextVoter(out AgencyID) (AgencyID, bool) {
	at := slices.IndexFunc(g.Agencies, func(a Agency) bool { return a.ID == out })
	if at < 0 {
		return "", false
	}
	voters := g.Voters()
	for i := 1; i < len(g.Agencies); i++ {
		if id := g.Agencies[(at+i)%len(g.Agencies)].ID; !slices.Contains(voters, id) {
			return id, true
		}
	}
	return "", false
}

// swapVoter gives an unheard voter's vote to another. That it was unheard is its author's word, which no replica can check;
// so every replica checks the rest: the author votes itself, one vote moves, to an agency it has no choice of, a day or more
// after the last, by the times in the entries. And one agency's word moves one vote: the next swap is another's, unless
// the members have decided a policy since. So times of a distant future move no more than one vote either.
func (g *Governance) swapVoter(rec *Record, s *SwapVoter, index Index) error {
	if g.Format < FormatVoters {
		return ErrOldFormat
	}
	voters := g.Voters()
	next, ok := g.NextVoter(s.Out)
	at := slices.Index(voters, s.Out)
	if at < 0 || !ok || s.In != next || rec.Author == s.Out || !slices.Contains(voters, rec.Author) {
		return ErrSwap
	}
	for _, last := range g.Swaps {
		if rec.AuthoredAt < last.Authored+SwapEvery.Milliseconds() {
			return ErrSwapSoon
		}
		if last.By == rec.Author {
			return ErrSwapAgain
		}
	}
	g.Policy.Voters = slices.Clone(voters)
	g.Policy.Voters[at] = s.In
	g.Swaps = []Swap{{Out: s.Out, In: s.In, By: rec.Author, At: index, Authored: rec.AuthoredAt}}
	// a policy that waits for approvals was made for other voters
	g.Proposals = slices.DeleteFunc(g.Proposals, func(p Proposal) bool { return p.Change.Name == changeName(&SetPolicy{}) })
	return nil
}
