package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func figuresCommand(o *options) *cobra.Command {
	var q api.FiguresQuery
	var from, to string
	var asCSV bool
	cmd := &cobra.Command{
		Use: "figures alerts|referrals|reports|sightings", Short: "Counts, and how long answers took", Args: cobra.ExactArgs(1),
		ValidArgs: []string{"alerts", "referrals", "reports", "sightings"},
		Example:   "  vigil figures referrals --by time,kind --period month\n  vigil figures alerts --by agency,standing --published --csv >alerts.csv",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			q.Of = args[0]
			for text, into := range map[string]*time.Time{from: &q.From, to: &q.To} {
				if text == "" {
					continue
				}
				if *into, err = time.Parse(time.DateOnly, text); err != nil {
					return &usageError{text: fmt.Sprintf("%q is no day", text), hint: "write it as 2026-11-26"}
				}
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			if asCSV {
				b, err := c.FiguresCSV(cmd.Context(), q)
				if err == nil {
					_, err = o.out.out.Write(b)
				}
				return err
			}
			f, err := c.Figures(cmd.Context(), q)
			if err != nil {
				return err
			}
			return o.out.value(f, func() { o.figures(f) })
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&q.By, "by", nil, "dimensions: time, agency, kind, state, standing, urgency, ai_generated, outcome, …")
	f.StringVar(&q.Period, "period", "month", "that time is cut into: day, week, month, year")
	f.StringVar(&from, "from", "", "first day (UTC)")
	f.StringVar(&to, "to", "", "day after the last (UTC)")
	f.BoolVar(&q.Exercise, "exercise", false, "exercises instead of casework")
	f.BoolVar(&q.Published, "published", false, "fit to be published: small counts are suppressed")
	f.BoolVar(&asCSV, "csv", false, "print CSV")
	return cmd
}

func (o *options) figures(f api.Figures) {
	header := []string{}
	for _, by := range f.By {
		header = append(header, strings.ToUpper(by))
	}
	header = append(header, "COUNT", "ANSWERED IN (MEDIAN)", "9 OF 10", "CONCLUDED IN (MEDIAN)", "9 OF 10")
	rows := [][]string{}
	for _, r := range f.Rows {
		count := strconv.FormatUint(r.Count, 10)
		if r.Suppressed {
			count = "suppressed"
		}
		rows = append(rows, append(append(append([]string{}, r.Keys...), count), append(took(r.Answer), took(r.Outcome)...)...))
	}
	o.out.table(header, rows)
	o.out.note("%d %s in all", f.Total, f.Of)
}

func took(d *api.Took) []string {
	if d == nil {
		return []string{"", ""}
	}
	return []string{fmt.Sprintf("%.1f h", d.Median), fmt.Sprintf("%.1f h", d.Ninth)}
}
