package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// MirrorBatch is a stretch of a partner's ledger with what is needed to verify it alone: CBOR array [origin, from,
// items, signed checkpoint, evidence].
type MirrorBatch struct {
	_          struct{} `cbor:",toarray"`
	Origin     Origin
	From       uint64
	Items      []MirrorItem
	Checkpoint []byte
	Evidence   Evidence
}

// MirrorItem is an entry released to us in full, or the bare leaf hash of one that is not.
type MirrorItem struct {
	_       struct{} `cbor:",toarray"`
	Leaf    []byte
	Payload []byte
	Hash    []byte // 32 bytes, or none where the leaf is there
}

// Bare returns the item of an entry that is not released.
func Bare(hash tlog.Hash) MirrorItem { return MirrorItem{Hash: hash[:]} }

// Full returns the item of an entry that is released.
func Full(e Entry) MirrorItem { return MirrorItem{Leaf: e.Leaf, Payload: e.Payload} }

// LeafHash returns the leaf hash of either form.
func (i MirrorItem) LeafHash() tlog.Hash {
	if i.IsBare() {
		return tlog.Hash(i.Hash)
	}
	return LeafHash(i.Leaf)
}

// IsBare says that only the hash is there.
func (i MirrorItem) IsBare() bool { return len(i.Leaf) == 0 }

// Encode returns the batch's bytes.
func (b *MirrorBatch) Encode() []byte { return Marshal(b) }

// DecodeMirrorBatch accepts exactly what Encode writes for a well-formed batch.
func DecodeMirrorBatch(raw []byte) (*MirrorBatch, error) {
	b := &MirrorBatch{}
	if err := Unmarshal(raw, b, MaxMirrorBytes); err != nil {
		return nil, err
	}
	return b, b.check()
}

// Stripped counts the entries that are here in full but for their payload, which nothing in the batch expunges.
func (b *MirrorBatch) Stripped() int {
	missing, left := map[Index][]Index{}, 0 // by what they name; sealed entries name themselves
	for i, item := range b.Items {
		if item.IsBare() || len(item.Payload) > 0 && left == 0 {
			continue
		}
		rec, _, err := OpenLeaf(item.Leaf)
		if err != nil {
			continue // which the mirror refuses
		}
		at := b.From + Index(i)
		named := rec.Target
		if rec.Kind == KindSealed {
			named = at
		}
		if rec.Kind == KindExpungement {
			left -= len(missing[named])
			delete(missing, named)
		}
		if len(item.Payload) == 0 && rec.PayloadLength > 0 {
			missing[named] = append(missing[named], at)
			left++
		}
	}
	return left
}

func (b *MirrorBatch) check() error {
	if len(b.Items) == 0 || len(b.Items) > MaxMirrorItems || len(b.Evidence.Released) > MaxPartners+1 {
		return fmt.Errorf("%w: a mirror batch of %d items", ErrEncoding, len(b.Items))
	}
	for _, i := range b.Items {
		if bare := len(i.Hash) == tlog.HashSize && len(i.Leaf) == 0 && len(i.Payload) == 0; !bare && (len(i.Hash) > 0 || len(i.Leaf) == 0) {
			return fmt.Errorf("%w: a mirror item is a leaf with its payload, or a hash", ErrEncoding)
		}
	}
	return nil
}

// MirrorVerdict is what ApplyMirror says of a batch.
type MirrorVerdict uint8

// The verdicts. Only MirrorApplied changes anything.
const (
	MirrorApplied MirrorVerdict = iota + 1
	MirrorRepeat                // begins before the mirror's end: another gateway was faster
	MirrorAhead                 // begins after the mirror's end
	MirrorRefused               // see Reason
	MirrorNewer                 // governance of a newer format: the link waits for an upgrade
)

// MirrorResult is ApplyMirror's answer; Next is the size of the mirror after it.
type MirrorResult struct {
	Verdict MirrorVerdict
	Next    uint64
	Reason  error
}

