package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"vigil/ledger"
	"vigil/ledger/account"
)

// newPasskeys makes the relying party of a URL; nil where the URL can have none.
func newPasskeys(at string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(at)
	if at == "" || err == nil && (net.ParseIP(u.Hostname()) != nil || u.Scheme != "https") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("signin: api.url: %w", err)
	}
	return webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Vigil", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{
			Login:        webauthn.TimeoutConfig{Enforce: true, Timeout: ceremonyTime, TimeoutUVD: ceremonyTime},
			Registration: webauthn.TimeoutConfig{Enforce: true, Timeout: ceremonyTime, TimeoutUVD: ceremonyTime},
		},
	})
}

// keyHolder is a person as the library wants to see one. The handle is the event id of their account.
type keyHolder struct{ u *account.User }

func (h keyHolder) WebAuthnID() []byte          { return h.u.Key.Event[:] }
func (h keyHolder) WebAuthnName() string        { return h.u.Name }
func (h keyHolder) WebAuthnDisplayName() string { return h.u.Display }

func (h keyHolder) WebAuthnCredentials() []webauthn.Credential {
	var out []webauthn.Credential
	for _, c := range h.u.Credentials {
		var k webauthn.Credential
		if c.Kind == account.Passkey && json.Unmarshal(c.Data, &k) == nil {
			out = append(out, k)
		}
	}
	return out
}

// registering is an open registration: whose, by which code.
type registering struct {
	session webauthn.SessionData
	user    *account.User
	code    [32]byte
}

// BeginPasskey begins to register a passkey for the owner of a code. options are for navigator.credentials.create.
func (s *Service) BeginPasskey(ctx context.Context, from, code string) (ceremony string, options any, err error) {
	if s.passkeys == nil {
		return "", nil, ErrNoPasskeys
	}
	u, hash, err := s.byCode(ctx, code)
	if err != nil {
		return "", nil, err
	}
	creation, session, err := s.passkeys.BeginRegistration(keyHolder{u}, webauthn.WithExclusions(webauthn.Credentials(keyHolder{u}.WebAuthnCredentials()).CredentialDescriptors()))
	if err != nil {
		return "", nil, fmt.Errorf("signin: begin a registration: %w", err)
	}
	ceremony, err = s.pending.put(from, registering{*session, u, hash})
	return ceremony, creation, err
}

// FinishPasskey registers the passkey with which a browser answered.
func (s *Service) FinishPasskey(ctx context.Context, ceremony, label string, answer []byte) (*account.User, error) {
	kept, ok := s.pending.take(ceremony)
	r, isOne := kept.(registering)
	if !ok || !isOne {
		return nil, ErrCeremony
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, ErrCeremony
	}
	c, err := s.passkeys.CreateCredential(keyHolder{r.user}, r.session, parsed)
	if err != nil {
		return nil, ErrCeremony
	}
	c.Attestation = webauthn.CredentialAttestation{} // nothing is made of it, and it can be large
	data, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	e := account.Enrolled{Target: r.user.Key, Code: r.code, Credential: account.Credential{Kind: account.Passkey, ID: c.ID, Data: data, Label: label}}
	return r.user, s.cfg.Accounts.Enrol(ctx, e)
}

// BeginSignIn begins to sign in by a passkey, whoever holds one. options are for navigator.credentials.get.
func (s *Service) BeginSignIn(_ context.Context, from string) (ceremony string, options any, err error) {
	if s.passkeys == nil {
		return "", nil, ErrNoPasskeys
	}
	assertion, session, err := s.passkeys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return "", nil, fmt.Errorf("signin: begin to sign in: %w", err)
	}
	ceremony, err = s.pending.put(from, *session)
	return ceremony, assertion, err
}

// FinishSignIn returns who signed in with a browser's answer.
func (s *Service) FinishSignIn(ctx context.Context, ceremony string, answer []byte) (*account.User, error) {
	kept, ok := s.pending.take(ceremony)
	session, isOne := kept.(webauthn.SessionData)
	if !ok || !isOne {
		return nil, ErrCeremony
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, ErrCeremony
	}
	var found *account.User
	_, _, err = s.passkeys.ValidatePasskeyLogin(func(id, handle []byte) (webauthn.User, error) {
		u, ok := s.cfg.Accounts.UserByCredential(ctx, account.Passkey, id)
		if !ok || len(handle) != len(ledger.EventID{}) || u.Key.Event != ledger.EventID(handle) {
			return nil, ErrWrong
		}
		found = u
		return keyHolder{u}, nil
	}, session, parsed)
	if err != nil {
		return nil, ErrCeremony
	}
	return found, nil
}
