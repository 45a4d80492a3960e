package signin

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"vigil/ledger/noun"
)

// store keeps sessions in memory and, where it has a directory, on disk behind it. It sweeps when it is written to; the
// library's own keeps a goroutine for that, which cannot be ended without a race.
type store struct {
	files *files // nil: a restart ends all sessions
	log   *slog.Logger
	disk  sync.Mutex // held while a file changes, never with mu: a disk that hangs keeps nobody from being found

	mu    sync.Mutex
	items map[string]item // guarded by mu; by the hash of the session's secret
	swept time.Time       // guarded by mu
	// ended are sessions whose files could not be removed; it is tried again. Guarded by mu.
	ended map[string]struct{}
}

type item struct {
	b      []byte
	person noun.Key
	expiry time.Time
	onDisk time.Time // when its file was written
}

// newStore reads which sessions there are.
func newStore(k *Keeping, log *slog.Logger) (*store, error) {
	s := &store{log: log, items: map[string]item{}, ended: map[string]struct{}{}}
	if k == nil {
		return s, nil
	}
	var err error
	if s.files, err = openFiles(*k); err != nil {
		return nil, err
	}
	s.items, err = s.files.load(log, time.Now())
	return s, err
}

// beginning marks in a context that a session begins, and whose it is.
type beginning struct{}

// Find implements scs.Store.
func (s *store) Find(token string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.items[token]
	return x.b, ok && time.Now().Before(x.expiry), nil
}

// Commit implements scs.Store; without a context nothing begins.
func (s *store) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}

// CommitCtx is how the library commits where there is a context. What was ended meanwhile does not come back.
func (s *store) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	due, ended, err := s.put(ctx, token, b, expiry, time.Now())
	if err == nil && due {
		s.write(token)
	}
	for _, token := range ended {
		_ = s.remove(token) // said in the log
	}
	s.sweep(time.Now())
	return err
}

// put keeps a session in memory and says whether its file is due, and which sessions ended for it.
func (s *store) put(ctx context.Context, token string, b []byte, expiry, now time.Time) (due bool, ended []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, known := s.items[token]
	person, begins := ctx.Value(beginning{}).(noun.Key)
	if !known && begins {
		ended = s.surplus(person)
	}
	switch {
	case !known && !begins:
		return false, nil, nil
	case !known && len(s.items) >= maxSessions:
		return false, ended, ErrBusy
	case !known:
		x.person = person
	}
	x.b, x.expiry = b, expiry
	if due = s.files != nil && now.Sub(x.onDisk) >= writeEvery; due {
		x.onDisk = now
	}
	s.items[token] = x
	return due, ended, nil
}

// surplus takes out the oldest sessions of a person, so that one more may begin; mu is held.
func (s *store) surplus(person noun.Key) (ended []string) {
	for token, x := range s.items {
		if x.person == person {
			ended = append(ended, token)
		}
	}
	slices.SortFunc(ended, func(a, b string) int { return s.items[a].expiry.Compare(s.items[b].expiry) })
	ended = ended[:max(0, len(ended)-maxSessionsEach+1)]
	for _, token := range ended {
		delete(s.items, token)
	}
	return ended
}

// write keeps a session on disk, unless it was ended meanwhile. Where that fails people work all the same, until the next
// restart.
func (s *store) write(token string) {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.Lock()
	x, known := s.items[token]
	s.mu.Unlock()
	if !known {
		return
	}
	if err := s.files.write(token, x); err != nil {
		s.log.Warn("a session cannot be kept on disk: a restart would end it", "error", err)
	}
}

// Delete implements scs.Store. An error says that a restart would bring the session back, until it expires; it is tried again.
func (s *store) Delete(token string) error {
	s.mu.Lock()
	_, known := s.items[token]
	delete(s.items, token)
	s.mu.Unlock()
	if !known {
		return nil
	}
	return s.remove(token)
}

// remove removes the file of a session that is over, if there are files.
func (s *store) remove(token string) error {
	if s.files == nil {
		return nil
	}
	s.disk.Lock()
	defer s.disk.Unlock()
	err := s.files.remove(token)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ended, token)
	if err != nil {
		s.ended[token] = struct{}{}
		s.log.Error("a session that is over is still on disk; its removal is tried again", "error", err)
	}
	return err
}

// endAll ends every session of a person that has begun.
func (s *store) endAll(person noun.Key) {
	for _, token := range s.those(func(x item) bool { return x.person == person }) {
		_ = s.Delete(token) // said in the log
	}
}

func (s *store) those(are func(item) bool) (tokens []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, x := range s.items {
		if are(x) {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// sweep removes what has expired, and what could not be removed before.
func (s *store) sweep(now time.Time) {
	s.mu.Lock()
	due := now.Sub(s.swept) > sweepEvery
	if due {
		s.swept = now
	}
	left := slices.Collect(maps.Keys(s.ended))
	s.mu.Unlock()
	if !due {
		return
	}
	for _, token := range s.those(func(x item) bool { return now.After(x.expiry) }) {
		_ = s.Delete(token) // said in the log
	}
	for _, token := range left {
		_ = s.remove(token) // said in the log
	}
}
