package signin

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/alexedwards/scs/v2"
	"github.com/go-webauthn/webauthn/webauthn"

	"vigil/ledger/account"
	"vigil/ledger/noun"
)

// Why somebody is not signed in, or enrols nothing. The texts do not tell a wrong name from a wrong password.
var (
	ErrWrong      = errors.New("the name or what was given to prove it is wrong")
	ErrCode       = errors.New("the code is wrong, was used, or is over")
	ErrTooOften   = errors.New("too many tries: wait a while")
	ErrBusy       = errors.New("too many people sign in at this moment: try again")
	ErrWeak       = errors.New("a password has 12 to 256 bytes, and is not the name")
	ErrSession    = errors.New("the session is over: sign in again")
	ErrCeremony   = errors.New("the passkey was not accepted: begin again")
	ErrNoPasskeys = errors.New("passkeys need api.url with a name, https, and no IP address")
	ErrNoProvider = errors.New("no OpenID provider is configured")
	ErrNotKnown   = errors.New("the OpenID provider vouches for somebody who is no user here")
)

// Accounts are the people who may sign in. Removed ones are not found.
type Accounts interface {
	UserByKey(ctx context.Context, k noun.Key) (*account.User, bool)
	UserByName(ctx context.Context, name string) (*account.User, bool)
	UserByCredential(ctx context.Context, kind account.Kind, id []byte) (*account.User, bool)
	UserByCode(ctx context.Context, hash [32]byte) (*account.User, bool)
	// Enrol commits a way to sign in.
	Enrol(ctx context.Context, e account.Enrolled) error
}

// Config names what a Service works with.
type Config struct {
	Accounts Accounts
	// Policy is the access policy in force.
	Policy func() *account.Policy
	// URL is where people reach the node: https and a name. Empty or an IP address: no passkeys, no provider.
	URL string
	// Provider is the agency's own OpenID provider; nil where there is none.
	Provider *ProviderConfig
	// Sessions says where sessions are kept over a restart; nil: a restart ends them.
	Sessions *Keeping
	// Log is for what fails beside what is asked for; nil: it is not said.
	Log *slog.Logger
}

// Service signs people in. It is safe for concurrent use.
type Service struct {
	cfg      Config
	sessions *scs.SessionManager
	passkeys *webauthn.WebAuthn // nil where there are none
	hashing  chan struct{}
	dummy    func() string // the hash that a wrong name is compared with
	tries    *tries
	pending  *pending
	kept     *store

	reaching sync.Mutex
	provider *provider // guarded by reaching; once it was reached
}

// New makes a Service.
func New(cfg Config) (*Service, error) {
	s := &Service{
		cfg: cfg, hashing: make(chan struct{}, hashesAtOnce),
		tries: newTries(triesEvery, triesBurst), pending: newPending(),
		dummy: sync.OnceValue(func() string {
			h, _ := argon2id.CreateHash("nobody's password", hashParams) // fixed parameters: it cannot fail
			return h
		}),
	}
	if s.cfg.Log == nil {
		s.cfg.Log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.kept, err = newStore(cfg.Sessions, s.cfg.Log); err != nil {
		return nil, err
	}
	// Not scs.New: that starts a store with a goroutine of its own.
	s.sessions = &scs.SessionManager{Store: s.kept, Codec: scs.GobCodec{}, HashTokenInStore: true, Lifetime: maxLifetime}
	s.passkeys, err = newPasskeys(cfg.URL)
	return s, err
}

var hashParams = &argon2id.Params{Memory: hashMemory, Iterations: hashPasses, Parallelism: hashLanes, SaltLength: 16, KeyLength: 32}

// hash computes or compares one password hash, few at once.
func (s *Service) hash(ctx context.Context, do func() error) error {
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
		return do()
	case <-ctx.Done():
		return ErrBusy
	}
}

// HasPasskeys says whether people can sign in by passkey.
func (s *Service) HasPasskeys() bool { return s.passkeys != nil }

// Allow says whether something may be tried once more from a place, and counts it.
func (s *Service) Allow(from, what string) bool { return s.tries.allow(place(from) + " " + what) }

// Password signs a person in by name and password. Tries of one name from one place are few.
func (s *Service) Password(ctx context.Context, from, name, password string) (*account.User, error) {
	if len(password) > maxPasswordBytes {
		return nil, ErrWrong
	}
	try := place(from) + " " + name
	if !s.tries.allow(try) {
		return nil, ErrTooOften
	}
	u, known := s.cfg.Accounts.UserByName(ctx, name)
	hash := s.dummy() // a wrong name takes as long as a wrong password
	if known {
		if c, ok := u.Credential(account.Password, nil); ok {
			hash = string(c.Data)
		} else {
			known = false
		}
	}
	match := false
	err := s.hash(ctx, func() (err error) {
		match, err = argon2id.ComparePasswordAndHash(password, hash)
		return err
	})
	switch {
	case errors.Is(err, ErrBusy):
		return nil, err
	case err != nil || !match || !known:
		return nil, ErrWrong
	}
	s.tries.forget(try)
	return u, nil
}

// SetPassword gives the owner of a code a password. A code is used up by it.
func (s *Service) SetPassword(ctx context.Context, code, password string) (*account.User, error) {
	u, hash, err := s.byCode(ctx, code)
	if err != nil {
		return nil, err
	}
	if len(password) < minPasswordBytes || len(password) > maxPasswordBytes || password == u.Name {
		return nil, ErrWeak
	}
	var phc string
	err = s.hash(ctx, func() (err error) {
		phc, err = argon2id.CreateHash(password, hashParams)
		return err
	})
	if err != nil {
		return nil, err
	}
	e := account.Enrolled{Target: u.Key, Code: hash, Credential: account.Credential{Kind: account.Password, ID: []byte{}, Data: []byte(phc)}}
	return u, s.cfg.Accounts.Enrol(ctx, e)
}

// Owner returns whose an enrolment code is.
func (s *Service) Owner(ctx context.Context, code string) (*account.User, error) {
	u, _, err := s.byCode(ctx, code)
	return u, err
}

func (s *Service) byCode(ctx context.Context, code string) (*account.User, [32]byte, error) {
	hash := account.HashCode(code)
	u, ok := s.cfg.Accounts.UserByCode(ctx, hash)
	if !ok || time.Now().Unix() > u.Code.Until {
		return nil, hash, ErrCode
	}
	return u, hash, nil
}
