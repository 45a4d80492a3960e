package figures_test

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/node/figures"
)

func TestTally(t *testing.T) {
	var x figures.Tally
	for i := range 10 {
		x.Add([]string{"in/a", "open"}, 1, time.Duration(i+1)*time.Hour, -1)
	}
	x.Add([]string{"in/a", "closed"}, 3, -1, 90*time.Minute)
	rows := x.Rows()
	if len(rows) != 2 || rows[0].Keys[1] != "closed" || rows[0].Count != 3 || rows[0].Answer != nil || rows[0].Outcome.Median != 1.5 {
		t.Fatalf("%+v", rows)
	}
	if a := rows[1].Answer; rows[1].Count != 10 || a.Of != 10 || a.Median != 5 || a.Ninth != 9 {
		t.Errorf("%+v", a)
	}
}

// What is published gives no small count away: not by itself, and not by the sum of the others.
func TestPublishing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		least := uint64(rapid.IntRange(2, 10).Draw(t, "least"))
		var rows []figures.Row
		for i := range rapid.IntRange(0, 8).Draw(t, "rows") {
			rows = append(rows, figures.Row{Keys: []string{string(rune('a' + i))}, Count: uint64(rapid.IntRange(1, 20).Draw(t, "count")), Answer: &figures.Duration{Of: 1}})
		}
		out, total := figures.Publish(rows, least)
		var shown uint64
		hidden := 0
		for i, r := range out {
			if r.Keys[0] != rows[i].Keys[0] {
				t.Fatal("rows were moved")
			}
			if r.Suppressed {
				hidden++
				if r.Count != 0 || r.Answer != nil {
					t.Fatalf("suppressed, and said: %+v", r)
				}
				continue
			}
			if r.Count < least || r.Count != rows[i].Count || r.Answer != nil {
				t.Fatalf("%+v", r)
			}
			shown += r.Count
		}
		if hidden == 1 && total != 0 {
			t.Fatalf("%d − %d gives the one that is hidden away", total, shown)
		}
	})
}

func TestCSV(t *testing.T) {
	var b bytes.Buffer
	rows := []figures.Row{{Keys: []string{"=cmd()", "a,b"}, Count: 7, Answer: &figures.Duration{Of: 2, Median: 1.25, Ninth: 3}}, {Keys: []string{"x", "y"}, Suppressed: true}}
	if err := figures.WriteCSV(&b, []string{"platform", "state"}, rows); err != nil {
		t.Fatal(err)
	}
	want := "platform,state,count,answered,answer_median_hours,answer_p90_hours,concluded,outcome_median_hours,outcome_p90_hours\n'=cmd(),\"a,b\",7,2,1.25,3.00,,,\nx,y,suppressed,,,,,,\n"
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
}

func TestPeriods(t *testing.T) {
	at := time.Date(2027, 1, 1, 3, 0, 0, 0, time.FixedZone("IST", 19800))
	for p, want := range map[figures.Period]string{figures.Day: "2026-12-31", figures.Week: "2026-W53", figures.Month: "2026-12", figures.Year: "2026"} {
		if got := p.Of(at); got != want {
			t.Errorf("%s: %s", p, got)
		}
	}
}
