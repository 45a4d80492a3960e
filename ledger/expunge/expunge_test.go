package expunge_test

import (
	"testing"
	"time"

	"vigil/ledger"
	"vigil/ledger/expunge"
	"vigil/ledger/noun"
)

const in = ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")

func TestJudgedByAnswersAndTime(t *testing.T) {
	ordered := &expunge.Ordered{Target: 7, Rows: []uint64{0, 3}, Order: [32]byte{1}, Authority: "High Court, 12/24", Reason: "wrong person"}
	e, err := expunge.Codec.Encode(ledger.EventID{1}, expunge.TypeOrdered, ordered)
	if err != nil {
		t.Fatal(err)
	}
	k := noun.Key{Home: in, Author: "in/a", Event: e.ID}
	place := func(by ledger.AgencyID, index uint64, e ledger.Event) noun.Placed[noun.Fact] {
		p, err := expunge.Codec.Place(in, ledger.Position{Index: index}, by, 1000, &e)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	answer, err := expunge.Codec.Encode(ledger.EventID{2}, expunge.TypeAnswered, &expunge.Answered{Target: k})
	if err != nil {
		t.Fatal(err)
	}
	x := expunge.Fold(k, []noun.Placed[noun.Fact]{place("in/b", 12, answer), place("in/b", 11, answer), place("in/a", 10, e)})
	if x.Ordered == nil || x.Ordered.Target != 7 || len(x.Answers) != 1 || x.Answers[0].Position.Index != 11 {
		t.Fatalf("%+v", x)
	}
	p, sealed := expunge.Section.Default(), time.Unix(1_700_000_000, 0)
	due := sealed.Add(72 * time.Hour)
	for name, c := range map[string]struct {
		holder  ledger.AgencyID
		removed bool
		sealed  time.Time
		now     time.Time
		want    expunge.Standing
	}{
		"has answered":         {"in/b", false, sealed, due.Add(time.Hour), expunge.Gone},
		"has time":             {"in/c", false, sealed, due, expunge.Waiting},
		"is late":              {"in/c", false, sealed, due.Add(time.Second), expunge.Overdue},
		"is not late unsealed": {"in/c", false, time.Time{}, due.Add(time.Hour), expunge.Waiting},
		"was removed":          {"in/c", true, sealed, due.Add(time.Hour), expunge.Left},
	} {
		if got, _ := p.Judge(x, c.holder, c.removed, c.sealed, c.now); got != c.want {
			t.Errorf("who %s is %s", name, got)
		}
	}
	for name, change := range map[string]func(*expunge.Ordered){
		"no rows": func(o *expunge.Ordered) { o.Rows = nil }, "rows out of order": func(o *expunge.Ordered) { o.Rows = []uint64{3, 0} },
		"a row too far": func(o *expunge.Ordered) { o.Rows = []uint64{ledger.MaxEntryLeaves} }, "no order": func(o *expunge.Ordered) { o.Order = [32]byte{} },
		"no authority": func(o *expunge.Ordered) { o.Authority = "" }, "a line break": func(o *expunge.Ordered) { o.Authority = "a\nb" },
	} {
		bad := *ordered
		change(&bad)
		if bad.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if (&expunge.Policy{}).Validate() == nil {
		t.Error("no time at all is accepted")
	}
}
