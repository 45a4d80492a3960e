package referral

import (
	"strconv"
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Permits says whether an agency may make a move now. Its error is a noun.Refusal that says who may.
func (r *Referral) Permits(by ledger.AgencyID, m *Moved) error {
	if m.Move != Note && r.ended() {
		return noun.Refuse("it is %s", r.State)
	}
	switch m.Move {
	case Acknowledge, Accept, Decline:
		return r.permitsAnswer(by, m.Move)
	case Release, Transfer, Revoke, Close:
		if r.Holder != by {
			return noun.Refuse("%s holds it", r.Holder)
		}
		return r.permitsHolder(by, m)
	case Withdraw:
		if r.Opener != by || r.Holder != by {
			return noun.Refuse("only its opener withdraws it, and only while it holds it; %s holds it", r.Holder)
		}
	case Note:
		if !r.party(by) {
			return noun.Refuse("only those who opened it or were offered it write notes")
		}
	case Pause, Resume:
		if len(r.owed(by)) == 0 {
			return noun.Refuse("no deadline runs that %s owes", by)
		}
		switch paused := r.pauseOf(by, r.Step) >= 0; {
		case paused && m.Move == Pause:
			return noun.Refuse("it is paused already")
		case !paused && m.Move == Resume:
			return noun.Refuse("it is not paused")
		}
	}
	return nil
}

// permitsAnswer is for whom it is offered to.
func (r *Referral) permitsAnswer(by ledger.AgencyID, m Move) error {
	switch {
	case r.Offered != by:
		return noun.Refuse("it is offered to %s", orNobody(r.Offered))
	case m == Acknowledge && r.State != Open:
		return noun.Refuse("it is %s already", r.State)
	case m == Accept && r.State == Handover:
		return noun.Refuse("it is accepted already; %s has to release it", r.Holder)
	}
	return nil
}

// permitsHolder is for who holds it.
func (r *Referral) permitsHolder(by ledger.AgencyID, m *Moved) error {
	switch m.Move {
	case Release:
		if r.State != Handover {
			return noun.Refuse("nobody abroad has accepted it")
		}
	case Transfer:
		switch m.To {
		case "": // any other, for who asks what may be done at all
		case by:
			return noun.Refuse("%s holds it already", by)
		case r.Offered:
			return noun.Refuse("it is offered to %s already, whose answer is awaited", r.Offered)
		default:
			if !r.reads(m.To) {
				return noun.Refuse("%s cannot read it: open a referral to it instead", m.To)
			}
		}
	case Revoke:
		if r.Offered == "" || !r.Taken {
			return noun.Refuse("nothing is offered that could be kept: withdraw it, or transfer it to another")
		}
	case Close:
		if r.State != Accepted {
			return noun.Refuse("it is %s, not accepted", r.State)
		}
	}
	return nil
}

func (r *Referral) permitsLink(by ledger.AgencyID) error {
	switch {
	case r.Opened.Kind == VictimSupport:
		return ErrMinimum
	case !r.party(by):
		return noun.Refuse("only those who opened it or were offered it link")
	}
	return nil
}

func (r *Referral) permitsWish(by ledger.AgencyID) error {
	switch {
	case r.Opened.Kind != VictimSupport:
		return ErrOnlySupport
	case by != r.Opened.To:
		return noun.Refuse("only %s, which supports the victim, records wishes", r.Opened.To)
	}
	return nil
}

func orNobody(a ledger.AgencyID) string {
	if a == "" {
		return "nobody now"
	}
	return string(a)
}

// Command opens a referral.
type Command struct {
	Event  ledger.EventID
	Opened Opened
}

// Decide returns the event, or why there is none. It is to be sealed to Opened.Readers.
func (c Command) Decide(by ledger.AgencyID, now time.Time) (ledger.Event, error) {
	o := c.Opened
	if o.To == by {
		return ledger.Event{}, noun.Refuse("a referral is to another agency")
	}
	if err := future(o.Due, now); err != nil {
		return ledger.Event{}, err
	}
	o.Alerts, o.Reports, o.Also = noun.Set(o.Alerts), noun.Set(o.Reports), noun.Set(o.Also)
	if o.Support != nil {
		s := *o.Support
		s.Needs = noun.Set(s.Needs)
		o.Support = &s
	}
	return Codec.Encode(c.Event, TypeOpened, &o)
}

// future refuses a deadline that has passed already.
func future(due int64, now time.Time) error {
	if due != 0 && due <= now.UnixMilli() {
		return noun.Refuse("its deadline is in the past")
	}
	return nil
}

// DecideMove returns the event of a move by an agency on what it sees, or why there is none. step is what the caller
// saw: another one now is a stale view.
func (r *Referral) DecideMove(event ledger.EventID, by ledger.AgencyID, step uint64, m Moved, t *Timetable) (ledger.Event, error) {
	if err := r.ready(m.Text); err != nil {
		return ledger.Event{}, err
	}
	m.Target, m.Step = r.Key, r.Step
	if err := m.Validate(); err != nil {
		return ledger.Event{}, err
	}
	if m.Move != Note && step != r.Step {
		return ledger.Event{}, noun.Refuse("you saw step %d and it is at step %d: look again", step, r.Step)
	}
	if err := r.Permits(by, &m); err != nil {
		return ledger.Event{}, err
	}
	if m.Move == Pause && !t.pausable(r.Opened, r.owed(by)) {
		return ledger.Event{}, noun.Refuse("the policy lets none of the deadlines pause that run now")
	}
	return Codec.Encode(event, TypeMoved, &m)
}

// ready says whether anything can be decided, and bounds what is told about a victim.
func (r *Referral) ready(text string) error {
	switch {
	case r.Opened == nil:
		return noun.Refuse("its opening cannot be read here")
	case r.Opened.Kind == VictimSupport && len(text) > MaxSupportBytes:
		return noun.At("text", noun.ErrTooLong)
	}
	return nil
}

// DecideLink returns the event that names further alerts and reports.
func (r *Referral) DecideLink(event ledger.EventID, by ledger.AgencyID, alerts, reports []string) (ledger.Event, error) {
	err := r.ready("")
	if err == nil {
		err = r.permitsLink(by)
	}
	if err != nil {
		return ledger.Event{}, err
	}
	return Codec.Encode(event, TypeLinked, &Linked{Target: r.Key, Step: r.Step, Alerts: noun.Set(alerts), Reports: noun.Set(reports)})
}

// DecideTask returns the event that gives a task.
func (r *Referral) DecideTask(event ledger.EventID, by ledger.AgencyID, t Tasked, now time.Time) (ledger.Event, error) {
	t.Target, t.Step = r.Key, r.Step
	err := r.ready(t.Text)
	if err == nil {
		err = t.Validate()
	}
	if err == nil {
		err = r.permitsTask(by, &t)
	}
	if err == nil {
		err = future(t.Due, now)
	}
	if err != nil {
		return ledger.Event{}, err
	}
	return Codec.Encode(event, TypeTasked, &t)
}

// DecideFinish returns the event that ends a task.
func (r *Referral) DecideFinish(event ledger.EventID, by ledger.AgencyID, f Finished) (ledger.Event, error) {
	f.Target, f.Step = r.Key, r.Step
	err := r.ready(f.Text)
	if err == nil {
		err = f.Validate()
	}
	if err == nil {
		err = r.permitsFinish(by, &f)
	}
	if err != nil {
		return ledger.Event{}, err
	}
	return Codec.Encode(event, TypeFinished, &f)
}

// DecideWish returns the event that records a victim's wish.
func (r *Referral) DecideWish(event ledger.EventID, by ledger.AgencyID, w Wish) (ledger.Event, error) {
	err := r.ready("")
	if err == nil {
		err = r.permitsWish(by)
	}
	if err != nil {
		return ledger.Event{}, err
	}
	return Codec.Encode(event, TypeWished, &Wished{Target: r.Key, Step: r.Step, Wish: w})
}

// Escalate returns the event that says a deadline has passed, with an id that follows from it.
func (r *Referral) Escalate(by ledger.AgencyID, d *Deadline) (ledger.Event, error) {
	id := ledger.EventIDFor(by, "escalated "+nameOf(r.Key)+" "+string(d.Stage)+" "+num(d.Step))
	return Codec.Encode(id, TypeEscalated, &Escalated{Target: r.Key, Step: r.Step, Stage: d.Stage, Began: d.Step, Due: d.Due.UnixMilli()})
}

// ReleaseOwed returns the event by which a holder's node releases by itself what was accepted abroad, with an id that
// follows from it.
func (r *Referral) ReleaseOwed(by ledger.AgencyID) (ledger.Event, error) {
	m := Moved{Target: r.Key, Step: r.Step, Move: Release}
	if err := r.Permits(by, &m); err != nil {
		return ledger.Event{}, err
	}
	return Codec.Encode(ledger.EventIDFor(by, "released "+nameOf(r.Key)+" "+num(r.Step)), TypeMoved, &m)
}

// nameOf is all of a referral's name in one text.
func nameOf(k Key) string { return string(k.Home) + " " + string(k.Author) + " " + k.Event.String() }

func num(n uint64) string { return strconv.FormatUint(n, 10) }
