package board_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/node/board"
)

const rowsPerList = 10_000

// BenchmarkFollowLists opens and folds packed lists of 10,000 alerts with one signal each.
func BenchmarkFollowLists(b *testing.B) {
	f, in := alone(b, 1)
	const lists = 10
	for i := range lists {
		in.Seal(b, 0, home, listed(b, fmt.Sprint(i), i*rowsPerList, rowsPerList))
	}
	show(f, in)
	for b.Loop() {
		x := open(b, b.TempDir(), f, in.Ring(0), 1)
		catchUp(b, x, f)
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(lists*rowsPerList*b.N)/b.Elapsed().Seconds(), "signals/s")
}

// BenchmarkFollowSingles opens and folds entries of one alert each.
func BenchmarkFollowSingles(b *testing.B) {
	f, in := alone(b, 1)
	const entries = 1_000
	for i := range entries {
		in.Seal(b, 0, home, raised(b, fmt.Sprintf("%06d", i), "title"))
	}
	show(f, in)
	for b.Loop() {
		x := open(b, b.TempDir(), f, in.Ring(0), 1)
		catchUp(b, x, f)
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(entries*b.N)/b.Elapsed().Seconds(), "alerts/s")
}

// million is a board of a million signals, made once for the benchmarks that read it.
var million = struct {
	sync.Once
	board *board.Board
}{}

func millionSignals(b *testing.B) *board.Board {
	b.Helper()
	million.Do(func() {
		f, in := alone(b, 1)
		for i := range 1_000_000 / rowsPerList {
			in.Seal(b, 0, []ledger.AudienceName{"in/*"}, listed(b, fmt.Sprint("list ", i), i*rowsPerList, rowsPerList))
		}
		show(f, in)
		dir, err := mkdirForAll(b)
		if err != nil {
			b.Fatal(err)
		}
		million.board = open(b, dir, f, in.Ring(0), 1)
		catchUpWithin(b, million.board, f, 5*time.Minute)
	})
	return million.board
}

// BenchmarkLookUp looks one signal up among a million: one that is there, one that is not.
func BenchmarkLookUp(b *testing.B) {
	x := millionSignals(b)
	for _, c := range []struct {
		name string
		from int
	}{{"hit", 0}, {"miss", 1 << 30}} {
		b.Run(c.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				found, err := x.LookUp(b.Context(), []alert.Signal{numbered(c.from + i*7919%1_000_000)})
				if err != nil || (len(found[0]) == 1) != (c.name == "hit") {
					b.Fatalf("%d %v", len(found[0]), err)
				}
			}
		})
	}
}

// BenchmarkList reads first pages among a million alerts.
func BenchmarkList(b *testing.B) {
	x := millionSignals(b)
	for _, q := range []board.Query{{}, {Sort: "urgency"}, {Standing: "disputed"}, {Author: "in/a0", Sort: "oldest"}, {Text: "17"}, {Text: "list"}, {Text: "list", Sort: "oldest"}, {Text: "list", Standing: "asserted"}} {
		b.Run(fmt.Sprintf("%s,%s,%s,%s", q.Sort, q.Standing, q.Author, q.Text), func(b *testing.B) {
			for b.Loop() {
				if _, err := x.List(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// mkdirForAll makes a directory that outlives one benchmark; TestMain removes it.
func mkdirForAll(b *testing.B) (string, error) {
	b.Helper()
	dir, err := os.MkdirTemp("", "board")
	made = append(made, dir)
	return dir, err
}

var made []string

func TestMain(m *testing.M) {
	code := m.Run()
	if many.board != nil {
		_ = many.board.Close()
	}
	if apart.board != nil {
		_ = apart.board.Close()
	}
	if million.board != nil {
		_ = million.board.Close()
	}
	for _, dir := range made {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// BenchmarkFollowWatched folds packed lists while 100,000 other files are watched.
func BenchmarkFollowWatched(b *testing.B) {
	f, in := alone(b, 1)
	const lists = 10
	for i := range lists {
		numbers := make([]int, rowsPerList)
		for n := range numbers {
			numbers[n] = 1<<30 + i*rowsPerList + n
		}
		in.Seal(b, 0, self, watching(b, fmt.Sprint("watch", i), false, numbers...))
	}
	show(f, in)
	watched := f.shown[in.Origin()]
	for i := range lists {
		in.Seal(b, 0, home, listed(b, fmt.Sprint(i), i*rowsPerList, rowsPerList))
	}
	for b.Loop() {
		b.StopTimer()
		f.entries[in.Origin()], f.shown[in.Origin()] = in.Entries, watched
		x := open(b, b.TempDir(), f, in.Ring(0), 1)
		catchUp(b, x, f)
		b.StartTimer()
		show(f, in)
		catchUp(b, x, f)
		b.StopTimer()
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(lists*rowsPerList*b.N)/b.Elapsed().Seconds(), "signals/s")
}

// BenchmarkRecallStatus judges a recall that 40 agencies have answered, in a board of 100,000 other alerts.
func BenchmarkRecallStatus(b *testing.B) {
	const agencies = 40
	f, in := alone(b, agencies)
	for i := range 10 {
		in.Seal(b, 0, home, listed(b, fmt.Sprint(i), i*rowsPerList, rowsPerList))
	}
	one := alertID(in, "in/a1", "recalled", 3)
	in.Seal(b, 1, home, listed(b, "recalled", 1<<30, 100), retracted(b, "r", one, alert.RowSet{3}))
	for i := range agencies {
		in.Seal(b, i, home, answered(b, fmt.Sprint("answer", i), one, 1, "r"))
	}
	show(f, in)
	x := open(b, b.TempDir(), f, in.Ring(0), 1)
	defer x.Close()
	catchUp(b, x, f)
	for b.Loop() {
		r, err := x.Recall(b.Context(), one.String())
		if err != nil || len(r.Holders) != agencies || len(r.Answers) != agencies {
			b.Fatalf("%d holders, %d answers, %v", len(r.Holders), len(r.Answers), err)
		}
	}
}
