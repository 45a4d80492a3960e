package ledger

import (
	"slices"

	"vigil/crypto"
)

// OpenGrant is a part of an audience's past that the members have opened to one of them and that it does not hold yet.
type OpenGrant struct {
	_           struct{} `cbor:",toarray"`
	Agency      AgencyID
	Audience    AudienceName
	First, Last uint64
	Maker       AgencyID   // who handed the keys over; empty while somebody is to
	Barred      []AgencyID // whose keys did not match
}

// MayHandOver says whether an agency may hand the keys over, and at which place in the order in which members try.
func (o *OpenGrant) MayHandOver(a *Audience, id AgencyID) (rank int, ok bool) {
	rank = slices.Index(a.Members, id)
	free := func(m AgencyID) bool { return m != o.Agency && !slices.Contains(o.Barred, m) }
	return rank, rank >= 0 && id != o.Agency && (free(id) || !slices.ContainsFunc(a.Members, free))
}

// grant opens an audience's past. A new one for the same agency and audience takes an older one's place.
func (g *Governance) grant(c *Grant) error {
	a, ok := g.Audience(c.Audience)
	if !ok || !slices.Contains(a.Members, c.Agency) || c.First < 1 || c.First > c.Last || c.Last > a.Epoch || c.Last-c.First >= MaxGrantEpochs {
		return ErrGrant
	}
	g.dropGrants(func(o OpenGrant) bool { return o.Agency == c.Agency && o.Audience == c.Audience })
	if len(g.Grants) >= MaxGrants {
		return ErrBounds
	}
	g.Grants = append(g.Grants, OpenGrant{Agency: c.Agency, Audience: c.Audience, First: c.First, Last: c.Last, Barred: []AgencyID{}})
	return nil
}

func (g *Governance) dropGrants(gone func(OpenGrant) bool) {
	g.Grants = slices.DeleteFunc(slices.Clone(g.Grants), gone)
}

func (g *Governance) openGrant(agency AgencyID, audience AudienceName) (int, bool) {
	i := slices.IndexFunc(g.Grants, func(o OpenGrant) bool { return o.Agency == agency && o.Audience == audience })
	return i, i >= 0
}

func (g *Governance) handOver(author AgencyID, h *HandOver) error {
	i, ok := g.openGrant(h.Agency, h.Audience)
	if !ok {
		return ErrNoGrant
	}
	o := g.Grants[i]
	a, _ := g.Audience(h.Audience)
	if slices.Contains(o.Barred, author) {
		if _, may := o.MayHandOver(a, author); !may {
			return ErrBarred
		}
	}
	_, may := o.MayHandOver(a, author)
	empty := func(s []byte) bool { return len(s) == 0 }
	if !may || o.Maker != "" || h.First != o.First || uint64(len(h.Shares)) != o.Last-o.First+1 || slices.ContainsFunc(h.Shares, empty) {
		return ErrNoGrant
	}
	o.Maker = author
	g.Grants[i] = o
	return nil
}

func (g *Governance) took(author AgencyID, t *Took) error {
	i, ok := g.openGrant(author, t.Audience)
	if !ok || g.Grants[i].Maker == "" {
		return ErrNoGrant
	}
	if t.OK {
		g.Grants = slices.Delete(g.Grants, i, i+1)
		return nil
	}
	o := g.Grants[i]
	o.Barred, o.Maker = append(slices.Clone(o.Barred), o.Maker), ""
	g.Grants[i] = o
	return nil
}

// MakeHandOver seals earlier keys of an audience, from epoch first on, to a member's certificate.
func MakeHandOver(keys []*crypto.AgencyKey, audience AudienceName, first uint64, to *Agency) (*HandOver, error) {
	c, err := to.certificate()
	if err != nil {
		return nil, err
	}
	h := &HandOver{Agency: to.ID, Audience: audience, First: first, Shares: [][]byte{}}
	for _, k := range keys {
		sealed, err := crypto.Seal(k.Secret(), c)
		if err != nil {
			return nil, err
		}
		h.Shares = append(h.Shares, sealed)
	}
	return h, nil
}

// Open opens what was handed over and checks each key against its epoch's certificate.
func (h *HandOver) Open(ring *crypto.Keyring, certificate func(epoch uint64) *crypto.Certificate) ([]*crypto.AgencyKey, error) {
	var out []*crypto.AgencyKey
	for i, sealed := range h.Shares {
		c := certificate(h.First + uint64(i))
		if c == nil {
			return nil, ErrEpoch
		}
		secret, err := ring.Open(sealed)
		if err != nil {
			return nil, err
		}
		k, err := crypto.ParseAgencyKey(secret)
		if err != nil {
			return nil, err
		}
		if err := crypto.MatchesCertificate(k, c); err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}
