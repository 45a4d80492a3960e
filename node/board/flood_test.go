package board_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/node/board"
)

var (
	originIn = ledger.NewOrigin("in", [16]byte{1})
	originUk = ledger.NewOrigin("uk", [16]byte{2})
)

// tight is a policy under which a few signals are a flood.
func tight(t testing.TB) ledger.Policy {
	return policy(t, 2, func(p *alert.Policy) {
		p.Flood = alert.Flood{Window: 3, Recent: 2, Factor: 2, Signals: 6, Novel: 3}
	})
}

// raisedAt is a founding event as the definition of a flood sees it.
type raisedAt struct {
	origin   ledger.Origin
	index    uint64
	leaf     uint32
	author   ledger.AgencyID
	exercise bool
	id       string
	signals  []int
	looked   bool // another agency confirmed it
}

type releasedAt struct {
	by       ledger.AgencyID
	released alert.Released
}

// heldByDefinition says which events are held, with no regard to cost.
func heldByDefinition(f alert.Flood, raised []raisedAt, released []releasedAt) map[string]bool {
	slices.SortFunc(raised, func(a, b raisedAt) int {
		return cmp.Or(cmp.Compare(a.origin, b.origin), cmp.Compare(a.index, b.index), cmp.Compare(a.leaf, b.leaf))
	})
	type stream struct {
		origin   ledger.Origin
		exercise bool
	}
	type window struct {
		stream
		number uint64
		author ledger.AgencyID
	}
	seen, sums := map[string]bool{}, map[window]alert.Share{}
	shares := make([]alert.Share, len(raised))
	for i, r := range raised {
		for _, s := range r.signals {
			shares[i].Signals++
			if name := fmt.Sprint(r.origin, r.exercise, s); !seen[name] {
				seen[name] = true
				shares[i].Novel++
			}
		}
		w := window{stream{r.origin, r.exercise}, r.index / f.Window, r.author}
		sums[w] = sums[w].Add(shares[i])
	}
	held, used := map[string]bool{}, map[window]alert.Share{}
	for i, r := range raised {
		w := window{stream{r.origin, r.exercise}, r.index / f.Window, r.author}
		var own, all alert.Share
		members := map[ledger.AgencyID]bool{}
		for x, s := range sums {
			if x.stream == w.stream && x.number < w.number && x.number+f.Recent >= w.number {
				members[x.author] = true
				all = all.Add(s)
				if x.author == w.author {
					own = own.Add(s)
				}
			}
		}
		over := shares[i].Over(used[w], f.Allowance(own, all, len(members)))
		used[w] = used[w].Add(shares[i])
		free := r.looked || slices.ContainsFunc(released, func(x releasedAt) bool {
			y := x.released
			return x.by != r.author && y.Ledger == r.origin && y.Author == r.author && y.Exercise == r.exercise && y.From <= r.index && r.index < y.To
		})
		if over && !free {
			held[r.id] = true
		}
	}
	return held
}

// flooded writes random alerts, confirmations and releases into two ledgers, some of which do not open at first.
type flooded struct {
	*plain
	raised   []raisedAt
	released []releasedAt
}

func drawFlood(t testing.TB, r *rapid.T) *flooded {
	w := &flooded{plain: newPlain(originIn, originUk)}
	for n := range rapid.IntRange(1, 30).Draw(r, "entries") {
		o := rapid.SampledFrom(w.origins).Draw(r, "ledger")
		author := ledger.AgencyID(fmt.Sprintf("%s/a%d", o.Jurisdiction(), rapid.IntRange(0, 2).Draw(r, "author")))
		hidden := rapid.IntRange(0, 4).Draw(r, "hidden") == 0
		switch rapid.IntRange(0, 9).Draw(r, "kind") {
		case 0:
			w.release(t, r, n, o, author, hidden)
		case 1:
			w.confirm(t, r, n, o, author, hidden)
		default:
			w.raise(t, r, n, o, author, hidden)
		}
	}
	return w
}

func (w *flooded) raise(t testing.TB, r *rapid.T, n int, o ledger.Origin, author ledger.AgencyID, hidden bool) {
	exercise := rapid.IntRange(0, 5).Draw(r, "exercise") == 0
	var events []ledger.Event
	leaf := uint32(0)
	for i := range rapid.IntRange(1, 2).Draw(r, "events") {
		x := raisedAt{origin: o, index: uint64(len(w.entries[o])), leaf: leaf, author: author, exercise: exercise, id: fmt.Sprintf("f%d.%d", n, i)}
		again := w.reuse(r, &x) // has no effect, unless the first does not open yet
		var files []alert.File
		for range rapid.IntRange(1, 5).Draw(r, "rows") {
			number := rapid.IntRange(0, 15).Draw(r, "signal")
			if slices.Contains(x.signals, number) {
				continue
			}
			x.signals = append(x.signals, number)
			files = append(files, alert.File{Signals: []alert.Signal{numbered(number)}})
		}
		l, err := alert.NewListed(alert.Details{Handling: alert.Handling{TLP: alert.Amber}, Exercise: exercise}, files)
		if err != nil {
			t.Fatal(err)
		}
		e, err := l.Encode(ledger.EventIDFor("test", x.id))
		if err != nil {
			t.Fatal(err)
		}
		leaf += uint32(len(files))
		events = append(events, e)
		if !again {
			w.raised = append(w.raised, x)
		}
	}
	w.write(t, o, author, hidden, events...)
}

