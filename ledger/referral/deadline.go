package referral

import (
	"time"

	"vigil/ledger/noun"
)

// Deadline is a clock with the times of a policy. Times run from when several agencies had signed a checkpoint over the
// event that began them: nobody's clock decides alone, and a leader that fails changes nothing.
type Deadline struct {
	Clock
	From  time.Time // zero while no checkpoint covers its beginning: nothing runs yet
	Warn  time.Time // from which it is due soon
	Due   time.Time // zero where there is none yet, or a pause has stopped it
	Ended time.Time // zero while it runs
	// Paused says that a pause has stopped it.
	Paused bool
	Basis  string
}

// Deadlines returns every clock of a referral, past ones too, with its times.
func (r *Referral) Deadlines(t *Timetable, dates noun.Dates) []Deadline {
	out := make([]Deadline, 0, len(r.Clocks))
	for _, c := range r.Clocks {
		out = append(out, r.deadline(c, t, dates))
	}
	return out
}

func (r *Referral) deadline(c Clock, t *Timetable, dates noun.Dates) Deadline {
	rule := t.rule(r.Opened, c.Stage)
	d := Deadline{Clock: c, From: dates.Of(c.Since.Origin, c.Since.Position), Ended: dates.Of(c.Until.Origin, c.Until.Position), Basis: rule.Basis}
	if !d.From.IsZero() {
		d.Due = t.after(d.From, rule.Due)
		d.Warn = d.From.Add(d.Due.Sub(d.From) / 4 * 3)
		if rule.Warn != (Term{}) {
			d.Warn = t.after(d.From, rule.Warn)
		}
		if rule.Pausable {
			d.pause(dates)
		}
	}
	d.cap(r.Opened.Due)
	if d.Warn.After(d.Due) {
		d.Warn = d.Due
	}
	return d
}

// pause moves the times by as long as the clock stood. One that lasts stops it, unless it had passed before.
func (d *Deadline) pause(dates noun.Dates) {
	for _, s := range d.Pauses {
		from := dates.Of(s.From.Origin, s.From.Position)
		if from.IsZero() || from.After(d.Due) {
			continue // not dated yet, or too late to matter
		}
		to := dates.Of(s.To.Origin, s.To.Position)
		if to.IsZero() { // or its end is not dated yet: until then nobody is late
			d.Paused, d.Due, d.Warn = true, time.Time{}, time.Time{}
			return
		}
		stood := max(to.Sub(from), 0)
		d.Due, d.Warn = d.Due.Add(stood), d.Warn.Add(stood)
	}
}

// cap lets the opener's own deadline, which no pause moves, hold where it is earlier.
func (d *Deadline) cap(due int64) {
	if due == 0 {
		return
	}
	at := time.UnixMilli(due).UTC()
	if d.Due.IsZero() || at.Before(d.Due) {
		d.Due, d.Paused = at, false
	}
	if d.Warn.IsZero() {
		d.Warn = d.Due
	}
}

// Overdue says whether it waits and its time has passed.
func (d *Deadline) Overdue(now time.Time) bool {
	return d.Runs() && !d.Due.IsZero() && now.After(d.Due)
}

// Soon says whether it waits and the first of its two times has passed.
func (d *Deadline) Soon(now time.Time) bool { return d.Runs() && !d.Warn.IsZero() && now.After(d.Warn) }

// Late says whether what it waited for came too late.
func (d *Deadline) Late() bool { return d.Met && !d.Due.IsZero() && d.Ended.After(d.Due) }

// Next returns the deadline that comes first of those that run, and the first that nobody has escalated; nil where there
// is none.
func Next(all []Deadline) (next, quiet *Deadline) {
	for i := range all {
		d := &all[i]
		if !d.Runs() || d.Due.IsZero() {
			continue
		}
		if next == nil || d.Due.Before(next.Due) {
			next = d
		}
		if d.Escalated.Origin == "" && (quiet == nil || d.Due.Before(quiet.Due)) {
			quiet = d
		}
	}
	return next, quiet
}
