package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

// State is the replicated state: bounded by agencies and partners, not by entries. Values are immutable; Apply and
// ApplyMirror return new ones. It follows from the entries alone: no clock, no private key, no decryption.
type State struct {
	Governance *Governance
	Tree       *Frontier
	Writers    map[crypto.NodeID]Writer
	Partners   map[Origin]*Partner
	// Open counts the governance entries from genesis on: what every partner gets, and where the count of a new
	// partner begins.
	Open Released
}

// Writer is the last sequence of one node key.
type Writer struct {
	Agency   AgencyID
	Sequence uint64
}

// Released counts what goes to a partner in full: Hash is a running SHA-256 over the hash before, index and leaf hash.
type Released struct {
	_     struct{} `cbor:",toarray"`
	Count uint64
	Hash  [32]byte
}

func (r Released) add(index Index, leaf tlog.Hash) Released {
	h := sha256.New()
	h.Write(r.Hash[:])
	h.Write(be64(index))
	h.Write(leaf[:])
	return Released{Count: r.Count + 1, Hash: [32]byte(h.Sum(nil))}
}

// Partner is what the state holds of a linked jurisdiction.
type Partner struct {
	Released Released // of our ledger to them
	Mirror   Mirror
}

// Mirror is our verified copy of a partner's ledger, as far as it goes.
type Mirror struct {
	Tree       *Frontier
	Governance *Governance // theirs, folded by us; nil before their genesis
	Released   Released    // of their ledger to us, as we count it
	Checkpoint []byte      // the signed checkpoint up to which it is verified
}

// Size returns how many of the partner's entries are verified.
func (m Mirror) Size() uint64 { return m.Tree.Size() }

// Size returns the number of entries of our ledger.
func (s *State) Size() uint64 { return s.Tree.Size() }

// Root returns the RFC 6962 root of our ledger.
func (s *State) Root() tlog.Hash { return s.Tree.Root() }

// ReleasedTo says whether a partner jurisdiction gets the entry in full.
func ReleasedTo(r *Record, partner JurisdictionID) bool {
	return r.Kind == KindGovernance || slices.ContainsFunc(r.Audience, func(a AudienceRef) bool { return a.Name.Jurisdiction() == partner })
}

// Recipient returns an audience at its current epoch and the certificate to seal to: ours from the roster, a
// partner's from its mirrored one.
func (s *State) Recipient(name AudienceName) (AudienceRef, []byte, error) {
	j := name.Jurisdiction()
	if j == s.Governance.Origin.Jurisdiction() {
		return s.Governance.Recipient(name)
	}
	link, ok := s.Governance.PartnerOf(j)
	if !ok || link.Suspended {
		return AudienceRef{}, nil, fmt.Errorf("%w: %s", ErrNotLinked, name)
	}
	mirror := s.Partners[link.Card.Origin].Mirror
	if mirror.Governance == nil {
		return AudienceRef{}, nil, fmt.Errorf("%w: %s: their roster has not arrived yet", ErrNoAudience, name)
	}
	return mirror.Governance.Recipient(name)
}

// Verdict is what Apply says of an entry.
type Verdict uint8

// The verdicts. Only Accepted appends a leaf and moves the writer's sequence.
const (
	Accepted Verdict = iota + 1
	Repeat           // a sequence already taken: the store knows which entry has it
	Gap              // a sequence after the next one
	Refused          // see Reason
)

func (v Verdict) String() string {
	return [...]string{"unknown", "accepted", "repeat", "gap", "refused"}[v]
}

// Result is Apply's answer for one entry.
type Result struct {
	Verdict Verdict
	Index   Index     // of an accepted entry, and of a repeat once the store has looked it up
	Leaf    tlog.Hash // of an accepted entry
	// NextSequence is the sequence the writer's next entry must have, for a gap.
	NextSequence uint64
	Reason       *Reason
}

// Retryable says that the same events may be accepted when they are signed again.
func (r Result) Retryable() bool { return r.Reason != nil && r.Reason.Transient }

func refused(err error) Result { return Result{Verdict: Refused, Reason: AsReason(err)} }

