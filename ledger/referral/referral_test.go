package referral_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

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
	v    = ledger.AgencyID("uk/v")
)

var (
	agencies  = []ledger.AgencyID{a, b, u, v}
	today     = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	timetable = (&referral.Policy{
		Deadlines: []referral.Rule{
			{Stage: referral.ToAcknowledge, Due: referral.Term{Hours: 4}, Pausable: true},
			{Stage: referral.ToAccept, Due: referral.Term{Hours: 24}},
			{Stage: referral.ToOutcome, Due: referral.Term{Hours: 100}, Warn: referral.Term{Hours: 10}, Pausable: true},
		},
		Calendar: referral.Calendar{Zone: "+00:00"},
	}).Timetable()
)

type failer interface{ Fatal(...any) }

// story places events as they are decided.
type story struct {
	events []referral.Placed
	next   uint64
}

func (s *story) place(t failer, by ledger.AgencyID, e ledger.Event) referral.Placed {
	s.next++
	p, err := referral.Codec.Place(origin(by), ledger.Position{Index: s.next}, by, 0, &e)
	if err != nil {
		t.Fatal(err)
	}
	s.events = append(s.events, p)
	return p
}

func openingOf() referral.Opened {
	return referral.Opened{
		Kind: referral.Investigation, To: b, Also: []ledger.AgencyID{v, u}, Urgency: "priority", Title: "t",
		Alerts: []string{"al_0f", "al_0e", "al_0f"}, Reports: []string{"rp_0a"},
	}
}

func (s *story) open(t failer, o referral.Opened) referral.Key {
	e, err := referral.Command{Event: ledger.EventIDFor(a, "open"), Opened: o}.Decide(a, today)
	if err != nil {
		t.Fatal(err)
	}
	p := s.place(t, a, e)
	return p.Key()
}

func refused(err error) bool {
	_, ok := errors.AsType[*noun.Refusal](err)
	return ok
}

func origin(by ledger.AgencyID) ledger.Origin {
	if by.Jurisdiction() == "uk" {
		return far
	}
	return home
}

// id is an event id that nothing else has.
func (s *story) id(by ledger.AgencyID) ledger.EventID {
	return ledger.EventIDFor(by, fmt.Sprint(s.next))
}

// move decides on the fold of everything so far.
func (s *story) move(t failer, key referral.Key, by ledger.AgencyID, m referral.Moved) error {
	r := referral.Fold(key, s.events)
	e, err := r.DecideMove(s.id(by), by, r.Step, m, timetable)
	if err == nil {
		s.place(t, by, e)
	}
	return err
}

func (s *story) must(t failer, key referral.Key, by ledger.AgencyID, m referral.Move, to ledger.AgencyID) {
	text := ""
	if m == referral.Decline || m == referral.Close || m == referral.Pause || m == referral.Revoke {
		text = "because"
	}
	if err := s.move(t, key, by, referral.Moved{Move: m, To: to, Text: text}); err != nil {
		t.Fatal(m, by, err)
	}
}

