package node

import (
	"fmt"
	"sync"
	"time"

	"vigil/ledger"
	"vigil/node/api"
)

const idleShown = time.Hour // how long a gateway that did nothing is shown

// idleGateways are gateways of ours that said they follow a partner while nothing of it arrived, and gateways of partners that did
// not hand on what others of theirs have. That is no alarm: a link that hangs looks like a lie.
type idleGateways struct {
	mu     sync.Mutex
	all    map[ledger.Origin]idleGateway // guarded by mu
	abroad map[ledger.Origin]idleGateway // guarded by mu
}

type idleGateway struct {
	agency string
	at     time.Time
}

func (x *idleGateways) note(partner ledger.Origin, agency string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all == nil {
		x.all = map[ledger.Origin]idleGateway{}
	}
	x.all[partner] = idleGateway{agency, time.Now()}
}

func (x *idleGateways) withheld(partner ledger.Origin, agency string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.abroad == nil {
		x.abroad = map[ledger.Origin]idleGateway{}
	}
	x.abroad[partner] = idleGateway{agency, time.Now()}
}

func (x *idleGateways) problems() []api.NodeProblem {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []api.NodeProblem
	for partner, g := range x.all {
		if time.Since(g.at) < idleShown {
			out = append(out, api.NodeProblem{
				Severity: "warning", What: fmt.Sprintf("%s: its gateway says that it follows %s, and nothing of that arrived; this gateway follows, too", g.agency, partner),
				Fix: "ask " + g.agency + " how its link stands: vigil partner list; a member that goes on: vigil agency remove " + g.agency,
			})
		}
	}
	for partner, g := range x.abroad {
		if time.Since(g.at) < idleShown {
			out = append(out, api.NodeProblem{
				Severity: "warning", What: fmt.Sprintf("%s: its gateway did not hand on entries of %s that another gateway has; that one is followed", g.agency, partner),
				Fix: "nothing is missing here; tell " + g.agency + " and the other members of " + string(partner.Jurisdiction()) + ": a gateway that is cut off looks like one that withholds",
			})
		}
	}
	return out
}