// Found returns the first state from entry 0.
func Found(genesis Entry) (*State, error) {
	rec, g, err := openGenesis(genesis)
	if err != nil {
		return nil, err
	}
	s := &State{Tree: &Frontier{}, Partners: map[Origin]*Partner{}, Governance: g}
	s.Writers = map[crypto.NodeID]Writer{rec.Writer: {Agency: rec.Author, Sequence: 1}}
	leaf := LeafHash(genesis.Leaf)
	s.Tree.Append(leaf)
	s.Open = s.Open.add(0, leaf)
	for _, link := range g.Partners {
		s.Partners[link.Card.Origin] = &Partner{Released: s.Open, Mirror: Mirror{Tree: &Frontier{}}}
	}
	for _, c := range g.Predecessor {
		s.Partners[c.Origin] = &Partner{Mirror: Mirror{Tree: &Frontier{}}}
	}
	return s, nil
}

func openGenesis(e Entry) (*Record, *Governance, error) {
	rec, err := e.Open()
	if err != nil {
		return nil, nil, err
	}
	act, err := DecodeAct(e.Payload)
	if err != nil {
		return nil, nil, err
	}
	if rec.Kind != KindGovernance || rec.Sequence != 1 {
		return nil, nil, fmt.Errorf("%w: the first entry is not a genesis", ErrAct)
	}
	var first *Governance
	switch a := act.(type) {
	case *Genesis:
		first, err = found(rec, a, LeafHash(e.Leaf))
	case *Successor:
		first, err = foundSuccessor(rec, a, LeafHash(e.Leaf))
	default:
		err = fmt.Errorf("%w: the first entry is not a genesis", ErrAct)
	}
	if err != nil {
		return nil, nil, err
	}
	c, _ := first.Certificate(rec.Author)
	if _, err := VerifyLeaf(e.Leaf, c); err != nil {
		return nil, nil, fmt.Errorf("ledger: genesis: %w", err)
	}
	return rec, first, nil
}

// Apply checks one entry and folds it. On anything but Accepted the state returned is s itself. earlier finds what an entry
// names that names an earlier one; without it such entries are refused.
func (s *State) Apply(e Entry, earlier Earlier) (*State, Result) {
	return s.ApplyPrepared(Prepare(e, nil), earlier)
}

// ApplyPrepared is Apply for an entry that was prepared.
func (s *State) ApplyPrepared(p *Prepared, earlier Earlier) (*State, Result) {
	return s.apply(p, earlier, false)
}

// ApplyGone is Apply for an entry whose payload is not here any more: everything is checked but that. Whoever hands it over
// must show the expungement that took it.
func (s *State) ApplyGone(leaf []byte, earlier Earlier) (*State, Result) {
	return s.ApplyGonePrepared(Prepare(Entry{Leaf: leaf}, nil), earlier)
}

// ApplyGonePrepared is ApplyGone for an entry that was prepared, without its payload.
func (s *State) ApplyGonePrepared(p *Prepared, earlier Earlier) (*State, Result) {
	return s.apply(p, earlier, true)
}

func (s *State) apply(p *Prepared, earlier Earlier, gone bool) (*State, Result) {
	rec := p.record
	if rec == nil {
		return s, refused(ErrMalformedEntry)
	}
	if r, ok := s.checkWriter(rec, p.entry.Payload); !ok {
		return s, r
	}
	certificate, _ := s.Governance.Certificate(rec.Author)
	if !p.signedBy(certificate) {
		return s, refused(ErrSignature)
	}
	if gone = gone && rec.Kind != KindGovernance; !gone && !p.paid {
		return s, refused(ErrPayloadHash)
	}

	index, leaf := s.Size(), p.hash
	governance := s.Governance
	var err error
	switch rec.Kind {
	case KindGovernance:
		governance, err = governance.Fold(rec, p.entry.Payload, index, leaf)
	default:
		if err = s.checkAudience(rec); err == nil && rec.Kind != KindSealed {
			err = s.checkNaming(rec, earlier)
		}
	}
	if err != nil {
		return s, refused(err)
	}
	return s.append(rec, governance, index, leaf), Result{Verdict: Accepted, Index: index, Leaf: leaf}
}

