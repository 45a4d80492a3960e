package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"
	"sync"
	"time"

	"vigil/ledger"
	"vigil/ledger/account"
	"vigil/ledger/noun"
)

// accounts are the people and tokens of this agency, as the board has them. What is written here is seen at once; what
// comes by itself, as after a rebuild from the kit, within a minute, and at once where something is not found.
type accounts struct {
	s *Server

	mu     sync.Mutex
	users  []*account.User             // guarded by mu
	tokens map[[32]byte]*account.Token // guarded by mu
	read   time.Time                   // guarded by mu
}

// fresh reads what is kept again where it is older than age; mu is held. Where the board cannot be read, what is known stays.
func (a *accounts) fresh(ctx context.Context, age time.Duration) {
	if time.Since(a.read) < age {
		return
	}
	users, err := a.s.cfg.Board.Users(ctx)
	if err != nil {
		return
	}
	tokens, err := a.s.cfg.Board.Tokens(ctx)
	if err != nil {
		return
	}
	a.users, a.tokens, a.read = nil, map[[32]byte]*account.Token{}, time.Now()
	for _, u := range users {
		if !u.Object.Removed {
			a.users = append(a.users, u.Object)
		}
	}
	for _, t := range tokens {
		if !t.Object.Revoked {
			a.tokens[t.Object.Hash] = t.Object
		}
	}
}

// forget lets the next question read again.
func (a *accounts) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.read = time.Time{}
}

// user returns the person who fits; what is kept is read again where nobody does.
func (a *accounts) user(ctx context.Context, fits func(*account.User) bool) (*account.User, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, age := range []time.Duration{accountAge, accountAgeMissing} {
		a.fresh(ctx, age)
		if i := slices.IndexFunc(a.users, fits); i >= 0 {
			return a.users[i], true
		}
	}
	return nil, false
}

// token returns the token of a secret. Revoked and expired ones are not found.
func (a *accounts) token(ctx context.Context, secret string) (*account.Token, bool) {
	hash := sha256.Sum256([]byte(secret))
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, age := range []time.Duration{accountAge, accountAgeMissing} {
		a.fresh(ctx, age)
		if t := a.tokens[hash]; t != nil {
			return t, time.Now().Unix() < t.Expires
		}
	}
	return nil, false
}

// UserByKey implements signin.Accounts.
func (a *accounts) UserByKey(ctx context.Context, k noun.Key) (*account.User, bool) {
	return a.user(ctx, func(u *account.User) bool { return u.Key == k })
}

// UserByName implements signin.Accounts.
func (a *accounts) UserByName(ctx context.Context, name string) (*account.User, bool) {
	return a.user(ctx, func(u *account.User) bool { return u.Name == name })
}

// UserByCredential implements signin.Accounts.
func (a *accounts) UserByCredential(ctx context.Context, kind account.Kind, id []byte) (*account.User, bool) {
	return a.user(ctx, func(u *account.User) bool {
		_, ok := u.Credential(kind, id)
		return ok
	})
}

// UserByCode implements signin.Accounts.
func (a *accounts) UserByCode(ctx context.Context, hash [32]byte) (*account.User, bool) {
	return a.user(ctx, func(u *account.User) bool { return u.Code.Hash != ([32]byte{}) && u.Code.Hash == hash })
}

// Enrol implements signin.Accounts. A code that was used meanwhile enrols nothing.
func (a *accounts) Enrol(ctx context.Context, e account.Enrolled) error {
	_, err := a.write(ctx, account.UserCodec, account.TypeEnrolled, &e)
	return err
}

// write commits a fact that is this agency's own, under no key and no agreement, and waits until the board shows it.
func (a *accounts) write(ctx context.Context, codec noun.Codec[noun.Fact], kind string, f noun.Fact) (noun.Key, error) {
	key, _, err := a.writeAs(ctx, ledger.EventIDFor(a.s.cfg.Agency, "account/"+rand.Text()), codec, kind, f)
	return key, err
}

// writeAgreed commits a fact that may take a second person: by one agreement once, as a secret that was made for it is not
// given again.
func (a *accounts) writeAgreed(ctx context.Context, codec noun.Codec[noun.Fact], kind string, f noun.Fact) (noun.Key, error) {
	if consentOf(ctx) == "" {
		return a.write(ctx, codec, kind, f)
	}
	key, w, err := a.writeAs(ctx, a.s.keyed(ctx, ""), codec, kind, f)
	if err == nil && w.Repeated {
		err = doneAlready()
	}
	return key, err
}

func (a *accounts) writeAs(ctx context.Context, id ledger.EventID, codec noun.Codec[noun.Fact], kind string, f noun.Fact) (noun.Key, Written, error) {
	defer a.forget()
	w, err := a.s.writeAs(ctx, id, a.s.ourselves(), func(id ledger.EventID) (ledger.Event, error) { return codec.Encode(id, kind, f) })
	return noun.Key{Home: a.s.cfg.Origin, Author: a.s.cfg.Agency, Event: id}, w, err
}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newToken returns a token, "vigil_" and 32 random bytes in base32, and its hash.
func newToken() (secret string, hash [32]byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	secret = tokenPrefix + base32Lower.EncodeToString(b[:])
	return secret, sha256.Sum256([]byte(secret))
}

// newCode returns an enrolment code, 125 random bits in five groups for people to type, and what is kept of it.
func newCode(valid time.Duration) (text string, code account.Code) {
	letters := rand.Text()[:25]
	var groups []string
	for group := range slices.Chunk([]byte(letters), 5) {
		groups = append(groups, string(group))
	}
	text = strings.Join(groups, "-")
	return text, account.Code{Hash: account.HashCode(text), Until: time.Now().Add(valid).Unix()}
}
