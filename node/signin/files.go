package signin

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Keeping says where sessions are kept over a restart, and under which key.
type Keeping struct {
	Dir string
	Key [32]byte
}

// files are the sessions on disk. A session is one file, named by the SHA-256 of its secret in base64: a random nonce and
// AES-256-GCM of CBOR [home, author, event, expiry ms, session], bound to the name. The secret is nowhere. A file is
// replaced whole.
//
// Whoever can write the directory can bring a file back that was removed; that helps only who has the secret, too, and no
// longer than the session was idle for, because when it was used last stands in it.
type files struct {
	dir  string
	aead cipher.AEAD
}

type filed struct {
	_            struct{} `cbor:",toarray"`
	Home, Author string
	Event        ledger.EventID
	Expiry       int64
	Session      []byte
}

func openFiles(k Keeping) (*files, error) {
	block, err := aes.NewCipher(k.Key[:])
	if err != nil {
		return nil, fmt.Errorf("signin: cipher: %w", err)
	}
	f := &files{dir: k.Dir}
	if f.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, fmt.Errorf("signin: cipher: %w", err)
	}
	if err := os.MkdirAll(k.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("signin: sessions: %w", err)
	}
	return f, nil
}

// tokenName is what a session's file is called.
var tokenName = regexp.MustCompile(`^[A-Za-z0-9_-]{43}=?$`)

func sessionOf(token string) []byte { return []byte("vigil session v1 " + token) }

// load reads every session that is not over. One that cannot be read is over: its person signs in again.
func (f *files) load(log *slog.Logger, now time.Time) (map[string]item, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("signin: sessions: %w", err)
	}
	out, damaged := map[string]item{}, 0
	for _, e := range entries {
		token := e.Name()
		if !tokenName.MatchString(token) {
			if strings.HasPrefix(token, ".") {
				_ = os.Remove(filepath.Join(f.dir, token)) // what a crash left of a file that was being replaced
			}
			continue
		}
		x, err := f.read(token)
		if err != nil {
			damaged++
		}
		if err != nil || now.After(x.expiry) || len(out) >= maxSessions {
			_ = os.Remove(filepath.Join(f.dir, token)) // it is over either way
			continue
		}
		out[token] = x
	}
	if damaged > 0 {
		log.Warn("sessions on disk cannot be read: their people sign in again", "sessions", damaged)
	}
	return out, nil
}

func (f *files) read(token string) (item, error) {
	sealed, err := os.ReadFile(filepath.Join(f.dir, token))
	if err != nil {
		return item{}, err
	}
	plain, err := f.aead.Open(nil, nil, sealed, sessionOf(token))
	if err != nil {
		return item{}, err
	}
	var x filed
	if err := ledger.Unmarshal(plain, &x, maxSessionBytes); err != nil {
		return item{}, err
	}
	person := noun.Key{Home: ledger.Origin(x.Home), Author: ledger.AgencyID(x.Author), Event: x.Event}
	return item{b: x.Session, person: person, expiry: time.UnixMilli(x.Expiry)}, nil
}

// write replaces a session's file. When it returns without an error a crash does not end the session.
func (f *files) write(token string, x item) error {
	plain := ledger.Marshal(filed{Home: string(x.person.Home), Author: string(x.person.Author), Event: x.person.Event, Expiry: x.expiry.UnixMilli(), Session: x.b})
	if err := renameio.WriteFile(filepath.Join(f.dir, token), f.aead.Seal(nil, nil, plain, sessionOf(token)), 0o600); err != nil {
		return fmt.Errorf("signin: session: %w", err)
	}
	return f.sync()
}

// remove removes a session's file. When it returns without an error a crash does not bring it back.
func (f *files) remove(token string) error {
	if err := os.Remove(filepath.Join(f.dir, token)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("signin: session: %w", err)
	}
	return f.sync()
}

func (f *files) sync() error {
	d, err := os.Open(f.dir)
	if err != nil {
		return fmt.Errorf("signin: sessions: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
