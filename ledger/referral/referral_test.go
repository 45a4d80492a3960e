package referral_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/referral"
)

const (
	home = ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	far  = ledger.Origin("uk/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	a    = ledger.AgencyID("in/a")
	b    = ledger.AgencyID("in/b")
	u    = ledger.AgencyID("uk/u")
)

var readers = []ledger.AudienceName{"in/a", "in/b", "uk/u"}

// story places events as they are decided.
type story struct {
	events []referral.Placed
	next   uint64
}

func (s *story) place(t interface{ Fatal(...any) }, origin ledger.Origin, by ledger.AgencyID, e ledger.Event) referral.Placed {
	s.next++
	p, err := referral.Codec.Place(origin, ledger.Position{Index: s.next}, by, 0, &e)
	if err != nil {
		t.Fatal(err)
	}
	s.events = append(s.events, p)
	return p
}

func opened(t interface{ Fatal(...any) }, s *story) referral.Key {
	e, err := referral.Command{
		Event: ledger.EventIDFor(a, "open"), Readers: readers,
		Opened: referral.Opened{Kind: referral.Investigation, To: b, Urgency: "priority", Title: "t", Alerts: []string{"al_0f", "al_0e", "al_0f"}},
	}.Decide(a)
	if err != nil {
		t.Fatal(err)
	}
	p := s.place(t, home, a, e)
	return p.Key()
}

func refused(err error) bool {
	var r *noun.Refusal
	return errors.As(err, &r)
}

func origin(by ledger.AgencyID) ledger.Origin {
	if by == u {
		return far
	}
	return home
}

// move decides on the fold of everything so far.
func (s *story) move(t interface{ Fatal(...any) }, key referral.Key, by ledger.AgencyID, m referral.Move, to ledger.AgencyID, text string) error {
	r := referral.Fold(key, s.events)
	e, err := r.DecideMove(ledger.EventIDFor(by, fmt.Sprint(s.next)), by, r.Step, referral.Moved{Move: m, To: to, Text: text}, readers)
	if err == nil {
		s.place(t, origin(by), by, e)
	}
	return err
}

func TestAReferralGoesItsWay(t *testing.T) {
	s := &story{}
	key := opened(t, s)
	for i, x := range []struct {
		by      ledger.AgencyID
		move    referral.Move
		to      ledger.AgencyID
		text    string
		refused bool
		state   referral.State
		holder  ledger.AgencyID
	}{
		{u, referral.Accept, "", "", true, referral.Open, a},
		{a, referral.Close, "", "done", true, referral.Open, a},
		{b, referral.Acknowledge, "", "", false, referral.Acknowledged, a},
		{b, referral.Acknowledge, "", "", true, referral.Acknowledged, a},
		{b, referral.Accept, "", "", false, referral.Accepted, b},
		{a, referral.Withdraw, "", "mine", true, referral.Accepted, b},
		{u, referral.Note, "", "hello", true, referral.Accepted, b},
		{b, referral.Transfer, "in/nobody", "", true, referral.Accepted, b},
		{b, referral.Transfer, b, "", true, referral.Accepted, b},
		{b, referral.Transfer, u, "", false, referral.Open, b},
		{b, referral.Transfer, a, "", true, referral.Open, b},
		{u, referral.Note, "", "looking", false, referral.Open, b},
		{u, referral.Decline, "", "not ours", false, referral.Declined, b},
		{b, referral.Transfer, u, "again", false, referral.Open, b},
		{u, referral.Accept, "", "", false, referral.Accepted, u},
		{b, referral.Close, "", "done", true, referral.Accepted, u},
		{u, referral.Close, "", "victim found", false, referral.Closed, u},
		{u, referral.Transfer, a, "", true, referral.Closed, u},
		{a, referral.Note, "", "thank you", false, referral.Closed, u},
	} {
		err := s.move(t, key, x.by, x.move, x.to, x.text)
		if (err != nil) != x.refused || err != nil && !refused(err) {
			t.Errorf("%d: %s by %s: %v", i, x.move, x.by, err)
		}
		if r := referral.Fold(key, s.events); r.State != x.state || r.Holder != x.holder {
			t.Errorf("%d: %s by %s: %s, held by %s", i, x.move, x.by, r.State, r.Holder)
		}
	}
}

func TestWhatIsNotAReferral(t *testing.T) {
	good := referral.Opened{Kind: referral.Investigation, To: b, Urgency: "routine", Title: "t"}
	for name, change := range map[string]func(*referral.Opened){
		"kind": func(o *referral.Opened) { o.Kind = "x" }, "urgency": func(o *referral.Opened) { o.Urgency = "soon" }, "to": func(o *referral.Opened) { o.To = "B" },
		"title": func(o *referral.Opened) { o.Title = "" }, "text": func(o *referral.Opened) { o.Text = "a\x00" }, "alert": func(o *referral.Opened) { o.Alerts = []string{"x"} },
		"self": func(o *referral.Opened) { o.To = a }, "cannot read": func(o *referral.Opened) { o.To = "in/c" },
	} {
		o := good
		change(&o)
		if _, err := (referral.Command{Opened: o, Readers: readers}).Decide(a); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	s := &story{}
	key := opened(t, s)
	r := referral.Fold(key, s.events)
	for name, m := range map[string]referral.Moved{
		"unknown": {Move: "steal"}, "a transfer to nobody": {Move: referral.Transfer}, "declined without a reason": {Move: referral.Decline}, "to beside a transfer": {Move: referral.Accept, To: b},
	} {
		if _, err := r.DecideMove(ledger.EventID{}, b, 0, m, readers); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := r.DecideMove(ledger.EventID{}, b, 3, referral.Moved{Move: referral.Accept}, readers); !refused(err) {
		t.Errorf("a stale view: %v", err)
	}
}

// Any order of arrival, any interleaving of two ledgers, repeats and concurrent moves give the same referral.
func TestFoldsConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &story{}
		key := opened(rt, s)
		agencies, moves := []ledger.AgencyID{a, b, u}, referral.Moves
		for range rapid.IntRange(0, 14).Draw(rt, "moves") {
			by, m := rapid.SampledFrom(agencies).Draw(rt, "by"), rapid.SampledFrom(moves).Draw(rt, "move")
			to := ledger.AgencyID("")
			if m == referral.Transfer {
				to = rapid.SampledFrom(agencies).Draw(rt, "to")
			}
			// Each agency sees a part only, as behind a cut border, so that moves contradict each other.
			seen := &story{events: s.events[:rapid.IntRange(1, len(s.events)).Draw(rt, "sees")], next: s.next}
			r := referral.Fold(key, seen.events)
			e, err := r.DecideMove(ledger.EventIDFor(by, fmt.Sprint(s.next)), by, r.Step, referral.Moved{Move: m, To: to, Text: "x"}, readers)
			if err == nil {
				s.place(rt, origin(by), by, e)
			}
		}
		want := referral.Fold(key, s.events)
		shuffled := rapid.Permutation(append(s.events, s.events...)).Draw(rt, "order")
		if got := referral.Fold(key, shuffled); !reflect.DeepEqual(got, want) {
			rt.Fatalf("another order, another referral:\n%+v\n%+v", got, want)
		}
		effective := uint64(0)
		for _, l := range want.Lines {
			if m, ok := l.Fact.(*referral.Moved); ok && m.Move != referral.Note && l.Effect == "" {
				effective++
			}
		}
		if effective != want.Step {
			rt.Fatalf("%d moves took effect, and the step is %d", effective, want.Step)
		}
	})
}

