package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func reportList(o *options) *cobra.Command {
	var q api.ReportQuery
	cmd := &cobra.Command{
		Use: "list", Short: "Reports, what moved last first; a platform sees its own", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			page, err := c.Reports(cmd.Context(), q)
			if err != nil {
				return err
			}
			return o.out.value(page, func() {
				rows := [][]string{}
				for i := range page.Reports {
					r := &page.Reports[i]
					rows = append(rows, append(reportRow(o, r), reportFlags(r)))
				}
				o.out.table([]string{"ID", "RECEIVED", "PLATFORM", "REFERENCE", "KIND", "FILES", "COMPLETE", "STATE", "WHO", "OUTCOME", ""}, rows)
				if page.Next > 0 {
					o.out.note("more: --before %d", page.Next)
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.State, "state", "", "waiting, claimed, concluded (for the desk)")
	f.StringVar(&q.Platform, "platform", "", "of one platform (for the desk)")
	f.StringVar(&q.Person, "person", "", "that somebody works on (for the desk)")
	f.BoolVar(&q.Exercise, "exercise", false, "exercises instead of casework")
	f.Int64Var(&q.Before, "before", 0, "go on after an earlier page")
	f.IntVar(&q.Limit, "limit", 50, "reports a page, at most 500")
	return cmd
}

func reportRow(o *options, r *api.Report) []string {
	state, who := "", ""
	if r.Desk != nil {
		state, who = r.Desk.State, r.Desk.Person
	}
	return []string{r.ID, o.out.when(r.Received), r.Platform, r.Summary.Reference, r.Summary.Kind, strconv.Itoa(r.Summary.Files), percent(r.Completeness), state, who, r.Outcome}
}

// reportFlags are what must not be overlooked.
func reportFlags(r *api.Report) string {
	var flags []string
	if r.Exercise {
		flags = append(flags, "EXERCISE")
	}
	if r.Withdrawn {
		flags = append(flags, "WITHDRAWN")
	}
	if r.Desk != nil && r.Desk.Again {
		flags = append(flags, "AMENDED SINCE")
	}
	return strings.Join(append(flags, r.Summary.Priority...), " ")
}

func reportShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "One report with its time line, and what you may do", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			r, err := c.Report(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return o.out.value(r, func() { o.reportDetail(&r) })
		},
	}
}

func (o *options) reportDetail(r *api.Report) {
	p := o.out
	if r.Exercise {
		fmt.Fprintln(p.out, "*** EXERCISE — NOT CASEWORK ***")
	}
	s := r.Statement
	p.fields("id", r.ID, "platform", r.Platform, "taken in by", r.Agency, "received", p.when(r.Received), "no later than", p.whenPtr(r.NoLaterThan),
		"revision", num(r.Revision), "reference", s.Reference, "kind", s.Kind, "priority", strings.Join(s.Priority, ", "), "occurred", p.whenPtr(s.Occurred),
		"note", s.Note, "completeness", percent(r.Completeness), "outcome", r.Outcome, "flags", reportFlags(r))
	o.quality(r.ReportQuality)
	if d := r.Desk; d != nil {
		p.fields("state", d.State, "step", num(d.Step), "who", strings.TrimSpace(d.Person+" "+d.Holder), "told", d.Told, "alerts", strings.Join(d.Alerts, ", "),
			"referrals", strings.Join(d.Referrals, ", "), "same files", strings.Join(d.Same, ", "), "read by", strings.Join(d.Audience, ", "), "you may", strings.Join(d.Moves, ", "))
	}
	var rows [][]string
	for _, a := range s.About {
		rows = append(rows, []string{a.Role, a.Kind, a.Value, a.Service, p.whenPtr(a.Seen)})
	}
	p.section([]string{"ROLE", "KIND", "VALUE", "SERVICE", "SEEN"}, rows)
	rows = nil
	for i, f := range s.Files {
		rows = append(rows, []string{strconv.Itoa(i), f.Reference, f.Media, f.Viewed, f.Public, f.AIGenerated, classesText(f.Classifications), signalsText(f.Signals), hitsText(r.Desk, i)})
	}
	p.section([]string{"FILE", "REFERENCE", "MEDIA", "VIEWED", "PUBLIC", "AI", "CLASS", "HASHES", "KNOWN AS"}, rows)
	rows = nil
	for _, e := range r.Timeline {
		rows = append(rows, []string{p.when(e.Authored), e.Author, strings.TrimPrefix(e.Type, "report."), strings.TrimSpace(e.Move + " " + e.Outcome), e.By, e.To, e.Text, e.Effect})
	}
	p.section([]string{"AUTHORED", "AGENCY", "EVENT", "MOVE", "BY", "TO", "TEXT", "WITHOUT EFFECT BECAUSE"}, rows)
}

func classesText(in []api.Classification) string {
	var out []string
	for _, c := range in {
		out = append(out, class(c))
	}
	return strings.Join(out, "; ")
}

func signalsText(in []api.Signal) string {
	var out []string
	for _, s := range in {
		out = append(out, s.Algorithm+":"+s.Value)
	}
	return strings.Join(out, " ")
}

func hitsText(d *api.ReportDesk, file int) string {
	if d == nil {
		return ""
	}
	var out []string
	for _, h := range d.Hits {
		if h.File == file {
			out = append(out, hitText(h))
		}
	}
	return strings.Join(out, ", ")
}

func hitText(h api.ReportHit) string {
	if h.Harmless {
		return "harmless"
	}
	if h.Bar != "" {
		return h.Alert + " (" + h.Standing + ", not acted on: " + h.Bar + ")"
	}
	return h.Alert + " (" + h.Standing + ")"
}

func reportReceipt(o *options) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "receipt ID", Short: "Write the signed receipt", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			r, err := c.Report(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if len(r.Receipt) == 0 {
				return &usageError{text: "the receipt is at " + r.Agency + ", which took the report in"}
			}
			if out == "" {
				out = args[0] + ".receipt"
			}
			return o.write(out, r.Receipt, 0o600, "receipt")
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write (default ID.receipt)")
	return cmd
}

func reportBundle(o *options) *cobra.Command {
	var out string
	var revision uint64
	cmd := &cobra.Command{
		Use: "bundle ID", Short: "Write the evidence bundle: this report and nothing else, to be verified offline by vigil-verify", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			b, err := c.ReportBundle(cmd.Context(), args[0], revision)
			if err != nil {
				return err
			}
			if out == "" {
				out = args[0] + ".bundle"
			}
			return o.write(out, b, 0o600, "bundle")
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write (default ID.bundle)")
	cmd.Flags().Uint64Var(&revision, "revision", 0, "0 is the report as it came in; n its amendment or withdrawal of that number")
	return cmd
}

func reportPlatforms(o *options) *cobra.Command {
	var platform string
	var exercise bool
	cmd := &cobra.Command{
		Use: "platforms", Short: "How useful what platforms reported was, month by month; a platform sees its own figures", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			list, err := c.Platforms(cmd.Context(), platform, exercise)
			if err != nil {
				return err
			}
			return o.out.value(list, func() {
				rows := [][]string{}
				for _, p := range list {
					for _, m := range p.Months {
						rows = append(rows, []string{p.Platform, m.Month, strconv.Itoa(m.Reports), percent(m.Completeness), share(m.Viewed, m.Files), strconv.Itoa(m.Amended), strconv.Itoa(m.Withdrawn), outcomesText(m.Outcomes)})
					}
				}
				o.out.table([]string{"PLATFORM", "MONTH", "REPORTS", "COMPLETE", "FILES VIEWED", "AMENDED", "WITHDRAWN", "OUTCOMES"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&platform, "platform", "", "of one platform (for the desk)")
	cmd.Flags().BoolVar(&exercise, "exercise", false, "exercises instead of casework")
	return cmd
}

func share(part, whole int) string {
	if whole == 0 {
		return ""
	}
	return percent(float64(part) / float64(whole))
}

func outcomesText(outcomes map[string]int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(outcomes)) {
		out = append(out, fmt.Sprintf("%s %d", name, outcomes[name]))
	}
	return strings.Join(out, ", ")
}