// Newer says that the ledger's format is newer than this binary knows: another binary's verdict on what comes may differ,
// so nothing more may be applied before an upgrade.
func (s *State) Newer() bool { return s != nil && s.Governance.Format > StateFormat }

// checkWriter checks ledger, format, author, writer and sequence.
func (s *State) checkWriter(rec *Record, payload []byte) (Result, bool) {
	owner, known := s.Governance.NodeOwner(rec.Writer)
	_, member := s.Governance.Agency(rec.Author)
	last := s.Writers[rec.Writer].Sequence
	switch {
	case rec.Origin != s.Governance.Origin:
		return refused(ErrOtherLedger), false
	case s.Newer():
		return refused(ErrNewerFormat), false
	case !member:
		return refused(ErrUnknownAuthor), false
	case known && owner != rec.Author, !known && !replacesNode(rec, payload):
		return refused(ErrOtherWriter), false
	case rec.Sequence <= last:
		return Result{Verdict: Repeat}, false
	case rec.Sequence > last+1:
		return Result{Verdict: Gap, NextSequence: last + 1}, false
	}
	return Result{}, true
}

// replacesNode says whether the entry is the first of a new node's key, put in place by its own agency.
func replacesNode(rec *Record, payload []byte) bool {
	if rec.Kind != KindGovernance || rec.Sequence != 1 {
		return false
	}
	act, err := DecodeAct(payload)
	r, ok := act.(*ReplaceNode)
	return err == nil && ok && r.Node.Key.ID() == rec.Writer
}

// checkAudience checks that every audience exists at exactly this epoch, and that the author can open its own entry.
func (s *State) checkAudience(rec *Record) error {
	inside := false
	for _, a := range rec.Audience {
		current, _, err := s.Recipient(a.Name)
		switch {
		case err != nil:
			return err
		case current.Epoch != a.Epoch:
			return ErrStaleEpoch
		}
		if a.Name.Jurisdiction() == s.Governance.Origin.Jurisdiction() {
			inside = inside || slices.Contains(s.Governance.audienceMembers(a.Name), rec.Author)
		}
	}
	if !inside {
		return ErrAuthorOutside
	}
	return nil
}

// append returns the state with an accepted entry folded in.
func (s *State) append(rec *Record, g *Governance, index Index, leaf tlog.Hash) *State {
	next := &State{Governance: g, Tree: s.Tree.Clone(), Writers: maps.Clone(s.Writers), Partners: s.Partners, Open: s.Open}
	next.Tree.Append(leaf)
	next.Writers[rec.Writer] = Writer{Agency: rec.Author, Sequence: rec.Sequence}
	if rec.Kind == KindGovernance {
		next.Open = next.Open.add(index, leaf)
	}
	if len(g.Partners) > 0 {
		next.Partners = countReleased(s.Partners, g, rec, index, leaf, next.Open)
	}
	if g != s.Governance {
		maps.DeleteFunc(next.Writers, func(id crypto.NodeID, _ Writer) bool { return g.hasLeft(id) })
	}
	return next
}

func countReleased(before map[Origin]*Partner, g *Governance, rec *Record, index Index, leaf tlog.Hash, open Released) map[Origin]*Partner {
	after := make(map[Origin]*Partner, len(g.Partners))
	for _, link := range g.Partners {
		o := link.Card.Origin
		p := before[o]
		of, continues := g.Continues(o)
		switch {
		case p == nil && continues: // they counted what we released to the ledger that this one continues
			p = &Partner{Released: before[of.Origin].Released.add(index, leaf), Mirror: Mirror{Tree: &Frontier{}}}
		case p == nil: // linked by this very entry
			p = &Partner{Released: open, Mirror: Mirror{Tree: &Frontier{}}}
		case ReleasedTo(rec, o.Jurisdiction()):
			p = &Partner{Released: p.Released.add(index, leaf), Mirror: p.Mirror}
		}
		after[o] = p
	}
	for _, c := range g.Predecessor { // nothing is released to a ledger that is closed
		after[c.Origin] = before[c.Origin]
	}
	return after
}

