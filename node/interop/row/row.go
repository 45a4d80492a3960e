// Package row is the one shape in which every outside format reaches the importer, and leaves through an exporter:
// the fingerprints of one file and the little that is said about it. It has no field that could hold imagery, a path
// or a person's words, so what readers leave out cannot come through. It knows no format.
package row

import (
	"errors"
	"fmt"
	"io"
	"time"

	"vigil/ledger/alert"
)

// Bounds shared by the readers. What is over is a bad row where the rest of the file can still be read.
const (
	// MaxLineBytes bounds one line of a text list.
	MaxLineBytes = 64 << 10
	// MaxRecordBytes bounds one record of a structured file, with everything that is thrown away.
	MaxRecordBytes = 64 << 20
	// MaxTextBytes bounds a text that is kept, in the file's own encoding.
	MaxTextBytes = 4 << 10
	// MaxDepth bounds nesting.
	MaxDepth = 16
)

// What ends the reading of a file. A source returns nothing after one of these.
var (
	ErrTruncated  = errors.New("the file ends in the middle: it is truncated")
	ErrSyntax     = errors.New("the file is not well-formed")
	ErrNotThis    = errors.New("not a file of this format")
	ErrTooLarge   = errors.New("over the bound")
	ErrNoMoreRows = errors.New("the file has fewer rows than were read before: it is another file")
)

// Why a single row is bad or dropped.
var (
	ErrNoHash    = errors.New("no fingerprint")
	ErrBadHash   = errors.New("not a fingerprint of its algorithm")
	ErrEmptyFile = errors.New("dropped: the hash stands for no content")
	ErrField     = errors.New("not a value of its field")
	ErrLongLine  = errors.New("line over the bound")
	ErrManyHash  = errors.New("too many fingerprints in one record")
)

// Pertinence says whether the source counts the file among the illegal or exploitive ones. An importer raises alerts
// for pertinent files only, unless told otherwise: a hash set may list harmless files too.
type Pertinence uint8

// The pertinences.
const (
	UnknownPertinence Pertinence = 0 // the category's meaning is not known, or none was given
	Pertinent         Pertinence = 1
	NotPertinent      Pertinence = 2
)

// Row is one file of a hash list.
type Row struct {
	Number          uint64 // from 1, counting bad rows too: what an interrupted import resumes after
	Line            uint64 // where the row begins, from 1
	File            alert.File
	Media           alert.MediaKind
	Classifications []alert.Classification
	Pertinence      Pertinence
	Victim          alert.Victim
	Series          string
	Updated         time.Time // zero where not stated
}

// Signal returns the row's first value of an algorithm.
func (r *Row) Signal(a alert.Algorithm) (alert.Signal, bool) {
	for _, s := range r.File.Signals {
		if s.Algorithm == a {
			return s, true
		}
	}
	return alert.Signal{}, false
}

// Error is a bad or dropped row. It never contains the row's values.
type Error struct {
	Number uint64
	Line   uint64
	Field  string // empty where the whole row is meant
	Err    error
}

func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("row %d (line %d): %v", e.Number, e.Line, e.Err)
	}
	return fmt.Sprintf("row %d (line %d): %s: %v", e.Number, e.Line, e.Field, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Source yields the rows of a file. Next returns io.EOF after the last; an *Error for a bad row, after which reading
// goes on; any other error ends the file. It is not safe for concurrent use.
type Source interface {
	Next() (Row, error)
}

// Skip reads past the first n rows, bad ones included, so that an interrupted import goes on where it was.
func Skip(s Source, n uint64) error {
	for read := uint64(0); read < n; {
		r, err := s.Next()
		if bad, ok := errors.AsType[*Error](err); ok {
			read = bad.Number
			continue
		}
		if errors.Is(err, io.EOF) {
			return ErrNoMoreRows
		}
		if err != nil {
			return err
		}
		read = r.Number
	}
	return nil
}

// Complete brings a row's file into canonical form and refuses one without a usable fingerprint.
func Complete(r Row) (Row, error) {
	bad := func(field string, err error) (Row, error) {
		return Row{}, &Error{Number: r.Number, Line: r.Line, Field: field, Err: err}
	}
	if len(r.File.Signals) == 0 {
		return bad("", ErrNoHash)
	}
	r.File = r.File.Normal()
	for _, s := range r.File.Signals {
		if s.Worthless() {
			return bad(s.Algorithm.String(), ErrEmptyFile)
		}
	}
	if err := r.File.Validate(); err != nil {
		return bad("", ErrField)
	}
	return r, nil
}
