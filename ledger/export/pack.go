package export

import (
	"slices"
	"strings"

	"vigil/ledger"
	"vigil/ledger/alert"
)

// Said is one alert, and what an export says of it.
type Said struct {
	Alert alert.ID
	What  What
}

// Pack returns the facts that record what an export says, as few as there are authors and bounds: rows of one event that
// follow each other are one run. Each alert may be named once. The order does not depend on that of the list.
func Pack(target Key, said []Said) []*Carried {
	type source struct {
		home   ledger.Origin
		author ledger.AgencyID
	}
	bySource := map[source][]Run{}
	for _, s := range said {
		k := source{s.Alert.Home, s.Alert.Author}
		bySource[k] = append(bySource[k], Run{What: s.What, Alert: s.Alert.Event, First: s.Alert.Row, Last: s.Alert.Row})
	}
	var out []*Carried
	for k, runs := range bySource {
		for part := range slices.Chunk(joined(runs), MaxRuns) {
			out = append(out, &Carried{Target: target, Home: k.home, Author: k.author, Runs: part})
		}
	}
	slices.SortFunc(out, func(a, b *Carried) int {
		if c := strings.Compare(string(a.Home)+" "+string(a.Author), string(b.Home)+" "+string(b.Author)); c != 0 {
			return c
		}
		return compareRuns(a.Runs[0], b.Runs[0])
	})
	return out
}

// joined sorts runs and makes one of those that follow each other.
func joined(runs []Run) []Run {
	slices.SortFunc(runs, compareRuns)
	out := runs[:1]
	for _, r := range runs[1:] {
		last := &out[len(out)-1]
		if last.Alert == r.Alert && last.What == r.What && last.Last+1 == r.First {
			last.Last = r.Last
			continue
		}
		out = append(out, r)
	}
	return out
}