func TestAReferralGoesItsWay(t *testing.T) {
	s := &story{}
	key := s.open(t, openingOf())
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
		{a, referral.Release, "", "", true, referral.Open, a},
		{a, referral.Revoke, "", "r", true, referral.Open, a},
		{a, referral.Transfer, b, "", true, referral.Open, a},
		{b, referral.Acknowledge, "", "", false, referral.Acknowledged, a},
		{b, referral.Acknowledge, "", "", true, referral.Acknowledged, a},
		{b, referral.Accept, "", "", false, referral.Accepted, b},
		{a, referral.Withdraw, "", "mine", true, referral.Accepted, b},
		{u, referral.Note, "", "hello", true, referral.Accepted, b},
		{b, referral.Transfer, "in/nobody", "", true, referral.Accepted, b},
		{b, referral.Transfer, b, "", true, referral.Accepted, b},
		{b, referral.Transfer, u, "", false, referral.Open, b},
		{b, referral.Close, "", "done", true, referral.Open, b},
		{u, referral.Note, "", "looking", false, referral.Open, b},
		{u, referral.Decline, "", "not ours", false, referral.Accepted, b},
		{b, referral.Transfer, u, "again", false, referral.Open, b},
		{b, referral.Revoke, "", "no, wait", false, referral.Accepted, b},
		{b, referral.Transfer, u, "now", false, referral.Open, b},
		{b, referral.Transfer, v, "or rather", false, referral.Open, b},
		{u, referral.Accept, "", "", true, referral.Open, b},
		{b, referral.Transfer, u, "u after all", false, referral.Open, b},
		{u, referral.Accept, "", "", false, referral.Handover, b},
		{u, referral.Accept, "", "", true, referral.Handover, b},
		{u, referral.Close, "", "done", true, referral.Handover, b},
		{a, referral.Release, "", "", true, referral.Handover, b},
		{b, referral.Release, "", "", false, referral.Accepted, u},
		{b, referral.Close, "", "done", true, referral.Accepted, u},
		{u, referral.Transfer, v, "", false, referral.Open, u},
		{v, referral.Accept, "", "", false, referral.Accepted, v},
		{v, referral.Close, "", "victim found", false, referral.Closed, v},
		{v, referral.Transfer, a, "", true, referral.Closed, v},
		{a, referral.Note, "", "thank you", false, referral.Closed, v},
	} {
		err := s.move(t, key, x.by, referral.Moved{Move: x.move, To: x.to, Text: x.text})
		if (err != nil) != x.refused || err != nil && !refused(err) {
			t.Errorf("%d: %s by %s: %v", i, x.move, x.by, err)
		}
		if r := referral.Fold(key, s.events); r.State != x.state || r.Holder != x.holder {
			t.Errorf("%d: %s by %s: %s, held by %s", i, x.move, x.by, r.State, r.Holder)
		}
	}
}

func TestTheFirstOfferDeclinedIsDeclined(t *testing.T) {
	s := &story{}
	key := s.open(t, openingOf())
	s.must(t, key, b, referral.Decline, "")
	if r := referral.Fold(key, s.events); r.State != referral.Declined || r.Holder != a || r.Offered != "" {
		t.Fatalf("%+v", r)
	}
	s.must(t, key, a, referral.Transfer, u)
	if err := s.move(t, key, a, referral.Moved{Move: referral.Withdraw, Text: "solved"}); err != nil {
		t.Fatal(err)
	}
	if err := s.move(t, key, u, referral.Moved{Move: referral.Accept}); !refused(err) {
		t.Errorf("accepted after it was withdrawn: %v", err)
	}
}

