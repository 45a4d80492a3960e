package referral_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/referral"
)

// policyWith is the default with a calendar and one rule before the others.
func policyWith(c referral.Calendar, r referral.Rule) *referral.Policy {
	p := referral.Templates["default"]()
	p.Calendar, p.Deadlines = c, append([]referral.Rule{r}, p.Deadlines...)
	return p
}

// dueOf opens a referral that a checkpoint covers at a time, and returns when it must be acknowledged.
func dueOf(t failer, p *referral.Policy, start time.Time) time.Time {
	s := &story{}
	key := s.open(t, openingOf())
	dates := noun.Dates{}
	dates.Set(home, s.events[0].Position, start)
	return referral.Fold(key, s.events).Deadlines(p.Timetable(), dates)[0].Due
}

func TestTermsEnd(t *testing.T) {
	weekend, none := []string{"saturday", "sunday"}, []string{}
	const london = "GMT0BST,M3.5.0/1,M10.5.0"
	for _, c := range []struct {
		name     string
		calendar referral.Calendar
		due      referral.Term
		start    string
		want     string
	}{
		{"hours pass on Sundays", referral.Calendar{Zone: "+05:30", Weekend: weekend, Holidays: none}, referral.Term{Hours: 24}, "2026-03-07T12:00:00Z", "2026-03-08T12:00:00Z"},
		{"a working day", referral.Calendar{Zone: "+00:00", Weekend: weekend, Holidays: none}, referral.Term{WorkingDays: 1}, "2026-03-02T10:00:00Z", "2026-03-04T00:00:00Z"},
		{"over a weekend", referral.Calendar{Zone: "+00:00", Weekend: weekend, Holidays: none}, referral.Term{WorkingDays: 1}, "2026-03-06T10:00:00Z", "2026-03-10T00:00:00Z"},
		{"from a Sunday", referral.Calendar{Zone: "+00:00", Weekend: weekend, Holidays: none}, referral.Term{WorkingDays: 1}, "2026-03-08T10:00:00Z", "2026-03-10T00:00:00Z"},
		{"ten, in India", referral.Calendar{Zone: "+05:30", Weekend: weekend, Holidays: none}, referral.Term{WorkingDays: 10}, "2026-03-02T10:00:00Z", "2026-03-16T18:30:00Z"},
		{"the day begins in the zone", referral.Calendar{Zone: "+05:30", Weekend: weekend, Holidays: none}, referral.Term{WorkingDays: 1}, "2026-03-02T19:00:00Z", "2026-03-04T18:30:00Z"},
		{"a holiday", referral.Calendar{Zone: "+00:00", Weekend: weekend, Holidays: []string{"2026-03-03"}}, referral.Term{WorkingDays: 1}, "2026-03-02T10:00:00Z", "2026-03-05T00:00:00Z"},
		{"a holiday on a Sunday", referral.Calendar{Zone: "+00:00", Weekend: weekend, Holidays: []string{"2026-03-08"}}, referral.Term{WorkingDays: 1}, "2026-03-06T10:00:00Z", "2026-03-10T00:00:00Z"},
		{"no weekend", referral.Calendar{Zone: "+00:00", Weekend: none, Holidays: none}, referral.Term{WorkingDays: 2}, "2026-03-06T10:00:00Z", "2026-03-09T00:00:00Z"},
		{"Friday and Saturday", referral.Calendar{Zone: "+03:00", Weekend: []string{"friday", "saturday"}, Holidays: none}, referral.Term{WorkingDays: 1}, "2026-03-05T10:00:00Z", "2026-03-08T21:00:00Z"},
		{"into summer time", referral.Calendar{Zone: london, Weekend: weekend, Holidays: none}, referral.Term{WorkingDays: 1}, "2026-03-27T10:00:00Z", "2026-03-30T23:00:00Z"},
		{"out of summer time", referral.Calendar{Zone: london, Weekend: weekend, Holidays: none}, referral.Term{WorkingDays: 1}, "2026-10-23T10:00:00Z", "2026-10-27T00:00:00Z"},
		{"the end of a leap year's February", referral.Calendar{Zone: "-08:00", Weekend: none, Holidays: none}, referral.Term{WorkingDays: 1}, "2028-02-28T20:00:00Z", "2028-03-01T08:00:00Z"},
	} {
		p := policyWith(c.calendar, referral.Rule{Stage: referral.ToAcknowledge, Due: c.due})
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		start, _ := time.Parse(time.RFC3339, c.start)
		if got := dueOf(t, p, start).Format(time.RFC3339); got != c.want {
			t.Errorf("%s: due %s, not %s", c.name, got, c.want)
		}
	}
}

