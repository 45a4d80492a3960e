package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

// parsePosition reads INDEX, INDEX/ROW or the id of an alert.
func parsePosition(text string) (index uint64, rows []uint32, id string, err error) {
	if strings.HasPrefix(text, "al_") {
		return 0, nil, text, nil
	}
	entry, row, some := strings.Cut(text, "/")
	if index, err = parseIndex(entry); err != nil || !some {
		return index, nil, "", err
	}
	n, err := strconv.ParseUint(row, 10, 32)
	if err != nil {
		return 0, nil, "", &usageError{text: fmt.Sprintf("%q is not a position", text), hint: "a position is an entry's index, INDEX/ROW as 'vigil ledger show' counts them, or an alert's id"}
	}
	return index, []uint32{uint32(n)}, "", nil
}

func ledgerRelease(o *options) *cobra.Command {
	var r api.Release
	var list, ask bool
	var origin, reason, decline, key string
	var before int64
	var limit int
	cmd := &cobra.Command{
		Use: "release POSITION… --to AUDIENCE", Short: "Let further agencies or partners read what was written; ask for it; list", Args: cobra.ArbitraryArgs,
		Long: "Writes an entry that carries what is at the positions to a further audience: it reads that, with its author's own signature, and\n" +
			"nothing else of the entry. A position is an alert's id, INDEX for everything in an entry, or INDEX/ROW for the event that holds\n" +
			"a row. Only who wrote it may; for another's entry --propose asks the members, and once they have approved, the same command\n" +
			"without it releases. --ask asks that an entry be released that is here only as a hash.",
		Example: "  vigil ledger release al_5f3a… --to 'uk/*'\n  vigil ledger release 4711/3 --to us/fbi --propose\n  vigil ledger release --ask 4711 --ledger uk/… --reason 'our case 12/4'\n  vigil ledger release --list",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			switch {
			case list:
				return o.releases(cmd.Context(), c, origin, before, limit)
			case decline != "":
				w, err := c.DeclineAsk(cmd.Context(), keyOr(key), decline, reason)
				return o.written(w, err)
			case len(args) == 0:
				return &usageError{text: "no position", hint: "vigil ledger release POSITION… --to AUDIENCE, or --list"}
			case ask:
				return o.askRelease(cmd.Context(), c, args, origin, reason)
			case len(r.To) == 0:
				return &usageError{text: "to whom?", hint: "--to 'uk/*', or an agency"}
			}
			return o.release(cmd.Context(), c, args, r)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&r.To, "to", nil, "who is to read it too: uk/*, an agency (repeatable)")
	f.BoolVar(&r.Propose, "propose", false, "propose it to the members, because another agency wrote it")
	f.BoolVar(&list, "list", false, "what was released late, and what was asked for")
	f.BoolVar(&ask, "ask", false, "ask whoever wrote it to release it")
	f.StringVar(&decline, "decline", "", "decline a request, by its id")
	f.StringVar(&reason, "reason", "", "why, for --ask and --decline")
	f.StringVar(&origin, "ledger", "", "origin of a mirror, for --ask and --list; default our own ledger")
	f.Int64Var(&before, "before", 0, "go on after an earlier page, for --list")
	f.IntVar(&limit, "limit", 50, "rows a page, at most 500, for --list")
	keyFlag(cmd, &key)
	cmd.MarkFlagsMutuallyExclusive("list", "ask", "decline", "propose")
	return cmd
}

func (o *options) release(ctx context.Context, c *api.Client, positions []string, r api.Release) error {
	for _, text := range positions {
		var err error
		if r.Index, r.Rows, r.Alert, err = parsePosition(text); err != nil {
			return err
		}
		w, err := c.Release(ctx, r)
		if err := o.written(w, err); err != nil {
			return err
		}
		if r.Propose {
			o.out.note("others approve with: vigil agency approve %s", w.ID)
		}
	}
	return nil
}

func (o *options) askRelease(ctx context.Context, c *api.Client, indexes []string, origin, reason string) error {
	for _, text := range indexes {
		index, err := parseIndex(text)
		if err != nil {
			return err
		}
		w, err := c.AskRelease(ctx, keyOr(""), api.AskRelease{Ledger: origin, Index: index, Reason: reason})
		if err := o.written(w, err); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) releases(ctx context.Context, c *api.Client, origin string, before int64, limit int) error {
	page, err := c.Releases(ctx, origin, before, limit)
	if err != nil {
		return err
	}
	return o.out.value(page, func() {
		rows := [][]string{}
		for _, r := range page.Releases {
			rows = append(rows, []string{num(r.Target), r.Audience, num(r.Entry)})
		}
		o.out.table([]string{"ENTRY", "RELEASED TO", "BY ENTRY"}, rows)
		rows = [][]string{}
		for _, a := range page.Asks {
			rows = append(rows, []string{a.ID, a.State, a.By, a.Ledger, num(a.Index), o.out.when(a.Authored), a.Reason})
		}
		o.out.table([]string{"REQUEST", "STATE", "BY", "LEDGER", "ENTRY", "ASKED", "REASON"}, rows)
		if page.Next > 0 {
			o.out.note("more: --before %d", page.Next)
		}
	})
}
