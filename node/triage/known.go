package triage

import (
	"context"

	"vigil/ledger/alert"
	"vigil/ledger/report"
	"vigil/node/board"
)

// Exact knows the alerts on a board that carry exactly the same signal, and the signals that are declared benign.
type Exact struct{ Board *board.Board }

// Known implements Known.
func (x Exact) Known(ctx context.Context, files []report.File, exercise bool) ([]report.Hit, error) {
	var signals []alert.Signal
	var of []int
	for i := range files {
		for _, s := range files[i].Prints.Signals {
			if s.Algorithm != alert.VPDQFrame { // one frame that two films share makes neither known
				signals, of = append(signals, s), append(of, i)
			}
		}
	}
	found, err := x.Board.LookUp(ctx, signals)
	if err != nil {
		return nil, err
	}
	benign, err := x.Board.KnownBenign(ctx, signals, exercise)
	if err != nil {
		return nil, err
	}
	type place struct {
		file int
		id   alert.ID
	}
	seen := map[place]bool{}
	var hits []report.Hit
	harmless := map[int]bool{}
	for i := range signals {
		if len(benign[i]) > 0 && !harmless[of[i]] {
			harmless[of[i]] = true
			hits = append(hits, report.Hit{File: of[i], Harmless: true})
		}
	}
	for i, alerts := range found {
		for _, a := range alerts {
			if at := (place{of[i], a.ID}); !seen[at] && a.Details.Exercise == exercise {
				seen[at] = true
				hits = append(hits, report.Hit{File: of[i], Alert: a.ID.String(), Standing: a.Standing, Bar: a.Bar, Urgency: a.Details.Urgency})
			}
		}
	}
	return hits, nil
}
