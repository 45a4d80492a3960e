package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func referralCommand(o *options) *cobra.Command {
	return noun("referral", "Ask another agency to act, and answer when asked", referralOpen(o), referralList(o), referralShow(o),
		referralMove(o, "acknowledge", "Say that it has been seen", noText),
		referralMove(o, "accept", "Take it: this agency holds it from now on, or abroad once the holder has released it", noText),
		referralMove(o, "release", "Hand over what was accepted abroad, where the policy leaves that to people", noText),
		referralMove(o, "decline", "Refuse it, with the reason", needsText),
		referralMove(o, "transfer", "Offer it to another agency that can read it", needsTo),
		referralMove(o, "revoke", "Take an offer back and keep it, with the reason", needsText),
		referralMove(o, "note", "Add a note", needsText),
		referralMove(o, "pause", "Stop the clock of a deadline that may be stopped, with the reason", needsText),
		referralMove(o, "resume", "Let the clock run again", noText),
		referralMove(o, "close", "End it, with the outcome", needsText),
		referralMove(o, "withdraw", "Take your own referral back, with the reason", needsText),
		referralLink(o), referralTask(o), referralWish(o))
}

func referralOpen(o *options) *cobra.Command {
	var r api.OpenReferral
	var support api.Support
	var wish api.Wish
	var key, due string
	cmd := &cobra.Command{
		Use: "open [TITLE] --to AGENCY --kind KIND", Short: "Ask another agency, at home or abroad, to act", Args: cobra.MaximumNArgs(1),
		Long: "Ask another agency, at home or abroad, to act. It is sealed to that agency, to yours and to those named by --also, and to nobody else.\n" +
			"Victim support carries the minimum: it has no title, text, alerts or reports, but --reference, --need, --age, --language, --district and --wish.",
		Example: "  vigil referral open 'identify the uploader' --to in/mh-cyber --kind investigation --urgency priority --alert al_3f2a…\n" +
			"  vigil referral open --to in/cwc-pune --kind victim-support --reference 2026/14 --need counselling --age 12-15",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			r.Title = strings.Join(args, "")
			if r.Due, err = parseDue(due); err != nil {
				return err
			}
			if wish.Choice != "" {
				support.Wish = &wish
			}
			if support.Reference != "" {
				r.Support = &support
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.OpenReferral(cmd.Context(), keyOr(key), r)
			return o.written(w, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.To, "to", "", "agency that is asked (required)")
	f.StringVar(&r.Kind, "kind", "", "investigation, victim-support, take-down, registry-notice, mutual-legal-assistance, information (required)")
	f.StringVar(&r.Urgency, "urgency", "", "routine, priority, child-at-immediate-risk")
	f.StringVar(&due, "due", "", "your own deadline, "+dueForms+"; the policy's hold beside it")
	f.StringVar(&r.Text, "text", "", "what is asked for; no names of victims that are not needed")
	f.StringSliceVar(&r.Alerts, "alert", nil, "id of an alert it is about")
	f.StringSliceVar(&r.Reports, "report", nil, "id of a report it is about")
	f.StringSliceVar(&r.Also, "also", nil, "further agency that can read it, and to which it can be transferred")
	f.BoolVar(&r.Exercise, "exercise", false, "an exercise, not casework")
	f.StringVar(&support.Reference, "reference", "", "victim support: your reference, under which you can be asked")
	f.StringSliceVar(&support.Needs, "need", nil, "victim support: compensation, counselling, interpreter, legal-aid, medical, protection, schooling, shelter, support-person")
	f.StringVar(&support.Age, "age", "", "victim support: 0-5, 6-11, 12-15, 16-17, adult")
	f.StringVar(&support.Language, "language", "", "victim support: language, such as hi")
	f.StringVar(&support.District, "district", "", "victim support: where support is needed")
	wishFlags(cmd, &wish, "victim support: ")
	keyFlag(cmd, &key)
	_ = cmd.MarkFlagRequired("to")
	_ = cmd.MarkFlagRequired("kind")
	return cmd
}

const dueForms = "as 48h from now or 2026-03-31T18:00:00+05:30"

// parseDue reads a time, or a span from now.
func parseDue(text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		t := time.Now().Add(d)
		return &t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, &usageError{text: fmt.Sprintf("%q is no time", text), hint: dueForms}
	}
	return &t, nil
}

func referralList(o *options) *cobra.Command {
	var q api.ReferralQuery
	var before string
	cmd := &cobra.Command{
		Use: "list", Short: "Referrals, what moved last first", Args: cobra.NoArgs,
		Example: "  vigil referral list --overdue\n  vigil referral list --holder in/mh-cyber --due-before 24h",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if t, err := parseDue(before); err != nil {
				return err
			} else if t != nil {
				q.DueBefore = *t
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			page, err := c.Referrals(cmd.Context(), q)
			if err != nil {
				return err
			}
			return o.out.value(page, func() { o.referralTable(page) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.State, "state", "", "open, acknowledged, handover, accepted, declined, closed, withdrawn")
	f.StringVar(&q.Kind, "kind", "", "investigation, victim-support, …")
	f.StringVar(&q.Holder, "holder", "", "that holds it")
	f.StringVar(&q.Agency, "agency", "", "that opened it, holds it or is offered it")
	f.BoolVar(&q.Overdue, "overdue", false, "whose first deadline has passed, the oldest first")
	f.StringVar(&before, "due-before", "", "whose first deadline is before, "+dueForms)
	f.StringVar(&q.Sort, "sort", "", "moved (what moved last first) or due (what is due first)")
	f.BoolVar(&q.Exercise, "exercise", false, "exercises instead of casework")
	f.StringVar(&q.Cursor, "cursor", "", "go on after an earlier page")
	f.IntVar(&q.Limit, "limit", 50, "referrals a page, at most 500")
	return cmd
}

func (o *options) referralTable(page api.ReferralPage) {
	rows := [][]string{}
	for _, r := range page.Referrals {
		d := deadlineOr(r.Deadline)
		flags := []string{}
		if r.Exercise {
			flags = append(flags, "EXERCISE")
		}
		if d.Status == "overdue" || d.Status == "soon" || d.Status == "paused" {
			flags = append(flags, strings.ToUpper(d.Status))
		}
		if d.Escalated != "" {
			flags = append(flags, "ESCALATED")
		}
		rows = append(rows, []string{
			r.ID, r.State, r.Kind, r.Urgency, r.Opener, r.Holder, r.Offered, d.Stage, o.out.whenPtr(d.Due), titleOf(r), strings.Join(flags, " "),
		})
	}
	o.out.table([]string{"ID", "STATE", "KIND", "URGENCY", "OPENER", "HOLDER", "OFFERED", "AWAITED", "DUE", "TITLE", ""}, rows)
	if page.Next != "" {
		o.out.note("more: --cursor %s", page.Next)
	}
}

func deadlineOr(d *api.Deadline) api.Deadline {
	if d == nil {
		return api.Deadline{}
	}
	return *d
}

// titleOf is what a list shows: victim support has a reference instead of a title.
func titleOf(r api.Referral) string {
	if r.Support != nil {
		return r.Support.Reference
	}
	return r.Title
}

func referralShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "One referral with its deadlines, tasks, time line and what you may do", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			r, err := c.Referral(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return o.out.value(r, func() { o.referralDetail(r) })
		},
	}
}

func (o *options) referralDetail(r api.Referral) {
	p := o.out
	if r.Exercise {
		fmt.Fprintln(p.out, "*** EXERCISE — NOT CASEWORK ***")
	}
	p.fields("id", r.ID, "state", r.State, "title", r.Title, "kind", r.Kind, "urgency", r.Urgency, "opener", r.Opener, "holder", r.Holder, "offered to", r.Offered,
		"no later than", p.whenPtr(r.NoLaterThan), "alerts", strings.Join(r.Alerts, ", "), "reports", strings.Join(r.Reports, ", "), "read by", strings.Join(r.Audience, ", "),
		"text", r.Text, "step", num(r.Step), "you may", strings.Join(r.Moves, ", "))
	if s := r.Support; s != nil {
		p.fields("reference", s.Reference, "needs", strings.Join(s.Needs, ", "), "age", s.Age, "language", s.Language, "district", s.District,
			"further sightings", strings.TrimSpace(s.Wish.Choice+" "+s.Wish.Ask))
	}
	rows := [][]string{}
	for _, d := range r.Deadlines {
		rows = append(rows, []string{d.Stage, d.Owes, p.whenPtr(d.From), p.whenPtr(d.Warn), p.whenPtr(d.Due), strings.ToUpper(d.Status), d.Escalated, d.Basis})
	}
	p.section([]string{"AWAITED", "OF", "FROM", "WARN", "DUE", "STATUS", "ESCALATED BY", "BASIS"}, rows)
	rows = nil
	for _, x := range r.Pauses {
		rows = append(rows, []string{x.By, p.whenPtr(x.From), p.whenPtr(x.To), x.Reason})
	}
	p.section([]string{"PAUSED BY", "FROM", "TO", "REASON"}, rows)
	rows = nil
	for _, t := range r.Tasks {
		rows = append(rows, []string{t.ID, t.State, t.By, t.To, p.whenPtr(t.Due), t.Text, t.Outcome})
	}
	p.section([]string{"TASK", "STATE", "BY", "TO", "DUE", "TEXT", "OUTCOME"}, rows)
	rows = nil
	for _, e := range r.Timeline {
		rows = append(rows, []string{p.when(e.Authored), e.Author, e.Move, e.To, e.Text, e.Effect})
	}
	p.section([]string{"AUTHORED", "AGENCY", "MOVE", "TO", "TEXT", "WITHOUT EFFECT BECAUSE"}, rows)
}
