package signin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	webauthn "github.com/descope/virtualwebauthn"

	"vigil/ledger"
	"vigil/ledger/account"
	"vigil/ledger/noun"
	"vigil/node/signin"
)

// people are the accounts of a test, folded from facts as the board folds them.
type people struct {
	mu    sync.Mutex
	facts map[noun.Key][]noun.Fact
}

func (p *people) add(name, code string, roles ...string) noun.Key {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.facts == nil {
		p.facts = map[noun.Key][]noun.Fact{}
	}
	k := noun.Key{Home: "in/aaaaaaaaaaaaaaaaaaaaaaaaaa", Author: "in/a", Event: ledger.EventIDFor("in/a", name)}
	p.facts[k] = []noun.Fact{&account.Added{Name: name, Roles: roles, Code: account.Code{Hash: account.HashCode(code), Until: time.Now().Add(time.Hour).Unix()}}}
	return k
}

func (p *people) say(k noun.Key, f noun.Fact) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.facts[k] = append(p.facts[k], f)
}

func (p *people) fold(k noun.Key) *account.User {
	var events []noun.Placed[noun.Fact]
	for i, f := range p.facts[k] {
		events = append(events, noun.Placed[noun.Fact]{Origin: k.Home, Position: ledger.Position{Index: uint64(i)}, Author: k.Author, Event: ledger.EventID{byte(i)}, Fact: f})
	}
	return account.FoldUser(k, events)
}

func (p *people) find(fits func(*account.User) bool) (*account.User, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.facts {
		if u := p.fold(k); !u.Removed && fits(u) {
			return u, true
		}
	}
	return nil, false
}

func (p *people) UserByKey(_ context.Context, k noun.Key) (*account.User, bool) {
	return p.find(func(u *account.User) bool { return u.Key == k })
}

func (p *people) UserByName(_ context.Context, name string) (*account.User, bool) {
	return p.find(func(u *account.User) bool { return u.Name == name })
}

func (p *people) UserByCredential(_ context.Context, kind account.Kind, id []byte) (*account.User, bool) {
	return p.find(func(u *account.User) bool { _, ok := u.Credential(kind, id); return ok })
}

func (p *people) UserByCode(_ context.Context, hash [32]byte) (*account.User, bool) {
	return p.find(func(u *account.User) bool { return u.Code.Hash == hash })
}

func (p *people) Enrol(_ context.Context, e account.Enrolled) error {
	p.say(e.Target, &e)
	return nil
}

func policy() *account.Policy {
	section, _ := account.Section.In(ledger.Policy{})
	return section
}

const (
	url      = "https://vigil.example:7440"
	password = "correct horse battery"
)

