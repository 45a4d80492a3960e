package report_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/report"
)

func complete() report.Statement {
	f := file(1)
	f.Prints.Signals = append(f.Prints.Signals, alert.Signal{Algorithm: alert.PDQ, Value: many(1)[0].Value})
	f.Media, f.AIGenerated, f.Viewed, f.Public = alert.Image, alert.NoAI, report.Yes, report.No
	f.Classifications = []alert.Classification{{Scheme: "ncmec", Value: "a1"}}
	return report.Statement{
		Reference: "r", Kind: report.Material, Occurred: report.MomentOf(now), Place: report.Place{Country: "IN"},
		About: []report.Pointer{{Role: report.Reported, Kind: report.Address, Value: "192.0.2.1", Seen: report.MomentOf(now)}}, Files: []report.File{f},
	}
}

func TestCompletenessNamesWhatWouldRaiseIt(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*report.Statement)
		lost   []string
	}{
		"everything":            {func(*report.Statement) {}, nil},
		"nobody":                {func(s *report.Statement) { s.About = nil }, []string{"about", "about.kind: account, email, phone or ip"}},
		"a name only":           {func(s *report.Statement) { s.About[0] = pointer(report.ScreenName, "n") }, []string{"about.kind: account, email, phone or ip"}},
		"an ip at no time":      {func(s *report.Statement) { s.About[0].Seen = report.Moment{} }, []string{"about.seen"}},
		"at no time":            {func(s *report.Statement) { s.Occurred = report.Moment{} }, []string{"occurred"}},
		"not said whether seen": {func(s *report.Statement) { s.Files[0].Viewed = "" }, []string{"files.viewed"}},
		"one hash":              {func(s *report.Statement) { s.Files[0].Prints.Signals = s.Files[0].Prints.Signals[:1] }, []string{"files.signals: pdq, photodna, tmk or vpdq-frame"}},
		"one hash of a text": {func(s *report.Statement) {
			s.Files[0].Prints.Signals, s.Files[0].Media = s.Files[0].Prints.Signals[:1], alert.Text
		}, nil},
		"not classified":    {func(s *report.Statement) { s.Files[0].Classifications = nil }, []string{"files.classifications"}},
		"no file is asked":  {func(s *report.Statement) { s.Files = nil }, nil},
		"one of two is bad": {func(s *report.Statement) { s.Files = append(s.Files, file(9)) }, []string{"files.viewed", "files.signals: pdq, photodna, tmk or vpdq-frame", "files.classifications", "files.public", "files.ai_generated"}},
	} {
		s := complete()
		c.change(&s)
		score, missing := s.Completeness()
		var lost []string
		gain := 0
		for i, g := range missing {
			lost, gain = append(lost, g.Field), gain+g.Gain
			if i > 0 && missing[i-1].Gain < g.Gain || g.Gain <= 0 {
				t.Errorf("%s: %s out of order", name, g.Field)
			}
		}
		if !reflect.DeepEqual(lost, c.lost) || score+gain > 1000 || score+gain < 1000-len(missing)-1 {
			t.Errorf("%s: %d, missing %v", name, score, missing)
		}
	}
}

// item is a report that waits, by its number, since so many hours.
func item(n int, hours int, hits []report.Hit, change func(*report.Statement)) *report.Item {
	s := complete()
	s.Files = []report.File{file(byte(n)), file(byte(n + 100))}
	change(&s)
	s = s.Normal()
	r := &report.Report{Key: report.Key{Home: home, Author: a, Event: ledger.EventIDFor(a, fmt.Sprint(n))}, Statement: &s}
	return report.NewItem(r, now.Add(-time.Duration(hours)*time.Hour).UnixMilli(), hits)
}

func plain(*report.Statement) {}

func priority(p ...report.Priority) func(*report.Statement) {
	return func(s *report.Statement) { s.Priority = p }
}

func hits(standing alert.State, files ...int) (out []report.Hit) {
	for _, f := range files {
		out = append(out, report.Hit{File: f, Alert: "al_00", Standing: standing, Bar: alert.Rules{}.Bar(alert.Standing{State: standing}, false, false)})
	}
	return out
}

func points(it *report.Item, part string) int {
	for _, p := range it.Parts {
		if p.Name == part {
			return p.Points
		}
	}
	return 0
}

