package board

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/ext/fts5"
	"github.com/ncruces/go-sqlite3/vfs"
	vfsadiantum "github.com/ncruces/go-sqlite3/vfs/adiantum"
	"lukechampine.com/adiantum"
	"lukechampine.com/adiantum/hbsh"
)

// foldVersion is raised with every change of what a fold writes into unchanged tables.
const foldVersion = 2

// commonTables hold the events of every noun; a noun's own tables are its own. Where a cause has not arrived, the object
// has events and no founding one; a stale one is folded again soon, because a date or the policy has changed.
const commonTables = `
CREATE TABLE meta (version INTEGER NOT NULL, policy BLOB NOT NULL, made BLOB NOT NULL);
CREATE TABLE cursors (origin TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
	seq INTEGER PRIMARY KEY, origin TEXT NOT NULL, idx INTEGER NOT NULL, leaf INTEGER NOT NULL, author TEXT NOT NULL,
	event BLOB NOT NULL, type TEXT NOT NULL, version INTEGER NOT NULL, authored INTEGER NOT NULL, audience TEXT NOT NULL,
	fate INTEGER NOT NULL, object INTEGER, width INTEGER NOT NULL, shared BLOB NOT NULL, holes BLOB NOT NULL,
	UNIQUE (origin, idx, leaf));
CREATE INDEX events_by_object ON events (object) WHERE object IS NOT NULL;
CREATE INDEX events_by_id ON events (event);
CREATE INDEX events_by_fate ON events (fate, seq) WHERE fate > 0;
CREATE TABLE bodies (seq INTEGER PRIMARY KEY, rows BLOB NOT NULL);
CREATE TABLE objects (
	id INTEGER PRIMARY KEY, noun TEXT NOT NULL, home TEXT NOT NULL, author TEXT NOT NULL, event BLOB NOT NULL, founding INTEGER,
	stale INTEGER NOT NULL DEFAULT 0, UNIQUE (event, author, home, noun));
CREATE INDEX objects_stale ON objects (id) WHERE stale = 1;
CREATE INDEX objects_orphaned ON objects (id) WHERE founding IS NULL;
CREATE TABLE changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, object TEXT NOT NULL, origin TEXT NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL,
	exercise INTEGER NOT NULL, urgency INTEGER NOT NULL);
`

// schema is every table.
func schema(all []table) string {
	s := commonTables + sealsTables
	for _, n := range all {
		s += n.schema()
	}
	return s
}

// schemaVersion names the tables and folds of this binary: a file made by another is built anew.
func schemaVersion(all []table) int64 {
	sum := sha256.Sum256([]byte(strconv.Itoa(foldVersion) + schema(all)))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

// creator hands the one key to the cipher, so that it appears in no name and no statement.
type creator struct{ key [32]byte }

// KDF implements adiantum.HBSHCreator.
func (c creator) KDF(string) []byte { return c.key[:] }

// HBSH implements adiantum.HBSHCreator.
func (c creator) HBSH(key []byte) *hbsh.HBSH { return adiantum.New(key) }

var vfsNumber atomic.Uint64

// registerCipher makes a file system that encrypts under key and returns its name.
func registerCipher(key [32]byte) string {
	name := fmt.Sprintf("vigil-board-%d", vfsNumber.Add(1))
	vfs.Register(name, vfsadiantum.Wrap(vfs.Find(""), creator{key}))
	return name
}

// failedWrite says whether an error is the disk's refusal to take something, and not damage.
func failedWrite(err error) bool {
	return slices.ContainsFunc([]error{
		sqlite3.FULL, sqlite3.READONLY, sqlite3.IOERR_WRITE, sqlite3.IOERR_FSYNC, sqlite3.IOERR_DIR_FSYNC, sqlite3.IOERR_TRUNCATE, sqlite3.IOERR_SHMSIZE,
	}, func(code error) bool { return errors.Is(err, code) })
}

// named wraps a failed write in ErrWrite.
func named(err error) error {
	if failedWrite(err) {
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	return err
}

func (b *Board) path() string { return filepath.Join(b.cfg.Dir, "board.db") }

func (b *Board) remove() error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal", condemned} {
		if err := os.Remove(b.path() + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// prepare readies a connection. The cipher does not authenticate: a changed page would decrypt to noise. So every page
// ends with a checksum, under the encryption, and a page that does not match is an error.
func prepare(c *sqlite3.Conn) error {
	return errors.Join(fts5.Register(c), c.EnableChecksums("main"))
}

func (b *Board) connect() (err error) {
	base := "file:" + b.path() + "?vfs=" + b.vfs + "&textkey=board&_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=busy_timeout(5000)"
	if b.write, err = driver.Open(base+"&_pragma=cache_size(-65536)&_pragma=secure_delete(1)&_txlock=immediate", prepare); err != nil {
		return err
	}
	b.write.SetMaxOpenConns(1)
	if err := b.write.Ping(); err != nil {
		return errors.Join(err, b.write.Close())
	}
	if b.read, err = driver.Open(base+"&_pragma=cache_size(-16384)&_pragma=query_only(1)&_txlock=deferred", fts5.Register); err != nil {
		return errors.Join(err, b.write.Close())
	}
	b.read.SetMaxOpenConns(readers)
	b.read.SetMaxIdleConns(readers)
	return nil
}

// openFile opens what is there and refuses what this binary cannot go on with.
func (b *Board) openFile() error {
	if _, err := os.Stat(b.path()); err != nil {
		return err
	}
	if err := b.spared(); err != nil {
		return err
	}
	if err := b.connect(); err != nil {
		return err
	}
	if err := errors.Join(b.checkFile(), b.load()); err != nil {
		return errors.Join(err, b.Close())
	}
	return nil
}

func (b *Board) checkFile() error {
	var version int64
	if err := b.write.QueryRow("SELECT version FROM meta").Scan(&version); err != nil {
		return err
	}
	if version != schemaVersion(b.tables) {
		return errors.New("board: made by a binary with other tables")
	}
	var verdict string
	if err := b.write.QueryRow("PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return errors.New("board: the file is damaged")
	}
	return nil
}

func (b *Board) create() error {
	if err := b.connect(); err != nil {
		return err
	}
	_, err := b.write.Exec(schema(b.tables))
	if err == nil {
		_, err = b.write.Exec("INSERT INTO meta VALUES (?, x'', randomblob(16))", schemaVersion(b.tables))
	}
	if err == nil {
		err = b.load()
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	return nil
}

// querier is the database or a transaction in it.
type querier interface {
	Query(query string, args ...any) (*sql.Rows, error)
	QueryRow(query string, args ...any) *sql.Row
}
