package board_test

import (
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/ledgertest"
	"vigil/node/board"
)

// singles is how many alerts that were each raised by themselves BenchmarkListSingles reads; -singles 1000000 is the long run.
var singles = flag.Int("singles", 20_000, "alerts raised each by itself that are listed")

var apart = struct {
	sync.Once
	board *board.Board
}{}

// raisedApart is a board of alerts that share nothing but a word: a tenth of them urgent, one in a hundred at immediate risk.
func raisedApart(b *testing.B) *board.Board {
	b.Helper()
	apart.Do(func() {
		f, in := alone(b, 3)
		for i := range *singles {
			in.Seal(b, i%3, home, apartFrom(b, in, i))
		}
		show(f, in)
		dir, err := mkdirForAll(b)
		if err != nil {
			b.Fatal(err)
		}
		apart.board = open(b, dir, f, in.Ring(0), 1)
		catchUpWithin(b, apart.board, f, time.Hour)
	})
	return apart.board
}

// BenchmarkListSingles reads first pages, and counts, among alerts that were each raised by themselves.
func BenchmarkListSingles(b *testing.B) {
	x := raisedApart(b)
	for _, q := range []board.Query{
		{},
		{Sort: "urgency"},
		{Author: "in/a1"},
		{Author: "in/a1", Sort: "urgency"},
		{Urgency: "routine", Sort: "oldest"},
		{Text: "upload"},
		{Text: "up"},
		{Text: "upload", Sort: "oldest"},
		{Text: "upload", Sort: "urgency"},
		{Text: "upload batch", Sort: "urgency"},
		{Text: "b007"},
		{Text: "b007", Sort: "urgency"},
		{Text: "nowhere", Sort: "urgency"},
		{Text: "upload", Author: "in/a1", Sort: "urgency"},
		{Text: "upload", Urgency: "child-at-immediate-risk"},
	} {
		q.Limit = 50
		b.Run(fmt.Sprintf("%s,%s,%s,%s", q.Text, q.Sort, q.Author, q.Urgency), func(b *testing.B) {
			for b.Loop() {
				if _, err := x.List(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, by := range []string{"time", "agency", "urgency", "standing"} {
		b.Run("figures by "+by, func(b *testing.B) {
			for b.Loop() {
				if _, err := x.Tally(b.Context(), board.FigureQuery{Of: "alerts", By: []string{by}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func apartFrom(b *testing.B, in *ledgertest.Jurisdiction, i int) ledger.Event {
	b.Helper()
	name := fmt.Sprintf("%09d", i)
	d := alert.Details{Title: fmt.Sprintf("Upload %d of batch b%03d", i, i%1_000), Handling: alert.Handling{TLP: alert.Amber}}
	switch {
	case i%100 == 0:
		d.Urgency = alert.ImmediateRisk
	case i%10 == 0:
		d.Urgency = alert.Priority
	}
	e, err := alert.Raise{Event: ledger.EventIDFor("test", name), Details: d.Normal(), File: alert.File{Signals: []alert.Signal{numbered(i)}}}.Decide(alert.View{Agency: in.Members[i%3].ID})
	if err != nil {
		b.Fatal(err)
	}
	return e
}