func TestTwoAcceptancesHaveOneOutcome(t *testing.T) {
	s := &story{}
	key := opened(t, s)
	if err := errors.Join(s.move(t, key, b, referral.Accept, "", ""), s.move(t, key, b, referral.Transfer, u, "")); err != nil {
		t.Fatal(err)
	}
	r := referral.Fold(key, s.events)
	one, err1 := r.DecideMove(ledger.EventIDFor(u, "1"), u, r.Step, referral.Moved{Move: referral.Accept}, readers)
	two, err2 := r.DecideMove(ledger.EventIDFor(u, "2"), u, r.Step, referral.Moved{Move: referral.Decline, Text: "no"}, readers)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	s.place(t, far, u, one)
	s.place(t, far, u, two)
	got := referral.Fold(key, s.events)
	if got.State != referral.Accepted || got.Holder != u || got.Lines[len(got.Lines)-1].Effect == "" && got.Lines[len(got.Lines)-2].Effect == "" {
		t.Errorf("%+v", got)
	}
}

func FuzzDecode(f *testing.F) {
	s := &story{}
	opened(f, s)
	e, _ := referral.Command{Readers: readers, Opened: referral.Opened{Kind: referral.TakeDown, To: b, Urgency: "routine", Title: "t"}}.Decide(a)
	f.Add(e.Rows, true)
	f.Fuzz(func(t *testing.T, row []byte, open bool) {
		e := ledger.Event{Type: referral.TypeMoved, Version: 1, Shared: []byte{}, Width: uint32(len(row)), Rows: row}
		if open {
			e.Type = referral.TypeOpened
		}
		fact, err := referral.Codec.Decode(&e)
		if err == nil && string(ledger.Marshal(fact)) != string(row) {
			t.Fatal("it decodes and encodes to something else")
		}
	})
}
