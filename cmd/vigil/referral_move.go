package main

import (
	"github.com/spf13/cobra"

	"vigil/node/api"
)

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

func referralLink(o *options) *cobra.Command {
	var key string
	var l api.LinkReferral
	cmd := &cobra.Command{
		Use: "link ID", Short: "Name further alerts and reports that it is about", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.LinkReferral(cmd.Context(), keyOr(key), args[0], l)
			return o.written(w, err)
		},
	}
	cmd.Flags().StringSliceVar(&l.Alerts, "alert", nil, "id of an alert")
	cmd.Flags().StringSliceVar(&l.Reports, "report", nil, "id of a report")
	keyFlag(cmd, &key)
	return cmd
}

func referralTask(o *options) *cobra.Command {
	return noun("task", "Give tasks on a referral, and end them", taskGive(o), taskEnd(o, "done", "Say that a task of yours is done"), taskEnd(o, "drop", "Drop a task you gave"))
}

func taskGive(o *options) *cobra.Command {
	var key, due string
	var t api.GiveTask
	cmd := &cobra.Command{
		Use: "give ID TEXT --to AGENCY", Short: "Give a task to an agency that can read the referral", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			t.Text = args[1]
			if t.Due, err = parseDue(due); err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.GiveTask(cmd.Context(), keyOr(key), args[0], t)
			return o.written(w, err)
		},
	}
	cmd.Flags().StringVar(&t.To, "to", "", "agency whose task it is (required)")
	cmd.Flags().StringVar(&due, "due", "", "until when, "+dueForms)
	keyFlag(cmd, &key)
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

func taskEnd(o *options, verb, short string) *cobra.Command {
	var key string
	var e api.EndTask
	cmd := &cobra.Command{
		Use: verb + " ID TASK", Short: short, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			e.Ending = map[string]string{"done": "done", "drop": "dropped"}[verb]
			w, err := c.EndTask(cmd.Context(), keyOr(key), args[0], args[1], e)
			return o.written(w, err)
		},
	}
	cmd.Flags().StringVar(&e.Text, "text", "", "what came of it")
	keyFlag(cmd, &key)
	return cmd
}

func wishFlags(cmd *cobra.Command, w *api.Wish, about string) {
	cmd.Flags().StringVar(&w.Choice, "wish", "", about+"what the victim wants to hear of further sightings: not-asked, never, through-body, ask-later")
	cmd.Flags().StringVar(&w.Ask, "ask", "", about+"day on which to ask again, YYYY-MM-DD")
}

func referralWish(o *options) *cobra.Command {
	var key string
	var w api.Wish
	cmd := &cobra.Command{
		Use: "wish ID --wish CHOICE", Short: "Record what the victim wants to hear of further sightings (for the support body)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			written, err := c.RecordWish(cmd.Context(), keyOr(key), args[0], w)
			return o.written(written, err)
		},
	}
	wishFlags(cmd, &w, "")
	keyFlag(cmd, &key)
	_ = cmd.MarkFlagRequired("wish")
	return cmd
}