// reuse gives an event the id of an earlier one of its author, now and then.
func (w *flooded) reuse(r *rapid.T, x *raisedAt) bool {
	for _, y := range w.raised {
		if y.origin == x.origin && y.author == x.author && y.index < x.index && rapid.IntRange(0, 5).Draw(r, "reuse") == 0 {
			x.id = y.id
			return true
		}
	}
	return false
}

func (w *flooded) confirm(t testing.TB, r *rapid.T, n int, o ledger.Origin, author ledger.AgencyID, hidden bool) {
	if len(w.raised) == 0 {
		return
	}
	x := &w.raised[rapid.IntRange(0, len(w.raised)-1).Draw(r, "confirmed")]
	a := alert.Assessed{Target: alert.Key{Home: x.origin, Author: x.author, Event: ledger.EventIDFor("test", x.id)}, Rows: alert.AllRows(), Verdict: alert.Confirms, Basis: alert.Examined, Exercise: x.exercise}
	e, err := a.Encode(ledger.EventIDFor("test", fmt.Sprint("c", n)))
	if err != nil {
		t.Fatal(err)
	}
	x.looked = x.looked || author != x.author
	w.write(t, o, author, hidden, e)
}

func (w *flooded) release(t testing.TB, r *rapid.T, n int, o ledger.Origin, author ledger.AgencyID, hidden bool) {
	of := rapid.SampledFrom(w.origins).Draw(r, "of")
	x := alert.Released{Ledger: of, Author: ledger.AgencyID(fmt.Sprintf("%s/a%d", of.Jurisdiction(), rapid.IntRange(0, 2).Draw(r, "released"))), Reason: "looked at"}
	x.From = uint64(rapid.IntRange(0, 12).Draw(r, "from"))
	x.To = x.From + uint64(rapid.IntRange(1, 12).Draw(r, "length"))
	x.Exercise = rapid.IntRange(0, 4).Draw(r, "drill") == 0
	e, err := alert.FloodCodec.Encode(ledger.EventIDFor("test", fmt.Sprint("r", n)), alert.TypeReleased, &x)
	if err != nil {
		t.Fatal(err)
	}
	w.released = append(w.released, releasedAt{author, x})
	w.write(t, o, author, hidden, e)
}

// held reads which events the board holds, all of whose rows must stand alike.
func held(t testing.TB, b *board.Board, raised []raisedAt) map[string]bool {
	t.Helper()
	names, out := map[ledger.EventID]string{}, map[string]bool{}
	for _, r := range raised {
		names[ledger.EventIDFor("test", r.id)] = r.id
	}
	for a, err := range b.Export(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		name := names[a.ID.Event]
		if before, known := out[name]; known && before != (a.Bar == alert.BarHeld) {
			t.Fatalf("rows of %s stand differently", name)
		}
		out[name] = a.Bar == alert.BarHeld
	}
	maps.DeleteFunc(out, func(_ string, h bool) bool { return !h })
	return out
}

// What is held follows from the events and the policy alone: whatever order ledgers arrive in, whatever opens only later,
// and however often the policy changes meanwhile, the board holds what the definition holds.
func TestFloodsAreHeldInAnyOrderOfArrival(t *testing.T) {
	generous := policy(t, 2, func(*alert.Policy) {})
	rapid.Check(t, func(r *rapid.T) {
		w := drawFlood(t, r)
		want := heldByDefinition(alert.Flood{Window: 3, Recent: 2, Factor: 2, Signals: 6, Novel: 3}, w.raised, w.released)
		dir, err := os.MkdirTemp("", "flood")
		if err != nil {
			r.Fatal(err)
		}
		defer os.RemoveAll(dir)
		inForce := tight(t)
		b := w.board(t, dir, func() ledger.Policy { return inForce })
		defer b.Close()
		for w.shown[originIn] < uint64(len(w.entries[originIn])) || w.shown[originUk] < uint64(len(w.entries[originUk])) {
			o := rapid.SampledFrom(w.origins).Draw(r, "arrives")
			w.shown[o] = min(uint64(len(w.entries[o])), w.shown[o]+uint64(rapid.IntRange(3, 20).Draw(r, "number")))
			if rapid.IntRange(0, 5).Draw(r, "policy") == 0 {
				inForce = generous
			} else {
				inForce = tight(t)
			}
			catchUp(t, b, w.fakeLedgers)
		}
		inForce = tight(t)
		w.again(t, b)
		if got := held(t, b, w.raised); !maps.Equal(got, want) {
			r.Fatalf("held %v, defined %v", got, want)
		}
		if rapid.IntRange(0, 3).Draw(r, "anew") > 0 {
			return
		}
		fresh := w.board(t, dir+"/fresh", func() ledger.Policy { return inForce })
		defer fresh.Close()
		catchUp(t, fresh, w.fakeLedgers)
		got, err1 := b.Dump()
		again, err2 := fresh.Dump()
		if err1 != nil || err2 != nil || withoutChanges(got) != withoutChanges(again) {
			r.Fatalf("another picture on a board built anew:\n%s\n%s", got, again)
		}
	})
}

// withoutChanges leaves out the changes of a dump: a board that changed its policy says so.
func withoutChanges(dump string) string {
	lines := strings.Split(dump, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "policy\t") }), "\n")
}
