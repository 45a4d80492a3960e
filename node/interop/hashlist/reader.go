package hashlist

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"vigil/ledger/alert"
	"vigil/node/interop/row"
)

// Options say what a list does not say itself. The zero value guesses.
type Options struct {
	// Bare is the algorithm of hashes without a name, for lists of 64 digits that are PDQ; 0: by length.
	Bare alert.Algorithm
}

// Reader reads one list. Make it with NewReader.
type Reader struct {
	lines   *lines
	options Options
	table   *table // nil for a plain list
	held    string // first line of a plain list, not yet given
	holding bool
	number  uint64
	done    error
}

// NewReader reads up to the first line that is not blank or a comment, which tells the kind of list. An error says
// that this is no hash list.
func NewReader(r io.Reader, o Options) (*Reader, error) {
	d := &Reader{lines: newLines(r), options: o}
	first, err := d.content()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: no line with content", row.ErrNotThis)
	}
	if err != nil {
		return nil, err
	}
	if d.table = newTable(first); d.table != nil {
		return d, nil
	}
	if _, err := o.signal(first); err != nil {
		return nil, fmt.Errorf("%w: the first line is neither a hash nor a header that names one", row.ErrNotThis)
	}
	d.held, d.holding = first, true
	return d, nil
}

// content returns the next line that is neither blank nor a comment.
func (d *Reader) content() (string, error) {
	for {
		b, err := d.lines.next()
		if err != nil {
			return "", err
		}
		if s := strings.TrimSpace(string(b)); s != "" && s[0] != '#' {
			return string(b), nil
		}
	}
}

// Next returns the next row, as row.Source has it.
func (d *Reader) Next() (row.Row, error) {
	if d.done != nil {
		return row.Row{}, d.done
	}
	text, err := d.take()
	long := errors.Is(err, row.ErrLongLine)
	if err != nil && !long {
		d.done = err
		return row.Row{}, err
	}
	d.number++
	r := row.Row{Number: d.number, Line: d.lines.line}
	if long {
		return row.Row{}, &row.Error{Number: r.Number, Line: r.Line, Err: err}
	}
	if field, err := d.fill(&r, text); err != nil {
		return row.Row{}, &row.Error{Number: r.Number, Line: r.Line, Field: field, Err: err}
	}
	return row.Complete(r)
}

func (d *Reader) take() (string, error) {
	if d.holding {
		d.holding = false
		return d.held, nil
	}
	return d.content()
}

func (d *Reader) fill(r *row.Row, text string) (field string, err error) {
	if d.table != nil {
		return d.table.fill(r, text)
	}
	s, err := d.options.signal(text)
	r.File.Signals = []alert.Signal{s}
	return "", err
}

// signal reads a line of a plain list: the hash, and after white space a file name, which is thrown away.
func (o Options) signal(text string) (alert.Signal, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return alert.Signal{}, row.ErrNoHash
	}
	word := strings.TrimPrefix(words[0], "\\") // sha256sum's mark of an escaped file name
	if name, value, named := strings.Cut(word, ":"); named {
		a, ok := row.AlgorithmOf(name)
		if !ok {
			return alert.Signal{}, row.ErrBadHash
		}
		return signalOf(a, value)
	}
	a, ok := alert.GuessAlgorithm(word)
	if o.Bare != 0 {
		a, ok = o.Bare, true
	}
	if !ok {
		return alert.Signal{}, row.ErrBadHash
	}
	return signalOf(a, word)
}

func signalOf(a alert.Algorithm, text string) (alert.Signal, error) {
	v, err := alert.ParseValue(a, text)
	if err != nil {
		return alert.Signal{}, row.ErrBadHash
	}
	return alert.Signal{Algorithm: a, Value: v}, nil
}