// Reasons why a batch is refused.
var (
	ErrMirrorLink    = errors.New("ledger: the batch is of a jurisdiction that is not linked, or suspended")
	ErrMirrorEntry   = errors.New("ledger: an entry of the batch does not hold")
	ErrMirrorRoot    = errors.New("ledger: the batch does not lead to the checkpoint's root")
	ErrMirrorState   = errors.New("ledger: the checkpoint's state line is another: something released was withheld, or governance differs")
	ErrMirrorQuorum  = errors.New("ledger: too few of the partner's agencies cosigned the checkpoint")
	ErrMirrorClosed  = errors.New("ledger: the batch goes past the end of a ledger that is closed, or to another end")
	ErrMirrorEarly   = errors.New("ledger: the ledger that this one continues has not been mirrored to its end, or had another")
	errMirrorUpgrade = errors.New("ledger: the partner's governance is of a newer format; upgrade")
	ErrMirrorSize    = errors.New("ledger: the batch does not end where its checkpoint does")
)

// ApplyMirror verifies a batch against what is mirrored so far and appends it, or changes nothing: a repeat, a race or
// a forged batch is harmless. It checks hashes, signatures of what is in full, and the quorum, not meaning: an entry we
// cannot open never stops the mirror.
func (s *State) ApplyMirror(b *MirrorBatch) (*State, MirrorResult) {
	return s.ApplyMirrorPrepared(b, nil)
}

// ApplyMirrorPrepared is ApplyMirror where items were prepared, each at its place in the batch; nil is one that was not.
func (s *State) ApplyMirrorPrepared(b *MirrorBatch, prepared []*Prepared) (*State, MirrorResult) {
	card, err := s.mirrored(b.Origin)
	p := s.Partners[b.Origin]
	if err != nil || p == nil {
		return s, MirrorResult{Verdict: MirrorRefused, Reason: errors.Join(err)}
	}
	size := p.Mirror.Size()
	switch {
	case b.From < size:
		return s, MirrorResult{Verdict: MirrorRepeat, Next: size}
	case b.From > size:
		return s, MirrorResult{Verdict: MirrorAhead, Next: size}
	}
	mirror, err := p.Mirror.extend(b, prepared, card, s.Governance)
	if err != nil {
		verdict := MirrorRefused
		if errors.Is(err, errMirrorUpgrade) {
			verdict = MirrorNewer
		}
		return s, MirrorResult{Verdict: verdict, Next: size, Reason: err}
	}
	next := *s
	next.Partners = maps.Clone(s.Partners)
	next.Partners[b.Origin] = &Partner{Released: p.Released, Mirror: mirror}
	return &next, MirrorResult{Verdict: MirrorApplied, Next: mirror.Size()}
}

// mirrored returns the card of a ledger that may be mirrored now: a partner's, or the one that ours continues. A partner's
// successor may be once what it continues has been mirrored to its end and is what the successor says it was.
func (s *State) mirrored(o Origin) (PartnerCard, error) {
	for _, c := range s.Governance.Predecessor {
		if c.Origin == o {
			return PartnerCard{Origin: o, Genesis: c.Genesis}, nil
		}
	}
	link, linked := s.Governance.Partner(o)
	if !linked || link.Suspended {
		return PartnerCard{}, ErrMirrorLink
	}
	if of, continues := s.Governance.Continues(o); continues {
		if before := s.Partners[of.Origin]; before == nil || before.Mirror.Size() != of.Size || before.Mirror.Tree.Root() != of.Root {
			return PartnerCard{}, ErrMirrorEarly
		}
	}
	return link.Card, nil
}

// extend folds a batch into a copy of the mirror and accepts it if the checkpoint holds afterwards.
func (m Mirror) extend(b *MirrorBatch, prepared []*Prepared, card PartnerCard, own *Governance) (Mirror, error) {
	if err := b.check(); err != nil {
		return m, err
	}
	next := Mirror{Tree: m.Tree.Clone(), Governance: m.Governance, Released: m.Released, Checkpoint: b.Checkpoint}
	for i, item := range b.Items {
		var p *Prepared
		if i < len(prepared) && prepared[i].is(item) {
			p = prepared[i]
		} else {
			p = PrepareItem(item, nil)
		}
		if err := next.take(item, p, card, own); err != nil {
			return m, err
		}
	}
	return next, next.verify(b, own)
}

