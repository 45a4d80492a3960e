package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"vigil/ledger/account"
	"vigil/ledger/noun"
	"vigil/ledger/report"
	"vigil/node/board"
)

type tokenPath struct {
	ID string `path:"id" maxLength:"64" doc:"Token id, or a unique prefix of it"`
}

func (s *Server) tokenRoutes() {
	route(s, http.MethodPost, "/v1/tokens", "createToken", "Make an API token; its secret is in this answer only", governors, s.createToken, takesTwo(account.ActUsers))
	route(s, http.MethodGet, "/v1/tokens", "listTokens", "Tokens without their secrets", operators, func(ctx context.Context, _ *none) (*body[[]Token], error) {
		all, err := s.cfg.Board.Tokens(ctx)
		out := []Token{}
		for i := range all {
			out = append(out, showToken(&all[i]))
		}
		return &body[[]Token]{out}, err
	})
	route(s, http.MethodDelete, "/v1/tokens/{id}", "revokeToken", "End a token at once", operators, s.revokeToken)
}

func showToken(t *board.Folded[*account.Token]) Token {
	x := t.Object
	return Token{ID: t.Key.ID(account.TokenIDs), Name: x.Name, Role: x.Role, Expires: time.Unix(x.Expires, 0).UTC(), Revoked: x.Revoked}
}

func (s *Server) createToken(ctx context.Context, in *body[NewToken]) (*body[Token], error) {
	if in.Body.Role == RolePlatform {
		if err := noun.At("name", report.PlatformName(in.Body.Name)); err != nil {
			return nil, err
		}
	}
	existing, err := s.cfg.Board.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	if len(existing) >= maxTokens {
		return nil, problem(http.StatusConflict, "too-many-tokens", "this agency has as many tokens as it may have", "revoked ones count, too")
	}
	days := in.Body.Days
	if days == 0 {
		days = defaultDays
	}
	secret, hash := newToken()
	expires := time.Now().AddDate(0, 0, days).UTC().Truncate(time.Second)
	key, err := s.accounts.writeAgreed(ctx, account.TokenCodec, account.TypeIssued, &account.Issued{Name: in.Body.Name, Role: in.Body.Role, Hash: hash, Expires: expires.Unix()})
	if err != nil {
		return nil, err
	}
	by, err := s.personBehind(ctx, who(ctx).name)
	if err == nil && strings.HasPrefix(by, account.UserIDs) { // before anybody has the secret
		_, err = s.accounts.write(ctx, account.TokenCodec, account.TypeMade, &account.Made{Target: key, By: by})
	}
	if err != nil {
		return nil, err
	}
	return &body[Token]{Token{ID: key.ID(account.TokenIDs), Name: in.Body.Name, Role: in.Body.Role, Expires: expires, Secret: secret}}, nil
}

// personBehind is who asks under a name, or the person who made the token that does; empty where that is not known.
func (s *Server) personBehind(ctx context.Context, name string) (string, error) {
	if !strings.HasPrefix(name, account.TokenIDs) {
		return name, nil
	}
	t, err := s.cfg.Board.Token(ctx, name)
	if err != nil {
		return "", err
	}
	return t.Object.By, nil
}

func (s *Server) revokeToken(ctx context.Context, in *tokenPath) (*none, error) {
	t, err := s.cfg.Board.Token(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if t.Object.Revoked {
		return &none{}, nil
	}
	if _, err = s.accounts.write(ctx, account.TokenCodec, account.TypeRevoked, &account.Revoked{Target: t.Key}); err != nil {
		return nil, err
	}
	s.did(ctx, "token.revoke", t.Key.ID(account.TokenIDs))
	return &none{}, nil
}
