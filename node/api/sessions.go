package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"vigil/ledger/account"
	"vigil/node/signin"
)

// visitCookie ties a visit to the OpenID provider to the browser that began it.
const visitCookie = "__Host-vigil-visit"

// signedIn is a session with its cookie, where that is wanted.
type signedIn struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      Session
}

func (s *Server) sessionRoutes() {
	route(s, http.MethodPost, "/v1/session", "signIn", "Sign in by name and password", nil, func(ctx context.Context, in *body[SignIn]) (*signedIn, error) {
		u, err := s.signIn.Password(ctx, from(ctx), in.Body.Name, in.Body.Password)
		return s.begin(ctx, u, account.Password, in.Body.Cookie, err)
	})
	route(s, http.MethodGet, "/v1/session", "whoAmI", "Who asks, and in which roles", anyone, func(ctx context.Context, _ *none) (*body[Session], error) {
		return &body[Session]{s.showSession(who(ctx))}, nil
	})
	route(s, http.MethodDelete, "/v1/session", "signOut", "End this session", anyone, s.signOut)
	route(s, http.MethodPost, "/v1/session/passkey", "beginSignIn", "Begin to sign in by a passkey", nil, func(ctx context.Context, _ *none) (*body[Ceremony], error) {
		name, options, err := s.signIn.BeginSignIn(ctx, from(ctx))
		return &body[Ceremony]{Ceremony{name, options}}, refusedSignIn(err)
	}, asking)
	route(s, http.MethodPost, "/v1/session/passkey/answer", "finishSignIn", "Sign in with the passkey's answer", nil, func(ctx context.Context, in *body[PasskeyAnswer]) (*signedIn, error) {
		answer, err := json.Marshal(in.Body.Answer)
		if err != nil {
			return nil, err
		}
		u, err := s.signIn.FinishSignIn(ctx, in.Body.Ceremony, answer)
		return s.begin(ctx, u, account.Passkey, in.Body.Cookie, err)
	})
	route(s, http.MethodPost, "/v1/enrolment", "enrolment", "Whose an enrolment code is", nil, func(ctx context.Context, in *body[Enrol]) (*body[Session], error) {
		u, err := s.signIn.Owner(ctx, in.Body.Code)
		return s.enrolled(u, err)
	}, asking)
	route(s, http.MethodPost, "/v1/enrolment/password", "enrolPassword", "Set a password by an enrolment code", nil, func(ctx context.Context, in *body[Enrol]) (*body[Session], error) {
		u, err := s.signIn.SetPassword(ctx, in.Body.Code, in.Body.Password)
		return s.enrolled(u, err)
	})
	route(s, http.MethodPost, "/v1/enrolment/passkey", "beginEnrolPasskey", "Begin to register a passkey by an enrolment code", nil, func(ctx context.Context, in *body[Enrol]) (*body[Ceremony], error) {
		name, options, err := s.signIn.BeginPasskey(ctx, from(ctx), in.Body.Code)
		return &body[Ceremony]{Ceremony{name, options}}, refusedSignIn(err)
	}, asking)
	route(s, http.MethodPost, "/v1/enrolment/passkey/answer", "finishEnrolPasskey", "Register the passkey", nil, func(ctx context.Context, in *body[PasskeyAnswer]) (*body[Session], error) {
		answer, err := json.Marshal(in.Body.Answer)
		if err != nil {
			return nil, err
		}
		u, err := s.signIn.FinishPasskey(ctx, in.Body.Ceremony, in.Body.Label, answer)
		return s.enrolled(u, err)
	})
	s.mux.HandleFunc("GET /v1/session/provider", s.visitProvider)
	s.mux.HandleFunc("GET "+signin.CallbackPath, s.returnFromProvider)
}

