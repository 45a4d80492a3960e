package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func alertSight(o *options) *cobra.Command {
	var x api.SightAlert
	var key string
	cmd := &cobra.Command{
		Use: "sight ID", Short: "Tell whoever raised an alert that its file was met: where, how often, on which day, and no more", Args: cobra.ExactArgs(1),
		Example: "  vigil alert sight al_3f2a… --setting seized-media --review matches",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.Sight(cmd.Context(), keyOr(key), args[0], x)
			return o.written(w, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&x.Setting, "setting", "", "platform, seized-media, investigation (default), hotline")
	f.StringVar(&x.Review, "review", "", "what an examiner found who looked: matches, false-positive")
	f.Uint32Var(&x.Count, "count", 1, "how often, at most 1000000")
	f.StringVar(&x.Day, "day", "", "such as 2026-01-31 (default: today)")
	keyFlag(cmd, &key)
	return cmd
}

func alertLink(o *options) *cobra.Command {
	return linking(o, "link ID ID…", "Say that alerts belong with the first one", "confirms")
}

func alertUnlink(o *options) *cobra.Command {
	return linking(o, "unlink ID ID…", "Take back that alerts belong with the first one; --deny says that they do not", "withdraws")
}

// linking is the commands that say something of pairs of alerts.
func linking(o *options, use, short, verdict string) *cobra.Command {
	x := api.LinkAlert{Verdict: verdict}
	var key string
	var deny bool
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.RangeArgs(2, 100),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			if deny {
				x.Verdict = "disputes"
			}
			base := keyOr(key)
			for i, other := range args[1:] {
				x.Alert = other
				w, err := c.LinkAlerts(cmd.Context(), base+"/"+strconv.Itoa(i), args[0], x)
				if err := o.written(w, err); err != nil {
					return fmt.Errorf("%s: %w", other, err)
				}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&x.Relation, "as", "near-duplicate", "near-duplicate or same-series")
	f.StringVar(&x.Reason, "reason", "", "why")
	if verdict == "withdraws" {
		f.BoolVar(&deny, "deny", false, "say that they do not belong together, whoever says so")
	}
	keyFlag(cmd, &key)
	return cmd
}

// caseworkTables are what was met of an alert, and what belongs with it.
func (o *options) caseworkTables(a api.Alert) {
	for _, b := range a.Benign {
		o.out.fields("known benign", fmt.Sprintf("says %s: %s (%s)", b.Agency, b.Reason, b.ID))
	}
	rows := [][]string{}
	for _, x := range a.Sightings {
		rows = append(rows, []string{x.Agency, x.Setting, x.Review, num(x.Count), x.First, x.Last})
	}
	if len(rows) > 0 {
		fmt.Fprintln(o.out.out)
		o.out.table([]string{"MET BY", "SETTING", "REVIEW", "TIMES", "FIRST", "LAST"}, rows)
	}
	rows = [][]string{}
	for _, x := range a.Related {
		note := ""
		switch {
		case x.Denied > 0:
			note = fmt.Sprintf("denied by %d", x.Denied)
		case x.Unknown:
			note = "cannot be read here"
		}
		rows = append(rows, []string{x.ID, x.Author, x.Relation, strconv.Itoa(x.Steps), strconv.Itoa(x.Linked), note})
	}
	if len(rows) > 0 {
		fmt.Fprintln(o.out.out)
		o.out.table([]string{"RELATED", "AUTHOR", "AS", "STEPS", "SAID BY", ""}, rows)
	}
	if a.MoreRelated {
		o.out.note("more belongs with it than is shown")
	}
}
