package api

import (
	"slices"
	"time"

	"vigil/ledger"
	"vigil/ledger/referral"
	"vigil/node/board"
)

// referral gives the board's referral its shape on the wire, as a list shows it.
func (s *Server) referral(x *board.Referral, t *referral.Timetable, at time.Time) Referral {
	r := x.Object
	out := Referral{
		ID: x.Key.ID(referral.IDPrefix), Ledger: string(r.Home), State: string(r.State), Step: r.Step, Opener: string(r.Opener), Holder: string(r.Holder), Offered: string(r.Offered),
		Kind: string(r.Opened.Kind), Urgency: r.Opened.Urgency, Title: r.Opened.Title, Text: r.Opened.Text, Alerts: r.Alerts, Reports: r.Reports, Exercise: r.Opened.Exercise,
		Support: supportOf(r), Audience: x.Audience, Moves: s.moves(r), NoLaterThan: known(x.NoLaterThan),
	}
	if next := shown(r.Deadlines(t, x.Dates)); next != nil {
		d := deadlineOf(next, at)
		out.Deadline = &d
	}
	for _, task := range r.Tasks {
		if task.Ending == "" {
			out.OpenTasks++
		}
	}
	return out
}

// shown is the deadline that stands for a referral: the first that is due, or one that runs without a time yet.
func shown(all []referral.Deadline) *referral.Deadline {
	next, _ := referral.Next(all)
	if next != nil {
		return next
	}
	if i := slices.IndexFunc(all, func(d referral.Deadline) bool { return d.Runs() }); i >= 0 {
		return &all[i]
	}
	return nil
}

// detail adds what only a single referral shows.
func (s *Server) detail(out *Referral, x *board.Referral, t *referral.Timetable, at time.Time) {
	r := x.Object
	for _, d := range r.Deadlines(t, x.Dates) {
		out.Deadlines = append(out.Deadlines, deadlineOf(&d, at))
	}
	for _, p := range r.Pauses {
		out.Pauses = append(out.Pauses, Pause{
			By: string(p.By), Reason: p.Reason, From: known(x.Dates.Of(p.From.Origin, p.From.Position)), To: known(x.Dates.Of(p.To.Origin, p.To.Position)), Lasts: p.To.Origin == "",
		})
	}
	for _, t := range r.Tasks {
		task := ReferralTask{ID: t.ID(), By: string(t.Author), To: string(t.To), Text: t.Text, State: t.Ending, Outcome: t.Outcome}
		if t.Ending == "" {
			task.State = "open"
		}
		if t.Due > 0 {
			due := millis(t.Due)
			task.Due, task.Overdue = &due, t.Ending == "" && at.After(due)
		}
		out.Tasks = append(out.Tasks, task)
	}
	for _, l := range r.Lines {
		e := ReferralEvent{Author: string(l.Author), Ledger: string(l.Origin), Index: l.Position.Index, Authored: millis(l.AuthoredAt), NoLaterThan: known(x.Dates.Of(l.Origin, l.Position)), Step: l.Step, Effect: l.Effect}
		e.Move, e.To, e.Text = said(l.Fact)
		out.Timeline = append(out.Timeline, e)
	}
}

// said is what an event of a referral's time line says, in a word and a text.
func said(f referral.Fact) (word, to, text string) {
	switch f := f.(type) {
	case *referral.Opened:
		return "open", string(f.To), ""
	case *referral.Moved:
		return string(f.Move), string(f.To), f.Text
	case *referral.Linked:
		return "link", "", listed(f.Alerts, f.Reports)
	case *referral.Tasked:
		return "task", string(f.To), f.Text
	case *referral.Finished:
		return "finish", "", listed([]string{f.Task.ID(), f.Ending, f.Text})
	case *referral.Wished:
		return "wish", "", listed([]string{f.Wish.Choice, f.Wish.Ask})
	case *referral.Escalated:
		return "escalate", "", string(f.Stage) + " was due " + millis(f.Due).Format(time.RFC3339)
	}
	return "", "", ""
}

func listed(lists ...[]string) (out string) {
	for _, x := range slices.Concat(lists...) {
		if x != "" && out != "" {
			out += " "
		}
		out += x
	}
	return out
}

func deadlineOf(d *referral.Deadline, at time.Time) Deadline {
	return Deadline{
		Stage: string(d.Stage), Owes: string(d.Owes), From: known(d.From), Warn: known(d.Warn), Due: known(d.Due), Ended: known(d.Ended), Status: statusOf(d, at),
		Overdue: d.Overdue(at), Escalated: string(d.EscalatedBy), Basis: d.Basis,
	}
}

func statusOf(d *referral.Deadline, at time.Time) string {
	switch {
	case d.Late():
		return "late"
	case d.Met:
		return "met"
	case !d.Runs():
		return "dropped"
	case d.Overdue(at):
		return "overdue"
	case d.Paused:
		return "paused"
	case d.Soon(at):
		return "soon"
	}
	return "runs"
}

func supportOf(r *referral.Referral) *Support {
	x := r.Opened.Support
	if x == nil {
		return nil
	}
	return &Support{Reference: x.Reference, Needs: x.Needs, Age: x.Age, Language: x.Language, District: x.District, Wish: &Wish{Choice: r.Wish.Choice, Ask: r.Wish.Ask}}
}

// known is a time, or nothing where it is not known.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// moves are the moves this agency may make now.
func (s *Server) moves(r *referral.Referral) []string {
	out := []string{}
	for _, m := range referral.Moves {
		if r.Permits(s.cfg.Agency, &referral.Moved{Move: m}) == nil {
			out = append(out, string(m))
		}
	}
	return out
}

func showReferralEvent(e *ledger.Event) (any, error) {
	fact, err := referral.Codec.Decode(e)
	if err != nil {
		return nil, err
	}
	if o, ok := fact.(*referral.Opened); ok {
		out := OpenReferral{To: string(o.To), Kind: string(o.Kind), Urgency: o.Urgency, Title: o.Title, Text: o.Text, Alerts: o.Alerts, Reports: o.Reports, Exercise: o.Exercise}
		for _, a := range o.Also {
			out.Also = append(out.Also, string(a))
		}
		if o.Due > 0 {
			due := millis(o.Due)
			out.Due = &due
		}
		out.Support = supportOf(&referral.Referral{Opened: o, Wish: wishOf(o)})
		return out, nil
	}
	word, to, text := said(fact)
	target, _ := fact.About()
	return map[string]any{"referral": target.ID(referral.IDPrefix), "move": word, "to": to, "text": text}, nil
}

func wishOf(o *referral.Opened) referral.Wish {
	if o.Support == nil {
		return referral.Wish{}
	}
	return o.Support.Wish
}
