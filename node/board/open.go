package board

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/vfs"
	vfsadiantum "github.com/ncruces/go-sqlite3/vfs/adiantum"
	"golang.org/x/mod/sumdb/tlog"
	"lukechampine.com/adiantum"
	"lukechampine.com/adiantum/hbsh"

	"vigil/ledger"
)

// Errors of queries.
var (
	ErrNotFound  = errors.New("board: no such alert")
	ErrAmbiguous = errors.New("board: more than one alert begins like that")
	ErrQuery     = errors.New("board: query")
)

// Ledger is where entries come from. What it returns has been verified.
type Ledger interface {
	Origins() []ledger.Origin
	Size(origin ledger.Origin) uint64
	Entry(origin ledger.Origin, index uint64) (e ledger.Entry, bare bool, hash tlog.Hash, err error)
	// Changed is closed at the next change.
	Changed() <-chan struct{}
}

// Opener opens sealed payloads; crypto.ErrNotForUs says that this agency is not in the audience.
type Opener interface {
	Open(rec *ledger.Record, payload []byte) (*ledger.Payload, error)
}

// Config names what a Board works with; every field is required.
type Config struct {
	Dir    string
	Key    [32]byte
	Agency ledger.AgencyID
	Ledger Ledger
	Opener Opener
	// Corroboration is the policy's k, read whenever a standing is computed.
	Corroboration func() int
	Log           *slog.Logger
}

// Board is safe for concurrent use by many readers; Run is its one writer.
type Board struct {
	cfg   Config
	write *sql.DB
	read  *sql.DB
	vfs   string

	mu        sync.Mutex
	positions map[ledger.Origin]uint64 // guarded by mu
	last      uint64                   // guarded by mu; sequence of the last change
	changed   chan struct{}            // guarded by mu
}

const schemaVersion = 1

const schema = `
CREATE TABLE meta (version INTEGER NOT NULL);
CREATE TABLE cursors (origin TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
	seq INTEGER PRIMARY KEY, origin TEXT NOT NULL, idx INTEGER NOT NULL, leaf INTEGER NOT NULL, author TEXT NOT NULL,
	event BLOB NOT NULL, type TEXT NOT NULL, authored INTEGER NOT NULL, audience TEXT NOT NULL,
	home TEXT, cause_author TEXT, cause BLOB, words TEXT NOT NULL, raw BLOB NOT NULL,
	UNIQUE (origin, idx, leaf));
CREATE INDEX events_by_object ON events (cause, cause_author, home);
CREATE INDEX events_by_id ON events (event);
CREATE INDEX events_by_type ON events (type, seq);
CREATE TABLE alerts (
	id INTEGER PRIMARY KEY, event BLOB NOT NULL, row INTEGER NOT NULL, author TEXT NOT NULL, home TEXT NOT NULL,
	founding INTEGER NOT NULL, authored INTEGER NOT NULL, standing INTEGER NOT NULL, agencies INTEGER NOT NULL,
	urgency INTEGER NOT NULL, exercise INTEGER NOT NULL,
	UNIQUE (event, row, author, home));
CREATE INDEX alerts_by_standing ON alerts (standing, id);
CREATE INDEX alerts_by_urgency ON alerts (urgency, id);
CREATE INDEX alerts_by_author ON alerts (author, id);
CREATE TABLE signals (alg INTEGER NOT NULL, value BLOB NOT NULL, alert INTEGER NOT NULL, PRIMARY KEY (alg, value, alert)) WITHOUT ROWID;
CREATE TABLE changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, object TEXT NOT NULL, origin TEXT NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL);
`

// creator hands the one key to the cipher, so that it appears in no name and no statement.
type creator struct{ key [32]byte }

// KDF implements adiantum.HBSHCreator.
func (c creator) KDF(string) []byte { return c.key[:] }

// HBSH implements adiantum.HBSHCreator.
func (c creator) HBSH(key []byte) *hbsh.HBSH { return adiantum.New(key) }

var vfsNumber atomic.Uint64

// Open opens the board, or makes it anew where it is missing, damaged, of another schema or under another key: it holds
// nothing that the ledgers do not.
func Open(cfg Config) (*Board, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	name := fmt.Sprintf("vigil-board-%d", vfsNumber.Add(1))
	vfs.Register(name, vfsadiantum.Wrap(vfs.Find(""), creator{cfg.Key}))
	b := &Board{cfg: cfg, vfs: name, positions: map[ledger.Origin]uint64{}, changed: make(chan struct{})}
	err := b.open()
	if err == nil {
		return b, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		cfg.Log.Warn("the board cannot be used and is built anew from the ledgers", "error", err)
	}
	if err := b.remove(); err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	if err := b.create(); err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	return b, b.load()
}

func (b *Board) path() string { return filepath.Join(b.cfg.Dir, "board.db") }

func (b *Board) remove() error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(b.path() + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (b *Board) connect() (err error) {
	base := "file:" + b.path() + "?vfs=" + b.vfs + "&textkey=board&_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=busy_timeout(5000)&_pragma=cache_size(-16384)"
	if b.write, err = driver.Open(base + "&_txlock=immediate"); err != nil {
		return err
	}
	b.write.SetMaxOpenConns(1)
	if err := b.write.Ping(); err != nil {
		return errors.Join(err, b.write.Close())
	}
	if b.read, err = driver.Open(base + "&_pragma=query_only(1)&_txlock=deferred"); err != nil {
		return errors.Join(err, b.write.Close())
	}
	b.read.SetMaxOpenConns(readers)
	b.read.SetMaxIdleConns(readers)
	return nil
}

func (b *Board) open() error {
	if _, err := os.Stat(b.path()); err != nil {
		return err
	}
	if err := b.connect(); err != nil {
		return err
	}
	var version int
	err := b.write.QueryRow("SELECT version FROM meta").Scan(&version)
	if err == nil && version != schemaVersion {
		err = fmt.Errorf("board: schema %d, this binary has %d", version, schemaVersion)
	}
	if err == nil {
		var verdict string
		if err = b.write.QueryRow("PRAGMA quick_check(1)").Scan(&verdict); err == nil && verdict != "ok" {
			err = errors.New("board: the file is damaged")
		}
	}
	if err == nil {
		err = b.load()
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	return nil
}

func (b *Board) create() error {
	if err := b.connect(); err != nil {
		return err
	}
	if _, err := b.write.Exec(schema); err != nil {
		return errors.Join(err, b.Close())
	}
	_, err := b.write.Exec("INSERT INTO meta VALUES (?)", schemaVersion)
	return err
}

// load reads cursors and the last change.
func (b *Board) load() error {
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
	return b.write.QueryRow("SELECT coalesce(max(seq), 0) FROM changes").Scan(&b.last)
}

// Close closes the files. Run must have ended.
func (b *Board) Close() error { return errors.Join(b.read.Close(), b.write.Close()) }

// Position returns how many entries of a ledger the board has followed.
func (b *Board) Position(origin ledger.Origin) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.positions[origin]
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