// A naive count of days agrees, for any calendar and any time.
func TestWorkingDaysAgreeWithACountByHand(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		start := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(rt, "start"), 0).UTC()
		days := rapid.IntRange(1, 40).Draw(rt, "days")
		weekend := noun.Set(rapid.SliceOfN(rapid.SampledFrom([]string{"friday", "saturday", "sunday", "monday"}), 0, 3).Draw(rt, "weekend"))
		var holidays []string
		for range rapid.IntRange(0, 20).Draw(rt, "holidays") {
			holidays = append(holidays, start.AddDate(0, 0, rapid.IntRange(0, 60).Draw(rt, "day")).Format(time.DateOnly))
		}
		offset := rapid.IntRange(-12*4, 14*4-1).Draw(rt, "offset") * 900
		loc := time.FixedZone("x", offset)
		zone := time.Time{}.In(loc).Format("-07:00")
		p := policyWith(referral.Calendar{Zone: zone, Weekend: weekend, Holidays: noun.Set(holidays)}, referral.Rule{Stage: referral.ToAcknowledge, Due: referral.Term{WorkingDays: uint64(days)}})
		hour := start
		for left := days; ; hour = hour.Add(15 * time.Minute) { // the first quarter of an hour after the last working day
			local, before := hour.In(loc), hour.Add(-15*time.Minute).In(loc)
			if hour.Equal(start) || local.Day() == before.Day() {
				continue
			}
			if left == 0 {
				hour = time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, loc)
				break
			}
			off := strings.Contains(strings.Join(holidays, " "), local.Format(time.DateOnly)) || strings.Contains(strings.Join(weekend, " "), strings.ToLower(local.Weekday().String()))
			if !off {
				left--
			}
		}
		if got := dueOf(rt, p, start); !got.Equal(hour) {
			rt.Fatalf("due %s, by hand %s", got, hour)
		}
	})
}

