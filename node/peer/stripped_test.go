package peer

import "testing"

// TestWhatOneGatewayKeepsBackAnotherSends: a gateway that leaves payloads out is left for one that does not; where all of them do, they
// may be expunged, and the ledger goes on.
func TestWhatOneGatewayKeepsBackAnotherSends(t *testing.T) {
	for name, alone := range map[string]bool{"another has them": false, "nobody has them": true} {
		t.Run(name, func(t *testing.T) {
			in, uk := pair(t, transports["tcp"])
			honest := &side{t: t, mu: in.mu, j: in.j, own: in.own, partner: uk.own, changed: make(chan struct{}), strip: alone}
			start(t, honest, transports["tcp"], in.j.Members[1].Node)
			in.mu.Lock()
			in.strip = true
			in.mu.Unlock()
			in.write(5)
			for _, s := range []*side{in, honest} {
				s.link(t, uk)
			}
			gateways := gatewayOf(t, in, in.j.Members[0].Node)
			gateways.Gateways = append(gateways.Gateways, gatewayOf(t, honest, in.j.Members[1].Node).Gateways...)
			uk.set([]Partner{gateways})
			until(t, "it is all there", func() bool { return uk.has(in) })
			uk.mu.Lock()
			defer uk.mu.Unlock()
			if (uk.bare > 0) != alone || len(uk.accused) > 0 {
				t.Errorf("%d entries without their payload, accused: %v", uk.bare, uk.accused)
			}
		})
	}
}
