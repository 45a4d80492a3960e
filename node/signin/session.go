package signin

import (
	"context"
	"time"

	"vigil/ledger"
	"vigil/ledger/account"
	"vigil/ledger/noun"
)

// Session is a person signed in.
type Session struct {
	User    *account.User
	How     account.Kind
	Expires time.Time
}

const (
	keyHome   = "home"
	keyAuthor = "author"
	keyEvent  = "event"
	keyHow    = "how"
	keySeen   = "seen"
)

// Begin begins a session and returns the secret that names it: 32 random bytes, of which the node keeps the hash,
// also over a restart.
func (s *Service) Begin(ctx context.Context, u *account.User, how account.Kind) (secret string, expires time.Time, err error) {
	ctx, err = s.sessions.Load(ctx, "")
	if err != nil {
		return "", time.Time{}, err
	}
	s.sessions.Put(ctx, keyHome, string(u.Key.Home))
	s.sessions.Put(ctx, keyAuthor, string(u.Key.Author))
	s.sessions.Put(ctx, keyEvent, u.Key.Event.String())
	s.sessions.Put(ctx, keyHow, string(how))
	s.sessions.Put(ctx, keySeen, time.Now().Unix())
	s.sessions.SetDeadline(ctx, time.Now().Add(time.Duration(s.cfg.Policy().SessionHours)*time.Hour))
	return s.sessions.Commit(context.WithValue(ctx, beginning{}, u.Key))
}

// Find returns whose session a secret names, with the account as it is now, and counts as use of it. ErrSession: it never was,
// is over, was idle too long, or its person was removed.
func (s *Service) Find(ctx context.Context, secret string) (Session, error) {
	ctx, out, seen, err := s.look(ctx, secret)
	if err != nil {
		return Session{}, err
	}
	if now := time.Now(); now.Sub(seen) >= time.Second {
		s.sessions.Put(ctx, keySeen, now.Unix())
		_, _, err = s.sessions.Commit(ctx)
	}
	return out, err
}

// Peek is Find for who only asks whether a session goes on: that is no use of it.
func (s *Service) Peek(ctx context.Context, secret string) (Session, error) {
	_, out, _, err := s.look(ctx, secret)
	return out, err
}

// look returns a session with the context to change it in, and when it was used last.
func (s *Service) look(ctx context.Context, secret string) (in context.Context, out Session, seen time.Time, err error) {
	in, err = s.sessions.Load(ctx, secret)
	if err != nil || !s.sessions.Exists(in, keyEvent) {
		return in, Session{}, seen, ErrSession
	}
	seen = time.Unix(s.sessions.GetInt64(in, keySeen), 0)
	event, err := ledger.ParseEventID(s.sessions.GetString(in, keyEvent))
	k := noun.Key{Home: ledger.Origin(s.sessions.GetString(in, keyHome)), Author: ledger.AgencyID(s.sessions.GetString(in, keyAuthor)), Event: event}
	u, ok := s.cfg.Accounts.UserByKey(in, k)
	if err != nil || !ok || time.Since(seen) > time.Duration(s.cfg.Policy().IdleMinutes)*time.Minute {
		_ = s.sessions.Destroy(in) // it is over either way
		return in, Session{}, seen, ErrSession
	}
	return in, Session{User: u, How: account.Kind(s.sessions.GetString(in, keyHow)), Expires: s.sessions.Deadline(in)}, seen, nil
}

// End ends a session.
func (s *Service) End(ctx context.Context, secret string) error {
	ctx, err := s.sessions.Load(ctx, secret)
	if err != nil {
		return ErrSession
	}
	return s.sessions.Destroy(ctx)
}

// EndAll ends every session of a person that has begun.
func (s *Service) EndAll(u *account.User) { s.kept.endAll(u.Key) }