// take takes an item; p is the same prepared, nil where it is only a hash.
func (m *Mirror) take(item MirrorItem, p *Prepared, card PartnerCard, own *Governance) error {
	index := m.Tree.Size()
	var leaf tlog.Hash
	if p == nil {
		leaf = item.LeafHash()
	} else {
		leaf = p.hash
	}
	if index == 0 && (item.IsBare() || leaf != card.Genesis) {
		return fmt.Errorf("%w: another genesis than the one linked", ErrMirrorEntry)
	}
	if !item.IsBare() {
		if err := m.takeFull(p, card.Origin, own, index); err != nil {
			return err
		}
		m.Released = m.Released.add(index, leaf)
	}
	m.Tree.Append(leaf)
	return nil
}

// takeFull checks an entry that is released to us and folds it where it is governance. A format newer than our ledger's own
// waits until that is raised, whatever this binary knows: our replicas must agree.
func (m *Mirror) takeFull(p *Prepared, origin Origin, own *Governance, index Index) error {
	if index == 0 {
		_, g, err := openGenesis(p.entry)
		if errors.Is(err, ErrNewerFormat) || err == nil && g.Format > own.Format {
			return errMirrorUpgrade
		}
		if err != nil {
			return fmt.Errorf("%w: genesis: %w", ErrMirrorEntry, err)
		}
		if of, continues := own.Continues(origin); continues && !slices.Equal(g.Predecessor, []Closed{of}) {
			return fmt.Errorf("%w: genesis: it continues another ledger than the one linked", ErrMirrorEntry)
		}
		m.Governance = g
		return nil
	}
	rec := p.record
	if rec == nil || rec.Origin != origin || !ReleasedTo(rec, own.Origin.Jurisdiction()) {
		return fmt.Errorf("%w: entry %d is malformed, of another ledger or not released to us", ErrMirrorEntry, index)
	}
	if m.Governance.Format > own.Format {
		return errMirrorUpgrade
	}
	certificate, member := m.Governance.Certificate(rec.Author)
	if !member || !p.signedBy(certificate) {
		return fmt.Errorf("%w: entry %d is not signed by a member", ErrMirrorEntry, index)
	}
	if (rec.Kind == KindGovernance || len(p.entry.Payload) > 0) && !p.paid {
		return fmt.Errorf("%w: payload of entry %d", ErrMirrorEntry, index)
	}
	if rec.Kind != KindGovernance {
		return nil
	}
	g, err := m.Governance.Fold(rec, p.entry.Payload, index, p.hash)
	if err != nil {
		if errors.Is(err, ErrAct) {
			return errMirrorUpgrade
		}
		return fmt.Errorf("%w: governance entry %d: %w", ErrMirrorEntry, index, err)
	}
	m.Governance = g
	return nil
}

// verify checks the checkpoint against the mirror as the batch leaves it.
func (m *Mirror) verify(b *MirrorBatch, own *Governance) error {
	self := own.Origin
	cp, cosignatures, err := VerifyCosignatures(b.Checkpoint, m.Governance.CheckpointKeys())
	switch {
	case err != nil:
		return err
	case cp.Origin != b.Origin || cp.Size != m.Tree.Size():
		return ErrMirrorSize
	case cp.Root != m.Tree.Root():
		return ErrMirrorRoot
	}
	closed, ends := own.ClosedAt(b.Origin)
	byFounder := ends && slices.ContainsFunc(cosignatures, func(c Cosignature) bool { return c.Agency == closed.By })
	if ok, _ := Counts(cosignatures, m.Governance.QuorumSize()); !ok && !byFounder {
		return ErrMirrorQuorum
	}
	if ends && (cp.Size > closed.Size || cp.Size == closed.Size && cp != closed.Checkpoint()) {
		return ErrMirrorClosed
	}
	if _, linked := m.Governance.Partner(self); linked && !slices.Contains(b.Evidence.Released, releasedPart(self, m.Released)) {
		return ErrMirrorState
	}
	if StateLine(m.Governance.PublicRoot(), b.Evidence) != cp.State {
		return ErrMirrorState
	}
	return nil
}
