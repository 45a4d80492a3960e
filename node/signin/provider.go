package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"vigil/ledger/account"
)

// ProviderConfig is the agency's own OpenID provider.
type ProviderConfig struct {
	Issuer   string
	ClientID string
	Secret   string
	Client   *http.Client // with bounds of its own; nil for the usual one
}

type provider struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
}

// CallbackPath is where the provider sends people back to.
const CallbackPath = "/v1/session/provider/callback"

// reach asks the provider what it is, once it answers.
func (s *Service) reach(ctx context.Context) (*provider, error) {
	if s.cfg.Provider == nil || s.cfg.URL == "" {
		return nil, ErrNoProvider
	}
	s.reaching.Lock()
	defer s.reaching.Unlock()
	if s.provider != nil {
		return s.provider, nil
	}
	p, err := oidc.NewProvider(s.with(ctx), s.cfg.Provider.Issuer)
	if err != nil {
		return nil, fmt.Errorf("signin: the OpenID provider does not answer: %w", err)
	}
	s.provider = &provider{
		oauth: oauth2.Config{
			ClientID: s.cfg.Provider.ClientID, ClientSecret: s.cfg.Provider.Secret, Endpoint: p.Endpoint(),
			RedirectURL: strings.TrimSuffix(s.cfg.URL, "/") + CallbackPath, Scopes: []string{oidc.ScopeOpenID},
		},
		verifier: p.VerifierContext(s.with(context.WithoutCancel(ctx)), &oidc.Config{ClientID: s.cfg.Provider.ClientID}),
	}
	return s.provider, nil
}

// with gives the libraries a client whose answers are bounded.
func (s *Service) with(ctx context.Context) context.Context {
	c := s.cfg.Provider.Client
	if c == nil {
		c = http.DefaultClient
	}
	bounded := &http.Client{
		Transport: boundedTransport{c.Transport}, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("an OpenID provider does not redirect") },
	}
	return oidc.ClientContext(ctx, bounded)
}

type boundedTransport struct{ under http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	under := t.under
	if under == nil {
		under = http.DefaultTransport
	}
	res, err := under.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxProviderBody), res.Body}
	}
	return res, err
}

// visiting is a person who is at the provider.
type visiting struct{ nonce, verifier, browser string }

// Visit returns where to send a browser, and a secret that the browser must bring back: without it another's answer could
// be planted in it.
func (s *Service) Visit(ctx context.Context, from string) (to, browser string, err error) {
	p, err := s.reach(ctx)
	if err != nil {
		return "", "", err
	}
	v := visiting{nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), browser: rand.Text()}
	state, err := s.pending.put(from, v)
	if err != nil {
		return "", "", err
	}
	return p.oauth.AuthCodeURL(state, oidc.Nonce(v.nonce), oauth2.S256ChallengeOption(v.verifier)), v.browser, nil
}

// Return returns who came back from the provider.
func (s *Service) Return(ctx context.Context, state, code, browser string) (*account.User, error) {
	p, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	kept, ok := s.pending.take(state)
	v, isOne := kept.(visiting)
	if !ok || !isOne || subtle.ConstantTimeCompare([]byte(v.browser), []byte(browser)) != 1 {
		return nil, ErrCeremony
	}
	token, err := p.oauth.Exchange(s.with(ctx), code, oauth2.VerifierOption(v.verifier))
	if err != nil {
		return nil, ErrCeremony
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, ErrCeremony
	}
	id, err := p.verifier.Verify(ctx, raw)
	if err != nil || subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(v.nonce)) != 1 {
		return nil, ErrCeremony
	}
	u, ok := s.cfg.Accounts.UserByCredential(ctx, account.Provider, []byte(id.Issuer+" "+id.Subject))
	if !ok {
		return nil, ErrNotKnown
	}
	return u, nil
}
