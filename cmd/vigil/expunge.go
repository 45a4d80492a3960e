package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func ledgerExpunge(o *options) *cobra.Command {
	var x api.Expunge
	var list bool
	var order string
	var before int64
	var limit int
	cmd := &cobra.Command{
		Use: "expunge POSITION --order FILE --authority TEXT", Short: "Delete what was written, on every node and at partners, by an order; list", Args: cobra.MaximumNArgs(1),
		Long: "Deletes for good: from the ledger's payloads, every board, every index and raft's log, here and at every partner that had it. What\n" +
			"stays is the leaf in the tree, so that every proof made before still holds, and the order's SHA-256 with who gave it. Each agency\n" +
			"that could open it answers that it is gone. A position is an alert's id, INDEX for everything in an entry, or INDEX/ROW: of a list\n" +
			"one alert goes, of everything else the event. Only who wrote it may; for another's entry --propose asks the members, and once they\n" +
			"have approved, the same command without it expunges. Exports and what others noted elsewhere are not reached: recall first.",
		Example: "  vigil ledger expunge al_5f3a… --order order.pdf --authority 'High Court of Bombay, WP 12/2026'\n  vigil ledger expunge --list",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			switch {
			case list:
				return o.expungements(cmd.Context(), c, before, limit)
			case len(args) == 0 || order == "" || x.Authority == "":
				return &usageError{text: "what, by which order, and whose?", hint: "vigil ledger expunge POSITION --order FILE --authority TEXT, or --list"}
			}
			if x.Order, err = digestOfFile(order); err != nil {
				return err
			}
			if x.Index, x.Rows, x.Alert, err = parsePosition(args[0]); err != nil {
				return err
			}
			w, err := c.Expunge(cmd.Context(), x)
			if err := o.written(w, err); err != nil {
				return err
			}
			if x.Propose {
				o.out.note("others approve with: vigil agency approve %s", w.ID)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&order, "order", "", "file with the order as it was received; its SHA-256 is written, not the file")
	f.StringVar(&x.Authority, "authority", "", "who ordered it, with their reference")
	f.StringVar(&x.Reason, "reason", "", "in words, for those who could read it")
	f.BoolVar(&x.Propose, "propose", false, "propose it to the members, because another agency wrote it")
	f.BoolVar(&list, "list", false, "what was expunged, and who has said that it is gone")
	f.Int64Var(&before, "before", 0, "go on after an earlier page, for --list")
	f.IntVar(&limit, "limit", 50, "rows a page, at most 500, for --list")
	cmd.MarkFlagsMutuallyExclusive("list", "order")
	return cmd
}

func digestOfFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (o *options) expungements(ctx context.Context, c *api.Client, before int64, limit int) error {
	page, err := c.Expungements(ctx, before, limit)
	if err != nil {
		return err
	}
	return o.out.value(page, func() {
		rows := [][]string{}
		for _, x := range page.Expungements {
			for _, h := range x.Holders {
				rows = append(rows, []string{x.ID, num(x.Target), num(uint64(len(x.Rows))), x.By, x.Authority, o.out.whenPtr(x.Due), h.Agency, h.State, o.out.whenPtr(h.Answered)})
			}
		}
		o.out.table([]string{"ID", "ENTRY", "ROWS", "BY", "AUTHORITY", "DUE", "HOLDER", "STATE", "ANSWERED"}, rows)
		if page.Next > 0 {
			o.out.note("more: --before %d", page.Next)
		}
	})
}
