package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"vigil/ledger/account"
	"vigil/node/signin"
)

// Roles of people and tokens. The socket of the machine's own operator has RoleOperator and RoleCoordinator.
const (
	RoleAnalyst     = account.Analyst
	RoleLab         = account.Lab
	RoleLiaison     = account.Liaison
	RoleCoordinator = account.Coordinator
	RoleAuditor     = account.Auditor
	RoleOperator    = account.Operator
	RolePlatform    = account.Reporter
	RoleSupport     = account.Support
	RoleScreening   = account.Screening
)

var (
	anyone     = account.Roles
	content    = []string{RoleAnalyst, RoleLab, RoleAuditor}
	writers    = []string{RoleAnalyst, RoleLab}
	lookers    = []string{RoleAnalyst, RoleLab, RoleAuditor, RolePlatform}
	governors  = []string{RoleCoordinator}
	operators  = []string{RoleOperator, RoleCoordinator}
	inspectors = []string{RoleAnalyst, RoleLab, RoleCoordinator, RoleAuditor, RoleOperator}
)

// principal is who asks: a person signed in, a program with a token, or the machine's own operator.
type principal struct {
	name   string // us_…, tk_… or socket
	label  string
	roles  []string
	role   string // of the roles the one that permits the operation
	user   *account.User
	secret string // of the session
}

// socketName is the principal of the machine's own operator.
const socketName = "socket"

type principalKey struct{}

// OnSocket marks the connections of the operator's socket; it belongs into http.Server.ConnContext.
func OnSocket(ctx context.Context) context.Context {
	return context.WithValue(ctx, principalKey{}, principal{name: socketName, label: socketName, roles: []string{RoleOperator, RoleCoordinator}})
}

// as returns the principal in the first of its roles that is among those permitted.
func (p principal) as(permitted []string) (principal, bool) {
	for _, have := range p.roles {
		if slices.Contains(permitted, have) {
			p.role = have
			return p, true
		}
	}
	return p, false
}

// who returns the principal of a request that was let in.
func who(ctx context.Context) principal {
	p, _ := ctx.Value(principalKey{}).(principal)
	return p
}

// What secrets begin with, so that one that got lost can be found by a scan.
const (
	tokenPrefix   = "vigil_"
	sessionPrefix = "vigils_"
)

// sessionCookie holds a session in a browser. Its name keeps it to this host and to https.
const sessionCookie = "__Host-vigil"

// authenticate says who asks: the bearer of a token or session, a browser with a session's cookie, or the socket.
func (s *Server) authenticate(r *http.Request) (principal, *Problem) {
	if header := r.Header.Get("Authorization"); header != "" {
		return s.bearer(r, header)
	}
	if p, ok := r.Context().Value(principalKey{}).(principal); ok {
		return p, nil
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return principal{}, problem(http.StatusUnauthorized, "no-token", "no bearer token and no session", "sign in with 'vigil login', or make a token with 'vigil token create' and send it as 'Authorization: Bearer …'")
	}
	if err := s.crossOrigin.Check(r); err != nil {
		return principal{}, problem(http.StatusForbidden, "cross-origin", "another site's page asked for this", "")
	}
	return s.session(r.Context(), c.Value, s.signIn.Find)
}

func (s *Server) bearer(r *http.Request, header string) (principal, *Problem) {
	secret, ok := strings.CutPrefix(header, "Bearer ")
	if !ok || len(secret) > maxKeyBytes {
		return principal{}, problem(http.StatusUnauthorized, "no-token", "no bearer token", "send 'Authorization: Bearer …'")
	}
	if session, ok := strings.CutPrefix(secret, sessionPrefix); ok {
		return s.session(r.Context(), session, s.signIn.Find)
	}
	if !strings.HasPrefix(secret, tokenPrefix) {
		return principal{}, problem(http.StatusUnauthorized, "no-token", "not a token of this network", "make one with 'vigil token create'")
	}
	t, ok := s.accounts.token(r.Context(), secret)
	if !ok {
		return principal{}, problem(http.StatusUnauthorized, "token", "the token is unknown, revoked or expired", "make a new one with 'vigil token create'")
	}
	return principal{name: t.Key.ID(account.TokenIDs), label: t.Name, roles: []string{t.Role}}, nil
}

func (s *Server) session(ctx context.Context, secret string, find func(context.Context, string) (signin.Session, error)) (principal, *Problem) {
	found, err := find(ctx, secret)
	if errors.Is(err, signin.ErrSession) {
		return principal{}, problem(http.StatusUnauthorized, "session", "the session is over, or its person was removed", "sign in again")
	}
	if err != nil {
		s.cfg.Log.Error("sessions cannot be read", "error", err)
		return principal{}, unavailable("session", "sessions cannot be read now")
	}
	return principal{name: found.User.Key.ID(account.UserIDs), label: found.User.Name, roles: found.User.Roles, user: found.User, secret: secret}, nil
}

// admit says who asks, in the role that lets them in and within what they may ask, or refuses.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, roles []string) (principal, *Problem) {
	p, refusal := s.authenticate(r)
	if refusal == nil {
		refusal = s.limiters.within(w.Header(), p)
	}
	if refusal != nil {
		return p, refusal
	}
	p, ok := p.as(roles)
	if !ok {
		return p, problem(http.StatusForbidden, "role", "not for this role", "it is for: "+strings.Join(roles, ", "))
	}
	return p, nil
}

// stands says whether who was let in would be let in now as the same: an answer that stays open ends with the token or the
// session, and with a change of roles. To be told of changes is no use of a session.
func (s *Server) stands(r *http.Request) bool {
	p := who(r.Context())
	now, refusal := p, (*Problem)(nil)
	switch {
	case p.secret != "":
		now, refusal = s.session(r.Context(), p.secret, s.signIn.Peek)
	case p.name != socketName:
		now, refusal = s.bearer(r, r.Header.Get("Authorization"))
	}
	return refusal == nil && now.name == p.name && slices.Equal(now.roles, p.roles)
}

// guard is the middleware of every operation: who asks, may they, and does it take a second person.
func (s *Server) guard(ctx huma.Context, next func(huma.Context)) {
	roles, _ := ctx.Operation().Metadata["roles"].([]string)
	if roles == nil {
		next(ctx)
		return
	}
	r, w := requestOf(ctx.Context())
	if r == nil {
		return
	}
	p, refusal := s.admit(w, r, roles)
	in := context.WithValue(ctx.Context(), principalKey{}, p)
	if refusal != nil {
		if p.name != "" {
			s.refused(in, strings.ToLower(ctx.Operation().OperationID), refusal.Code)
		}
		writeProblem(w, refusal)
		return
	}
	if act, _ := ctx.Operation().Metadata["act"].(string); act != "" && !s.consented(in, w, r, act) {
		return
	}
	next(huma.WithValue(ctx, principalKey{}, p))
}
