package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func reportQueue(o *options) *cobra.Command {
	var cursor string
	var exercise bool
	var limit int
	cmd := &cobra.Command{
		Use: "queue", Short: "What waits, the most pressing first, with the reasons", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			q, err := c.Queue(cmd.Context(), cursor, exercise, limit)
			if err != nil {
				return err
			}
			return o.out.value(q, func() {
				rows := [][]string{}
				for i := range q.Places {
					rows = append(rows, placeRow(o, &q.Places[i]))
				}
				o.out.table([]string{"SCORE", "ID", "WAITING SINCE", "PLATFORM", "REPORTS", "FILES", "KNOWN AS", "WHY", ""}, rows)
				o.out.note("%d wait", q.Waiting)
				if q.Next != "" {
					o.out.note("more: --cursor %s", q.Next)
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&cursor, "cursor", "", "go on after an earlier page")
	f.BoolVar(&exercise, "exercise", false, "exercises instead of casework")
	f.IntVar(&limit, "limit", 20, "places a page, at most 100")
	return cmd
}

func placeRow(o *options, p *api.QueuePlace) []string {
	var why, known []string
	for _, part := range p.Parts {
		why = append(why, fmt.Sprintf("%+d %s", part.Points, part.Name))
	}
	for _, h := range p.Hits {
		if text := hitText(h); !slices.Contains(known, text) {
			known = append(known, text)
		}
	}
	r := &p.Report
	return []string{
		strconv.Itoa(p.Score), r.ID, o.out.when(r.Received), r.Platform, strconv.Itoa(p.Count), strconv.Itoa(r.Summary.Files),
		strings.Join(known, ", "), strings.Join(why, ", "), reportFlags(r),
	}
}

// triaged says what was written.
func (o *options) triaged(e api.Escalated, err error) error {
	if err != nil {
		return err
	}
	return o.out.value(e, func() {
		rows := [][]string{}
		for _, x := range []struct {
			what string
			ids  []string
		}{{"report", e.Reports}, {"alert", e.Alerts}, {"sighting", e.Sighted}, {"referral", e.Referrals}} {
			for _, id := range x.ids {
				rows = append(rows, []string{x.what, id})
			}
		}
		o.out.table([]string{"WHAT", "ID"}, rows)
		if e.Repeated {
			o.out.note("all of this was done before; nothing was written twice")
		}
	})
}

// reportMove is a move of the desk; needs names the flags that it takes beside those every move has.
func reportMove(o *options, verb, short string, needs []string) *cobra.Command {
	t := api.TriageReport{Move: verb}
	if verb == "outcome" {
		t.Move = "tell"
	}
	var key string
	cmd := &cobra.Command{Use: verb + " ID…", Short: short, Args: cobra.MinimumNArgs(1)}
	step := seenFlag(cmd, "step")
	revision := func() *uint64 { return nil }
	f := cmd.Flags()
	f.StringVar(&t.Text, "text", "", "for the desk; the platform does not see it")
	if slices.Contains(needs, "to") {
		f.StringVar(&t.To, "to", "", "the person (required)")
	}
	if slices.Contains(needs, "outcome") {
		f.StringVar(&t.Outcome, "outcome", "", "actioned, known, duplicate, not-actionable, child-safeguarded, no-further-action (required)")
		f.StringSliceVar(&t.Alerts, "alert", nil, "id of an alert that carries its files")
		f.StringSliceVar(&t.Referrals, "referral", nil, "id of a referral that came of it")
		revision = seenFlag(cmd, "revision")
	}
	for _, name := range needs {
		_ = cmd.MarkFlagRequired(name)
	}
	keyFlag(cmd, &key)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := o.client()
		if err != nil {
			return err
		}
		t.Also, t.Step, t.Revision = args[1:], step(), revision()
		e, err := c.TriageReport(cmd.Context(), keyOr(key), args[0], t)
		return o.triaged(e, err)
	}
	return cmd
}

func reportEscalate(o *options) *cobra.Command {
	var e api.EscalateReport
	var a api.EscalateAlert
	var key string
	var noAlert bool
	var referrals []string
	cmd := &cobra.Command{
		Use: "escalate ID [COPY…]", Short: "Raise alerts, open referrals and conclude, in one step; again with the same --key finishes what was interrupted", Args: cobra.MinimumNArgs(1),
		Example: "  vigil report escalate rp_3f2a… --to 'in/*' --refer in/mh-cyber:investigation:'identify the uploader' --key 2026-117",
	}
	revision := seenFlag(cmd, "revision")
	factFlags(cmd, &a.AlertFacts, &a.Audience)
	_ = cmd.Flags().MarkHidden("exercise") // it is what the report is
	f := cmd.Flags()
	f.IntSliceVar(&a.Files, "file", nil, "number of a file to raise an alert on (default: those that no alert carries)")
	f.BoolVar(&noAlert, "no-alert", false, "raise none")
	f.StringArrayVar(&referrals, "refer", nil, "AGENCY:KIND:TITLE, such as in/mh-cyber:investigation:'identify the uploader' (repeatable)")
	f.StringVar(&e.Outcome, "outcome", "", "what came of it (default: actioned, where something is raised or referred)")
	f.StringVar(&e.Text, "text", "", "for the desk; the platform does not see it")
	keyFlag(cmd, &key)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !noAlert {
			e.Alert = &a
		}
		for _, text := range referrals {
			to, rest, _ := strings.Cut(text, ":")
			kind, title, ok := strings.Cut(rest, ":")
			if !ok {
				return &usageError{text: fmt.Sprintf("--refer %q is not AGENCY:KIND:TITLE", text)}
			}
			e.Referrals = append(e.Referrals, api.OpenReferral{To: to, Kind: kind, Title: title})
		}
		e.Also, e.Revision = args[1:], revision()
		c, err := o.client()
		if err != nil {
			return err
		}
		key = keyOr(key)
		out, err := c.EscalateReport(cmd.Context(), key, args[0], e)
		if err != nil {
			o.out.note("to go on where this ended: --key %s", key)
		}
		return o.triaged(out, err)
	}
	return cmd
}
