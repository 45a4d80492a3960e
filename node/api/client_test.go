package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// TestAClientIsNotSentElsewhere: a server that redirects gets no more than the request it was sent.
func TestAClientIsNotSentElsewhere(t *testing.T) {
	var reached atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	t.Cleanup(elsewhere.Close)
	for _, code := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect} {
		node := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, code)
		}))
		node.StartTLS()
		t.Cleanup(node.Close)
		pin := sha256.Sum256(node.Certificate().Raw)
		c, err := NewClient(Target{Server: node.URL, Pin: hex.EncodeToString(pin[:]), Token: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		_, err = c.CreateToken(t.Context(), NewToken{Name: "x", Role: RoleLab})
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Status != code {
			t.Errorf("%d: %v", code, err)
		}
	}
	if reached.Load() {
		t.Error("it went there")
	}
}
