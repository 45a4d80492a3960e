package board

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// Errors of queries.
var (
	ErrNotFound  = errors.New("board: nothing has such an id")
	ErrAmbiguous = errors.New("board: more than one id begins like that")
	ErrQuery     = errors.New("board: query")
	// ErrWrite says that a write to disk failed: the board stays as it is and readable, and Run ends.
	ErrWrite = errors.New("board: a write to disk failed")
)

// Ledger is where entries come from. What it returns has been verified.
type Ledger interface {
	Origins() []ledger.Origin
	Size(origin ledger.Origin) uint64
	// Entry returns an entry; where its payload is not here, it returns the leaf with ledger.ErrAbsent, and where it cannot be read with
	// another error.
	Entry(origin ledger.Origin, index uint64) (e ledger.Entry, bare bool, hash tlog.Hash, err error)
	// Gone says whether an entry's payload was expunged, and by which entry; its leaf is still there.
	Gone(origin ledger.Origin, index uint64) (by uint64, gone bool, err error)
	// Changed is closed at the next change.
	Changed() <-chan struct{}
}

// Opener opens sealed payloads; crypto.ErrNotForUs says that this agency is not in the audience.
type Opener interface {
	Open(rec *ledger.Record, payload []byte) (*ledger.Payload, error)
}

// Config names what a Board works with; every field but OnGovernance is required.
type Config struct {
	Dir    string
	Key    [32]byte
	Agency ledger.AgencyID
	Ledger Ledger
	Opener Opener
	// Policy is the jurisdiction's policy in force, read before every transaction; where it has changed, folds follow.
	Policy func() ledger.Policy
	// OnGovernance is told of every governance entry before the cursor passes it, perhaps more than once.
	OnGovernance func(rec *ledger.Record, index uint64, payload []byte)
	Log          *slog.Logger
}

// Board is safe for concurrent use by many readers; Run is its one writer.
type Board struct {
	cfg    Config
	write  *sql.DB
	read   *sql.DB
	vfs    string
	tables []table       // used by Run only
	flood  *flood        // used by Run only
	wake   chan struct{} // of Run
	logged atomic.Bool   // the write-ahead log may hold what was taken off
	// markDated is the statement that makes stale what a seal dates.
	markDated string

	made [16]byte // see Made

	mu        sync.Mutex
	positions map[ledger.Origin]uint64 // guarded by mu
	rewind    map[ledger.Origin]uint64 // guarded by mu; where Run is asked to begin again
	alike     []Alike                  // guarded by mu; what NoteAlike left for Run
	unread    map[ledger.Origin]error  // guarded by mu; see Unread
	last      uint64                   // guarded by mu; sequence of the last change
	changed   chan struct{}            // guarded by mu
}

// Open opens the board, or makes it anew where it is missing, damaged, of another schema or under another key: it holds
// nothing that the ledgers do not.
func Open(cfg Config) (*Board, error) {
	b, _, err := OpenNoted(cfg)
	return b, err
}

// OpenNoted is Open that says why the board was made anew; nil where it was not.
func OpenNoted(cfg Config) (_ *Board, anew, _ error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("board: %w", err)
	}
	b := &Board{
		cfg: cfg, vfs: registerCipher(cfg.Key), tables: tables(), flood: newFlood(), wake: make(chan struct{}, 1),
		rewind: map[ledger.Origin]uint64{}, unread: map[ledger.Origin]error{}, changed: make(chan struct{}),
	}
	b.markDated = marking(b.tables)
	b.logged.Store(true) // a crash may have come before it was emptied
	err := b.openFile()
	if err == nil {
		return b, nil, nil
	}
	if failedWrite(err) {
		return nil, nil, fmt.Errorf("%w: %w", ErrWrite, err) // nothing is wrong with the file, and a new one could not be written either
	}
	if !errors.Is(err, os.ErrNotExist) {
		cfg.Log.Warn("the board cannot be used and is built anew from the ledgers", "error", err)
	}
	if err := b.remove(); err != nil {
		return nil, nil, fmt.Errorf("board: %w", err)
	}
	if err := b.create(); err != nil {
		return nil, nil, fmt.Errorf("board: %w", err)
	}
	return b, err, nil
}

// load reads cursors and the last change.
func (b *Board) load() error {
	b.positions = map[ledger.Origin]uint64{}
	rows, err := b.write.Query("SELECT origin, next FROM cursors")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var origin string
		var next uint64
		if err := rows.Scan(&origin, &next); err != nil {
			return err
		}
		b.positions[ledger.Origin(origin)] = next
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := b.write.QueryRow("SELECT coalesce(max(seq), 0) FROM changes").Scan(&b.last); err != nil {
		return err
	}
	var made []byte
	if err := b.write.QueryRow("SELECT made FROM meta").Scan(&made); err != nil || len(made) != len(b.made) {
		return errors.Join(errors.New("board: it does not say which it is"), err)
	}
	b.made = [16]byte(made)
	return nil
}

// Close closes the files. Run must have ended.
func (b *Board) Close() error { return errors.Join(b.read.Close(), b.write.Close()) }

// Made names this making of the board: numbers and revisions mean something as long as it is the same.
func (b *Board) Made() [16]byte { return b.made }

// Position returns how many entries of a ledger the board has followed.
func (b *Board) Position(origin ledger.Origin) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.positions[origin]
}

// Rewind lets Run follow a ledger again from an index: keys were granted that open what did not open before. What is on
// the board already stays as it is.
func (b *Board) Rewind(origin ledger.Origin, index uint64) {
	b.mu.Lock()
	if at, asked := b.rewind[origin]; !asked || index < at {
		b.rewind[origin] = index
	}
	b.mu.Unlock()
	b.rouse()
}

// rewound applies what Rewind asked for; the cursor on disk follows with the next batch, so a crash here forgets the wish.
func (b *Board) rewound(origin ledger.Origin) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at, asked := b.rewind[origin]; asked {
		b.positions[origin] = min(at, b.positions[origin])
		delete(b.rewind, origin)
	}
}

// CaughtUp says whether the board is where the ledgers are, with nothing left to follow again.
func (b *Board) CaughtUp() bool {
	origins := b.cfg.Ledger.Origins()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, origin := range origins {
		if _, asked := b.rewind[origin]; asked || b.positions[origin] < b.cfg.Ledger.Size(origin) {
			return false
		}
	}
	return true
}

// WaitFor returns when the board has followed size entries of a ledger.
func (b *Board) WaitFor(ctx context.Context, origin ledger.Origin, size uint64) error {
	return b.wait(ctx, func() bool { return b.positions[origin] >= size })
}

// WaitChange returns when there is a change after a sequence.
func (b *Board) WaitChange(ctx context.Context, after uint64) error {
	return b.wait(ctx, func() bool { return b.last > after })
}

// LastChange returns the sequence of the last change.
func (b *Board) LastChange() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

func (b *Board) wait(ctx context.Context, ok func() bool) error {
	for {
		b.mu.Lock()
		done, changed := ok(), b.changed
		b.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// moved publishes what a transaction has committed.
func (b *Board) moved(origin ledger.Origin, next, last uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if origin != "" {
		b.positions[origin] = next
	}
	b.last = max(b.last, last)
	close(b.changed)
	b.changed = make(chan struct{})
}
