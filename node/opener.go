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
// meets something it cannot open yet.
type opener struct {
	agency ledger.AgencyID
	origin ledger.Origin
	store  *store.Store
	log    *slog.Logger

	mu      sync.Mutex
	ring    *crypto.Keyring // guarded by mu
	scanned uint64          // guarded by mu; governance entries below this index have been read
	bad     []badShare      // guarded by mu; epochs whose share for us does not match
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
	if !errors.Is(err, crypto.ErrNotForUs) || !o.learn() {
		return p, err
	}
	return ledger.OpenPayload(payload, rec, o.keys())
}

func (o *opener) keys() *crypto.Keyring {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ring
}

// learn reads the governance entries that came since the last time and says whether there was a new key.
func (o *opener) learn() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	indexes, err := o.store.Governance(o.origin, o.scanned)
	if err != nil {
		o.log.Warn("audience keys cannot be read", "error", err)
		return false
	}
	learned := false
	for _, index := range indexes {
		e, _, _, err := o.store.Entry(o.origin, index)
		if err != nil {
			o.log.Warn("audience keys cannot be read", "index", index, "error", err)
			return learned
		}
		o.scanned = index + 1
		learned = o.take(e.Payload, index) || learned
	}
	return learned
}

func (o *opener) take(payload []byte, index uint64) bool {
	act, err := ledger.DecodeAct(payload)
	if err != nil {
		return false // newer than this node
	}
	var epoch ledger.Epoch
	switch a := act.(type) {
	case *ledger.Genesis:
		epoch = a.Epoch
	case *ledger.NewEpoch:
		epoch = a.Epoch
	default:
		return false
	}
	key, err := epoch.OpenShare(o.agency, o.ring)
	if errors.Is(err, crypto.ErrNotForUs) {
		return false
	}
	if err != nil {
		o.log.Error("this agency's share of an audience key does not match", "audience", epoch.Audience, "epoch", epoch.Number, "index", index)
		o.bad = append(o.bad, badShare{epoch.Audience, epoch.Number})
		return false
	}
	o.ring = o.ring.With(key)
	return true
}
