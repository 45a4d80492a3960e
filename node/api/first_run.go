package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"sync"
	"time"

	"vigil/ledger/account"
	"vigil/ledger/noun"
	"vigil/node/author"
)

// firstRun is the way in while nobody can sign in: a code that who has the machine is shown, and that adds one person.
type firstRun struct {
	mu    sync.Mutex
	hash  [32]byte  // guarded by mu; of the code
	until time.Time // guarded by mu; zero where none was made
	spent bool      // guarded by mu
}

// FirstRun returns a code with which the first person adds themselves, once and within the hour; none where there is a
// person already.
func (s *Server) FirstRun(ctx context.Context) (code string, ok bool, err error) {
	people, err := s.people(ctx)
	if err != nil || people > 0 {
		return "", false, err
	}
	text, _ := newCode(firstRunTime)
	s.first.mu.Lock()
	defer s.first.mu.Unlock()
	s.first.hash, s.first.until, s.first.spent = sha256.Sum256([]byte(text)), time.Now().Add(firstRunTime), false
	return text, true, nil
}

// people counts those who were not removed.
func (s *Server) people(ctx context.Context) (n int, err error) {
	all, err := s.cfg.Board.Users(ctx)
	for _, u := range all {
		if !u.Object.Removed {
			n++
		}
	}
	return n, err
}

// spend takes the code, once.
func (f *firstRun) spend(code string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	hash := sha256.Sum256([]byte(code))
	ok := !f.spent && time.Now().Before(f.until) && subtle.ConstantTimeCompare(hash[:], f.hash[:]) == 1
	f.spent = f.spent || ok
	return ok
}

// giveBack lets the code that was spent hold again, as long as it would have.
func (f *firstRun) giveBack() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spent = false
}

func (s *Server) firstRunRoutes() {
	route(s, http.MethodGet, "/v1/session/ways", "signInWays", "In which ways people can sign in here", nil, func(context.Context, *none) (*body[Ways], error) {
		return &body[Ways]{Ways{Passkey: s.signIn.HasPasskeys(), Provider: s.cfg.Provider != nil && s.cfg.URL != ""}}, nil
	})
	route(s, http.MethodPost, "/v1/first-person", "addFirstPerson", "Add the first person, who coordinates and works on alerts; the code to enrol by is in this answer only", nil, s.addFirst)
}

func (s *Server) addFirst(ctx context.Context, in *body[FirstPerson]) (*body[User], error) {
	wrong := problem(http.StatusUnauthorized, "first-run", "the code is wrong, was used, or is over", "start the node again: while nobody can sign in, it prints another link")
	if !s.signIn.Allow(from(ctx), "first run") {
		return nil, problem(http.StatusTooManyRequests, "sign-in", "too many tries: wait a while", "")
	}
	u := NewUser{Name: in.Body.Name, Display: in.Body.Display, Roles: []string{account.Coordinator, account.Analyst}, Hours: 1}
	if err := (&account.Added{Name: u.Name, Display: u.Display, Roles: noun.Set(u.Roles)}).Validate(); err != nil {
		return nil, err
	}
	if !s.first.spend(in.Body.Code) {
		return nil, wrong
	}
	out, err := s.addFirstOf(ctx, u, wrong)
	if err != nil && !errors.Is(err, wrong) && !errors.Is(err, author.ErrUnknown) { // else somebody is there, or may be yet
		s.first.giveBack()
	}
	return out, err
}

// addFirstOf adds a person where there is none, on a board that has all that was written.
func (s *Server) addFirstOf(ctx context.Context, u NewUser, taken *Problem) (*body[User], error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	n, err := s.people(ctx)
	switch {
	case err != nil:
		return nil, err
	case n > 0:
		return nil, taken
	}
	return s.addUser(ctx, &body[NewUser]{u})
}
