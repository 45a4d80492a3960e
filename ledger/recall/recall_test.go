package recall_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/recall"
)

const (
	home = ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	far  = ledger.Origin("uk/aaaaaaaaaaaaaaaaaaaaaaaaaa")
)

func answered() *recall.Answered {
	return (&recall.Answered{Home: home, Author: "in/a", Answers: []recall.Answer{
		{Recall: recall.Recall{Alert: ledger.EventID{2}, Retraction: ledger.EventID{7}}},
		{Recall: recall.Recall{Alert: ledger.EventID{1}, Retraction: ledger.EventID{9}}, Derived: recall.Derived{Hits: 1, Exports: 2, Told: 1 << 24}},
		{Recall: recall.Recall{Alert: ledger.EventID{1}, Retraction: ledger.EventID{8}}},
		{Recall: recall.Recall{Alert: ledger.EventID{2}, Retraction: ledger.EventID{7}}, Derived: recall.Derived{Hits: 5}},
	}}).Normal()
}

func event(t testing.TB) ledger.Event {
	t.Helper()
	e, err := answered().Encode(ledger.EventID{1})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The bytes are stored for ever: another encoding is another version.
func TestAnswersRoundTripAndTheirBytesArePinned(t *testing.T) {
	e := event(t)
	got, err := recall.Decode(&e)
	if err != nil || !reflect.DeepEqual(got, answered()) || len(got.Answers) != 3 || got.Answers[2].Derived.Hits != 0 {
		t.Fatalf("%+v %v", got, err)
	}
	row := "01" + strings.Repeat("00", 15) + "09" + strings.Repeat("00", 15) + "000000010000000201000000"
	if s := hex.EncodeToString(e.Row(1)); s != row {
		t.Error(s)
	}
	if s := hex.EncodeToString(e.Shared); s != "83781d"+hex.EncodeToString([]byte(home))+"64"+hex.EncodeToString([]byte("in/a"))+"f4" {
		t.Error(s)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ledger.Event)
		want   error
	}{
		"unknown type": {func(e *ledger.Event) { e.Type = "recall.other" }, noun.ErrNewer},
		"version 2":    {func(e *ledger.Event) { e.Version = 2 }, noun.ErrNewer},
		"version 0":    {func(e *ledger.Event) { e.Version = 0 }, noun.ErrMalformed},
		"no ledger":    {func(e *ledger.Event) { e.Shared = ledger.Marshal([]any{"in", "in/a", false}) }, ledger.ErrOrigin},
		"no author":    {func(e *ledger.Event) { e.Shared = ledger.Marshal([]any{home, "a", false}) }, ledger.ErrAgencyID},
		"more shared":  {func(e *ledger.Event) { e.Shared = ledger.Marshal([]any{home, "in/a", true, 1}) }, noun.ErrMalformed},
		"half a row":   {func(e *ledger.Event) { e.Rows = e.Rows[:len(e.Rows)-1] }, noun.ErrMalformed},
		"wide rows":    {func(e *ledger.Event) { e.Width = 66; e.Rows = e.Rows[:132] }, noun.ErrMalformed},
		"nothing":      {func(e *ledger.Event) { e.Rows = nil }, noun.ErrCount},
		"unsorted":     {func(e *ledger.Event) { e.Rows[0] = 3 }, noun.ErrNotSorted},
		"twice":        {func(e *ledger.Event) { copy(e.Rows[44:], e.Rows[:44]) }, noun.ErrNotSorted},
	} {
		e := event(t)
		e.Shared, e.Rows = bytes.Clone(e.Shared), bytes.Clone(e.Rows)
		c.change(&e)
		if _, err := recall.Decode(&e); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := (&recall.Answered{Home: home, Author: "in/a", Answers: make([]recall.Answer, recall.MaxAnswers+1)}).Encode(ledger.EventID{}); !errors.Is(err, noun.ErrCount) {
		t.Error(err)
	}
}

func TestPolicy(t *testing.T) {
	p := ledger.DefaultPolicy(1)
	if recall.Within(p, "routine") != 72*time.Hour || recall.Within(p, "child-at-immediate-risk") != 24*time.Hour {
		t.Error("another default")
	}
	body, err := recall.Section.Encode(&recall.Policy{Deadlines: []recall.Deadline{{Urgency: "priority", Hours: 2}, {Hours: 5}}})
	if err != nil {
		t.Fatal(err)
	}
	p = p.WithSection("recall", body)
	if recall.Within(p, "priority") != 2*time.Hour || recall.Within(p, "routine") != 5*time.Hour {
		t.Error("not what was agreed on")
	}
	for name, bad := range map[string][]recall.Deadline{
		"none": nil, "no hours": {{}}, "a year and a half": {{Hours: 10_000}}, "unknown urgency": {{Urgency: "soon", Hours: 1}, {Hours: 1}},
		"nothing for the rest": {{Urgency: "priority", Hours: 1}}, "many": make([]recall.Deadline, 17),
	} {
		if _, err := recall.Section.Encode(&recall.Policy{Deadlines: bad}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

var due = time.Unix(1_700_000_000, 0)

func TestJudge(t *testing.T) {
	at := func(by ledger.AgencyID, o ledger.Origin, index uint64, signed, proved time.Duration) recall.Given {
		g := recall.Given{Agency: by, Origin: o, Position: ledger.Position{Index: index}, Signed: due.Add(signed), Derived: recall.Derived{Hits: uint32(index)}}
		if proved != 0 {
			g.NoLaterThan = due.Add(proved)
		}
		return g
	}
	holders := []recall.Holder{
		{Agency: "in/a", By: "in/*"},
		{Agency: "in/b", By: "in/*"},
		{Agency: "in/c", By: "in/*"},
		{Agency: "in/gone", By: "in/*", Removed: true},
		{Agency: "in/left", By: "in/*", Removed: true},
		{Agency: "in/back", By: "in/*", Removed: true},
		{Agency: "in/back", By: "in/@lab"},
		{Agency: "uk/late", By: "uk/*"},
		{Agency: "uk/ahead", By: "uk/*"},
		{Agency: "uk/slow", By: "uk/*"},
	}
	given := []recall.Given{
		at("in/a", home, 7, -time.Hour, 0), at("in/a", home, 3, -time.Minute, time.Hour), at("in/a", far, 1, 0, 0), at("in/left", home, 4, -1, 0),
		at("uk/late", far, 1, 1, time.Hour), at("uk/ahead", far, 2, time.Hour, -time.Hour), at("us/x", far, 9, 0, 0),
	}
	want := map[ledger.AgencyID]string{
		"in/a": "done 3 false", "in/b": "STATE", "in/c": "STATE", "in/gone": "removed", "in/left": "done 4 false", "in/back": "STATE",
		"uk/late": "done 1 true", "uk/ahead": "done 2 false", "uk/slow": "STATE", "us/x": "done 9 false",
	}
	for _, c := range []struct {
		due, now time.Time
		open     recall.State
	}{{due, due, recall.Pending}, {due, due.Add(1), recall.Overdue}, {time.Time{}, due.Add(time.Hour), recall.Pending}} {
		lines := recall.Judge(home, holders, given, c.due, c.now)
		if len(lines) != len(want) {
			t.Fatalf("%d lines", len(lines))
		}
		for _, l := range lines {
			got := string(l.State)
			if l.Given != nil {
				got += fmt.Sprintf(" %d %v", l.Given.Derived.Hits, l.Late)
			}
			expected := strings.ReplaceAll(want[l.Agency], "STATE", string(c.open))
			if c.due.IsZero() {
				expected = strings.ReplaceAll(expected, "true", "false")
			}
			if got != expected {
				t.Errorf("%s at %s: %s, want %s", l.Agency, c.now, got, expected)
			}
		}
		n := recall.Count(lines)
		if n.Expected != 9 || n.Done != 4 || n.Removed != 1 || n.Pending+n.Overdue != 4 || n.Complete() || n.Hits != 3+4+1+2+9 {
			t.Errorf("%+v", n)
		}
	}
	all := recall.Count(recall.Judge(home, holders[:1], given[:1], due, due))
	if !all.Complete() {
		t.Errorf("%+v", all)
	}
}

// Any order of arrival and any repeats: the same lines, one for each agency, the earliest answer in canonical order.
func TestJudgementsConverge(t *testing.T) {
	agencies := []ledger.AgencyID{"in/a", "in/b", "in/c", "uk/u", "uk/v"}
	rapid.Check(t, func(rt *rapid.T) {
		var holders []recall.Holder
		for _, a := range rapid.SliceOfDistinct(rapid.SampledFrom(agencies), rapid.ID).Draw(rt, "holders") {
			for range rapid.IntRange(1, 2).Draw(rt, "ways") {
				holders = append(holders, recall.Holder{Agency: a, By: ledger.Everyone(a.Jurisdiction()), Removed: rapid.Bool().Draw(rt, "removed")})
			}
		}
		var given []recall.Given
		first := map[ledger.AgencyID]uint64{}
		for i := range rapid.IntRange(0, 8).Draw(rt, "answers") {
			g := recall.Given{Agency: rapid.SampledFrom(agencies).Draw(rt, "by"), Origin: far, Position: ledger.Position{Index: uint64(i)}, Signed: due.Add(time.Duration(rapid.IntRange(-2, 2).Draw(rt, "signed")))}
			if g.Agency.Jurisdiction() == "in" {
				g.Origin = home
			}
			if _, before := first[g.Agency]; !before {
				first[g.Agency] = uint64(i)
			}
			given = append(given, g)
		}
		want := recall.Judge(home, holders, given, due, due)
		got := recall.Judge(home, rapid.Permutation(append(slices.Clone(holders), holders...)).Draw(rt, "order of holders"), rapid.Permutation(append(slices.Clone(given), given...)).Draw(rt, "order of answers"), due, due)
		if !reflect.DeepEqual(got, want) {
			rt.Fatalf("another order, another judgement:\n%+v\n%+v", got, want)
		}
		seen := map[ledger.AgencyID]bool{}
		for _, l := range want {
			index, answered := first[l.Agency]
			if seen[l.Agency] || (l.Given != nil) != answered || answered && (l.State != recall.Done || l.Given.Position.Index != index) {
				rt.Fatalf("%+v", l)
			}
			seen[l.Agency] = true
		}
		if n := recall.Count(want); n.Done+n.Overdue+n.Pending+n.Removed != n.Expected {
			rt.Fatalf("%+v", n)
		}
	})
}

func FuzzDecode(f *testing.F) {
	e := event(f)
	f.Add(e.Shared, uint16(e.Width), e.Rows)
	f.Fuzz(func(t *testing.T, shared []byte, width uint16, rows []byte) {
		e := ledger.Event{Type: recall.TypeAnswered, Version: 1, Shared: shared, Width: uint32(width), Rows: rows}
		a, err := recall.Decode(&e)
		if err != nil {
			return
		}
		again, err := a.Encode(e.ID)
		if err != nil || !bytes.Equal(again.Shared, shared) || !bytes.Equal(again.Rows, rows) {
			t.Fatal("it decodes and encodes to something else")
		}
	})
}
