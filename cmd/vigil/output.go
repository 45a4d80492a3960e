package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"
)

// printer writes data to stdout and everything else to stderr: aligned tables for a terminal, tab-separated values
// with the same columns for a pipe, JSON when asked for.
type printer struct {
	out, err io.Writer
	json     bool
	quiet    bool
	terminal bool
}

func newPrinter(out, err io.Writer, asJSON, quiet bool) printer {
	f, ok := out.(*os.File)
	return printer{out: out, err: err, json: asJSON, quiet: quiet, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// value prints v as JSON when asked for, and otherwise calls people.
func (p printer) value(v any, people func()) error {
	if !p.json {
		people()
		return nil
	}
	e := json.NewEncoder(p.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// line prints v as one line of JSON when asked for, and otherwise the text.
func (p printer) line(v any, text string) error {
	if !p.json {
		_, err := fmt.Fprintln(p.out, safe(text))
		return err
	}
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table prints a header and rows.
func (p printer) table(header []string, rows [][]string) {
	w := p.out
	var flush func() error
	if p.terminal {
		t := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
		w, flush = t, t.Flush
	}
	fmt.Fprintln(w, strings.Join(header, "\t"))
	for _, row := range rows {
		for i := range row {
			row[i] = safe(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	if flush != nil {
		_ = flush() // a closed pipe ends the command anyway
	}
}

// row prints a line of a table that is too long to wait for: on a terminal the columns whose widths are given are aligned.
func (p printer) row(cells []string, widths []int) {
	for i := range cells {
		cells[i] = safe(cells[i])
		if p.terminal && i < len(widths) {
			cells[i] = fmt.Sprintf("%-*s", widths[i], cells[i])
		}
	}
	between := "\t"
	if p.terminal {
		between = "  "
	}
	fmt.Fprintln(p.out, strings.Join(cells, between))
}

// section prints a table after an empty line, and nothing where there are no rows.
func (p printer) section(header []string, rows [][]string) {
	if len(rows) > 0 {
		fmt.Fprintln(p.out)
		p.table(header, rows)
	}
}

// fields prints names and values below each other.
func (p printer) fields(pairs ...string) {
	t := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", pairs[i], safe(pairs[i+1]))
		}
	}
	_ = t.Flush()
}

// text prints what others wrote: byte for byte into a pipe, and with nothing that steers it on a terminal.
func (p printer) text(s string) error {
	if p.terminal {
		s = safeLines(s)
	}
	_, err := io.WriteString(p.out, s)
	return err
}

// note tells people something beside the data.
func (p printer) note(format string, args ...any) {
	if !p.quiet {
		fmt.Fprintln(p.err, safe(fmt.Sprintf(format, args...)))
	}
}

// safe keeps what others wrote from steering the terminal: control and direction characters become visible.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || (unicode.IsControl(r) && r != '\t') || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// safeLines is safe for text of several lines.
func safeLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = safe(lines[i])
	}
	return strings.Join(lines, "\n")
}

// when prints a time for people: local on a terminal, UTC in a pipe.
func (p printer) when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if p.terminal {
		return t.Local().Format("2006-01-02 15:04:05 -0700")
	}
	return t.UTC().Format(time.RFC3339)
}

func (p printer) whenPtr(t *time.Time) string {
	if t == nil {
		return ""
	}
	return p.when(*t)
}
