package board

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/ext/fts5"
	"github.com/ncruces/go-sqlite3/vfs"
	vfsadiantum "github.com/ncruces/go-sqlite3/vfs/adiantum"
	"lukechampine.com/adiantum"
	"lukechampine.com/adiantum/hbsh"
)

// schemaVersion is raised with every change of the tables or of what a fold writes: an older file is built anew.
const schemaVersion = 3

// The rows of one cause have consecutive ids, first to first+count-1, so an alert's row is id-first, and what rows share
// stands once. An alert's file is its row of the founding event as it was signed. Where a cause has not arrived, the
// object has events and no row in causes.
const schema = `
CREATE TABLE meta (version INTEGER NOT NULL, corroboration INTEGER NOT NULL);
CREATE TABLE cursors (origin TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE seals (origin TEXT, size INTEGER, at INTEGER NOT NULL, PRIMARY KEY (origin, size)) WITHOUT ROWID;
CREATE TABLE events (
	seq INTEGER PRIMARY KEY, origin TEXT NOT NULL, idx INTEGER NOT NULL, leaf INTEGER NOT NULL, author TEXT NOT NULL,
	event BLOB NOT NULL, type TEXT NOT NULL, version INTEGER NOT NULL, authored INTEGER NOT NULL, audience TEXT NOT NULL,
	fate INTEGER NOT NULL, object INTEGER, width INTEGER NOT NULL, shared BLOB NOT NULL,
	UNIQUE (origin, idx, leaf));
CREATE INDEX events_by_object ON events (object) WHERE object IS NOT NULL;
CREATE INDEX events_by_id ON events (event);
CREATE INDEX events_by_fate ON events (fate, seq) WHERE fate > 0;
CREATE TABLE bodies (seq INTEGER PRIMARY KEY, rows BLOB NOT NULL);
CREATE TABLE objects (
	id INTEGER PRIMARY KEY, noun TEXT NOT NULL, home TEXT NOT NULL, author TEXT NOT NULL, event BLOB NOT NULL, founding INTEGER,
	UNIQUE (event, author, home, noun));
CREATE INDEX objects_orphaned ON objects (id) WHERE founding IS NULL;
CREATE TABLE causes (
	first INTEGER PRIMARY KEY, count INTEGER NOT NULL, object INTEGER NOT NULL UNIQUE, founding INTEGER NOT NULL,
	author TEXT NOT NULL, authored INTEGER NOT NULL, urgency INTEGER NOT NULL, exercise INTEGER NOT NULL, media INTEGER NOT NULL,
	ai INTEGER NOT NULL, tlp INTEGER NOT NULL, classes TEXT NOT NULL, title TEXT NOT NULL);
CREATE INDEX causes_by_urgency ON causes (urgency);
CREATE INDEX causes_by_author ON causes (author);
CREATE VIRTUAL TABLE words USING fts5 (title, notes, source, series, content='', contentless_delete=1,
	tokenize="unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc'");
CREATE TABLE alerts (
	id INTEGER PRIMARY KEY, first INTEGER NOT NULL, standing INTEGER NOT NULL, agencies INTEGER NOT NULL,
	disputes INTEGER NOT NULL, file BLOB NOT NULL);
CREATE INDEX alerts_by_standing ON alerts (standing, id) WHERE standing > 1;
CREATE TABLE signals (alg INTEGER, value BLOB, alert INTEGER, PRIMARY KEY (alg, value, alert)) WITHOUT ROWID;
CREATE TABLE referrals (
	id INTEGER PRIMARY KEY, state TEXT NOT NULL, opener TEXT NOT NULL, holder TEXT NOT NULL, offered TEXT NOT NULL, kind TEXT NOT NULL,
	urgency INTEGER NOT NULL, exercise INTEGER NOT NULL, moved INTEGER NOT NULL);
CREATE INDEX referrals_by_state ON referrals (exercise, state, moved);
CREATE INDEX referrals_by_moved ON referrals (exercise, moved);
CREATE TABLE changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, object TEXT NOT NULL, origin TEXT NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL);
`

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

func (b *Board) path() string { return filepath.Join(b.cfg.Dir, "board.db") }

func (b *Board) remove() error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
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
	if b.write, err = driver.Open(base+"&_pragma=cache_size(-65536)&_txlock=immediate", prepare); err != nil {
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
	if err := b.connect(); err != nil {
		return err
	}
	if err := errors.Join(b.checkFile(), b.load()); err != nil {
		return errors.Join(err, b.Close())
	}
	return nil
}

func (b *Board) checkFile() error {
	var version int
	if err := b.write.QueryRow("SELECT version FROM meta").Scan(&version); err != nil {
		return err
	}
	if version != schemaVersion {
		return fmt.Errorf("board: schema %d, this binary has %d", version, schemaVersion)
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
	_, err := b.write.Exec(schema)
	if err == nil {
		_, err = b.write.Exec("INSERT INTO meta VALUES (?, 0)", schemaVersion)
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
