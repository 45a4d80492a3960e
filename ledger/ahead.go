package ledger

// Ahead folds one membership act that another node shows, though the entries between are not here yet: what matters is that
// its author signed it and that the members' rules let it through. A node that slept through changes of the roster learns so
// whom to listen to, and replays the ledger afterwards, which decides. Keys of audiences play no part; other acts are
// passed over.
func (g *Governance) Ahead(e Entry, index Index) (*Governance, error) {
	rec, l, err := OpenLeaf(e.Leaf)
	if err != nil || rec.Origin != g.Origin || rec.Kind != KindGovernance || rec.CheckPayload(e.Payload) != nil {
		return nil, ErrMalformedEntry
	}
	certificate, member := g.Certificate(rec.Author)
	if !member {
		return nil, ErrUnknownAuthor
	}
	if certificate.Verify(l.Record, l.Signature, rec.SignedAt()) != nil {
		return nil, ErrSignature
	}
	act, err := DecodeAct(e.Payload)
	if err != nil {
		return nil, err
	}
	if !IsMembership(act) {
		return g, nil
	}
	return g.Fold(rec, e.Payload, index, LeafHash(e.Leaf))
}

// IsMembership says whether an act can change who belongs, or votes.
func IsMembership(act any) bool {
	switch act.(type) {
	case *Propose, *Approve, *Withdraw, *ReplaceNode, *SwapVoter:
		return true
	}
	return false
}