func TestEveryRankHasItsReasons(t *testing.T) {
	harmless := []report.Hit{{File: 0, Harmless: true}, {File: 1, Harmless: true}}
	urgent := hits(alert.Corroborated, 0)
	urgent[0].Urgency = alert.ImmediateRisk
	for name, c := range map[string]struct {
		it   *report.Item
		want map[string]int
	}{
		"new":                  {item(1, 0, nil, plain), map[string]int{"new": 150, "known": 0, "harmless": 0, "complete": 30}},
		"one of two known":     {item(1, 0, hits(alert.Asserted, 0), plain), map[string]int{"new": 150, "known": 0}},
		"known":                {item(1, 0, hits(alert.Asserted, 0, 1), plain), map[string]int{"new": 0, "known": -100}},
		"known, but disputed":  {item(1, 0, hits(alert.Disputed, 0, 1), plain), map[string]int{"new": 150, "known": 0}},
		"known, but withdrawn": {item(1, 0, hits(alert.Withdrawn, 0, 1), plain), map[string]int{"new": 150, "known": 0}},
		"known, but held":      {item(1, 0, []report.Hit{{File: 0, Standing: alert.Asserted, Bar: alert.BarHeld}, {File: 1, Standing: alert.Asserted, Bar: alert.BarHeld}}, plain), map[string]int{"new": 150, "known": 0}},
		"harmless":             {item(1, 0, harmless, plain), map[string]int{"harmless": -500, "known": 0, "new": 0}},
		"harmless and known":   {item(1, 0, append(hits(alert.Asserted, 0), harmless[1]), plain), map[string]int{"harmless": 0, "known": -100, "new": 0}},
		"harmless, though an alert says otherwise": {item(1, 0, append(hits(alert.Asserted, 0, 1), harmless...), plain), map[string]int{"harmless": -500, "known": 0}},
		"of an urgent alert":                       {item(1, 0, urgent, plain), map[string]int{"urgent-alert": 300, "new": 150}},
		"at risk and extorted":                     {item(1, 0, nil, priority(report.ImmediateRisk, report.Sextortion)), map[string]int{report.ImmediateRisk: 1000, report.Sextortion: 400}},
		"spam":                                     {item(1, 0, nil, priority(report.Spam, report.ViralBatch)), map[string]int{report.Spam: -200, report.ViralBatch: -150}},
		"classified": {item(1, 0, nil, func(s *report.Statement) {
			s.Files[1].Classifications = []alert.Classification{{Scheme: "iwf", Value: "b"}, {Scheme: "ncmec", Value: "b2"}}
		}), map[string]int{"category": 80}},
		"classified by another scheme": {item(1, 0, nil, func(s *report.Statement) {
			s.Files[1].Classifications = []alert.Classification{{Scheme: "own", Value: "7"}}
		}), map[string]int{"category": 30}},
		"looked at, public, with a child's account": {item(1, 0, nil, func(s *report.Statement) {
			s.Files[0].Viewed, s.Files[1].Public, s.About[0].Role = report.Yes, report.Yes, report.Child
		}), map[string]int{"viewed": 80, "public": 60, "child-named": 60}},
		"made by a machine": {item(1, 0, nil, func(s *report.Statement) { s.Files[0].AIGenerated = alert.FullyAI }), map[string]int{"new": 150}},
		"without a file":    {item(1, 0, nil, func(s *report.Statement) { s.Files = nil }), map[string]int{"new": 0, "known": 0}},
	} {
		total := 0
		for _, p := range c.it.Parts {
			if p.Why == "" || p.Points == 0 {
				t.Errorf("%s: %+v says nothing", name, p)
			}
			total += p.Points
		}
		if total != c.it.Points {
			t.Errorf("%s: %d points, and its parts make %d", name, c.it.Points, total)
		}
		for part, want := range c.want {
			if got := points(c.it, part); got != want {
				t.Errorf("%s: %s is worth %d, not %d", name, part, got, want)
			}
		}
	}
	ai, not := item(1, 0, nil, func(s *report.Statement) { s.Files[0].AIGenerated = alert.FullyAI }), item(1, 0, nil, func(s *report.Statement) { s.Files[0].AIGenerated = alert.NoAI })
	if ai.Points != not.Points {
		t.Error("a machine's work ranks otherwise")
	}
}

func order(queue []report.Ranked) (out []string) {
	for _, r := range queue {
		out = append(out, r.Key.Event.String())
	}
	return out
}

func ids(items ...*report.Item) (out []string) {
	for _, it := range items {
		out = append(out, it.Key.Event.String())
	}
	return out
}

func TestTheMostPressingComesFirst(t *testing.T) {
	risk, extorted, fresh, old := item(1, 0, nil, priority(report.ImmediateRisk)), item(2, 1, nil, priority(report.Sextortion)), item(3, 1, nil, plain), item(4, 300, nil, plain)
	known, harmless := item(5, 1, hits(alert.Asserted, 0, 1), plain), item(6, 1, []report.Hit{{File: 0, Harmless: true}, {File: 1, Harmless: true}}, plain)
	ancient := item(7, 2000, []report.Hit{{File: 0, Harmless: true}, {File: 1, Harmless: true}}, plain)
	want := ids(ancient, risk, extorted, old, fresh, known, harmless)
	if got := order(report.Rank([]*report.Item{harmless, known, fresh, old, extorted, risk, ancient})); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}

