package node

import (
	"slices"
	"testing"
	"time"

	"vigil/ledger"
)

// TestWhoWithholdsAnAct: a leader is accused of an act that did not come once it alone has had time for it.
func TestWhoWithholdsAnAct(t *testing.T) {
	came := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	type look struct {
		after time.Duration
		term  uint64
		heard bool
		want  []ledger.AgencyID
	}
	accused := []ledger.AgencyID{"in/a"}
	for name, looks := range map[string][]look{
		"one leads all the time, and is accused once": {{2 * time.Second, 7, true, nil}, {10 * time.Second, 7, true, nil}, {13 * time.Second, 7, true, accused}, {60 * time.Second, 7, true, nil}},
		"another has just begun":                      {{8 * time.Second, 7, true, nil}, {16 * time.Second, 8, true, nil}, {24 * time.Second, 9, true, nil}, {34 * time.Second, 9, true, nil}, {35 * time.Second, 9, true, accused}},
		"this node was cut off":                       {{2 * time.Second, 7, true, nil}, {9 * time.Second, 7, false, nil}, {60 * time.Second, 7, false, nil}, {62 * time.Second, 7, true, nil}, {69 * time.Second, 7, true, nil}, {71 * time.Second, 7, true, accused}},
	} {
		t.Run(name, func(t *testing.T) {
			x := &notices{since: map[ledger.AgencyID]time.Time{"in/a": came}}
			for _, l := range looks {
				if got := x.overdue(l.term, l.heard, came.Add(l.after)); !slices.Equal(got, l.want) {
					t.Errorf("after %s: %v", l.after, got)
				}
			}
		})
	}
}
