package board_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/ledgertest"
	"vigil/node/board"
)

var errRead = errors.New("the disk does not give it")

// fakeLedgers are ledgers in memory whose sizes the test moves.
type fakeLedgers struct {
	origins []ledger.Origin
	entries map[ledger.Origin][]ledger.Entry
	shown   map[ledger.Origin]uint64
	changed chan struct{}
	unread  atomic.Pointer[place] // what cannot be read; nil is nothing

	mu   sync.Mutex
	seen map[ledger.Origin]seen // guarded by mu
}

// place is where an entry stands.
type place struct {
	origin ledger.Origin
	index  uint64
}

func (f *fakeLedgers) Origins() []ledger.Origin    { return f.origins }
func (f *fakeLedgers) Size(o ledger.Origin) uint64 { return f.shown[o] }
func (f *fakeLedgers) Changed() <-chan struct{}    { return f.changed }
func (f *fakeLedgers) Entry(o ledger.Origin, i uint64) (ledger.Entry, bool, tlog.Hash, error) {
	e := f.entries[o][i]
	if p := f.unread.Load(); p != nil && *p == (place{o, i}) {
		return ledger.Entry{Leaf: e.Leaf}, false, ledger.LeafHash(e.Leaf), errRead
	}
	if _, gone, err := f.Gone(o, i); err != nil || gone {
		return ledger.Entry{Leaf: e.Leaf}, false, ledger.LeafHash(e.Leaf), errors.Join(err, ledger.ErrAbsent)
	}
	return e, false, ledger.LeafHash(e.Leaf), nil
}

// Gone says what the entries that are shown expunge.
func (f *fakeLedgers) Gone(o ledger.Origin, index uint64) (by uint64, gone bool, err error) {
	orders, err := f.expungements(o)
	if err != nil || len(orders) == 0 {
		return 0, false, err
	}
	named := f.names(o, index)
	for _, x := range orders {
		if x.target == index || named == x.target && x.at > index {
			return x.at, true, nil
		}
	}
	return 0, false, nil
}

// expungement is an entry and what it expunges.
type expungement struct{ at, target uint64 }

// expungements are those among the entries that are shown; each entry is looked at once.
func (f *fakeLedgers) expungements(o ledger.Origin) ([]expungement, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.seen[o]
	if s.upTo > f.shown[o] {
		s = seen{}
	}
	for ; s.upTo < f.shown[o]; s.upTo++ {
		rec, _, err := ledger.OpenLeaf(f.entries[o][s.upTo].Leaf)
		if err != nil {
			return nil, err
		}
		if rec.Kind == ledger.KindExpungement {
			s.orders = append(s.orders, expungement{s.upTo, rec.Target})
		}
	}
	if f.seen == nil {
		f.seen = map[ledger.Origin]seen{}
	}
	f.seen[o] = s
	return s.orders, nil
}

type seen struct {
	upTo   uint64
	orders []expungement
}

// names returns the entry that one names; 0 is none.
func (f *fakeLedgers) names(o ledger.Origin, index uint64) uint64 {
	rec, _, err := ledger.OpenLeaf(f.entries[o][index].Leaf)
	if err != nil || rec.Kind == ledger.KindSealed {
		return 0
	}
	return rec.Target
}

type ringOpener struct{ ring *crypto.Keyring }

func (r ringOpener) Open(rec *ledger.Record, payload []byte) (*ledger.Payload, error) {
	return ledger.OpenPayload(payload, rec, r.ring)
}