// stateWire is the part of a state that moves with every entry; the rosters are kept apart because they rarely do.
type stateWire struct {
	_        struct{} `cbor:",toarray"`
	Version  uint64
	Tree     *Frontier
	Open     Released
	Writers  []writerWire
	Partners []partnerWire
}

type writerWire struct {
	_        struct{} `cbor:",toarray"`
	Node     crypto.NodeID
	Agency   AgencyID
	Sequence uint64
}

type partnerWire struct {
	_          struct{} `cbor:",toarray"`
	Origin     Origin
	Released   Released
	Tree       *Frontier
	Counted    Released
	Checkpoint []byte
}

// rosterWire is our governance and the mirrored ones by origin.
type rosterWire struct {
	_       struct{} `cbor:",toarray"`
	Own     *Governance
	Mirrors []*Governance
}

const maxStateBytes = 64 << 20

// SameRosters says that both states have the very same rosters, so that those need not be written again.
func (s *State) SameRosters(o *State) bool {
	if o == nil || s.Governance != o.Governance || len(s.Partners) != len(o.Partners) {
		return false
	}
	for origin, p := range s.Partners {
		if q := o.Partners[origin]; q == nil || q.Mirror.Governance != p.Mirror.Governance {
			return false
		}
	}
	return true
}

// EncodeRosters returns the part that rarely changes.
func (s *State) EncodeRosters() []byte {
	w := rosterWire{Own: s.Governance}
	for _, o := range slices.Sorted(maps.Keys(s.Partners)) {
		if g := s.Partners[o].Mirror.Governance; g != nil {
			w.Mirrors = append(w.Mirrors, g)
		}
	}
	return Marshal(w)
}

// EncodeMoving returns the part that moves with every entry.
func (s *State) EncodeMoving() []byte {
	w := stateWire{Version: 1, Tree: s.Tree, Open: s.Open}
	for id, x := range s.Writers {
		w.Writers = append(w.Writers, writerWire{Node: id, Agency: x.Agency, Sequence: x.Sequence})
	}
	slices.SortFunc(w.Writers, func(a, b writerWire) int { return bytes.Compare(a.Node[:], b.Node[:]) })
	for o, p := range s.Partners {
		w.Partners = append(w.Partners, partnerWire{Origin: o, Released: p.Released, Tree: p.Mirror.Tree, Counted: p.Mirror.Released, Checkpoint: p.Mirror.Checkpoint})
	}
	slices.SortFunc(w.Partners, func(a, b partnerWire) int { return cmp.Compare(a.Origin, b.Origin) })
	return Marshal(w)
}

var errState = errors.New("ledger: stored state")

// DecodeState puts a state together again from its two parts.
func DecodeState(rosters, moving []byte) (*State, error) {
	var w stateWire
	r, err := decodeRosters(rosters)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	if err := unmarshal(stateMode, moving, &w, maxStateBytes); err != nil {
		return nil, fmt.Errorf("%w: %w", errState, err)
	}
	if w.Version != 1 || r.Own == nil || w.Tree == nil {
		return nil, fmt.Errorf("%w: version %d", errState, w.Version)
	}
	s := &State{Governance: r.Own, Tree: w.Tree, Open: w.Open, Writers: map[crypto.NodeID]Writer{}, Partners: map[Origin]*Partner{}}
	for _, x := range w.Writers {
		s.Writers[x.Node] = Writer{Agency: x.Agency, Sequence: x.Sequence}
	}
	mirrors := map[Origin]*Governance{}
	for _, g := range r.Mirrors {
		mirrors[g.Origin] = g
	}
	for _, p := range w.Partners {
		if p.Tree == nil {
			return nil, fmt.Errorf("%w: a partner without a tree", errState)
		}
		s.Partners[p.Origin] = &Partner{Released: p.Released, Mirror: Mirror{Tree: p.Tree, Governance: mirrors[p.Origin], Released: p.Counted, Checkpoint: p.Checkpoint}}
	}
	for _, g := range append(r.Mirrors, r.Own) {
		if err := g.index(); err != nil {
			return nil, fmt.Errorf("%w: %w", errState, err)
		}
		g.settle()
	}
	return s, nil
}
