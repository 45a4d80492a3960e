// Package draft keeps what a platform has begun to report and not finished, encrypted on this machine alone.
//
// What is promised: a draft whose change was answered is there after a crash, until it is removed or expires. It is no
// report: nobody reads it, no other node has it, and it is lost with the machine; one that is lost or damaged is never
// finished as if it were whole. It expires, so that nobody's data lies about.
//
// The package does not know what a draft says.
package draft

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vigil/ledger"
	"vigil/node/durable"
)

// Errors that callers act on.
var (
	// ErrAbsent says that there is no such draft of this owner: never made, removed or expired.
	ErrAbsent = errors.New("draft: no such draft")
	// ErrDamaged says that a draft was kept and cannot be read any more.
	ErrDamaged = errors.New("draft: the draft is damaged")
	// ErrTooMany says that this owner, or all together, have as many as may be kept.
	ErrTooMany = errors.New("draft: too many drafts")
	// ErrTooLarge says that a body is over its bound.
	ErrTooLarge = errors.New("draft: too large")
)

// Draft is one draft.
type Draft struct {
	ID      ledger.EventID
	Owner   string
	Opened  time.Time
	Changed time.Time
	Body    []byte
}

// Expires says until when the draft is kept.
func (d *Draft) Expires() time.Time {
	at := d.Opened.Add(openFor)
	if later := d.Changed.Add(changedFor); later.After(at) {
		at = later
	}
	if most := d.Opened.Add(longest); at.After(most) {
		return most
	}
	return at
}

// Config names what a Store works with; every field is required.
type Config struct {
	Dir string
	Key [32]byte
	Log *slog.Logger
}

// Store is safe for concurrent use.
//
// A draft is one file, named by its id in hex: a random nonce and AES-256-GCM of CBOR [owner, opened ms, changed ms,
// body], bound to the id. A file is replaced whole.
type Store struct {
	cfg  Config
	aead cipher.AEAD

	mu    sync.Mutex
	known map[ledger.EventID]Draft // guarded by mu; without bodies; of a damaged one without owner
}

type stored struct {
	_               struct{} `cbor:",toarray"`
	Owner           string
	Opened, Changed int64
	Body            []byte
}

// Open reads which drafts there are.
func Open(cfg Config) (*Store, error) {
	block, err := aes.NewCipher(cfg.Key[:])
	if err != nil {
		return nil, fmt.Errorf("draft: cipher: %w", err)
	}
	s := &Store{cfg: cfg, known: map[ledger.EventID]Draft{}}
	if s.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, fmt.Errorf("draft: cipher: %w", err)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("draft: %w", err)
	}
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("draft: %w", err)
	}
	for _, e := range entries {
		id, err := ledger.ParseEventID(e.Name())
		switch {
		case err == nil:
			s.note(id, e)
		case strings.HasPrefix(e.Name(), "."):
			_ = os.Remove(filepath.Join(cfg.Dir, e.Name())) // what a crash left of a file that was being replaced
		}
	}
	return s, nil
}

func (s *Store) note(id ledger.EventID, e fs.DirEntry) {
	d, err := s.load(id)
	if err != nil {
		s.cfg.Log.Error("a draft cannot be read any more; whoever finishes it is told so", "draft", id, "error", err)
		d = Draft{ID: id}
		if info, err := e.Info(); err == nil {
			d.Opened, d.Changed = info.ModTime(), info.ModTime()
		}
	}
	d.Body = nil
	s.known[id] = d
}

func (s *Store) path(id ledger.EventID) string { return filepath.Join(s.cfg.Dir, id.String()) }

func associated(id ledger.EventID) []byte { return append([]byte("vigil draft v1 "), id[:]...) }

func (s *Store) load(id ledger.EventID) (Draft, error) {
	sealed, err := os.ReadFile(s.path(id))
	if err != nil {
		return Draft{}, fmt.Errorf("draft: read: %w", err)
	}
	plain, err := s.aead.Open(nil, nil, sealed, associated(id))
	if err != nil {
		return Draft{}, ErrDamaged
	}
	var x stored
	if err := ledger.Unmarshal(plain, &x, maxFileBytes); err != nil {
		return Draft{}, ErrDamaged
	}
	return Draft{ID: id, Owner: x.Owner, Opened: time.UnixMilli(x.Opened).UTC(), Changed: time.UnixMilli(x.Changed).UTC(), Body: x.Body}, nil
}

// Put keeps a draft, or another body of one. When it returns without an error a crash loses nothing.
func (s *Store) Put(id ledger.EventID, owner string, body []byte) (Draft, error) {
	if len(body) > maxBodyBytes {
		return Draft{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(body), maxBodyBytes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(time.Now())
	now := time.Now().UTC().Truncate(time.Millisecond)
	d, exists := s.known[id]
	switch {
	case exists && d.Owner != owner:
		return Draft{}, ErrAbsent
	case !exists && (len(s.known) >= maxDrafts || s.count(owner) >= MaxOfOwner):
		return Draft{}, ErrTooMany
	case !exists:
		d = Draft{ID: id, Owner: owner, Opened: now}
	}
	d.Changed = now
	plain := ledger.Marshal(stored{Owner: owner, Opened: d.Opened.UnixMilli(), Changed: now.UnixMilli(), Body: body})
	if err := durable.WriteFile(s.path(id), s.aead.Seal(nil, nil, plain, associated(id)), 0o600); err != nil {
		return Draft{}, fmt.Errorf("draft: write: %w", err)
	}
	s.known[id] = d
	d.Body = body
	return d, nil
}

func (s *Store) count(owner string) (n int) {
	for _, d := range s.known {
		if d.Owner == owner {
			n++
		}
	}
	return n
}

// Get returns a draft of an owner.
func (s *Store) Get(id ledger.EventID, owner string) (Draft, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(time.Now())
	d, ok := s.known[id]
	switch {
	case !ok || d.Owner != owner && d.Owner != "" || !time.Now().Before(d.Expires()):
		return Draft{}, ErrAbsent
	case d.Owner == "":
		return Draft{}, ErrDamaged
	}
	return s.load(id)
}

// List returns an owner's drafts without their bodies, the oldest first.
func (s *Store) List(owner string) []Draft {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(time.Now())
	out := []Draft{}
	for _, d := range s.known {
		if d.Owner == owner {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b Draft) int {
		if c := a.Opened.Compare(b.Opened); c != 0 {
			return c
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	return out
}

// Remove ends a draft; one that is not there is none.
func (s *Store) Remove(id ledger.EventID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remove(id)
}

func (s *Store) remove(id ledger.EventID) error {
	if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("draft: remove: %w", err)
	}
	delete(s.known, id)
	return durable.SyncDir(s.cfg.Dir)
}

// sweep removes what has expired; mu is held.
func (s *Store) sweep(now time.Time) {
	for id, d := range s.known {
		if now.Before(d.Expires()) {
			continue
		}
		if err := s.remove(id); err != nil {
			s.cfg.Log.Error("an expired draft cannot be removed; it is tried again", "draft", id, "error", err)
		}
	}
}

// Run removes drafts when they expire, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			s.mu.Lock()
			s.sweep(now)
			s.mu.Unlock()
		}
	}
}
