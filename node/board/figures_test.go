package board_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/node/board"
	"vigil/node/figures"
)

func TestFiguresAddUp(t *testing.T) {
	b, _ := whole(t)
	all, err := b.Count(t.Context(), board.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for of, dimensions := range board.Figures() {
		for _, by := range append(dimensions, "") {
			q := board.FigureQuery{Of: of, Period: figures.Day}
			if by != "" {
				q.By = []string{by}
			}
			rows, err := b.Tally(t.Context(), q)
			if err != nil {
				t.Errorf("%s by %s: %v", of, by, err)
				continue
			}
			total := 0
			for _, r := range rows {
				total += int(r.Count)
				if len(r.Keys) != len(q.By) || slices.ContainsFunc(r.Keys, func(k string) bool { return strings.Contains(k, "undefined") || k == "<nil>" }) {
					t.Errorf("%s by %s: %+v", of, by, r)
				}
			}
			if of != "alerts" {
				continue
			}
			if total != all {
				t.Errorf("alerts by %s: %d of %d", by, total, all)
			}
			q.From = time.UnixMilli(1) // within a day: each alert is counted
			if each, err := b.Tally(t.Context(), q); err != nil || !slices.EqualFunc(rows, each, sameRow) {
				t.Errorf("alerts by %s: %+v by tallies, %+v one by one, %v", by, rows, each, err)
			}
		}
	}
	for name, q := range map[string]board.FigureQuery{
		"of nothing": {Of: "secrets"}, "by nothing": {Of: "alerts", By: []string{"a.file"}}, "by too much": {Of: "alerts", By: []string{"time", "agency", "urgency", "media", "tlp"}},
	} {
		if _, err := b.Tally(t.Context(), q); !errors.Is(err, board.ErrQuery) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func sameRow(a, b figures.Row) bool { return slices.Equal(a.Keys, b.Keys) && a.Count == b.Count }