// from is where a request comes from.
func from(ctx context.Context) string {
	r, _ := requestOf(ctx)
	if r == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// refusedSignIn gives what package signin refuses its answer.
func refusedSignIn(err error) error {
	for refusal, status := range map[error]int{
		signin.ErrWrong: http.StatusUnauthorized, signin.ErrCode: http.StatusUnauthorized, signin.ErrCeremony: http.StatusUnauthorized,
		signin.ErrNotKnown: http.StatusForbidden, signin.ErrWeak: http.StatusBadRequest, signin.ErrTooOften: http.StatusTooManyRequests,
		signin.ErrNoPasskeys: http.StatusNotFound, signin.ErrNoProvider: http.StatusNotFound,
	} {
		if errors.Is(err, refusal) {
			p := problem(status, "sign-in", refusal.Error(), "")
			if status == http.StatusTooManyRequests {
				p.retry = "30"
			}
			return p
		}
	}
	if errors.Is(err, signin.ErrBusy) {
		return unavailable("busy", signin.ErrBusy.Error())
	}
	return err
}

func (s *Server) enrolled(u *account.User, err error) (*body[Session], error) {
	if err != nil {
		return nil, refusedSignIn(err)
	}
	return &body[Session]{Session{ID: u.Key.ID(account.UserIDs), Name: u.Name, Display: u.Display, Roles: u.Roles, Agency: string(s.cfg.Agency)}}, nil
}

// begin begins a session for whoever has proved who they are.
func (s *Server) begin(ctx context.Context, u *account.User, how account.Kind, inCookie bool, err error) (*signedIn, error) {
	if err != nil {
		return nil, refusedSignIn(err)
	}
	secret, expires, err := s.signIn.Begin(ctx, u, how)
	if err != nil {
		return nil, refusedSignIn(err)
	}
	s.cfg.Log.Info("signed in", "user", u.Key.ID(account.UserIDs), "by", string(how))
	out := &signedIn{Body: s.showSession(principal{name: u.Key.ID(account.UserIDs), label: u.Name, roles: u.Roles, user: u})}
	out.Body.Expires = &expires
	if inCookie {
		out.SetCookie = append(out.SetCookie, cookie(sessionCookie, secret, http.SameSiteStrictMode))
	} else {
		out.Body.Secret = sessionPrefix + secret
	}
	return out, nil
}

// cookie is for this host alone, over https, out of the reach of scripts, until the browser is closed.
func cookie(name, value string, same http.SameSite) http.Cookie {
	c := http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: same}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

func (s *Server) showSession(p principal) Session {
	out := Session{ID: p.name, Name: p.label, Roles: p.roles, Agency: string(s.cfg.Agency), LastEvent: s.changeID(s.cfg.Board.LastChange())}
	if p.user != nil {
		out.Display = p.user.Display
	}
	return out
}

type signedOut struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
}

func (s *Server) signOut(ctx context.Context, _ *none) (*signedOut, error) {
	p := who(ctx)
	if p.secret == "" {
		return nil, problem(http.StatusBadRequest, "no-session", "there is no session to end", "a token ends by 'vigil token revoke'")
	}
	err := s.signIn.End(ctx, p.secret)
	return &signedOut{SetCookie: []http.Cookie{cookie(sessionCookie, "", http.SameSiteStrictMode)}}, refusedSignIn(err)
}

func (s *Server) visitProvider(w http.ResponseWriter, r *http.Request) {
	to, browser, err := s.signIn.Visit(r.Context(), from(r.Context()))
	if err != nil {
		s.signInProblem(w, r, err)
		return
	}
	c := cookie(visitCookie, browser, http.SameSiteLaxMode) // it must come back from the provider's site
	http.SetCookie(w, &c)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (s *Server) returnFromProvider(w http.ResponseWriter, r *http.Request) {
	browser := ""
	if c, err := r.Cookie(visitCookie); err == nil {
		browser = c.Value
	}
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	u, err := s.signIn.Return(ctx, r.URL.Query().Get("state"), r.URL.Query().Get("code"), browser)
	out, err := s.begin(ctx, u, account.Provider, true, err)
	if err != nil {
		s.signInProblem(w, r, err)
		return
	}
	for _, c := range append(out.SetCookie, cookie(visitCookie, "", http.SameSiteLaxMode)) {
		http.SetCookie(w, &c)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// signInProblem says why nobody is signed in: to a browser on the sign-in page, whatever else asks as a problem.
func (s *Server) signInProblem(w http.ResponseWriter, r *http.Request, err error) {
	refused, why := refusedSignIn(err), "provider-refused"
	var p *Problem
	switch {
	case errors.Is(err, signin.ErrNotKnown):
		why = "provider-unknown"
	case !errors.As(refused, &p):
		s.cfg.Log.Error("the OpenID provider cannot be used", "error", refused)
		p, why = unavailable("provider", "the agency's OpenID provider does not answer"), "provider-away"
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, "/sign-in?refused="+why, http.StatusSeeOther)
		return
	}
	if p == nil {
		_ = errors.As(refused, &p)
	}
	writeProblem(w, p)
}
