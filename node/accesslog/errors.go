package accesslog

import (
	"errors"
	"fmt"
)

// Errors of the log.
var (
	// ErrRecord refuses a record that is not well-formed; the text names the field, never what is in it.
	ErrRecord = errors.New("accesslog: record")
	// ErrFailed says that a write failed. Nothing more is written until the log is opened again, so nothing may be read.
	ErrFailed = errors.New("accesslog: a write to disk failed; nothing may be read until the node is started again")
	// ErrBusy says that too many appends wait for the disk.
	ErrBusy = errors.New("accesslog: too many reads wait for the disk")
	// ErrFull says that the log has reached its bound and must be set aside for a new one.
	ErrFull = errors.New("accesslog: the log is full")
	// ErrClosed says that the log was closed.
	ErrClosed = errors.New("accesslog: closed")
	// ErrAbsent says that there is no log here. Make one only if the ledger knows of no earlier log of this node.
	ErrAbsent = errors.New("accesslog: there is no log in the directory")
	// ErrExists refuses to make a log where there is one, or remains of one.
	ErrExists = errors.New("accesslog: there is a log in the directory already")
	// ErrInUse refuses a directory that another process has open.
	ErrInUse = errors.New("accesslog: the directory is in use by another process")
	// ErrUnusable says that the directory cannot be read or written.
	ErrUnusable = errors.New("accesslog: the directory cannot be used")
	// ErrNewer says that a newer binary wrote here.
	ErrNewer = errors.New("accesslog: written by a newer version; upgrade")
	// ErrTampered is what every Fault is: something is not what was written. Disk damage looks the same.
	ErrTampered = errors.New("accesslog: not what was written")
	// ErrSegment says that bytes are not an encoded segment.
	ErrSegment = errors.New("accesslog: segment")
)

// Problem says what is wrong.
type Problem uint8

// The problems a Fault can name.
const (
	Altered    Problem = iota + 1 // does not authenticate, or is not what the tree covers
	Missing                       // was acknowledged and is not there
	Stray                         // is there and was never written, or belongs to a later state of the log
	Unreadable                    // the disk does not give it
	Differs                       // the ledger has another root for this segment
	RolledBack                    // the ledger has a segment that the log has not reached
	Unanchored                    // the log says the ledger has this segment; the ledger does not
)

func (p Problem) String() string {
	switch p {
	case Altered:
		return "altered"
	case Missing:
		return "missing"
	case Stray:
		return "added"
	case Unreadable:
		return "unreadable"
	case Differs:
		return "another root than in the ledger"
	case RolledBack:
		return "in the ledger, not here: the log was put back"
	case Unanchored:
		return "not in the ledger where it was put"
	}
	return fmt.Sprintf("problem %d", uint8(p))
}

// Fault is one thing that is not what was written: a record, or the file that speaks for all of them.
type Fault struct {
	Problem Problem
	File    string // "head", "marks" or of records
	Index   uint64 // the first record concerned
}

func (f Fault) Error() string {
	return fmt.Sprintf("accesslog: from record %d on (%s): %s", f.Index, f.File, f.Problem)
}

// Unwrap makes every fault an ErrTampered.
func (f Fault) Unwrap() error { return ErrTampered }