func service(t testing.TB, p *people, change ...func(*signin.Config)) *signin.Service {
	t.Helper()
	c := signin.Config{Accounts: p, Policy: policy, URL: url}
	for _, f := range change {
		f(&c)
	}
	s, err := signin.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPasswords(t *testing.T) {
	p := &people{}
	p.add("asha", "AAAAA-BBBBB", account.Analyst)
	s := service(t, p)
	ctx := t.Context()
	for name, c := range map[string]struct {
		code, password string
		want           error
	}{
		"another code": {"AAAAA-CCCCC", password, signin.ErrCode}, "no code": {"", password, signin.ErrCode},
		"short": {"AAAAA-BBBBB", "short", signin.ErrWeak}, "long": {"AAAAA-BBBBB", strings.Repeat("x", 257), signin.ErrWeak},
	} {
		if _, err := s.SetPassword(ctx, c.code, c.password); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.SetPassword(ctx, "aaaaa bbbbb", password); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetPassword(ctx, "AAAAA-BBBBB", password); !errors.Is(err, signin.ErrCode) {
		t.Errorf("a code twice: %v", err)
	}
	for name, c := range map[string]struct{ name, password string }{
		"another password": {"asha", "correct horse batterx"}, "another name": {"ravi", password}, "nothing": {"", ""}, "too long": {"asha", strings.Repeat("x", 1000)},
	} {
		if _, err := s.Password(ctx, "there", c.name, c.password); !errors.Is(err, signin.ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	u, err := s.Password(ctx, "there", "asha", password)
	if err != nil || u.Name != "asha" {
		t.Fatal(err)
	}
	for range 5 {
		_, err = s.Password(ctx, "there", "asha", "guess guess guess")
	}
	if !errors.Is(err, signin.ErrWrong) {
		t.Errorf("the fifth guess: %v", err)
	}
	if _, err = s.Password(ctx, "there", "asha", password); !errors.Is(err, signin.ErrTooOften) {
		t.Errorf("after five guesses: %v", err)
	}
	if _, err = s.Password(ctx, "elsewhere", "asha", password); err != nil {
		t.Errorf("guesses from one place keep a person elsewhere out: %v", err)
	}
}

func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &people{}
		s := service(t, p)
		key := p.add("asha", "x", account.Analyst)
		ctx := t.Context()
		begin := func() string {
			t.Helper()
			u, _ := p.UserByKey(ctx, key)
			secret, _, err := s.Begin(ctx, u, account.Password)
			if err != nil {
				t.Fatal(err)
			}
			return secret
		}
		over := func(what, secret string) {
			t.Helper()
			if _, err := s.Find(ctx, secret); !errors.Is(err, signin.ErrSession) {
				t.Errorf("%s: %v", what, err)
			}
		}
		over("nothing", "")
		over("a guess", strings.Repeat("A", 43))

		ended := begin()
		if err := s.End(ctx, ended); err != nil {
			t.Error(err)
		}
		over("ended", ended)

		idle, busy := begin(), begin()
		for range 11 {
			time.Sleep(59 * time.Minute)
			if _, err := s.Find(ctx, busy); err != nil {
				t.Fatalf("a session in use: %v", err)
			}
		}
		over("idle", idle)
		time.Sleep(59 * time.Minute)
		if _, err := s.Find(ctx, busy); err != nil {
			t.Error(err)
		}
		time.Sleep(59 * time.Minute)
		over("after its hours", busy)

		one, two := begin(), begin()
		p.say(key, &account.Changed{Target: key, Roles: []string{account.Liaison}})
		found, err := s.Find(ctx, one)
		if err != nil || !slices.Equal(found.User.Roles, []string{account.Liaison}) {
			t.Errorf("roles that changed in mid-session: %+v %v", found, err)
		}
		u, _ := p.UserByKey(ctx, key)
		s.EndAll(u)
		over("all ended", one)
		over("all ended", two)

		removed := begin()
		p.say(key, &account.Removed{Target: key, Reason: "left"})
		over("removed in mid-session", removed)
	})
}

// TestWhoOnlyPeeksUsesNothing asks all the while whether a session goes on: it is idle all the same.
func TestWhoOnlyPeeksUsesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &people{}
		s := service(t, p)
		key := p.add("asha", "x", account.Analyst)
		secret := begun(t, s, p, key)
		for range 6 {
			if found, err := s.Peek(t.Context(), secret); err != nil || found.User.Key != key {
				t.Fatalf("%+v %v", found, err)
			}
			time.Sleep(10 * time.Minute)
		}
		time.Sleep(time.Second)
		if _, err := s.Peek(t.Context(), secret); !errors.Is(err, signin.ErrSession) {
			t.Errorf("idle: %v", err)
		}
	})
}

// device is a person's authenticator, as a browser would drive it.
type device struct {
	rp   webauthn.RelyingParty
	auth webauthn.Authenticator
	cred webauthn.Credential
}

// wholeKey is how many bytes of COSE a P-256 key has: five members, two of them coordinates of 32 bytes.
const wholeKey = 77

func newDevice(origin string) *device {
	d := &device{rp: webauthn.RelyingParty{ID: "vigil.example", Name: "Vigil", Origin: origin}, auth: webauthn.NewAuthenticator()}
	for d.cred = webauthn.NewCredential(webauthn.KeyTypeEC2); len(d.cred.Key.AttestationData()) != wholeKey; { // the library drops leading zeros
		d.cred = webauthn.NewCredential(webauthn.KeyTypeEC2)
	}
	return d
}

func (d *device) register(t *testing.T, options any) []byte {
	t.Helper()
	b, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	o, err := webauthn.ParseAttestationOptions(string(b))
	if err != nil {
		t.Fatal(err)
	}
	d.auth.Options.UserHandle = []byte(o.UserID)
	answer := webauthn.CreateAttestationResponse(d.rp, d.auth, d.cred, *o)
	d.auth.AddCredential(d.cred)
	return []byte(answer)
}

