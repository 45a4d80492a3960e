package browser

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// provider is an agency's OpenID provider: a page on another site where whoever comes presses a button, and is subject.
type provider struct {
	*httptest.Server
	key     *ecdsa.PrivateKey
	subject string

	mu   sync.Mutex
	asks map[string]url.Values // guarded by mu; by code
}

func newProvider(t *testing.T, subject string) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key, subject: subject, asks: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /auth", p.asked)
	mux.HandleFunc("POST /token", p.vouch)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the browser fails the test
}

// asked shows the page on which somebody says that it is them.
func (p *provider) asked(w http.ResponseWriter, r *http.Request) {
	code, q := rand.Text(), r.URL.Query()
	p.mu.Lock()
	p.asks[code] = q
	p.mu.Unlock()
	back := q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, `<!doctype html><title>The agency's own</title><link rel="icon" href="data:image/svg+xml,<svg/>"><a id="me" href="%s">It is me</a>`, html.EscapeString(back)) // the browser fails the test
}

// vouch gives the node that brings a code what it vouches for, once.
func (p *provider) vouch(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	q, ok := p.asks[r.PostFormValue("code")]
	delete(p.asks, r.PostFormValue("code"))
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
	if !ok || err != nil || base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	claims := map[string]any{"iss": p.URL, "sub": p.subject, "aud": q.Get("client_id"), "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "nonce": q.Get("nonce")}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		http.Error(w, "no", http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": text})
}