func TestWhatIsNotAReferral(t *testing.T) {
	for name, change := range map[string]func(*referral.Opened){
		"kind": func(o *referral.Opened) { o.Kind = "x" }, "urgency": func(o *referral.Opened) { o.Urgency = "soon" }, "to": func(o *referral.Opened) { o.To = "B" },
		"title": func(o *referral.Opened) { o.Title = "" }, "text": func(o *referral.Opened) { o.Text = "a\x00" }, "alert": func(o *referral.Opened) { o.Alerts = []string{"x"} },
		"report": func(o *referral.Opened) { o.Reports = []string{"al_00"} }, "self": func(o *referral.Opened) { o.To = a },
		"everyone": func(o *referral.Opened) { o.Also = []ledger.AgencyID{"in/*"} }, "too many": func(o *referral.Opened) {
			for i := range 15 {
				o.Also = append(o.Also, ledger.AgencyID(fmt.Sprintf("in/x%02d", i)))
			}
		},
		"due in the past": func(o *referral.Opened) { o.Due = today.UnixMilli() }, "due never": func(o *referral.Opened) { o.Due = 1 << 60 },
		"support elsewhere": func(o *referral.Opened) { o.Support = &referral.Support{} },
	} {
		o := openingOf()
		change(&o)
		if _, err := (referral.Command{Opened: o}).Decide(a, today); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	s := &story{}
	key := s.open(t, openingOf())
	r := referral.Fold(key, s.events)
	for name, m := range map[string]referral.Moved{
		"unknown": {Move: "steal"}, "a transfer to nobody": {Move: referral.Transfer}, "declined without a reason": {Move: referral.Decline},
		"paused without a reason": {Move: referral.Pause}, "to beside a transfer": {Move: referral.Accept, To: b},
	} {
		if _, err := r.DecideMove(ledger.EventID{}, b, 0, m, timetable); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := r.DecideMove(ledger.EventID{}, b, 3, referral.Moved{Move: referral.Accept}, timetable); !refused(err) {
		t.Errorf("a stale view: %v", err)
	}
	if _, err := referral.Fold(key, nil).DecideMove(ledger.EventID{}, b, 0, referral.Moved{Move: referral.Accept}, timetable); !refused(err) {
		t.Errorf("an opening that is not here: %v", err)
	}
}

func TestReadersAreExactlyThoseConcerned(t *testing.T) {
	o := openingOf()
	if got := fmt.Sprint(o.Readers(a)); got != "[in/a in/b uk/u uk/v]" {
		t.Error(got)
	}
	o.Also = []ledger.AgencyID{b, a}
	if got := fmt.Sprint(o.Readers(a)); got != "[in/a in/b]" {
		t.Error(got)
	}
}

func TestLinksAreAddedByParties(t *testing.T) {
	s := &story{}
	key := s.open(t, openingOf())
	link := func(by ledger.AgencyID, alerts ...string) error {
		e, err := referral.Fold(key, s.events).DecideLink(s.id(by), by, alerts, nil)
		if err == nil {
			s.place(t, by, e)
		}
		return err
	}
	if err := link(b, "al_01"); err != nil {
		t.Fatal(err)
	}
	if err := link(u, "al_02"); !refused(err) {
		t.Errorf("by a reader who was never asked: %v", err)
	}
	if err := link(b); err == nil {
		t.Error("nothing was linked")
	}
	if r := referral.Fold(key, s.events); fmt.Sprint(r.Alerts, r.Reports) != "[al_01 al_0e al_0f] [rp_0a]" {
		t.Error(r.Alerts, r.Reports)
	}
}

func TestTasksAreGivenAndEnded(t *testing.T) {
	s := &story{}
	key := s.open(t, openingOf())
	give := func(by ledger.AgencyID, task referral.Tasked) error {
		e, err := referral.Fold(key, s.events).DecideTask(s.id(by), by, task, today)
		if err == nil {
			s.place(t, by, e)
		}
		return err
	}
	end := func(by ledger.AgencyID, ending string) error {
		r := referral.Fold(key, s.events)
		e, err := r.DecideFinish(s.id(by), by, referral.Finished{Task: r.Tasks[0].TaskKey, Ending: ending, Text: "x"})
		if err == nil {
			s.place(t, by, e)
		}
		return err
	}
	for name, c := range map[string]struct {
		by   ledger.AgencyID
		task referral.Tasked
	}{
		"by a reader": {u, referral.Tasked{To: b, Text: "t"}}, "to a stranger": {a, referral.Tasked{To: "in/c", Text: "t"}},
		"no text": {a, referral.Tasked{To: b}}, "late": {a, referral.Tasked{To: b, Text: "t", Due: today.UnixMilli() - 1}},
	} {
		if err := give(c.by, c.task); err == nil {
			t.Errorf("%s: given", name)
		}
	}
	if err := give(a, referral.Tasked{To: b, Text: "t", Due: today.UnixMilli() + 1}); err != nil {
		t.Fatal(err)
	}
	if err := end(a, referral.Done); !refused(err) {
		t.Errorf("done by who gave it: %v", err)
	}
	if err := end(b, referral.Dropped); !refused(err) {
		t.Errorf("dropped by who has it: %v", err)
	}
	if err := end(b, referral.Done); err != nil {
		t.Fatal(err)
	}
	if err := end(a, referral.Dropped); !refused(err) {
		t.Errorf("ended twice: %v", err)
	}
	if r := referral.Fold(key, s.events); len(r.Tasks) != 1 || r.Tasks[0].Ending != referral.Done || r.Tasks[0].Outcome != "x" {
		t.Errorf("%+v", r.Tasks)
	}
}

func TestVictimSupportCarriesTheMinimum(t *testing.T) {
	good := func() referral.Opened {
		return referral.Opened{Kind: referral.VictimSupport, To: b, Urgency: "priority", Support: &referral.Support{
			Reference: "case 12", Needs: []string{"shelter", "counselling"}, Age: "12-15", Language: "hi", District: "Pune", Wish: referral.Wish{Choice: "not-asked"},
		}}
	}
	for name, change := range map[string]func(*referral.Opened){
		"title": func(o *referral.Opened) { o.Title = "t" }, "text": func(o *referral.Opened) { o.Text = "t" }, "alerts": func(o *referral.Opened) { o.Alerts = []string{"al_00"} },
		"reports": func(o *referral.Opened) { o.Reports = []string{"rp_00"} }, "also": func(o *referral.Opened) { o.Also = []ledger.AgencyID{u} },
		"nothing": func(o *referral.Opened) { o.Support = nil }, "reference": func(o *referral.Opened) { o.Support.Reference = "" },
		"need": func(o *referral.Opened) { o.Support.Needs = []string{"gossip"} }, "age": func(o *referral.Opened) { o.Support.Age = "13" },
		"choice": func(o *referral.Opened) { o.Support.Wish.Choice = "maybe" }, "ask": func(o *referral.Opened) { o.Support.Wish = referral.Wish{Choice: "ask-later"} },
		"day": func(o *referral.Opened) { o.Support.Wish = referral.Wish{Choice: "never", Ask: "soon"} },
	} {
		o := good()
		change(&o)
		if _, err := (referral.Command{Opened: o}).Decide(a, today); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	s := &story{}
	key := s.open(t, good())
	r := referral.Fold(key, s.events)
	if _, err := r.DecideLink(s.id(a), a, []string{"al_00"}, nil); !errors.Is(err, referral.ErrMinimum) {
		t.Errorf("linked: %v", err)
	}
	if err := s.move(t, key, a, referral.Moved{Move: referral.Transfer, To: u}); !refused(err) {
		t.Errorf("transferred: %v", err)
	}
	if err := s.move(t, key, b, referral.Moved{Move: referral.Note, Text: string(make([]byte, referral.MaxSupportBytes+1))}); !errors.Is(err, noun.ErrTooLong) {
		t.Errorf("a long note: %v", err)
	}
	if _, err := r.DecideWish(s.id(a), a, referral.Wish{Choice: "never"}); !refused(err) {
		t.Errorf("a wish told by the sender: %v", err)
	}
	for _, choice := range []string{"through-body", "never"} {
		e, err := r.DecideWish(s.id(b), b, referral.Wish{Choice: choice})
		if err != nil {
			t.Fatal(err)
		}
		s.place(t, b, e)
		if r = referral.Fold(key, s.events); r.Wish.Choice != choice {
			t.Errorf("%+v", r.Wish)
		}
	}
	other := &story{}
	k := other.open(t, openingOf())
	if _, err := referral.Fold(k, other.events).DecideWish(other.id(b), b, referral.Wish{Choice: "never"}); !errors.Is(err, referral.ErrOnlySupport) {
		t.Errorf("a wish elsewhere: %v", err)
	}
}
