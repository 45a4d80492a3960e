package signin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"vigil/ledger/account"
	"vigil/node/signin"
)

// idp is an OpenID provider that vouches for one subject, as truthfully as claims lets it.
type idp struct {
	*httptest.Server
	key       *ecdsa.PrivateKey
	nonce     string
	challenge string
	claims    func(c map[string]any)
	signer    *ecdsa.PrivateKey // nil: its own key
}

func newIDP(t *testing.T) *idp {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &idp{key: key, claims: func(map[string]any) {}}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // the client fails the test
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if base64.RawURLEncoding.EncodeToString(sum[:]) != p.challenge || r.PostFormValue("code") != "good" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": p.idToken(t)})
	})
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *idp) idToken(t *testing.T) string {
	key := p.key
	if p.signer != nil {
		key = p.signer
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
	if err != nil {
		t.Error(err)
		return ""
	}
	claims := map[string]any{"iss": p.URL, "sub": "subject-7", "aud": "vigil", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "nonce": p.nonce}
	p.claims(claims)
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Error(err)
	}
	return text
}

func TestTheAgencysOwnProvider(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		lie    func(*idp)
		code   string
		browse func(browser string) string
		state  func(state string) string
		want   error
	}{
		{name: "true"},
		{name: "another nonce", lie: func(p *idp) { p.claims = func(c map[string]any) { c["nonce"] = "x" } }, want: signin.ErrCeremony},
		{name: "for another client", lie: func(p *idp) { p.claims = func(c map[string]any) { c["aud"] = "other" } }, want: signin.ErrCeremony},
		{name: "of another issuer", lie: func(p *idp) { p.claims = func(c map[string]any) { c["iss"] = "https://other" } }, want: signin.ErrCeremony},
		{name: "over", lie: func(p *idp) {
			p.claims = func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }
		}, want: signin.ErrCeremony},
		{name: "signed by another key", lie: func(p *idp) { p.signer = other }, want: signin.ErrCeremony},
		{name: "somebody unknown", lie: func(p *idp) { p.claims = func(c map[string]any) { c["sub"] = "subject-8" } }, want: signin.ErrNotKnown},
		{name: "a bad code", code: "bad", want: signin.ErrCeremony},
		{name: "another's browser", browse: func(string) string { return "planted" }, want: signin.ErrCeremony},
		{name: "another state", state: func(string) string { return "planted" }, want: signin.ErrCeremony},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newIDP(t)
			if c.lie != nil {
				c.lie(p)
			}
			users := &people{}
			key := users.add("asha", "x", account.Analyst)
			users.say(key, &account.Enrolled{Target: key, Credential: account.Credential{Kind: account.Provider, ID: []byte(p.URL + " subject-7"), Data: []byte{}}})
			s := service(t, users, func(cfg *signin.Config) {
				cfg.Provider = &signin.ProviderConfig{Issuer: p.URL, ClientID: "vigil", Secret: "s", Client: p.Client()}
			})
			to, browser, err := s.Visit(t.Context(), "there")
			if err != nil {
				t.Fatal(err)
			}
			u, err := neturl.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			p.nonce, p.challenge = q.Get("nonce"), q.Get("code_challenge")
			if q.Get("code_challenge_method") != "S256" || q.Get("redirect_uri") != url+signin.CallbackPath {
				t.Errorf("%v", q)
			}
			state, code := q.Get("state"), "good"
			if c.code != "" {
				code = c.code
			}
			if c.browse != nil {
				browser = c.browse(browser)
			}
			if c.state != nil {
				state = c.state(state)
			}
			found, err := s.Return(t.Context(), state, code, browser)
			if !errors.Is(err, c.want) || (c.want == nil) != (found != nil && found.Key == key) {
				t.Errorf("%+v %v", found, err)
			}
			if _, err := s.Return(t.Context(), state, code, browser); !errors.Is(err, signin.ErrCeremony) {
				t.Errorf("the answer twice: %v", err)
			}
		})
	}
}