func raised(t testing.TB, name string, title string) ledger.Event {
	t.Helper()
	s, err := alert.ParseSignal("md5:" + fmt.Sprintf("%032x", []byte(name + "0123456789abcdef")[:16]))
	if err != nil {
		t.Fatal(err)
	}
	e, err := alert.Raise{
		Event: ledger.EventIDFor("test", name), Details: alert.Details{Title: title, Handling: alert.Handling{TLP: alert.Amber}}.Normal(), File: alert.File{Signals: []alert.Signal{s}},
	}.Decide(alert.View{Agency: "in/a0"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// world is two linked ledgers with alerts, assessments across the border, and a retraction.
func world(t testing.TB) (*fakeLedgers, *ledgertest.Jurisdiction, *ledgertest.Jurisdiction) {
	t.Helper()
	in, uk := ledgertest.Found(t, "in", 3), ledgertest.Found(t, "uk", 2)
	ledgertest.Link(t, in, uk)
	both := []ledger.AudienceName{"in/*", "uk/*"}
	for i, name := range []string{"one", "two", "three"} {
		in.Seal(t, i, both, raised(t, name, "title "+name))
	}
	key := func(author ledger.AgencyID, name string) alert.Key {
		return alert.Key{Home: in.Origin(), Author: author, Event: ledger.EventIDFor("test", name)}
	}
	say := func(j *ledgertest.Jurisdiction, member int, k alert.Key, v alert.Verdict, n string) {
		e, err := (&alert.Assessed{Target: k, Rows: alert.RowSet{0}, Verdict: v}).Encode(ledger.EventIDFor("test", n))
		if err != nil {
			t.Fatal(err)
		}
		j.Seal(t, member, both, e)
	}
	say(uk, 0, key("in/a0", "one"), alert.Confirms, "c1")
	say(uk, 1, key("in/a1", "two"), alert.Disputes, "d1")
	say(in, 1, key("in/a0", "one"), alert.Confirms, "c2")
	in.Seal(t, 0, both, listed(t, "list", 0, 3))
	casework(t, in, uk, both, key)
	e, err := (&alert.Retracted{Target: key("in/a2", "three"), Rows: alert.AllRows(), Reason: "wrong"}).Encode(ledger.EventIDFor("test", "r1"))
	if err != nil {
		t.Fatal(err)
	}
	in.Seal(t, 2, both, e)
	watched(t, in, uk)
	f := &fakeLedgers{
		origins: []ledger.Origin{in.Origin(), uk.Origin()}, changed: make(chan struct{}), shown: map[ledger.Origin]uint64{},
		entries: map[ledger.Origin][]ledger.Entry{in.Origin(): in.Entries, uk.Origin(): uk.Entries},
	}
	return f, in, uk
}

// casework is sightings, links and classifications from both sides, some of them of exercises, of rows and alerts that are
// not there, and with event ids used before.
func casework(t testing.TB, in, uk *ledgertest.Jurisdiction, both []ledger.AudienceName, key func(ledger.AgencyID, string) alert.Key) {
	t.Helper()
	commit := func(j *ledgertest.Jurisdiction, member int, id string, f alert.Fact) {
		e, err := f.Encode(ledger.EventIDFor("test", id))
		if err != nil {
			t.Fatal(err)
		}
		j.Seal(t, member, both, e)
	}
	one, list := key("in/a0", "one"), key("in/a0", "list")
	met := func(k alert.Key, row, count uint32, review alert.Review) *alert.Sighted {
		return &alert.Sighted{Target: k, Row: row, Setting: alert.OnPlatform, Review: review, Count: count, Day: alert.Day(20_000 + count)}
	}
	commit(uk, 0, "s1", met(one, 0, 3, alert.NotReviewed))
	commit(uk, 0, "s2", met(one, 0, 4, alert.NotReviewed))
	commit(uk, 0, "s2", met(one, 0, 5, alert.NotReviewed))
	commit(uk, 1, "s3", met(one, 0, 6, alert.FalsePositive))
	commit(in, 1, "s4", met(list, 2, 7, alert.Matches))
	commit(in, 1, "s5", met(list, 9, 8, alert.Matches))
	drill := met(one, 0, 9, alert.Matches)
	drill.Exercise = true
	commit(in, 1, "s6", drill)
	commit(in, 1, "s7", met(key("in/a9", "never"), 0, 1, alert.Matches))

	link := func(a, b alert.ID, r alert.Relation, v alert.Verdict) *alert.Linked {
		l := &alert.Linked{Relation: r, Verdict: v}
		l.Target, l.Other = alert.Connect{A: a, B: b}.Ordered()
		return l
	}
	first, second := alert.ID{Key: one}, alert.ID{Key: key("in/a1", "two")}
	commit(uk, 0, "l1", link(first, second, alert.SameSeries, alert.Confirms))
	commit(uk, 1, "l2", link(first, second, alert.SameSeries, alert.Disputes))
	commit(uk, 1, "l3", link(first, second, alert.SameSeries, alert.Withdraws))
	commit(in, 1, "l4", link(second, alert.ID{Key: list, Row: 1}, alert.NearDuplicate, alert.Confirms))
	commit(in, 1, "l5", link(first, alert.ID{Key: key("in/a9", "never")}, alert.NearDuplicate, alert.Confirms))

	class := func(texts ...string) []alert.Classification {
		var out []alert.Classification
		for _, text := range texts {
			c, err := alert.ParseClass(text)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, c)
		}
		return out
	}
	commit(uk, 0, "k1", &alert.Assessed{Target: list, Rows: alert.RowSet{0, 2}, Verdict: alert.Confirms, Basis: alert.Examined, Classifications: class("iwf:a")})
	commit(uk, 1, "k2", &alert.Assessed{Target: list, Rows: alert.AllRows(), Verdict: alert.Confirms, Basis: alert.PartnerList, Source: "in/a0", Classifications: class("copine:10", "vics/uk:1")})
	commit(uk, 0, "k3", &alert.Assessed{Target: list, Rows: alert.RowSet{0}, Verdict: alert.Withdraws})
}

func open(t testing.TB, dir string, f *fakeLedgers, ring *crypto.Keyring, key byte) *board.Board {
	t.Helper()
	return openWith(t, dir, f, ring, func(c *board.Config) { c.Key = [32]byte{key} })
}

func openWith(t testing.TB, dir string, f *fakeLedgers, ring *crypto.Keyring, change func(*board.Config)) *board.Board {
	t.Helper()
	c := board.Config{
		Dir: dir, Key: [32]byte{1}, Agency: "in/a0", Ledger: f, Opener: ringOpener{ring}, Policy: func() ledger.Policy { return ledger.DefaultPolicy(1) },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	change(&c)
	b, err := board.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// catchUp runs the board until it has followed what is shown.
func catchUp(t testing.TB, b *board.Board, f *fakeLedgers) {
	t.Helper()
	catchUpWithin(t, b, f, 30*time.Second)
}

func catchUpWithin(t testing.TB, b *board.Board, f *fakeLedgers, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	for _, o := range f.origins {
		if err := waitOr(ctx, done, func() error { return b.WaitFor(ctx, o, f.shown[o]) }); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// waitOr waits for something, or for the error of what would bring it about.
func waitOr(ctx context.Context, done <-chan error, wait func() error) error {
	waited := make(chan error, 1)
	go func() { waited <- wait() }()
	select {
	case err := <-waited:
		return err
	case err := <-done:
		return fmt.Errorf("the board stopped: %w", errors.Join(err, ctx.Err()))
	}
}

// picture is what the board shows, in an order of its own.
func picture(t testing.TB, b *board.Board) string {
	t.Helper()
	var out []string
	page, err := b.List(context.Background(), board.Query{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range page.Alerts {
		_, events, err := b.Get(context.Background(), a.ID.String())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %s %d %q %d", a.ID, a.Standing, a.Agencies, a.Details.Title, len(events)))
	}
	slices.Sort(out)
	dump, err := b.Dump()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n") + "\n" + dump
}

func TestAnyOrderOfArrivalGivesTheSamePicture(t *testing.T) {
	f, in, uk := world(t)
	recalledWorld(t, in, uk)
	show(f, in)
	show(f, uk)
	full := map[ledger.Origin]uint64{}
	for o, e := range f.entries {
		full[o] = uint64(len(e))
	}
	f.shown = full
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	catchUp(t, b, f)
	want := picture(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, standing := range []string{"corroborated", "disputed", "retracted"} {
		if !strings.Contains(want, standing) {
			t.Fatalf("no %s alert in\n%s", standing, want)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		f.shown = map[ledger.Origin]uint64{}
		dir, err := os.MkdirTemp("", "board")
		if err != nil {
			r.Fatal(err)
		}
		defer os.RemoveAll(dir)
		b := open(t, dir, f, in.Ring(0), 1)
		defer b.Close()
		for f.shown[f.origins[0]] < full[f.origins[0]] || f.shown[f.origins[1]] < full[f.origins[1]] {
			o := f.origins[rapid.IntRange(0, 1).Draw(r, "ledger")]
			f.shown[o] = min(full[o], f.shown[o]+uint64(rapid.IntRange(1, 9).Draw(r, "entries")))
			catchUp(t, b, f)
		}
		if got := picture(t, b); got != want {
			r.Fatalf("another picture:\n%s\nwanted\n%s", got, want)
		}
	})
}

func TestTheFileHoldsNothingInClearAndIsRebuilt(t *testing.T) {
	f, in, _ := world(t)
	for o, e := range f.entries {
		f.shown[o] = uint64(len(e))
	}
	dir := t.TempDir()
	b := open(t, dir, f, in.Ring(0), 1)
	catchUp(t, b, f)
	want := picture(t, b)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"title one", "alert.raised", "CREATE TABLE", "SQLite format", "one0123456789abc"} {
			if bytes.Contains(raw, []byte(secret)) {
				t.Errorf("%s holds %q", path, secret)
			}
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, dir, f, in.Ring(0), 2) // another key: built anew
	if b.Position(f.origins[0]) != 0 {
		t.Fatal("opened under another key")
	}
	catchUp(t, b, f)
	if picture(t, b) != want {
		t.Fatal("another picture after the rebuild")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPagesAndChangesAreComplete(t *testing.T) {
	f, in, _ := world(t)
	for i := range 25 {
		in.Seal(t, 0, []ledger.AudienceName{"in/*"}, raised(t, fmt.Sprintf("page %02d", i), "page"))
	}
	f.entries[in.Origin()] = in.Entries
	for o, e := range f.entries {
		f.shown[o] = uint64(len(e))
	}
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	for _, c := range []struct {
		of   board.Query
		most int // 0: not known here
	}{
		{board.Query{Sort: "newest"}, 34},
		{board.Query{Sort: "oldest"}, 34},
		{board.Query{Sort: "urgency"}, 34},
		{board.Query{Sort: "urgency", Text: "page"}, 25},
		{board.Query{Sort: "urgency", Author: "in/a0"}, 0},
	} {
		whole, err := b.List(t.Context(), c.of)
		if err != nil || len(whole.Alerts) < 25 || whole.Next != "" || c.most > 0 && len(whole.Alerts) != c.most {
			t.Fatalf("%+v: %d: %v", c.of, len(whole.Alerts), err)
		}
		var seen, want []string
		for _, a := range whole.Alerts {
			want = append(want, a.ID.String())
		}
		q := c.of
		q.Limit = 4
		for {
			page, err := b.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range page.Alerts {
				seen = append(seen, a.ID.String())
			}
			if q.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		if !slices.Equal(seen, want) {
			t.Fatalf("%+v: in pages %v, wanted %v", c.of, seen, want)
		}
	}
	var last uint64
	for {
		changes, err := b.Changes(t.Context(), last, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(changes) == 0 {
			break
		}
		for _, c := range changes {
			if c.Sequence <= last {
				t.Fatal("sequences do not grow")
			}
			last = c.Sequence
		}
	}
	if last != b.LastChange() {
		t.Fatal("changes are missing")
	}
	if page, err := b.List(t.Context(), board.Query{Text: "TITLE two"}); err != nil || len(page.Alerts) != 1 {
		t.Fatalf("text: %d %v", len(page.Alerts), err)
	}
	for _, q := range []board.Query{{Standing: "?"}, {Urgency: "?"}, {Sort: "?"}, {Cursor: "?"}} {
		if _, err := b.List(t.Context(), q); err == nil {
			t.Errorf("%+v was answered", q)
		}
	}
}
