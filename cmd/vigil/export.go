package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vigil/ledger/alert"
	"vigil/node/api"
	"vigil/node/interop/hashlist"
	"vigil/node/interop/row"
	"vigil/node/interop/vics"
)

// exportFlags are what an export is asked for.
type exportFlags struct {
	begin       api.BeginExport
	nation      string
	standing    string
	out         string
	withdrawals string
}

func alertExport(o *options) *cobra.Command {
	var x exportFlags
	cmd := &cobra.Command{
		Use: "export", Short: "Write alerts as CSV (the columns of ICSE) or VICS 2.0; TLP:RED, and what is not acted on, never leaves", Args: cobra.NoArgs,
		Long: "Write alerts in an outside format. The node records what leaves, so that a recall reaches it: what an earlier export carried\n" +
			"and is withdrawn is listed in a file of its own. --since writes only what is new since an earlier export, and what of it was\n" +
			"withdrawn since.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if x.withdrawals == "" && x.out != "" {
				x.withdrawals = x.out + ".withdrawals.csv"
			}
			if x.begin.Since != "" && x.withdrawals == "" {
				return &usageError{text: "where do withdrawals go?", hint: "-o FILE or --withdrawals FILE: whoever has the earlier export must hear of them"}
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			return o.export(cmd.Context(), c, x)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&x.out, "out", "o", "", "file to write (default: standard output)")
	f.StringVar(&x.withdrawals, "withdrawals", "", "file for what earlier exports carried and is withdrawn (default: the file's name with .withdrawals.csv)")
	f.StringVar(&x.begin.Since, "since", "", "id of an earlier export to go on from")
	f.StringVar(&x.begin.Format, "format", "csv", "csv or vics")
	f.StringVar(&x.nation, "nation", string(vics.Default), "whose categories a VICS file is written in: Default, US, UK")
	f.StringVar(&x.standing, "standing", "", "only this standing")
	f.BoolVar(&x.begin.Exercise, "exercise", false, "exercises instead of casework")
	return cmd
}

// exporter writes rows in an outside format.
type exporter interface {
	Write(r row.Row) error
	Close() error
}

func newExporter(format, nation string, w io.Writer) (exporter, error) {
	switch n := vics.Nation(nation); {
	case format == "csv":
		return hashlist.NewWriter(w)
	case format != "vics":
		return nil, &usageError{text: fmt.Sprintf("%q is no format", format), hint: "--format csv or --format vics"}
	case n != vics.Default && n != vics.UnitedStates && n != vics.UnitedKingdom:
		return nil, &usageError{text: fmt.Sprintf("%q is no national context of VICS 2.0", nation), hint: "--nation Default, US or UK"}
	default:
		return vics.NewWriter(w, n)
	}
}

// export begins an export, writes its alerts, and then what is withdrawn of what earlier ones carried. The files are there
// once everything is written.
func (o *options) export(ctx context.Context, c *api.Client, x exportFlags) error {
	w := o.out.out
	var out *outFile
	if x.out != "" {
		f, err := createFile(x.out, 0o600)
		if err != nil {
			return err
		}
		defer f.discard()
		w, out = f, f
	}
	writer, err := newExporter(x.begin.Format, x.nation, w)
	if err != nil {
		return err
	}
	begun, err := c.BeginExport(ctx, keyOr(""), x.begin)
	if err != nil {
		return err
	}
	written, withheld, err := exportAlerts(ctx, c, begun.ID, x.standing, writer)
	if err != nil {
		return err
	}
	list, withdrawn, err := exportWithdrawals(ctx, c, begun.ID, x.withdrawals)
	defer list.discard()
	if err != nil {
		return err
	}
	for _, f := range []*outFile{list, out} { // no export is without its withdrawals
		if err := f.commit(); err != nil {
			return err
		}
	}
	o.out.note("%s: %d written, %d withheld (TLP:RED, or without what the format identifies a file by), %d withdrawn", begun.ID, written, withheld, withdrawn)
	switch {
	case x.withdrawals == "":
		o.out.note("-o FILE or --withdrawals FILE lists what earlier exports carried and is withdrawn")
	case withdrawn > 0:
		o.out.note("withdrawn: %s; hand it to whoever has an earlier export", x.withdrawals)
	}
	o.out.note("go on from here with --since %s", begun.ID)
	return nil
}

func exportAlerts(ctx context.Context, c *api.Client, id, standing string, w exporter) (written, withheld int, err error) {
	more := api.ExportMore{Standing: standing}
	for {
		page, err := c.ExportAlerts(ctx, id, more)
		if err != nil {
			return written, withheld, err
		}
		withheld += page.Withheld
		for _, a := range page.Alerts {
			r, err := rowOf(a)
			if err == nil {
				err = w.Write(r)
			}
			if errors.Is(err, vics.ErrNoMD5) {
				withheld++
				continue
			}
			if err != nil {
				return written, withheld, err
			}
			written++
		}
		if more.After = page.Next; page.Next == 0 {
			return written, withheld, w.Close()
		}
	}
}

// exportWithdrawals writes a line for each signal that is withdrawn into a file to be committed; no file is made where there
// is none. Without a path nothing is asked for: what is asked for counts as handed on.
func exportWithdrawals(ctx context.Context, c *api.Client, id, path string) (f *outFile, n int, err error) {
	if path == "" {
		return nil, 0, nil
	}
	var lines *csv.Writer
	more := api.ExportMore{}
	for {
		page, err := c.ExportWithdrawals(ctx, id, more)
		if err != nil {
			return f, n, err
		}
		if f == nil && len(page.Withdrawals) > 0 {
			if f, err = createFile(path, 0o600); err != nil {
				return nil, n, err
			}
			lines = csv.NewWriter(f)
			_ = lines.Write([]string{"alert", "author", "because", "algorithm", "value", "retracted", "replacement"}) // Flush tells
		}
		for _, x := range page.Withdrawals {
			writeWithdrawal(lines, x)
			n++
		}
		if more.After = page.Next; page.Next == 0 {
			break
		}
	}
	if f == nil {
		return nil, n, nil
	}
	lines.Flush()
	return f, n, lines.Error()
}

func writeWithdrawal(w *csv.Writer, x api.Withdrawal) {
	at := ""
	if x.Retracted != nil {
		at = x.Retracted.UTC().Format("2006-01-02T15:04:05Z")
	}
	for _, s := range x.Signals {
		_ = w.Write([]string{x.Alert, x.Author, x.Because, s.Algorithm, s.Value, at, x.Replacement})
	}
}

func rowOf(a api.Alert) (row.Row, error) {
	d, err := api.DetailsOf(a.AlertFacts)
	if err != nil {
		return row.Row{}, err
	}
	r := row.Row{Media: d.Media, Classifications: d.Classifications, Victim: d.Victim, Series: d.Series, Updated: a.Authored}
	for _, s := range a.Signals {
		x, err := alert.ParseSignal(s.Algorithm + ":" + s.Value)
		if err != nil {
			return r, err
		}
		r.File.Signals = append(r.File.Signals, x)
	}
	r.File = r.File.Normal()
	return r, nil
}