func TestTheSameFilesFoldTogether(t *testing.T) {
	with := func(n int, files ...report.File) *report.Item {
		return item(n, n, nil, func(s *report.Statement) { s.Files = files })
	}
	both := file(1)
	both.Prints.Signals = append(both.Prints.Signals, many(1)...)
	other := report.File{Prints: alert.File{Signals: many(1)}}
	one, again, chained, through := with(1, file(1)), with(2, file(1), file(1)), with(3, other), with(4, both)
	more, apart, none, alsoNone := with(5, file(1), file(2)), with(6, file(3)), with(7), with(8)
	queue := report.Rank([]*report.Item{one, again, chained, through, more, apart, none, alsoNone})
	if len(queue) != 5 {
		t.Fatalf("%d places", len(queue))
	}
	for _, r := range queue {
		if r.Item == through {
			if len(r.Copies) != 3 {
				t.Errorf("%d copies of the oldest", len(r.Copies))
			}
			score, parts := r.Explain(now)
			sum := 0
			for _, p := range parts {
				sum += p.Points
			}
			if sum != score || parts[len(parts)-2].Name != "copies" || parts[len(parts)-2].Points != 15 || parts[len(parts)-1].Points != 4 {
				t.Errorf("%d: %+v", score, parts)
			}
		} else if len(r.Copies) != 0 {
			t.Errorf("%s has copies", r.Key.Event)
		}
	}
	if split := report.Rank([]*report.Item{one, chained}); len(split) != 2 {
		t.Error("folded together over a report that does not wait")
	}
}

func drawItems(t *rapid.T) []*report.Item {
	var items []*report.Item
	for n := range rapid.IntRange(0, 30).Draw(t, "reports") {
		seed := rapid.SliceOfN(rapid.IntRange(0, 5), 0, 3).Draw(t, "files")
		items = append(items, item(n, rapid.IntRange(0, 400).Draw(t, "hours"), hits(alert.Asserted, rapid.SampledFrom([][]int{nil, {0}, {0, 1}}).Draw(t, "hits")...), func(s *report.Statement) {
			s.Files = nil
			for _, x := range seed {
				s.Files = append(s.Files, file(byte(x)))
			}
			s.Priority = rapid.SampledFrom([][]string{nil, {report.Spam}, {report.ImmediateRisk}}).Draw(t, "priority")
		}))
	}
	return items
}

func TestTheQueueIsAFunctionOfTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := drawItems(t)
		want := report.Rank(items)
		if got := report.Rank(rapid.Permutation(items).Draw(t, "order")); !reflect.DeepEqual(got, want) {
			t.Fatal("another order of arrival, another queue")
		}
		seen := map[report.Key]bool{}
		for i, r := range want {
			for _, it := range append([]*report.Item{r.Item}, r.Copies...) {
				if seen[it.Key] {
					t.Fatal("a report stands twice")
				}
				seen[it.Key] = true
			}
			for _, hour := range []int{0, 1, 1000} {
				if i == 0 {
					break
				}
				at := now.Add(time.Duration(hour) * time.Hour)
				if a, _ := want[i-1].Explain(at); a < mustScore(r, at)-1 { // whole hours are shown
					t.Fatalf("after %d h a place has fewer points than the one behind it", hour)
				}
			}
		}
		if len(seen) != len(items) {
			t.Fatalf("%d of %d reports", len(seen), len(items))
		}
		size := rapid.IntRange(1, 5).Draw(t, "page")
		var paged []report.Ranked
		for rest := want; len(rest) > 0; {
			page := rest[:min(size, len(rest))]
			paged = append(paged, page...)
			last := page[len(page)-1]
			rest = report.After(want, last.Order(), last.Key.Event)
		}
		if !reflect.DeepEqual(order(paged), order(want)) {
			t.Fatal("the pages are not the queue")
		}
	})
}

func mustScore(r report.Ranked, at time.Time) int {
	score, _ := r.Explain(at)
	return score
}

// waiting makes many reports of three files with three signals each; one in four repeats the files of another.
func waiting(n int) []*report.Item {
	random := rand.New(rand.NewPCG(1, 2))
	signal := func(alg alert.Algorithm, length int) alert.Signal {
		v := make([]byte, length)
		for i := range v {
			v[i] = byte(random.Uint32())
		}
		return alert.Signal{Algorithm: alg, Value: v}
	}
	items := make([]*report.Item, 0, n)
	var files []report.File
	for i := range n {
		if i%4 != 3 {
			files = nil
			for range 3 {
				files = append(files, report.File{Prints: alert.File{Signals: []alert.Signal{signal(alert.MD5, 16), signal(alert.SHA256, 32), signal(alert.PDQ, 32)}}})
			}
		}
		items = append(items, item(i, int(random.Uint32N(500)), hits(alert.Asserted, 0), func(s *report.Statement) {
			s.Files, s.Priority = slices.Clone(files), [][]string{nil, {report.Spam}, {report.Sextortion}}[random.Uint32N(3)]
		}))
	}
	return items
}

func BenchmarkRank(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		items := waiting(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if got := report.Rank(items); len(got) < n/2 {
					b.Fatal(len(got))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/queue")
		})
	}
}
