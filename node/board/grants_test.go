package board_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/ledgertest"
)

// TestWhoWasGivenEarlierKeysAnswersToo: an agency that joined later and was handed an epoch's keys holds what they open.
// Where a retraction was sealed with keys that it was not given, it is told again.
func TestWhoWasGivenEarlierKeysAnswersToo(t *testing.T) {
	in := ledgertest.Found(t, "in", 2)
	f := &fakeLedgers{origins: []ledger.Origin{in.Origin()}, changed: make(chan struct{}), shown: map[ledger.Origin]uint64{}, entries: map[ledger.Origin][]ledger.Entry{}}
	one := alertID(in, "in/a0", "list", 0)
	in.Seal(t, 0, home, listed(t, "list", 0, 3))
	in.NewEpoch(t, "in/*")
	in.Seal(t, 0, home, retracted(t, "r", one, alert.RowSet{0}))
	in.Admit(t, ledgertest.NewMember(t, "in/new"))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()

	const members, withNew = "in/a0 not-yet-heard, in/a1 not-yet-heard", "in/a0 not-yet-heard, in/a1 not-yet-heard, in/new not-yet-heard"
	check := func(step, holders string, untold ...ledger.AudienceName) {
		t.Helper()
		show(f, in)
		catchUp(t, b, f)
		if got := lines(recalled(t, b, one.String()), time.Time{}, time.Now()); got != holders {
			t.Errorf("%s: %s", step, got)
		}
		if names, err := b.UntoldAudiences(t.Context()); err != nil || !slices.Equal(names, untold) {
			t.Errorf("%s: untold %v, %v", step, names, err)
		}
	}
	handOver := func(by int, first uint64, shares ...string) {
		t.Helper()
		h := &ledger.HandOver{Agency: "in/new", Audience: "in/*", First: first}
		for _, s := range shares {
			h.Shares = append(h.Shares, []byte(s))
		}
		if r := in.Govern(t, by, h); r.Verdict != ledger.Accepted {
			t.Fatalf("%+v", r)
		}
	}
	took := func(ok bool) {
		t.Helper()
		if r := in.Govern(t, 2, &ledger.Took{Audience: "in/*", OK: ok}); r.Verdict != ledger.Accepted {
			t.Fatalf("%+v", r)
		}
	}
	check("it joined after", members)
	in.Change(t, &ledger.Grant{Agency: "in/new", Audience: "in/*", First: 2, Last: 2})
	check("it was granted the second", members)
	handOver(0, 2, "keys")
	check("it was given them", withNew, "in/*")
	took(false)
	check("they did not match", members, "in/*")
	handOver(1, 2, "keys")
	took(true)
	check("another member gave them", withNew, "in/*")
	b.Rewind(in.Origin(), 0)
	check("all is followed again", withNew, "in/*")
	in.Seal(t, 0, home, retracted(t, "again", one, alert.RowSet{0}))
	check("it was told", withNew)
	in.Seal(t, 0, home, retracted(t, "second", alertID(in, "in/a0", "list", 1), alert.RowSet{1}))
	check("the next it hears as others do", withNew)
	if got := lines(recalled(t, b, alertID(in, "in/a0", "list", 1).String()), time.Time{}, time.Now()); !strings.Contains(got, "in/new") {
		t.Errorf("the second: %s", got)
	}
}
