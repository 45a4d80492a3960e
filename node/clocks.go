package node

import (
	"fmt"
	"math"

	"vigil/node/api"
)

const (
	clockWarning = 2   // s
	clockFailure = 600 // s; from an hour on partners refuse the connection
)

// clockProblems names the clocks that are off: ours, where it differs from most of the others, and else each of theirs.
// Nothing is decided by a clock, so that nothing stops over one: times that are shown are wrong, and what expires does so
// at the wrong time.
func clockProblems(nodes []api.NodeStatus) []api.NodeProblem {
	heard, ahead, behind := 0, 0, 0
	for _, n := range nodes {
		if n.Heard <= 0 {
			continue // ourselves, or not heard
		}
		heard++
		switch {
		case n.Clock > clockWarning:
			ahead++
		case n.Clock < -clockWarning:
			behind++
		}
	}
	var out []api.NodeProblem
	for _, n := range nodes {
		if n.Heard <= 0 || math.Abs(n.Clock) <= clockWarning {
			continue
		}
		p := api.NodeProblem{Severity: "warning", What: fmt.Sprintf("the clock of %s is %.0f s off ours", n.Agency, n.Clock), Fix: "check time synchronisation on both"}
		if math.Abs(n.Clock) > clockFailure {
			p.Severity = "failure"
		}
		if heard > 1 && 2*max(ahead, behind) > heard { // most differ from us alike
			p.What, p.Fix = fmt.Sprintf("this node's clock is %.0f s off those of most others", -n.Clock), "check time synchronisation here: what this node writes carries the wrong time, and partners refuse a clock that is an hour off"
			return []api.NodeProblem{p}
		}
		out = append(out, p)
	}
	return out
}
