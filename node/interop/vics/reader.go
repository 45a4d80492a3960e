package vics

import (
	"errors"
	"fmt"
	"io"

	"vigil/node/interop/row"
)

// Reader reads one file. Make it with NewReader.
type Reader struct {
	l       *lexer
	context context
	number  uint64
	levels  []level // the open objects and arrays, outermost first
	done    error   // what ended the file
}

// level is one open object or array between the file's beginning and the next media object.
type level struct {
	kind  kind
	first bool
}

type kind uint8

const (
	inFile  kind = iota // the outer object, after "value"
	inCases             // the array of cases
	inCase              // one case object
	inMedia             // an array of media
)

// NewReader reads the beginning of a file up to the first record. An error says that it is no VICS file, or which
// version of it is unknown.
func NewReader(r io.Reader) (*Reader, error) {
	d := &Reader{l: newLexer(r)}
	if c, err := d.l.peek(); err != nil || c != '{' {
		return nil, fmt.Errorf("%w: VICS begins with {", row.ErrNotThis)
	}
	if err := d.l.take('{'); err != nil {
		return nil, err
	}
	d.levels = []level{{inFile, true}}
	if err := d.readContext(); err != nil {
		return nil, err
	}
	return d, d.openValue()
}

func (d *Reader) readContext() error {
	name, err := d.firstName()
	if err != nil {
		return err
	}
	if c, err := d.l.peek(); err != nil || c != '"' {
		return fmt.Errorf("%w: the metadata context must come first", row.ErrNotThis)
	}
	text, ok, err := d.l.text()
	if err != nil {
		return err
	}
	c, known := parseContext(name, text)
	if !ok || !known {
		return fmt.Errorf("%w: the metadata context must come first and name VICS 1.2, 1.3 or 2.0", row.ErrNotThis)
	}
	d.context = c
	return nil
}

func (d *Reader) firstName() (string, error) {
	ok, err := d.l.more(&d.levels[0].first, '}')
	if err == nil && !ok {
		err = fmt.Errorf("%w: an empty object", row.ErrNotThis)
	}
	if err != nil {
		return "", err
	}
	return d.l.key()
}

// openValue steps over other members of the outer object to the array of records.
func (d *Reader) openValue() error {
	for {
		ok, err := d.l.more(&d.levels[0].first, '}')
		if err == nil && !ok {
			err = fmt.Errorf("%w: no \"value\"", row.ErrNotThis)
		}
		if err != nil {
			return err
		}
		name, err := d.l.key()
		if err != nil {
			return err
		}
		if name == "value" {
			break
		}
		if err := d.l.skip(row.MaxDepth); err != nil {
			return err
		}
	}
	inside := inMedia
	if d.context.cases {
		inside = inCases
	}
	return d.open('[', inside)
}

func (d *Reader) open(c byte, k kind) error {
	d.levels = append(d.levels, level{k, true})
	return d.l.take(c)
}

// Next returns the next media record, as row.Source has it.
func (d *Reader) Next() (row.Row, error) {
	if d.done != nil {
		return row.Row{}, d.done
	}
	r, err := d.step()
	if _, bad := errors.AsType[*row.Error](err); err != nil && !bad {
		d.done = err
	}
	return r, err
}

func (d *Reader) step() (row.Row, error) {
	for len(d.levels) > 0 {
		d.l.beginRecord()
		top := &d.levels[len(d.levels)-1]
		ok, err := d.l.more(&top.first, closing(top.kind))
		if err != nil {
			return row.Row{}, err
		}
		if !ok {
			d.levels = d.levels[:len(d.levels)-1]
			continue
		}
		if top.kind == inMedia {
			return d.media()
		}
		if err := d.enter(top.kind); err != nil {
			return row.Row{}, err
		}
	}
	if err := d.l.end(); err != nil {
		return row.Row{}, err
	}
	return row.Row{}, io.EOF
}

func closing(k kind) byte {
	if k == inFile || k == inCase {
		return '}'
	}
	return ']'
}

// enter opens the next member where it may hold media, and skips it otherwise.
func (d *Reader) enter(k kind) error {
	if k == inCases {
		return d.open('{', inCase)
	}
	name, err := d.l.key()
	if err != nil {
		return err
	}
	if k != inCase || name != "Media" {
		return d.l.skip(row.MaxDepth)
	}
	if c, err := d.l.peek(); err != nil || c != '[' {
		if err == nil {
			err = d.l.skip(1)
		}
		return err
	}
	return d.open('[', inMedia)
}
