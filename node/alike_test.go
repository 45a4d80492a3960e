package node_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/node/api"
	"vigil/test/nodetest"
)

func picture(seed byte, n int) []api.Signal {
	return []api.Signal{{Algorithm: "pdq", Value: pdqOf(seed, n)}}
}

// film is one of ten frames, of which the first so many are another film's.
func film(seed, other byte, shared int) (frames []api.Signal) {
	for i := range 10 {
		s := seed
		if i < shared {
			s = other
		}
		sum := sha256.Sum256([]byte{s, byte(i)})
		frames = append(frames, api.Signal{Algorithm: "vpdq-frame", Value: hex.EncodeToString(sum[:])})
	}
	return frames
}

// hitLines are the hits there are, oldest first.
func hitLines(t testing.TB, c *api.Client) (lines []string) {
	t.Helper()
	page, err := c.WatchHits(context.Background(), api.HitQuery{})
	if err != nil {
		return nil
	}
	for _, h := range slices.Backward(page.Hits) {
		lines = append(lines, fmt.Sprint(h.Case, " ", h.Alert.Title, " ", h.Distance))
	}
	return lines
}

// TestWhatLooksLikeSomethingWatchedIsAHit: in whichever order the two come, within the radius of the list, for pictures and
// films, and after a restart.
func TestWhatLooksLikeSomethingWatchedIsAHit(t *testing.T) {
	c := nodetest.Found(t)
	c.Match.WatchRadius, c.Match.CaseRadius = 20, map[string]int{"strict": 4}
	r := nodetest.Run(t, c)
	analyst := r.As(t, api.RoleAnalyst)
	watch := func(name string, rows ...[]api.Signal) string {
		t.Helper()
		w, err := analyst.AddWatched(t.Context(), name, api.AddWatched{WatchFacts: api.WatchFacts{Case: name}, Rows: rows})
		if err != nil {
			t.Fatal(err)
		}
		return w.ID
	}
	raise := func(title string, signals []api.Signal, change func(*api.RaiseAlert)) {
		t.Helper()
		a := api.RaiseAlert{AlertFacts: api.AlertFacts{Title: title}, Signals: signals}
		if change != nil {
			change(&a)
		}
		raised(t, analyst, a)
	}
	var all []string
	more := func(step string, want ...string) {
		t.Helper()
		all = append(all, want...)
		slices.Sort(all)
		var got []string
		defer func() {
			if !slices.Equal(got, all) {
				t.Errorf("%s: %q, want %q", step, got, all)
			}
		}()
		nodetest.Until(t, step, func() bool { got = hitLines(t, analyst); slices.Sort(got); return len(got) >= len(all) })
	}

	raise("before", picture(1, 0), nil)
	raise("a drill", picture(1, 1), func(a *api.RaiseAlert) { a.Exercise = true })
	watch("loose", picture(1, 20), picture(2, 0), film(40, 90, 8))
	watch("strict", picture(1, 5), picture(2, 4))
	more("watched after", "loose before 20")
	raise("21 off", picture(2, 21), nil)
	raise("20 off", picture(2, 20), nil)
	more("watched before", "loose 20 off 20")
	raise("8 off", picture(2, 8), nil)
	more("within the case's radius", "loose 8 off 8", "strict 8 off 4")
	raise("a poor picture", []api.Signal{{Algorithm: "pdq", Value: pdqOf(2, 9), Quality: new(20)}}, nil)
	raise("a film", film(90, 40, 0), nil)
	more("a film that has eight of ten frames", "loose a film 20")

	r.Stop()
	r = nodetest.Run(t, c)
	analyst = r.As(t, api.RoleAnalyst)
	raise("later", picture(2, 3), nil)
	more("after a restart", "loose later 3", "strict later 1")
	another := watch("another", picture(2, 3))
	more("and again", "another later 0", "another 8 off 5", "another 20 off 17", "another 21 off 18")

	compared := r.Node.Alike()
	if _, err := analyst.RemoveWatched(t.Context(), "off", api.RemoveWatched{Files: []string{another}}); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "what is off the list is compared no more", func() bool { return r.Node.Alike() == compared-1 })
	all = slices.DeleteFunc(all, func(line string) bool { return strings.HasPrefix(line, "another ") })
	raise("last", picture(2, 2), nil)
	more("a list that is left", "loose last 2", "strict last 2")
}

// TestAReportOfWhatLooksLikeAnAlertSaysSo: in whichever order they come; it is not taken for known.
func TestAReportOfWhatLooksLikeAnAlertSaysSo(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	chat, _ := named(t, r, api.RolePlatform, "chat.example")
	asha, _ := named(t, r, api.RoleLab, "asha")
	submit := func(key string, change func(*api.SubmitReport)) string {
		t.Helper()
		w, err := chat.SubmitReport(ctx, key, submission(9, func(r *api.SubmitReport) { r.Files[0].Signals = picture(1, 12); change(r) }))
		if err != nil {
			t.Fatal(err)
		}
		return w.ID
	}
	place := func(id string) (p api.QueuePlace) {
		t.Helper()
		q, err := asha.Queue(ctx, "", false, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range q.Places {
			if x.Report.ID == id {
				p = x
			}
		}
		return p
	}
	parts := func(p api.QueuePlace) (names []string) {
		for _, x := range p.Parts {
			names = append(names, x.Name)
		}
		return names
	}
	id := submit("r", asIs)
	if p := place(id); len(p.Hits) != 0 || !slices.Contains(parts(p), "new") {
		t.Fatalf("%+v", p)
	}
	a := raised(t, asha, api.RaiseAlert{AlertFacts: api.AlertFacts{Urgency: "child-at-immediate-risk"}, Signals: picture(1, 0)})
	near := func(p api.QueuePlace) bool {
		return len(p.Hits) == 1 && p.Hits[0].Alert == a.ID && p.Hits[0].Near && p.Hits[0].Distance == 12 && p.Hits[0].Standing == "asserted"
	}
	nodetest.Until(t, "the alert is near", func() bool { return near(place(id)) })
	if got := parts(place(id)); !slices.Contains(got, "near") || !slices.Contains(got, "urgent-alert") || slices.Contains(got, "known") || slices.Contains(got, "new") {
		t.Errorf("%q", got)
	}
	later := submit("later", func(r *api.SubmitReport) { r.Files[0].Signals = picture(1, 11) })
	if p := place(later); len(p.Hits) != 1 || p.Hits[0].Distance != 11 {
		t.Errorf("a report after: %+v", p)
	}

	// What only looks alike is raised by itself, and nobody is told that their file was met.
	got, err := asha.EscalateReport(ctx, "e", later, api.EscalateReport{Alert: &api.EscalateAlert{}})
	if err != nil || len(got.Alerts) != 1 || len(got.Sighted) != 0 {
		t.Errorf("%+v %v", got, err)
	}

	if _, err := asha.Retract(ctx, "", a.ID, api.Retract{Reason: "wrong file"}); err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "the retracted one is near no more", func() bool {
		p := place(id)
		return !slices.ContainsFunc(p.Hits, func(h api.ReportHit) bool { return h.Alert == a.ID && h.Standing == "asserted" }) && !slices.Contains(parts(p), "urgent-alert")
	})
}
