package ledger

import (
	"bytes"
	"fmt"
	"slices"

	"vigil/crypto"
)

// MakeEpoch makes the next key of an audience: the key itself, and the epoch with a share for every member.
func MakeEpoch(key *crypto.AgencyKey, name AudienceName, number uint64, members []Agency) (Epoch, error) {
	e := Epoch{Audience: name, Number: number, Certificate: key.Certificate().Bytes(), Shares: []Share{}}
	for i := range members {
		c, err := members[i].certificate()
		if err != nil {
			return Epoch{}, err
		}
		sealed, err := crypto.Seal(key.Secret(), c)
		if err != nil {
			return Epoch{}, err
		}
		e.Shares = append(e.Shares, Share{Agency: members[i].ID, Sealed: sealed})
	}
	return e, nil
}

// OpenShare opens an agency's share of an epoch. An error other than crypto.ErrNotForUs means a bad share: one that
// does not open, or does not hold the key of the epoch's certificate.
func (e Epoch) OpenShare(agency AgencyID, ring *crypto.Keyring) (*crypto.AgencyKey, error) {
	for _, s := range e.Shares {
		if s.Agency != agency {
			continue
		}
		secret, err := ring.Open(s.Sealed)
		if err != nil {
			return nil, fmt.Errorf("%w: share: %v", ErrAct, err) // even sealed to another key, it is a share that fails us
		}
		key, err := crypto.ParseAgencyKey(secret)
		if err != nil {
			return nil, fmt.Errorf("%w: share: %w", ErrAct, err)
		}
		c, err := crypto.ParseCertificate(e.Certificate)
		if err != nil {
			return nil, err
		}
		return key, crypto.MatchesCertificate(key, c)
	}
	return nil, crypto.ErrNotForUs
}

func (g *Governance) newEpoch(author AgencyID, n *NewEpoch) error {
	i := slices.IndexFunc(g.Audiences, func(a Audience) bool { return a.Name == n.Epoch.Audience })
	if i < 0 {
		return ErrNoAudience
	}
	a := g.Audiences[i]
	switch {
	case a.bars(author):
		return ErrBarred
	case n.Roster != g.Version || n.Epoch.Number != a.Epoch+1 || !sharesFor(n.Epoch, a.Members) || !slices.Contains(a.Members, author):
		return ErrEpoch
	}
	if _, err := crypto.ParseCertificate(n.Epoch.Certificate); err != nil || bytes.Equal(n.Epoch.Certificate, a.Certificate) {
		return ErrEpoch
	}
	a.Epoch, a.Certificate, a.Stale, a.Due, a.Barred = n.Epoch.Number, n.Epoch.Certificate, false, false, []AgencyID{}
	a.Maker = author
	g.Audiences[i] = a
	return nil
}

// bars says that an agency may not make the next epoch. Where all others have left, nobody is barred.
func (a *Audience) bars(id AgencyID) bool {
	return slices.Contains(a.Barred, id) && slices.ContainsFunc(a.Members, func(m AgencyID) bool { return !slices.Contains(a.Barred, m) })
}

// MayMake says whether an agency may make the next epoch, and at which place in the order in which members try.
func (a *Audience) MayMake(id AgencyID) (rank int, ok bool) {
	rank = slices.Index(a.Members, id)
	return rank, rank >= 0 && !a.bars(id)
}

func sharesFor(e Epoch, members []AgencyID) bool {
	if len(e.Shares) != len(members) {
		return false
	}
	for i, s := range e.Shares {
		if s.Agency != members[i] || len(s.Sealed) == 0 {
			return false
		}
	}
	return true
}

// badShare makes an audience stale again and bars whoever made the epoch.
func (g *Governance) badShare(author AgencyID, b *BadShare) error {
	i := slices.IndexFunc(g.Audiences, func(a Audience) bool { return a.Name == b.Audience })
	if i < 0 || g.Audiences[i].Epoch != b.Epoch || b.Epoch == 0 {
		return ErrEpoch
	}
	a := g.Audiences[i]
	if !slices.Contains(a.Members, author) || a.Maker == author {
		return ErrEpoch
	}
	a.Stale, a.Due, a.Barred = true, true, []AgencyID{a.Maker}
	g.Audiences[i] = a
	return nil
}
