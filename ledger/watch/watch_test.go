package watch_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/watch"
)

const (
	home = ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	own  = ledger.AgencyID("in/a")
)

var details = watch.Details{Case: "2024/117", Note: "seized laptop"}

func file(n int, algorithms ...alert.Algorithm) alert.File {
	f := alert.File{}
	for _, a := range algorithms {
		v := make([]byte, a.Length())
		v[0], v[1] = byte(n), byte(n>>8)+1
		f.Signals = append(f.Signals, alert.Signal{Algorithm: a, Value: v})
	}
	return f
}

func files(n int) []alert.File {
	out := make([]alert.File, n)
	for i := range out {
		out[i] = file(i, alert.MD5, alert.PDQ)
		out[i].Signals[1].Quality, _ = alert.QualityOf(i % 101)
	}
	return out
}

func id(name string) ledger.EventID { return ledger.EventIDFor(own, name) }

func must(t testing.TB, e ledger.Event, err error) ledger.Event {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func listed(t testing.TB, n int) ledger.Event {
	e, err := watch.AddList{Event: id("list"), Details: details, Files: files(n)}.Decide()
	return must(t, e, err)
}

func place(t testing.TB, index uint64, e ledger.Event) watch.Placed {
	t.Helper()
	p, err := watch.Place(home, ledger.Position{Index: index}, own, 0, &e)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func key(name string) watch.Key { return watch.Key{Home: home, Author: own, Event: id(name)} }

func removed(t testing.TB, name string, rows alert.RowSet) ledger.Event {
	e, err := (&watch.Removed{Target: key("list"), Rows: rows, Reason: "returned"}).Encode(id(name))
	return must(t, e, err)
}

func samples(t testing.TB) []ledger.Event {
	added, err := watch.Add{Event: id("add"), Details: details, File: file(1, alert.SHA256)}.Decide()
	must(t, added, err)
	handled, err := watch.Handle{Event: id("handle"), What: watch.Done, Note: "referred", Hits: []watch.HitID{{2}, {1}, {2}}}.Decide(func(watch.HitID) bool { return true })
	must(t, handled, err)
	return []ledger.Event{added, listed(t, 3), removed(t, "remove", alert.RowSet{1}), handled}
}

func TestEventsRoundTrip(t *testing.T) {
	for _, e := range samples(t) {
		fact, err := watch.Decode(&e)
		if err != nil {
			t.Fatalf("%s: %v", e.Type, err)
		}
		again, err := fact.Encode(e.ID)
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%s: encodes to something else: %v", e.Type, err)
		}
	}
}

// The bytes are stored for ever: another encoding is another version.
func TestEventBytesArePinned(t *testing.T) {
	all := samples(t)
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"added":         {all[0].Shared, "8368323032342f3131376d7365697a6564206c6170746f70f4"},
		"listed":        {all[1].Shared, "8568323032342f3131376d7365697a6564206c6170746f70f4828201f48204f5f4"},
		"listed row":    {all[1].Row(2), "02010000000000000000000000000000" + "0201" + strings.Repeat("00", 30) + "03"},
		"removed":       {all[2].Shared, "8283781d696e2f616161616161616161616161616161616161616161616161616164696e2f6150" + hex.EncodeToString(idOf("list")) + "6872657475726e6564"},
		"removed rows":  {all[2].Rows, "00000001"},
		"handled":       {all[3].Shared, "8202687265666572726564"},
		"handled rows":  {all[3].Rows, "01" + strings.Repeat("00", 15) + "02" + strings.Repeat("00", 15)},
		"name of a hit": {hitBytes(), "fc7c8034236c4d74daa90022310af37a"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func idOf(name string) []byte { e := id(name); return e[:] }

func hitBytes() []byte {
	h := watch.HitOf(watch.ID{Key: key("list"), Row: 2}, alert.ID{Key: alert.Key{Home: home, Author: "in/b", Event: id("x")}, Row: 7})
	return h[:]
}

func TestDecodeRefuses(t *testing.T) {
	all := samples(t)
	change := func(i int, f func(*ledger.Event)) ledger.Event {
		e := all[i]
		e.Shared, e.Rows = bytes.Clone(e.Shared), bytes.Clone(e.Rows)
		f(&e)
		return e
	}
	for name, c := range map[string]struct {
		event ledger.Event
		want  error
	}{
		"unknown type":  {change(0, func(e *ledger.Event) { e.Type = "watch.other" }), noun.ErrNewer},
		"version 2":     {change(0, func(e *ledger.Event) { e.Version = 2 }), noun.ErrNewer},
		"version 0":     {change(0, func(e *ledger.Event) { e.Version = 0 }), noun.ErrMalformed},
		"trailing":      {change(0, func(e *ledger.Event) { e.Shared = append(e.Shared, 0) }), noun.ErrMalformed},
		"two rows":      {change(0, func(e *ledger.Event) { e.Width /= 2; e.Rows = e.Rows[:2*e.Width] }), noun.ErrMalformed},
		"no case":       {change(0, func(e *ledger.Event) { e.Shared = ledger.Marshal(watch.Details{Note: "n"}) }), noun.ErrRequired},
		"case of lines": {change(0, func(e *ledger.Event) { e.Shared = ledger.Marshal(watch.Details{Case: "a\nb"}) }), noun.ErrText},
		"a long note": {change(0, func(e *ledger.Event) {
			e.Shared = ledger.Marshal(watch.Details{Case: "c", Note: strings.Repeat("n", 4097)})
		}), noun.ErrTooLong},
		"no file":          {change(0, func(e *ledger.Event) { e.Rows = ledger.Marshal(alert.File{}); e.Width = uint32(len(e.Rows)) }), noun.ErrRequired},
		"list of a width":  {change(1, func(e *ledger.Event) { e.Width--; e.Rows = e.Rows[:e.Width] }), alert.ErrNotDeterminate},
		"list of nothing":  {change(1, func(e *ledger.Event) { e.Rows = nil }), noun.ErrCount},
		"quality":          {change(1, func(e *ledger.Event) { e.Rows[len(e.Rows)-1] = 200 }), alert.ErrQuality},
		"removed nothing":  {change(2, func(e *ledger.Event) { e.Rows = nil }), noun.ErrCount},
		"removed nowhere":  {change(2, func(e *ledger.Event) { e.Shared = ledger.Marshal([]any{watch.Key{Home: "x", Author: own}, ""}) }), ledger.ErrOrigin},
		"unknown handling": {change(3, func(e *ledger.Event) { e.Shared = ledger.Marshal([]any{5, "x"}) }), noun.ErrUnknownValue},
		"handled: open":    {change(3, func(e *ledger.Event) { e.Shared = ledger.Marshal([]any{0, "x"}) }), noun.ErrUnknownValue},
		"done in silence":  {change(3, func(e *ledger.Event) { e.Shared = ledger.Marshal([]any{2, ""}) }), noun.ErrRequired},
		"hits unsorted":    {change(3, func(e *ledger.Event) { e.Rows[0] = 3 }), noun.ErrNotSorted},
		"a hit twice":      {change(3, func(e *ledger.Event) { e.Rows[0] = 2 }), noun.ErrNotSorted},
		"half a hit":       {change(3, func(e *ledger.Event) { e.Rows = e.Rows[:24] }), noun.ErrMalformed},
		"no hit":           {change(3, func(e *ledger.Event) { e.Rows = nil }), noun.ErrCount},
	} {
		if _, err := watch.Decode(&c.event); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestDecide(t *testing.T) {
	empty := alert.File{Signals: []alert.Signal{{Algorithm: alert.MD5, Value: make([]byte, 16)}}}
	one := file(1, alert.MD5)
	for name, c := range map[string]struct {
		decide func() (ledger.Event, error)
		want   error
	}{
		"worthless":     {watch.Add{Details: details, File: empty}.Decide, alert.ErrWorthless},
		"no signal":     {watch.Add{Details: details}.Decide, noun.ErrRequired},
		"no case":       {watch.Add{File: one}.Decide, noun.ErrRequired},
		"twice":         {watch.AddList{Details: details, Files: []alert.File{one, one}}.Decide, alert.ErrRepeatedRow},
		"other columns": {watch.AddList{Details: details, Files: []alert.File{one, file(2, alert.SHA1)}}.Decide, alert.ErrColumns},
		"none":          {watch.AddList{Details: details}.Decide, noun.ErrCount},
	} {
		if _, err := c.decide(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}

	list := watch.Fold(key("list"), []watch.Placed{place(t, 1, listed(t, 3)), place(t, 2, removed(t, "r", alert.RowSet{1}))})
	for name, c := range map[string]struct {
		list   *watch.List
		rows   alert.RowSet
		reason string
		want   error // nil: taken
	}{
		"a row":            {list, alert.RowSet{2}, "", nil},
		"all":              {list, alert.AllRows(), "", nil},
		"one of two gone":  {list, alert.RowSet{1, 0}, "", nil},
		"gone":             {list, alert.RowSet{1}, "", errRefused},
		"unknown":          {nil, alert.RowSet{0}, "", errRefused},
		"orphan":           {watch.Fold(key("list"), nil), alert.RowSet{0}, "", errRefused},
		"another list":     {watch.Fold(key("other"), nil), alert.RowSet{0}, "", errRefused},
		"no such row":      {list, alert.RowSet{3}, "", alert.ErrNoSuchRow},
		"no rows":          {list, nil, "", noun.ErrCount},
		"a dirty reason":   {list, alert.RowSet{0}, "a\x00", noun.ErrText},
		"an endless one":   {list, alert.RowSet{0}, strings.Repeat("x", 1025), noun.ErrTooLong},
		"over all bounds":  {list, alert.RowSet{watch.MaxRows}, "", alert.ErrNoSuchRow},
		"everything again": {watch.Fold(key("list"), []watch.Placed{place(t, 1, listed(t, 3)), place(t, 2, removed(t, "r", alert.AllRows()))}), alert.AllRows(), "", errRefused},
	} {
		_, err := watch.Remove{Target: key("list"), Rows: c.rows, Reason: c.reason}.Decide(c.list)
		check(t, "remove "+name, err, c.want)
	}

	known := func(h watch.HitID) bool { return h == watch.HitID{1} }
	for name, c := range map[string]struct {
		handle watch.Handle
		want   error
	}{
		"seen":          {watch.Handle{What: watch.Seen, Hits: []watch.HitID{{1}}}, nil},
		"done":          {watch.Handle{What: watch.Done, Note: "referred", Hits: []watch.HitID{{1}, {1}}}, nil},
		"why dismissed": {watch.Handle{What: watch.Dismissed, Hits: []watch.HitID{{1}}}, noun.ErrRequired},
		"not a hit":     {watch.Handle{What: watch.Seen, Hits: []watch.HitID{{1}, {2}}}, errRefused},
		"nothing":       {watch.Handle{What: watch.Seen}, noun.ErrCount},
		"open":          {watch.Handle{What: watch.Open, Hits: []watch.HitID{{1}}}, noun.ErrUnknownValue},
	} {
		_, err := c.handle.Decide(known)
		check(t, "handle "+name, err, c.want)
	}
}

var errRefused = errors.New("refused")

func check(t *testing.T, name string, err, want error) {
	t.Helper()
	var r *noun.Refusal
	if want == errRefused {
		if !errors.As(err, &r) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
		return
	}
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
}

// Any order of arrival and any repeats give the same list, and it is what a naive model says.
func TestFoldsConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(rt, "rows")
		events := []watch.Placed{place(t, 1, listed(t, n))}
		gone := map[uint32]bool{}
		for i := range rapid.IntRange(0, 6).Draw(rt, "removals") {
			rows := alert.RowSet(rapid.SliceOfNDistinct(rapid.Uint32Range(0, 14), 1, 4, rapid.ID).Draw(rt, "set")).Normal()
			events = append(events, place(t, uint64(i+2), removed(t, fmt.Sprint("r", i), rows)))
			if rows[len(rows)-1] < uint32(n) {
				for _, row := range rows {
					gone[row] = true
				}
			}
		}
		shuffled := rapid.Permutation(append(events, events...)).Draw(rt, "order")
		got := watch.Fold(key("list"), shuffled)
		if got.Rows() != n {
			rt.Fatal("rows", got.Rows())
		}
		for row := range uint32(16) {
			if got.Watched(row) != (row < uint32(n) && !gone[row]) {
				rt.Fatalf("row %d of %d: %v, removed %v", row, n, got.Watched(row), gone)
			}
		}
	})
}

func TestHandlingsHaveNames(t *testing.T) {
	for h, state := range map[watch.Handling]watch.Handling{watch.Seen: watch.Seen, watch.Done: watch.Done, watch.Dismissed: watch.Dismissed, watch.Reopened: watch.Open} {
		if back, err := watch.ParseHandling(h.String()); err != nil || back != h || h.State() != state {
			t.Errorf("%s: %v, %s", h, err, h.State())
		}
	}
	for _, name := range []string{"open", "", "SEEN", "undefined"} {
		if _, err := watch.ParseHandling(name); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
	hit := watch.HitID(hitBytes())
	if back, err := watch.ParseHitID(hit.String()); err != nil || back != hit {
		t.Error(err)
	}
	for _, text := range []string{"", "wh_00", "al_" + hex.EncodeToString(hit[:]), hit.String() + "0"} {
		if _, err := watch.ParseHitID(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	other := watch.HitOf(watch.ID{Key: key("list"), Row: 1}, alert.ID{})
	if slices.Equal(other[:], hit[:]) {
		t.Error("two hits, one name")
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range samples(f) {
		f.Add(e.Type, e.Shared, uint16(e.Width), e.Rows)
	}
	f.Fuzz(func(t *testing.T, kind string, shared []byte, width uint16, rows []byte) {
		e := ledger.Event{Type: kind, Version: 1, Shared: shared, Width: uint32(width), Rows: rows}
		fact, err := watch.Decode(&e)
		if err != nil {
			return
		}
		again, err := fact.Encode(e.ID)
		if err != nil || !bytes.Equal(again.Shared, shared) || !bytes.Equal(again.Rows, rows) || again.Width != e.Width {
			t.Fatal("it decodes and encodes to something else")
		}
	})
}
