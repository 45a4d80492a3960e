package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func referralCommand(o *options) *cobra.Command {
	return noun("referral", "Ask another agency to act, and answer when asked", referralOpen(o), referralList(o), referralShow(o),
		referralMove(o, "acknowledge", "Say that it has been seen", noText),
		referralMove(o, "accept", "Take it: this agency holds it from now on", noText),
		referralMove(o, "decline", "Refuse it, with the reason", needsText),
		referralMove(o, "transfer", "Offer it to another agency", needsTo),
		referralMove(o, "note", "Add a note", needsText),
		referralMove(o, "close", "End it, with the outcome", needsText),
		referralMove(o, "withdraw", "Take your own referral back, with the reason", needsText))
}

func referralOpen(o *options) *cobra.Command {
	var r api.OpenReferral
	var key string
	cmd := &cobra.Command{
		Use: "open TITLE --to AGENCY --kind KIND", Short: "Ask another agency, at home or abroad, to act", Args: cobra.ExactArgs(1),
		Example: "  vigil referral open 'identify the uploader' --to in/mh-cyber --kind investigation --urgency priority --alert al_3f2a…",
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Title = args[0]
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
	f.StringVar(&r.Text, "text", "", "what is asked for; no names of victims that are not needed")
	f.StringSliceVar(&r.Alerts, "alert", nil, "id of an alert it is about")
	f.StringSliceVar(&r.Also, "also", nil, "further agency that can read it, and to which it can be transferred")
	f.BoolVar(&r.Exercise, "exercise", false, "an exercise, not casework")
	keyFlag(cmd, &key)
	_ = cmd.MarkFlagRequired("to")
	_ = cmd.MarkFlagRequired("kind")
	return cmd
}

func referralList(o *options) *cobra.Command {
	var q api.ReferralQuery
	cmd := &cobra.Command{
		Use: "list", Short: "Referrals, what moved last first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			page, err := c.Referrals(cmd.Context(), q)
			if err != nil {
				return err
			}
			return o.out.value(page, func() {
				rows := [][]string{}
				for _, r := range page.Referrals {
					flag := ""
					if r.Overdue {
						flag = "OVERDUE"
					}
					if r.Exercise {
						flag = strings.TrimSpace("EXERCISE " + flag)
					}
					rows = append(rows, []string{r.ID, r.State, r.Kind, r.Urgency, r.Opener, r.Holder, r.Offered, o.out.whenPtr(r.Due), r.Title, flag})
				}
				o.out.table([]string{"ID", "STATE", "KIND", "URGENCY", "OPENER", "HOLDER", "OFFERED", "DUE", "TITLE", ""}, rows)
				if page.Next > 0 {
					o.out.note("more: --before %d", page.Next)
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.State, "state", "", "open, acknowledged, accepted, declined, closed, withdrawn")
	f.StringVar(&q.Agency, "agency", "", "that opened it, holds it or is offered it")
	f.BoolVar(&q.Exercise, "exercise", false, "exercises instead of casework")
	f.Int64Var(&q.Before, "before", 0, "go on after an earlier page")
	f.IntVar(&q.Limit, "limit", 50, "referrals a page, at most 500")
	return cmd
}

func referralShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "One referral with its time line and what you may do", Args: cobra.ExactArgs(1),
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
	due := p.whenPtr(r.Due)
	if r.Overdue {
		due += " — OVERDUE"
	}
	p.fields("id", r.ID, "state", r.State, "title", r.Title, "kind", r.Kind, "urgency", r.Urgency, "opener", r.Opener, "holder", r.Holder, "offered to", r.Offered,
		"answer due", due, "no later than", p.whenPtr(r.NoLaterThan), "alerts", strings.Join(r.Alerts, ", "), "read by", strings.Join(r.Audience, ", "), "text", r.Text,
		"step", num(r.Step), "you may", strings.Join(r.Moves, ", "))
	rows := make([][]string, 0, len(r.Timeline))
	for _, e := range r.Timeline {
		rows = append(rows, []string{p.when(e.Authored), e.Author, e.Move, e.To, e.Text, e.Effect})
	}
	fmt.Fprintln(p.out)
	p.table([]string{"AUTHORED", "AGENCY", "MOVE", "TO", "TEXT", "WITHOUT EFFECT BECAUSE"}, rows)
}

// What a move takes beside the referral's id.
const (
	noText = iota
	needsText
	needsTo
)

func referralMove(o *options, move, short string, takes int) *cobra.Command {
	var key, text, to string
	var step int64
	cmd := &cobra.Command{
		Use: move + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			m := api.MoveReferral{Move: move, Text: text, To: to}
			if seen := uint64(max(step, 0)); step >= 0 {
				m.Step = &seen
			}
			w, err := c.MoveReferral(cmd.Context(), keyOr(key), args[0], m)
			return o.written(w, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&text, "text", "", "reason, outcome or note")
	f.Int64Var(&step, "step", -1, "the step you saw: refuse where it has moved since")
	if takes == needsText {
		_ = cmd.MarkFlagRequired("text")
	}
	if takes == needsTo {
		f.StringVar(&to, "to", "", "agency it is offered to (required)")
		_ = cmd.MarkFlagRequired("to")
	}
	keyFlag(cmd, &key)
	return cmd
}