func TestPoliciesAreRefused(t *testing.T) {
	for name, change := range map[string]func(*referral.Policy){
		"no rules":             func(p *referral.Policy) { p.Deadlines = nil },
		"a stage left out":     func(p *referral.Policy) { p.Deadlines = p.Deadlines[:9] },
		"only for one kind":    func(p *referral.Policy) { p.Deadlines[len(p.Deadlines)-1].Kind = referral.TakeDown },
		"only for one urgency": func(p *referral.Policy) { p.Deadlines[len(p.Deadlines)-1].Urgency = "priority" },
		"unknown stage":        func(p *referral.Policy) { p.Deadlines[0].Stage = "gossip" },
		"unknown kind":         func(p *referral.Policy) { p.Deadlines[0].Kind = "gossip" },
		"unknown urgency":      func(p *referral.Policy) { p.Deadlines[0].Urgency = "gossip" },
		"no time":              func(p *referral.Policy) { p.Deadlines[0].Due = referral.Term{} },
		"both":                 func(p *referral.Policy) { p.Deadlines[0].Due = referral.Term{Hours: 1, WorkingDays: 1} },
		"centuries":            func(p *referral.Policy) { p.Deadlines[0].Due = referral.Term{Hours: 1 << 40} },
		"centuries of days":    func(p *referral.Policy) { p.Deadlines[0].Due = referral.Term{WorkingDays: 1 << 40} },
		"a bad warning":        func(p *referral.Policy) { p.Deadlines[0].Warn = referral.Term{Hours: 1, WorkingDays: 1} },
		"a basis of two lines": func(p *referral.Policy) { p.Deadlines[0].Basis = "a\nb" },
		"too many rules":       func(p *referral.Policy) { p.Deadlines = append(make([]referral.Rule, 64), p.Deadlines...) },
		"a name of a zone":     func(p *referral.Policy) { p.Calendar.Zone = "Asia/Kolkata" },
		"no zone":              func(p *referral.Policy) { p.Calendar.Zone = "" },
		"a zone of a day":      func(p *referral.Policy) { p.Calendar.Zone = "+24:00" },
		"a rule of a day":      func(p *referral.Policy) { p.Calendar.Zone = "AAA99" },
		"half a rule":          func(p *referral.Policy) { p.Calendar.Zone = "GMT0BST" },
		"a month 13":           func(p *referral.Policy) { p.Calendar.Zone = "GMT0BST,M13.1.0,M10.5.0" },
		"a long zone":          func(p *referral.Policy) { p.Calendar.Zone = strings.Repeat("x", 100) },
		"no working day": func(p *referral.Policy) {
			p.Calendar.Weekend = []string{"friday", "monday", "saturday", "sunday", "thursday", "tuesday", "wednesday"}
		},
		"no day of the week":     func(p *referral.Policy) { p.Calendar.Weekend = []string{"holiday"} },
		"weekend not sorted":     func(p *referral.Policy) { p.Calendar.Weekend = []string{"sunday", "saturday"} },
		"a holiday in words":     func(p *referral.Policy) { p.Calendar.Holidays = []string{"Diwali"} },
		"February 30":            func(p *referral.Policy) { p.Calendar.Holidays = []string{"2026-02-30"} },
		"the same holiday twice": func(p *referral.Policy) { p.Calendar.Holidays = []string{"2026-01-26", "2026-01-26"} },
	} {
		p := referral.Templates["default"]()
		change(p)
		if _, err := referral.Section.Encode(p); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestTemplatesAreGoodPoliciesAndComeBackFromTheLedger(t *testing.T) {
	for name, make := range referral.Templates {
		b, err := referral.Section.Encode(make())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, known := referral.Section.In(ledger.DefaultPolicy(1).WithSection("referral", b)); !known {
			t.Errorf("%s: not read again", name)
		}
	}
	saturday := time.Date(2026, 1, 24, 6, 0, 0, 0, time.UTC) // before Republic Day, a Monday
	table := referral.Templates["india"]().Timetable()
	s := &story{}
	key := s.open(t, openingOf())
	s.must(t, key, b, referral.Accept, "")
	dates := noun.Dates{}
	for _, p := range s.events {
		dates.Set(p.Origin, p.Position, saturday)
	}
	outcome := referral.Fold(key, s.events).Deadlines(table, dates)[2]
	if got := outcome.Due.Format(time.RFC3339); got != "2026-02-09T18:30:00Z" || outcome.Stage != referral.ToOutcome {
		t.Errorf("a victim is to be identified by %s", got)
	}
	support := referral.Opened{Kind: referral.VictimSupport, To: b, Urgency: "routine", Support: &referral.Support{Reference: "r", Age: "unknown", Wish: referral.Wish{Choice: "not-asked"}}}
	s = &story{}
	key = s.open(t, support)
	dates.Set(home, s.events[0].Position, saturday)
	for _, d := range referral.Fold(key, s.events).Deadlines(table, dates) {
		if d.Due.Sub(saturday) != 24*time.Hour || !strings.Contains(d.Basis, "19(6)") {
			t.Errorf("the committee is told by %s: %s", d.Due, d.Basis)
		}
	}
}

// timeline is a story whose events are dated as they are placed.
type timeline struct {
	story
	key   referral.Key
	dates noun.Dates
}

func begin(t failer, o referral.Opened) *timeline {
	l := &timeline{dates: noun.Dates{}}
	l.key = l.open(t, o)
	l.date(today)
	return l
}

func (l *timeline) date(at time.Time) {
	p := l.events[len(l.events)-1]
	l.dates.Set(p.Origin, p.Position, at)
}

func (l *timeline) at(t failer, hours int, by ledger.AgencyID, m referral.Move, to ledger.AgencyID) {
	l.must(t, l.key, by, m, to)
	l.date(today.Add(time.Duration(hours) * time.Hour))
}

// said are the deadlines in short: stage, hours until due, who owes, and how it stands.
func (l *timeline) said(now int) string {
	var out []string
	at := today.Add(time.Duration(now) * time.Hour)
	for _, d := range referral.Fold(l.key, l.events).Deadlines(timetable, l.dates) {
		how := "runs"
		switch {
		case d.Late():
			how = "late"
		case d.Met:
			how = "met"
		case !d.Runs():
			how = "dropped"
		case d.Overdue(at):
			how = "overdue"
		case d.Paused:
			how = "paused"
		case d.Soon(at):
			how = "soon"
		}
		due := fmt.Sprint(d.Due.Sub(today).Hours())
		if d.Due.IsZero() {
			due = "-"
		}
		out = append(out, fmt.Sprintf("%s %s %s %s", d.Stage, due, d.Owes, how))
	}
	return strings.Join(out, "; ")
}

func TestClocksRunByStage(t *testing.T) {
	l := begin(t, openingOf())
	for _, step := range []struct {
		do   func()
		now  int
		want string
	}{
		{func() {}, 1, "acknowledge 4 in/b runs; accept 24 in/b runs"},
		{func() {}, 4, "acknowledge 4 in/b soon; accept 24 in/b runs"},
		{func() {}, 5, "acknowledge 4 in/b overdue; accept 24 in/b runs"},
		{func() { l.at(t, 6, b, referral.Acknowledge, "") }, 6, "acknowledge 4 in/b late; accept 24 in/b runs"},
		{func() { l.at(t, 10, b, referral.Accept, "") }, 10, "acknowledge 4 in/b late; accept 24 in/b met; outcome 110 in/b runs"},
		{func() {}, 21, "acknowledge 4 in/b late; accept 24 in/b met; outcome 110 in/b soon"},
		{
			func() { l.at(t, 20, b, referral.Transfer, u) }, 20,
			"acknowledge 4 in/b late; accept 24 in/b met; outcome 110 in/b runs; acknowledge 24 uk/u runs; accept 44 uk/u runs",
		},
		{
			func() { l.at(t, 21, b, referral.Revoke, "") }, 21,
			"acknowledge 4 in/b late; accept 24 in/b met; outcome 110 in/b soon; acknowledge 24 uk/u dropped; accept 44 uk/u dropped",
		},
		{
			func() { l.at(t, 22, b, referral.Transfer, u); l.at(t, 23, u, referral.Accept, "") }, 23,
			"acknowledge 4 in/b late; accept 24 in/b met; outcome 110 in/b soon; acknowledge 24 uk/u dropped; accept 44 uk/u dropped; acknowledge 26 uk/u met; accept 46 in/b runs",
		},
		{
			func() { l.at(t, 47, b, referral.Release, ""); l.at(t, 90, u, referral.Close, "") }, 90,
			"acknowledge 4 in/b late; accept 24 in/b met; outcome 110 uk/u met; acknowledge 24 uk/u dropped; accept 44 uk/u dropped; acknowledge 26 uk/u met; accept 46 in/b late",
		},
	} {
		step.do()
		if step.want == "" {
			continue
		}
		if got := l.said(step.now); got != step.want {
			t.Errorf("after %d hours:\n%s\nwanted\n%s", step.now, got, step.want)
		}
	}
}

func TestNothingRunsBeforeACheckpointCoversIt(t *testing.T) {
	l := &timeline{dates: noun.Dates{}}
	l.key = l.open(t, openingOf())
	if got := l.said(1000); got != "acknowledge - in/b runs; accept - in/b runs" {
		t.Error(got)
	}
	o := openingOf()
	o.Due = today.Add(2 * time.Hour).UnixMilli()
	l = &timeline{dates: noun.Dates{}}
	l.key = l.open(t, o)
	if got := l.said(3); got != "acknowledge 2 in/b overdue; accept 2 in/b overdue" {
		t.Errorf("the opener's own deadline: %s", got)
	}
}

func TestPausesStopTheClocksThatMayBeStopped(t *testing.T) {
	l := begin(t, openingOf())
	l.at(t, 1, b, referral.Pause, "")
	if got := l.said(100); got != "acknowledge - in/b paused; accept 24 in/b overdue" {
		t.Error(got)
	}
	undated := maps.Clone(l.dates)
	l.at(t, 3, b, referral.Resume, "")
	dates := l.dates
	l.dates = undated
	if got := l.said(100); got != "acknowledge - in/b paused; accept 24 in/b overdue" {
		t.Errorf("before a checkpoint covers its end: %s", got)
	}
	l.dates = dates
	if got := l.said(4); got != "acknowledge 6 in/b runs; accept 24 in/b runs" {
		t.Error(got)
	}
	l.at(t, 5, b, referral.Pause, "")
	l.at(t, 8, b, referral.Acknowledge, "") // a step ends it
	if got := l.said(8); got != "acknowledge 9 in/b met; accept 24 in/b runs" {
		t.Error(got)
	}
	if err := l.move(t, l.key, b, referral.Moved{Move: referral.Pause, Text: "a hearing"}); !refused(err) {
		t.Errorf("a deadline that may not be paused: %v", err)
	}
	if err := l.move(t, l.key, b, referral.Moved{Move: referral.Resume}); !refused(err) {
		t.Errorf("resumed though it was not paused: %v", err)
	}
	l.at(t, 9, b, referral.Accept, "")
	if err := l.move(t, l.key, a, referral.Moved{Move: referral.Pause, Text: "x"}); !refused(err) {
		t.Errorf("paused by who owes nothing: %v", err)
	}
	l.at(t, 10, b, referral.Pause, "")
	if err := l.move(t, l.key, b, referral.Moved{Move: referral.Pause, Text: "x"}); !refused(err) {
		t.Errorf("paused twice: %v", err)
	}
	r := referral.Fold(l.key, l.events)
	if !r.Paused() || len(r.Pauses) != 3 || r.Pauses[2].Reason != "because" {
		t.Errorf("%+v", r.Pauses)
	}
	late := begin(t, openingOf())
	late.at(t, 6, b, referral.Pause, "")
	if got := late.said(7); got != "acknowledge 4 in/b overdue; accept 24 in/b runs" {
		t.Errorf("paused after it had passed: %s", got)
	}
}

func TestEscalationsStandOnce(t *testing.T) {
	l := begin(t, openingOf())
	escalate := func(by ledger.AgencyID, d referral.Deadline) referral.Placed {
		e, err := referral.Fold(l.key, l.events).Escalate(by, &d)
		if err != nil {
			t.Fatal(err)
		}
		return l.place(t, by, e)
	}
	all := referral.Fold(l.key, l.events).Deadlines(timetable, l.dates)
	next, quiet := referral.Next(all)
	if next == nil || quiet != next || next.Stage != referral.ToAcknowledge {
		t.Fatalf("%+v", next)
	}
	first, again := escalate(u, *next), escalate(u, *next)
	if first.Event != again.Event {
		t.Error("asked twice, two events")
	}
	escalate(a, *next)
	escalate("in/stranger", all[1])
	l.must(t, l.key, b, referral.Accept, "")
	escalate(a, referral.Deadline{Clock: referral.Clock{Stage: referral.ToOutcome, Step: 7}, Due: today})
	r := referral.Fold(l.key, l.events)
	if r.Clocks[0].EscalatedBy != a { // the home ledger goes first
		t.Errorf("%+v", r.Clocks[0])
	}
	var effects []string
	for _, line := range r.Lines {
		if _, ok := line.Fact.(*referral.Escalated); ok {
			effects = append(effects, fmt.Sprintf("%s: %s", line.Author, line.Effect))
		}
	}
	want := "[in/a:  in/stranger: it is none of theirs uk/u: it was escalated before in/a: no such deadline ran]"
	if got := fmt.Sprint(effects); got != want {
		t.Errorf("%s\nwanted\n%s", got, want)
	}
	if _, quiet := referral.Next(r.Deadlines(timetable, l.dates)); quiet != nil && quiet.Stage == referral.ToAcknowledge {
		t.Error("it would be escalated again")
	}
}