func (d *device) answer(t *testing.T, options any, handle []byte) []byte {
	t.Helper()
	b, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	o, err := webauthn.ParseAssertionOptions(string(b))
	if err != nil {
		t.Fatal(err)
	}
	d.auth.Options.UserHandle = handle
	return []byte(webauthn.CreateAssertionResponse(d.rp, d.auth, d.cred, *o))
}

func TestPasskeys(t *testing.T) {
	p := &people{}
	key, other := p.add("asha", "code", account.Analyst), p.add("ravi", "else", account.Lab)
	s := service(t, p)
	ctx := t.Context()
	d := newDevice(url)
	ceremony, options, err := s.BeginPasskey(ctx, "there", "code")
	if err != nil {
		t.Fatal(err)
	}
	answer := d.register(t, options)
	if _, err := s.FinishPasskey(ctx, ceremony+"x", "phone", answer); !errors.Is(err, signin.ErrCeremony) {
		t.Errorf("another ceremony: %v", err)
	}
	if u, err := s.FinishPasskey(ctx, ceremony, "phone", answer); err != nil || u.Name != "asha" {
		t.Fatal(err)
	}
	if _, err := s.FinishPasskey(ctx, ceremony, "phone", answer); !errors.Is(err, signin.ErrCeremony) {
		t.Errorf("the ceremony twice: %v", err)
	}
	if _, _, err := s.BeginPasskey(ctx, "there", "code"); !errors.Is(err, signin.ErrCode) {
		t.Errorf("the code twice: %v", err)
	}

	signIn := func(d *device, handle []byte, change func([]byte) []byte) (*account.User, error) {
		ceremony, options, err := s.BeginSignIn(ctx, "there")
		if err != nil {
			t.Fatal(err)
		}
		return s.FinishSignIn(ctx, ceremony, change(d.answer(t, options, handle)))
	}
	same := func(b []byte) []byte { return b }
	if u, err := signIn(d, key.Event[:], same); err != nil || u.Key != key {
		t.Fatalf("%+v %v", u, err)
	}
	elsewhere := newDevice("https://vigil.example.evil")
	elsewhere.cred, elsewhere.auth = d.cred, d.auth
	stranger := newDevice(url)
	stranger.auth.AddCredential(stranger.cred)
	for name, try := range map[string]func() (*account.User, error){
		"another's handle":  func() (*account.User, error) { return signIn(d, other.Event[:], same) },
		"no handle":         func() (*account.User, error) { return signIn(d, nil, same) },
		"a stranger's key":  func() (*account.User, error) { return signIn(stranger, key.Event[:], same) },
		"from another page": func() (*account.User, error) { return signIn(elsewhere, key.Event[:], same) },
		"rubbish": func() (*account.User, error) {
			return signIn(d, key.Event[:], func([]byte) []byte { return []byte("{") })
		},
		"empty": func() (*account.User, error) { return signIn(d, key.Event[:], func([]byte) []byte { return nil }) },
		"a signature changed": func() (*account.User, error) {
			return signIn(d, key.Event[:], func(b []byte) []byte {
				i := bytes.Index(b, []byte(`"signature":"`)) + 30
				b[i] ^= 1
				return b
			})
		},
	} {
		if u, err := try(); !errors.Is(err, signin.ErrCeremony) {
			t.Errorf("%s: %+v %v", name, u, err)
		}
	}
	p.say(key, &account.Withdrawn{Target: key, Kind: account.Passkey, ID: d.cred.ID})
	if _, err := signIn(d, key.Event[:], same); !errors.Is(err, signin.ErrCeremony) {
		t.Errorf("a passkey that was withdrawn: %v", err)
	}
}

func TestWithoutANameThereAreNoPasskeys(t *testing.T) {
	for _, u := range []string{"", "https://127.0.0.1:7440", "http://vigil.example"} {
		s := service(t, &people{}, func(c *signin.Config) { c.URL = u })
		if _, _, err := s.BeginSignIn(t.Context(), "there"); !errors.Is(err, signin.ErrNoPasskeys) {
			t.Errorf("%q: %v", u, err)
		}
		if _, _, err := s.Visit(t.Context(), "there"); !errors.Is(err, signin.ErrNoProvider) {
			t.Errorf("%q: %v", u, err)
		}
	}
}
