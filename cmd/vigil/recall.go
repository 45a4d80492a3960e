package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func alertRecall(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "recall ID", Short: "Who held an alert that was taken back, at home and abroad, and who has proved that it is out of use", Args: cobra.ExactArgs(1),
		Long: "Who held an alert that was taken back: the members of its audiences at the epochs it was sealed to, and whom it was released\n" +
			"to. Each answers with an event it signs in its own ledger, which 'vigil ledger show' and 'vigil ledger proof' prove.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			r, err := c.Recall(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return o.out.value(r, func() { o.recallDetail(r) })
		},
	}
}

func (o *options) recallDetail(r api.Recall) {
	p := o.out
	if r.Exercise {
		fmt.Fprintln(p.out, "*** EXERCISE — NOT CASEWORK ***")
	}
	p.fields("alert", r.Alert, "taken back by", r.Author, "on", p.when(r.Authored)+" (the author's word)", "no later than", p.whenPtr(r.NoLaterThan), "reason", oneLine(r.Reason),
		"in its place", r.Replacement, "answers due", p.whenPtr(r.Due), "recall", recallSummary(r), "out of use", derived(r.RecallDerived), "not known here", strings.Join(r.Unknown, ", "))
	rows := [][]string{}
	for _, a := range r.Agencies {
		place, what := "", ""
		if a.Ledger != "" {
			place, what = fmt.Sprintf("%s #%d.%d", a.Ledger, a.Index, a.Position), derived(a.RecallDerived)
		}
		state := strings.ReplaceAll(a.State, "-", " ")
		if a.Late {
			state += ", late"
		}
		rows = append(rows, []string{a.Agency, a.By, state, p.whenPtr(a.Signed), p.whenPtr(a.NoLaterThan), what, place})
	}
	fmt.Fprintln(p.out)
	p.table([]string{"AGENCY", "HELD BY", "STATE", "SIGNED", "NO LATER THAN", "OUT OF USE", "PROOF"}, rows)
}

func recallSummary(r api.Recall) string {
	text := fmt.Sprintf("%d of %d done", r.Done, r.Expected)
	for _, part := range []struct {
		n    int
		name string
	}{{r.Overdue, "overdue"}, {r.Pending, "not yet heard"}, {r.Removed, "removed"}, {r.Late, "late"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.name)
		}
	}
	if r.Complete {
		text += " — complete"
	}
	return text
}

func derived(d api.RecallDerived) string {
	return fmt.Sprintf("%d hits, %d exports, %d subscribers", d.Hits, d.Exports, d.Told)
}

func alertRecalls(o *options) *cobra.Command {
	var q api.RecallQuery
	cmd := &cobra.Command{
		Use: "recalls", Short: "Alerts that were taken back, the latest first, and how far their recall is", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			page, err := c.Recalls(cmd.Context(), q)
			if err != nil {
				return err
			}
			return o.out.value(page, func() {
				rows := [][]string{}
				for _, r := range page.Recalls {
					rows = append(rows, []string{r.Alert, r.Author, o.out.when(r.Authored), o.out.whenPtr(r.Due), recallSummary(r), oneLine(r.Reason), exercise(r.Exercise)})
				}
				o.out.table([]string{"ALERT", "TAKEN BACK BY", "ON", "ANSWERS DUE", "RECALL", "REASON", ""}, rows)
				if page.StaleFor > 0 {
					o.out.note("no leader for %.0f s: this may be out of date", page.StaleFor)
				}
				if page.Next > 0 {
					o.out.note("more: --before %d", page.Next)
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.Author, "author", "", "whose alerts")
	f.BoolVar(&q.Exercise, "exercise", false, "exercises instead of casework")
	f.Int64Var(&q.Before, "before", 0, "go on after an earlier page")
	f.IntVar(&q.Limit, "limit", 50, "recalls a page, at most 100")
	return cmd
}

func alertExports(o *options) *cobra.Command {
	var drill bool
	var before int64
	var limit int
	cmd := &cobra.Command{
		Use: "exports", Short: "What left this agency in outside formats, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			page, err := c.Exports(cmd.Context(), drill, before, limit)
			if err != nil {
				return err
			}
			return o.out.value(page, func() {
				rows := [][]string{}
				for _, x := range page.Exports {
					rows = append(rows, []string{x.ID, o.out.when(x.Begun), x.Format, fmt.Sprint(x.Carried), fmt.Sprint(x.Withdrawn), x.Since, x.By, x.Case, oneLine(x.Purpose), exercise(x.Exercise)})
				}
				o.out.table([]string{"EXPORT", "BEGUN", "FORMAT", "ALERTS", "WITHDRAWN", "SINCE", "BY", "CASE", "PURPOSE", ""}, rows)
				if page.Next > 0 {
					o.out.note("more: --before %d", page.Next)
				}
			})
		},
	}
	cmd.Flags().BoolVar(&drill, "exercise", false, "exercises instead of casework")
	cmd.Flags().Int64Var(&before, "before", 0, "go on after an earlier page")
	cmd.Flags().IntVar(&limit, "limit", 50, "exports a page, at most 500")
	return cmd
}
