package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vigil/ledger"
)

// Roles of tokens. The socket of the machine's own operator has RoleOperator and RoleCoordinator.
const (
	RoleAnalyst     = "analyst"     // reads and writes alerts
	RoleLab         = "lab"         // the same, in bulk
	RoleCoordinator = "coordinator" // governance
	RoleAuditor     = "auditor"     // reads everything, writes nothing
	RoleOperator    = "operator"    // runs the node; no content
	RolePlatform    = "platform"    // looks hashes up
)

var (
	anyone     = []string{RoleAnalyst, RoleLab, RoleCoordinator, RoleAuditor, RoleOperator, RolePlatform, RoleLiaison}
	content    = []string{RoleAnalyst, RoleLab, RoleAuditor}
	writers    = []string{RoleAnalyst, RoleLab}
	lookers    = []string{RoleAnalyst, RoleLab, RoleAuditor, RolePlatform}
	governors  = []string{RoleCoordinator}
	operators  = []string{RoleOperator}
	inspectors = []string{RoleAnalyst, RoleLab, RoleCoordinator, RoleAuditor, RoleOperator}
)

// principal is who asks.
type principal struct {
	name  string
	roles []string
}

type principalKey struct{}

// OnSocket marks the connections of the operator's socket; it belongs into http.Server.ConnContext.
func OnSocket(ctx context.Context) context.Context {
	return context.WithValue(ctx, principalKey{}, principal{name: "socket", roles: []string{RoleOperator, RoleCoordinator}})
}

func (p principal) has(roles []string) bool {
	for _, have := range p.roles {
		for _, want := range roles {
			if have == want {
				return true
			}
		}
	}
	return false
}

// A token is "vigil_" and 52 base32 characters: 32 random bytes. Only their SHA-256 is kept, as an event that is sealed
// to the agency itself: lose the machine, keep the kit, and tokens come back.
const tokenPrefix = "vigil_"

const (
	tokenCreated = "token.created"
	tokenRevoked = "token.revoked"
)

type tokenEvent struct {
	_       struct{} `cbor:",toarray"`
	Name    string
	Role    string
	Hash    [32]byte
	Expires int64
}

type tokens struct {
	s *Server

	mu     sync.Mutex
	byHash map[[32]byte]Token // guarded by mu
	list   []Token            // guarded by mu
	read   time.Time          // guarded by mu
}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func newSecret() (secret string, hash [32]byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	secret = tokenPrefix + base32Lower.EncodeToString(b[:])
	return secret, sha256.Sum256([]byte(secret))
}

// find returns the token of a secret. Revoked and expired ones are not found.
func (t *tokens) find(ctx context.Context, secret string) (Token, bool) {
	hash := sha256.Sum256([]byte(secret))
	t.mu.Lock()
	defer t.mu.Unlock()
	token, ok := t.byHash[hash]
	if !ok || time.Since(t.read) > tokenAge {
		if t.load(ctx) == nil {
			token, ok = t.byHash[hash]
		}
	}
	return token, ok && !token.Revoked && time.Now().Before(token.Expires)
}

// load folds the token events; mu is held.
func (t *tokens) load(ctx context.Context) error {
	stored, err := t.s.cfg.Board.Private(ctx, "token.")
	if err != nil {
		return err
	}
	t.byHash, t.list, t.read = map[[32]byte]Token{}, nil, time.Now()
	hashes := map[string][32]byte{}
	for _, x := range stored {
		id := hex.EncodeToString(x.Event.Rows)
		var e tokenEvent
		switch x.Type {
		case tokenCreated:
			if ledger.Unmarshal(x.Event.Shared, &e, maxBodyBytes) == nil {
				token := Token{ID: id, Name: e.Name, Role: e.Role, Expires: time.Unix(e.Expires, 0).UTC()}
				t.list, t.byHash[e.Hash], hashes[id] = append(t.list, token), token, e.Hash
			}
		case tokenRevoked:
			token := t.byHash[hashes[id]]
			token.Revoked = true
			t.byHash[hashes[id]] = token
			for i := range t.list {
				t.list[i].Revoked = t.list[i].Revoked || t.list[i].ID == id
			}
		}
	}
	return nil
}

func (t *tokens) all(ctx context.Context) ([]Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.load(ctx); err != nil {
		return nil, err
	}
	return append([]Token{}, t.list...), nil
}

func (t *tokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.read = time.Time{}
}

// authenticate says who asks: the socket, or the bearer of a token. A token in the query is refused as one.
func (s *Server) authenticate(r *http.Request) (principal, *Problem) {
	if p, ok := r.Context().Value(principalKey{}).(principal); ok && r.Header.Get("Authorization") == "" {
		return p, nil
	}
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || !strings.HasPrefix(secret, tokenPrefix) || len(secret) > maxKeyBytes {
		return principal{}, problem(http.StatusUnauthorized, "no-token", "no bearer token", "make one with 'vigil token create' and send it as 'Authorization: Bearer …'")
	}
	token, ok := s.tokens.find(r.Context(), secret)
	if !ok {
		return principal{}, problem(http.StatusUnauthorized, "token", "the token is unknown, revoked or expired", "make a new one with 'vigil token create'")
	}
	return principal{name: token.ID, roles: []string{token.Role}}, nil
}

// guard is the middleware of every operation: who asks, and may they.
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
	p, refusal := s.authenticate(r)
	if refusal == nil && !p.has(roles) {
		refusal = problem(http.StatusForbidden, "role", "not for this role", "it is for: "+strings.Join(roles, ", "))
	}
	if refusal != nil {
		if p.name != "" {
			s.refused(context.WithValue(ctx.Context(), principalKey{}, p), strings.ToLower(ctx.Operation().OperationID), "role")
		}
		writeProblem(w, refusal)
		return
	}
	next(huma.WithValue(ctx, principalKey{}, p))
}
