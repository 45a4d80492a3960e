package referral

import (
	"time"

	"vigil/ledger/noun"
)

// Policy is what a jurisdiction agreed on for referrals.
type Policy struct {
	_ struct{} `cbor:",toarray"`
	// Deadlines say how long a stage may take; of those for a stage the first that fits applies.
	Deadlines []Rule `json:"deadlines"`
	// Calendar says which days are working days, and where a day ends.
	Calendar Calendar `json:"calendar"`
	// ManualRelease leaves it to people to release what was accepted abroad; otherwise the holder's node does it at once.
	ManualRelease bool `json:"manual_release,omitempty"`
}

// Rule is how long one stage of a referral may take.
type Rule struct {
	_       struct{} `cbor:",toarray"`
	Stage   Stage    `json:"stage"`
	Kind    Kind     `json:"kind,omitempty"`    // empty: any
	Urgency string   `json:"urgency,omitempty"` // empty: any
	Due     Term     `json:"due"`
	// Warn is after which time it is shown as due soon; three quarters of the way where it is not given.
	Warn Term `json:"warn,omitzero"`
	// Pausable lets the agency whose move is awaited stop the clock, with a reason.
	Pausable bool   `json:"pausable,omitempty"`
	Basis    string `json:"basis,omitempty"` // the law or agreement it follows from
}

// Term is a time span: so many hours on the clock, or until the end of so many working days after the day it begins.
type Term struct {
	_           struct{} `cbor:",toarray"`
	Hours       uint64   `json:"hours,omitempty"`
	WorkingDays uint64   `json:"working_days,omitempty"`
}

// Section is the policy's part for referrals.
var Section = noun.Section[*Policy]{Name: "referral", Default: defaultPolicy, Fresh: func() *Policy { return &Policy{} }}

func hours(n uint64) Term       { return Term{Hours: n} }
func workingDays(n uint64) Term { return Term{WorkingDays: n} }

const day = 24

// defaultPolicy is short where a child may be at risk and leaves days elsewhere.
func defaultPolicy() *Policy {
	const urgent, priority = "child-at-immediate-risk", "priority"
	return &Policy{
		Deadlines: []Rule{
			{Stage: ToAcknowledge, Urgency: urgent, Due: hours(4)},
			{Stage: ToAcknowledge, Kind: VictimSupport, Due: hours(day)},
			{Stage: ToAcknowledge, Urgency: priority, Due: hours(day)},
			{Stage: ToAcknowledge, Due: hours(3 * day)},
			{Stage: ToAccept, Urgency: urgent, Due: hours(day)},
			{Stage: ToAccept, Kind: VictimSupport, Due: hours(day)},
			{Stage: ToAccept, Urgency: priority, Due: hours(3 * day)},
			{Stage: ToAccept, Kind: LegalAid, Due: hours(30 * day)},
			{Stage: ToAccept, Due: hours(14 * day)},
			{Stage: ToOutcome, Urgency: urgent, Due: hours(7 * day)},
			{Stage: ToOutcome, Urgency: priority, Due: hours(30 * day), Pausable: true},
			{Stage: ToOutcome, Kind: LegalAid, Due: hours(180 * day), Pausable: true},
			{Stage: ToOutcome, Due: hours(90 * day), Pausable: true},
		},
		Calendar: Calendar{Zone: "+00:00", Weekend: []string{"saturday", "sunday"}, Holidays: []string{}},
	}
}

// Validate accepts rules that leave no stage of anything without a deadline, and a calendar that has working days.
func (p *Policy) Validate() error {
	if len(p.Deadlines) > maxRules {
		return noun.At("deadlines", noun.ErrCount)
	}
	general := map[Stage]bool{}
	for i, r := range p.Deadlines {
		if err := r.validate(); err != nil {
			return noun.At(noun.Item("deadlines", i), err)
		}
		general[r.Stage] = general[r.Stage] || r.Kind == "" && r.Urgency == ""
	}
	if len(general) < len(Stages) || !general[ToAcknowledge] || !general[ToAccept] || !general[ToOutcome] {
		return noun.At("deadlines", errUncovered)
	}
	_, err := p.Calendar.compile()
	return noun.At("calendar", err)
}

func (r Rule) validate() error {
	err := noun.At("stage", noun.OneOf(Stages, r.Stage))
	if err == nil && r.Kind != "" {
		err = noun.At("kind", noun.OneOf(Kinds, r.Kind))
	}
	if err == nil && r.Urgency != "" {
		err = noun.At("urgency", noun.OneOf(Urgencies, r.Urgency))
	}
	if err == nil && r.Warn != (Term{}) {
		err = noun.At("warn", r.Warn.validate())
	}
	return noun.First(err, noun.At("due", r.Due.validate()), noun.At("basis", noun.Line(r.Basis, maxBasisBytes)))
}

func (t Term) validate() error {
	switch {
	case t.Hours > 0 && t.WorkingDays > 0, t.Hours == 0 && t.WorkingDays == 0:
		return errOneTerm
	case t.Hours > maxHours, t.WorkingDays > maxWorkingDays:
		return noun.ErrCount
	}
	return nil
}

// Timetable is a policy ready to compute with.
type Timetable struct {
	policy   *Policy
	calendar calendar
}

// Timetable makes a valid policy ready.
func (p *Policy) Timetable() *Timetable {
	c, err := p.Calendar.compile()
	if err != nil {
		panic("referral: a policy that is not valid was accepted: " + err.Error())
	}
	return &Timetable{policy: p, calendar: c}
}

// ManualRelease says whether people release what was accepted abroad.
func (t *Timetable) ManualRelease() bool { return t.policy.ManualRelease }

// rule returns the rule for a stage of a referral.
func (t *Timetable) rule(o *Opened, s Stage) Rule {
	for _, r := range t.policy.Deadlines {
		if r.Stage == s && (r.Kind == "" || r.Kind == o.Kind) && (r.Urgency == "" || r.Urgency == o.Urgency) {
			return r
		}
	}
	panic("referral: a policy without a deadline for everything was accepted")
}

func (t *Timetable) pausable(o *Opened, stages []Stage) bool {
	for _, s := range stages {
		if t.rule(o, s).Pausable {
			return true
		}
	}
	return false
}

// after returns when a term ends that begins at a time.
func (t *Timetable) after(start time.Time, term Term) time.Time {
	if term.WorkingDays > 0 {
		return t.calendar.after(start, int(term.WorkingDays))
	}
	return start.Add(time.Duration(term.Hours) * time.Hour)
}
