package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func alertBenign(o *options) *cobra.Command {
	return noun("benign", "Signals that are known to be benign, whatever an alert says", benignAdd(o), benignList(o), benignShow(o), benignLift(o))
}

func benignAdd(o *options) *cobra.Command {
	var x api.DeclareBenign
	var key string
	cmd := &cobra.Command{
		Use: "add HASH… --reason TEXT", Short: "Say that these are benign, where the policy lets this agency", Args: cobra.RangeArgs(1, 1000),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if x.Signals, err = parseSignals(args); err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.DeclareBenign(cmd.Context(), keyOr(key), x)
			return o.written(w, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&x.Reason, "reason", "", "what they are (required)")
	f.BoolVar(&x.Exercise, "exercise", false, "an exercise, never casework")
	f.StringSliceVar(&x.Audience, "to", nil, "who can read it: in/*, uk/*, an agency (repeatable); default everyone at home")
	_ = cmd.MarkFlagRequired("reason")
	keyFlag(cmd, &key)
	return cmd
}

func benignList(o *options) *cobra.Command {
	var q api.BenignQuery
	cmd := &cobra.Command{
		Use: "list", Short: "Declarations, what moved last first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			page, err := c.Benigns(cmd.Context(), q)
			if err != nil {
				return err
			}
			return o.out.value(page, func() {
				rows := [][]string{}
				for _, b := range page.Benigns {
					rows = append(rows, []string{b.ID, inForce(b), b.Agency, o.out.when(b.Authored), strconv.Itoa(len(b.Signals)), b.Reason})
				}
				o.out.table([]string{"ID", "IN FORCE", "AGENCY", "AUTHORED", "HASHES", "REASON"}, rows)
				if page.Next > 0 {
					o.out.note("more: --before %d", page.Next)
				}
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&q.Exercise, "exercise", false, "exercises instead of casework")
	f.Int64Var(&q.Before, "before", 0, "go on after an earlier page")
	f.IntVar(&q.Limit, "limit", 50, "declarations a page, at most 500")
	return cmd
}

func inForce(b api.Benign) string {
	if b.InForce {
		return "yes"
	}
	return "no"
}

func benignShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "One declaration with its hashes and time line", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			b, err := c.Benign(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return o.out.value(b, func() {
				o.out.fields("id", b.ID, "agency", b.Agency, "in force", inForce(b), "reason", b.Reason, "audience", strings.Join(b.Audience, ", "))
				for _, s := range b.Signals {
					o.out.fields("hash", s.Algorithm+":"+s.Value)
				}
				rows := [][]string{}
				for _, e := range b.Timeline {
					rows = append(rows, []string{o.out.when(e.Authored), e.Type, e.Author, e.Reason, e.Effect})
				}
				o.out.table([]string{"AUTHORED", "EVENT", "AGENCY", "REASON", "EFFECT"}, rows)
			})
		},
	}
}

func benignLift(o *options) *cobra.Command {
	var x api.LiftBenign
	var key string
	cmd := &cobra.Command{
		Use: "lift ID --reason TEXT", Short: "Take a declaration back", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.LiftBenign(cmd.Context(), keyOr(key), args[0], x)
			return o.written(w, err)
		},
	}
	cmd.Flags().StringVar(&x.Reason, "reason", "", "why (required)")
	_ = cmd.MarkFlagRequired("reason")
	keyFlag(cmd, &key)
	return cmd
}

func alertFloods(o *options) *cobra.Command {
	var exercise bool
	cmd := &cobra.Command{
		Use: "floods", Short: "What members raised beyond their allowances, and what of it waits for another agency's look", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			answer, err := c.Floods(cmd.Context(), exercise)
			if err != nil {
				return err
			}
			return o.out.value(answer, func() {
				rows := [][]string{}
				for _, f := range answer.Floods {
					rows = append(rows, []string{f.Agency, f.Ledger, num(f.From), num(f.To), num(f.Signals), num(f.Novel), strconv.Itoa(f.Alerts), strconv.Itoa(f.Held)})
				}
				o.out.table([]string{"AGENCY", "LEDGER", "FROM", "TO", "SIGNALS", "NOVEL", "OVER", "HELD"}, rows)
				if len(rows) > 0 {
					o.out.note("when you have looked: vigil alert release --agency … --from … --to … --reason …")
				}
			})
		},
	}
	cmd.Flags().BoolVar(&exercise, "exercise", false, "exercises instead of casework")
	return cmd
}

func alertRelease(o *options) *cobra.Command {
	var x api.ReleaseFlood
	var key string
	cmd := &cobra.Command{
		Use: "release --agency AGENCY --from ENTRY --to ENTRY --reason TEXT", Short: "Say that what another agency raised was looked at and need not be held", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.ReleaseFlood(cmd.Context(), keyOr(key), x)
			return o.written(w, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&x.Agency, "agency", "", "that raised it (required)")
	f.StringVar(&x.Ledger, "ledger", "", "origin of its ledger (default: our own)")
	f.Uint64Var(&x.From, "from", 0, "first entry (required)")
	f.Uint64Var(&x.To, "to", 0, "entry after the last (required)")
	f.StringVar(&x.Reason, "reason", "", "what the look found (required)")
	f.BoolVar(&x.Exercise, "exercise", false, "exercises instead of casework")
	for _, name := range []string{"agency", "from", "to", "reason"} {
		_ = cmd.MarkFlagRequired(name)
	}
	keyFlag(cmd, &key)
	return cmd
}
