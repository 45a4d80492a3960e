package main

import (
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func pointerCommand(o *options) *cobra.Command {
	return noun("pointer", "Deconfliction: learn which agency holds the same account, number or wallet", pointerAdd(o), pointerList(o), pointerShow(o), pointerDrop(o))
}

func pointerAdd(o *options) *cobra.Command {
	var p api.HoldPointer
	var key string
	cmd := &cobra.Command{
		Use: "add KIND VALUE", Short: "Hold a pointer; who holds the same one learns of it, and nothing else", Args: cobra.ExactArgs(2),
		Long:    "KIND is account (service:name), email, phone (+91…), device (IMEI or MAC), wallet or ip (address@time). The value stays here:\nother agencies' nodes blind it without learning it.",
		Example: "  vigil pointer add phone '+91 98765 43210' --case 'FIR 112/2026'\n  vigil pointer add account instagram:some.body",
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Kind, p.Value = args[0], args[1]
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.HoldPointer(cmd.Context(), keyOr(key), p)
			return o.written(w, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.Case, "of-case", "", "this agency's own case number; nobody else learns it")
	f.StringVar(&p.Note, "note", "", "note for this agency")
	f.BoolVar(&p.Exercise, "exercise", false, "an exercise, not casework")
	keyFlag(cmd, &key)
	return cmd
}

func pointerList(o *options) *cobra.Command {
	var q api.PointerQuery
	cmd := &cobra.Command{
		Use: "list", Short: "What this agency holds, and who holds it, too", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			page, err := c.Pointers(cmd.Context(), q)
			if err != nil {
				return err
			}
			return o.out.value(page, func() {
				rows := [][]string{}
				for _, p := range page.Pointers {
					rows = append(rows, []string{p.ID, p.Kind, p.Value, p.State, strings.Join(p.Overlaps, ","), p.Case, exerciseMark(p.Exercise)})
				}
				o.out.table([]string{"ID", "KIND", "VALUE", "STATE", "ALSO HELD BY", "CASE", ""}, rows)
				if len(page.Evaluators) == 0 {
					o.out.note("there is nobody to blind: deconfliction takes three agencies")
				}
				if page.Next > 0 {
					o.out.note("more: --before %d", page.Next)
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.Kind, "kind", "", "account, email, phone, device, wallet, ip")
	f.BoolVar(&q.Overlaps, "overlaps", false, "only those that another agency holds, too")
	f.BoolVar(&q.Exercise, "exercise", false, "exercises instead of casework")
	f.Int64Var(&q.Before, "before", 0, "go on after an earlier page")
	f.IntVar(&q.Limit, "limit", 50, "pointers a page, at most 500")
	return cmd
}

func pointerShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "One pointer", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			p, err := c.Pointer(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return o.out.value(p, func() {
				o.out.fields("id", p.ID, "kind", p.Kind, "value", p.Value, "case", p.Case, "note", p.Note, "held", o.out.when(p.Held), "state", p.State,
					"also held by", strings.Join(p.Overlaps, ", "), "", exerciseMark(p.Exercise))
			})
		},
	}
}

func pointerDrop(o *options) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use: "drop ID", Short: "Hold a pointer no longer", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.DropPointer(cmd.Context(), key, args[0])
			return o.written(w, err)
		},
	}
	keyFlag(cmd, &key)
	return cmd
}

// exerciseMark stands in the last column of what is no casework.
func exerciseMark(exercise bool) string {
	if exercise {
		return "EXERCISE"
	}
	return ""
}
