// Command vigil-verify checks an evidence bundle, a proof that somebody signed two histories or did not keep a receipt, or a
// receipt alone, offline: no network, no keys, nothing but the file and what the verifier trusts. It links the core only.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"vigil/ledger"
)

const usage = `usage: vigil-verify [--trust FILE] [--receipt FILE] [--json] FILE

FILE is an evidence bundle, a receipt, or a proof from 'vigil status': of a fork, or of a receipt that was not kept.
Exit codes: 0 verified · 1 the report could not be written · 2 usage · 10 a signature · 11 an inclusion proof · 12 a fork is proved ·
13 not trusted, or trust not established · 14 too few cosignatures · 15 malformed or of a newer version · 16 content does not match its hash ·
18 the trust file is of another ledger · 19 a receipt was not kept
`

const (
	exitFailure = 1
	exitUsage   = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("vigil-verify", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() { fmt.Fprint(errs, usage) }
	trustFile := flags.String("trust", "", "trust file, from 'vigil ledger trust'")
	receiptFile := flags.String("receipt", "", "signed receipt: is it for what the bundle shows")
	asJSON := flags.Bool("json", false, "print JSON")
	file, rest := "", args
	for len(rest) > 0 { // flags may stand before or after the file
		if flags.Parse(rest) != nil {
			return exitUsage
		}
		if rest = flags.Args(); len(rest) > 0 {
			if file != "" {
				flags.Usage()
				return exitUsage
			}
			file, rest = rest[0], rest[1:]
		}
	}
	if file == "" {
		flags.Usage()
		return exitUsage
	}
	bundle, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(errs, "error:", err)
		return exitUsage
	}
	trust, err := readTrust(*trustFile)
	if err != nil {
		fmt.Fprintln(errs, "error:", err)
		return exitUsage
	}
	report := verify(bundle, trust)
	if *receiptFile != "" {
		receipt, err := os.ReadFile(*receiptFile)
		if err != nil {
			fmt.Fprintln(errs, "error:", err)
			return exitUsage
		}
		report = ledger.VerifyReceipt(receipt, bundle, trust)
	}
	if *asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(report); err != nil {
			fmt.Fprintln(errs, "error:", err)
			return exitFailure
		}
		return report.Code()
	}
	print(out, report)
	return report.Code()
}

// verify checks a file as what it is; what is none of these is a damaged bundle.
func verify(file []byte, trust *ledger.Trust) *ledger.Report {
	if _, err := ledger.DecodeFork(file); err == nil {
		return ledger.VerifyFork(file, trust)
	}
	if _, err := ledger.DecodeUnkept(file); err == nil {
		return ledger.VerifyUnkept(file, trust)
	}
	if _, _, err := ledger.OpenReceipt(file); err == nil {
		return ledger.ReportReceipt(file)
	}
	return ledger.VerifyBundle(file, trust)
}

func readTrust(path string) (*ledger.Trust, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ledger.ParseTrust(b)
}

func print(out io.Writer, r *ledger.Report) {
	result := "VERIFIED"
	for i, c := range r.Checks {
		fmt.Fprintf(out, "%2d. %-12s %-7s %s\n", i+1, c.Name, strings.ToUpper(string(c.Outcome)), clean(c.Detail))
		switch {
		case c.Name == "fork":
			result = fmt.Sprintf("FORK PROVED (%s)", clean(c.Detail))
		case c.Name == "unkept":
			result = fmt.Sprintf("RECEIPT NOT KEPT (%s)", clean(c.Detail))
		case c.Outcome != ledger.Passed && result == "VERIFIED":
			result = fmt.Sprintf("NOT VERIFIED (%s: %s)", c.Name, clean(c.Detail))
		}
	}
	if len(r.Types) > 0 {
		fmt.Fprintf(out, "\n%s stated: %s\nin ledger %s, entry %d\nauthored %s (the author's word)\n", r.Author, clean(strings.Join(r.Types, ", ")), r.Ledger, r.Index, r.Authored.Format(time.RFC3339))
	}
	if r.Verified {
		fmt.Fprintf(out, "no later than %s, cosigned by %s\n", r.NoLaterThan.Format(time.RFC3339), strings.Join(r.Cosigners, ", "))
	}
	fmt.Fprintf(out, "RESULT: %s\n", result)
}

// clean keeps what a bundle says from steering the terminal: control and direction characters become visible.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
