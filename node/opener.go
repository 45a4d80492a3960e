package node

import (
	"errors"
	"log/slog"
	"slices"
	"sync"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/store"
)

// opener opens what is sealed to this agency. It learns audience keys from the shares in governance entries, when it
// meets something it cannot open yet, and this agency's former keys from the entries that hold them.
type opener struct {
	agency ledger.AgencyID
	origin ledger.Origin
	store  *store.Store
	log    *slog.Logger
	found  func(*crypto.AgencyKey) // told of a former key that was not here; it must not block

	mu      sync.Mutex
	ring    *crypto.Keyring          // guarded by mu
	scanned map[ledger.Origin]uint64 // guarded by mu; governance entries below this index have been read
	bad     []badShare               // guarded by mu; epochs whose share for us does not match
	past    past                     // guarded by mu
}

// past is what is known of an audience's epochs: every certificate, and the keys that opened for us.
type past map[epochName]*epochKey

type epochName struct {
	audience ledger.AudienceName
	epoch    uint64
}

type epochKey struct {
	certificate *crypto.Certificate
	key         *crypto.AgencyKey // nil where it is not ours
}

func (p past) note(e ledger.Epoch, key *crypto.AgencyKey) {
	c, err := crypto.ParseCertificate(e.Certificate)
	if err != nil {
		return // State accepts none such
	}
	p[epochName{e.Audience, e.Number}] = &epochKey{c, key}
}

// epochKeys returns the keys of an audience's epochs; ok is false where one of them is not ours.
func (o *opener) epochKeys(audience ledger.AudienceName, first, last uint64) (keys []*crypto.AgencyKey, ok bool) {
	o.learn()
	o.mu.Lock()
	defer o.mu.Unlock()
	for e := first; e <= last; e++ {
		x := o.past[epochName{audience, e}]
		if x == nil || x.key == nil {
			return nil, false
		}
		keys = append(keys, x.key)
	}
	return keys, true
}

type badShare struct {
	audience ledger.AudienceName
	epoch    uint64
}

// badShares returns the epochs that do not open for us though they should.
func (o *opener) badShares() []badShare {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.bad)
}

// Open implements board.Opener.
func (o *opener) Open(rec *ledger.Record, payload []byte) (*ledger.Payload, error) {
	p, err := ledger.OpenPayload(payload, rec, o.keys())
	if errors.Is(err, crypto.ErrNotForUs) && o.learn() {
		p, err = ledger.OpenPayload(payload, rec, o.keys())
	}
	if err == nil {
		o.adopt(rec, p)
	}
	return p, err
}

func (o *opener) keys() *crypto.Keyring {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ring
}

// add makes a key of this agency open what is sealed to it from now on.
func (o *opener) add(k *crypto.AgencyKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ring = o.ring.With(k)
}

// adopt takes former keys out of an entry by which this agency handed them to itself. With each, shares that did not open
// are tried again.
func (o *opener) adopt(rec *ledger.Record, p *ledger.Payload) {
	if rec.Author != o.agency || len(rec.Audience) != 1 || rec.Audience[0].Name != ledger.AudienceName(o.agency) {
		return
	}
	for i := range p.Events {
		e := &p.Events[i]
		if e.Type != keyFormer {
			continue
		}
		k, err := crypto.ParseAgencyKey(e.Rows)
		if err != nil {
			o.log.Warn("an entry that should hold a former key of this agency does not", "writer", rec.Writer, "sequence", rec.Sequence)
			continue
		}
		if o.keys().Holds(k) {
			continue
		}
		o.mu.Lock()
		o.ring, o.scanned, o.bad = o.ring.With(k), nil, nil
		o.mu.Unlock()
		o.learn()
		o.found(k)
	}
}

// learn reads the governance entries that came since the last time, of our ledger and of the one that it continues, and says
// whether there was a new key.
func (o *opener) learn() (learned bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.scanned == nil {
		o.scanned = map[ledger.Origin]uint64{}
	}
	for _, origin := range o.store.Origins() {
		if origin.Jurisdiction() == o.origin.Jurisdiction() {
			learned = o.learnFrom(origin) || learned
		}
	}
	return learned
}

func (o *opener) learnFrom(origin ledger.Origin) bool {
	indexes, err := o.store.Governance(origin, o.scanned[origin])
	if err != nil {
		o.log.Warn("audience keys cannot be read", "error", err)
		return false
	}
	learned := false
	for _, index := range indexes {
		e, _, _, err := o.store.Entry(origin, index)
		if err != nil {
			o.log.Warn("audience keys cannot be read", "index", index, "error", err)
			return learned
		}
		o.scanned[origin] = index + 1
		learned = o.take(e.Payload, index) || learned
	}
	return learned
}

func (o *opener) take(payload []byte, index uint64) bool {
	act, err := ledger.DecodeAct(payload)
	if err != nil {
		return false // newer than this node
	}
	if o.past == nil {
		o.past = past{}
	}
	learned := false
	switch a := act.(type) {
	case *ledger.HandOver:
		return o.takeOver(a, index)
	case *ledger.Genesis:
		return o.takeEpoch(a.Epoch, index)
	case *ledger.NewEpoch:
		return o.takeEpoch(a.Epoch, index)
	case *ledger.Successor:
		for _, e := range a.Epochs {
			learned = o.takeEpoch(e, index) || learned
		}
	}
	return learned
}

func (o *opener) takeEpoch(epoch ledger.Epoch, index uint64) bool {
	key, err := epoch.OpenShare(o.agency, o.ring)
	o.past.note(epoch, nil)
	if errors.Is(err, crypto.ErrNotForUs) {
		return false
	}
	if err != nil {
		o.log.Error("this agency's share of an audience key does not match", "audience", epoch.Audience, "epoch", epoch.Number, "index", index)
		o.bad = append(o.bad, badShare{epoch.Audience, epoch.Number})
		return false
	}
	o.past.note(epoch, key)
	o.ring = o.ring.With(key)
	return true
}

// takeOver takes earlier keys that were handed over to this agency; all of them match, or none is taken.
func (o *opener) takeOver(h *ledger.HandOver, index uint64) bool {
	if h.Agency != o.agency {
		return false
	}
	keys, err := h.Open(o.ring, func(epoch uint64) *crypto.Certificate {
		if x := o.past[epochName{h.Audience, epoch}]; x != nil {
			return x.certificate
		}
		return nil
	})
	if err != nil {
		o.log.Error("earlier audience keys that were handed over do not match", "audience", h.Audience, "first", h.First, "index", index, "error", err)
		return false
	}
	for i, k := range keys {
		o.past[epochName{h.Audience, h.First + uint64(i)}].key = k
		o.ring = o.ring.With(k)
	}
	return true
}

// RingOf returns the keys that open what is sealed to the agency of a stopped node, those of its audiences included.
func RingOf(s *store.Store, id Identity, keys Keys) (*crypto.Keyring, error) {
	o := &opener{agency: id.Agency, origin: id.Origin, store: s, log: slog.New(slog.DiscardHandler), ring: crypto.NewKeyring(keys.Agency...), found: func(*crypto.AgencyKey) {}}
	o.learn()
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ring, nil
}
