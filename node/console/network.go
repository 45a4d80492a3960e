package console

import (
	"net/http"

	"vigil/node/api"
)

// networkPage is how the network is.
type networkPage struct {
	api.Status
	Own      api.LedgerStatus
	Mirrors  []api.LedgerStatus
	Agencies api.Agencies
	// Maps are the same picture for a wide screen and for a phone, on which nothing scrolls sideways.
	Maps []drawing
}

// Lag is how many entries a node has not got yet.
func (p networkPage) Lag(n api.NodeStatus) uint64 {
	return p.Own.Size - min(n.Size, p.Own.Size)
}

// Behind is how many entries of a partner are known and not here yet.
func (p networkPage) Behind(x api.PartnerStatus) uint64 { return x.Known - min(x.Mirrored, x.Known) }

func (v *visit) network() error {
	p := networkPage{Status: v.Node.Status}
	for _, l := range p.Ledgers {
		if l.Own {
			p.Own = l
		} else {
			p.Mirrors = append(p.Mirrors, l)
		}
	}
	var err error
	if p.Agencies, err = v.api.Agencies(v.ctx()); err != nil {
		return err
	}
	p.Maps = []drawing{draw(p.Status, p.Own.Origin, wide), draw(p.Status, p.Own.Origin, tall)}
	v.render(http.StatusOK, "network", p)
	return nil
}
