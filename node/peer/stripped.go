package peer

import (
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"vigil/ledger"
)

// errStripped leaves a gateway whose batch has entries without the payload that was released: they may have been expunged further on
// in its ledger, or it keeps them back.
var errStripped = errors.New("peer: payloads are missing that nothing in the batch expunges; another gateway is asked")

// stripped are the gateways that sent a stretch of a ledger without payloads.
type stripped struct {
	from  uint64
	since time.Time
	by    map[peer.ID]bool
}

// keepsBack says whether a batch is to be had from another gateway first. It is taken once every gateway of the partner sends it like
// that, as where the payloads were expunged, or none has sent another for so long.
func (f *following) keepsBack(b *ledger.MirrorBatch) bool {
	missing := b.Stripped()
	if missing == 0 || b.From < f.cfg.Sink.Cursor(f.origin) {
		return false
	}
	gateways := f.gatewaysOf(f.origin)
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stripped[f.origin]
	if s == nil || s.from != b.From {
		s = &stripped{from: b.From, since: time.Now(), by: map[peer.ID]bool{}}
		f.stripped[f.origin] = s
	}
	s.by[f.from] = true
	for _, g := range gateways {
		if !s.by[g.ID] && time.Since(s.since) < strippedWait {
			return true
		}
	}
	f.cfg.Log.Warn("entries of a partner came without their payloads, from every gateway that could be asked", "partner", f.origin, "from", b.From, "entries", missing)
	return false
}
