package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"time"

	"vigil/ledger"
)

type tokenPath struct {
	ID string `path:"id" minLength:"16" maxLength:"16"`
}

func (s *Server) tokenRoutes() {
	route(s, http.MethodPost, "/v1/tokens", "createToken", "Make an API token; its secret is in this answer only", operators, s.createToken)
	route(s, http.MethodGet, "/v1/tokens", "listTokens", "Tokens without their secrets", operators, func(ctx context.Context, _ *none) (*body[[]Token], error) {
		list, err := s.tokens.all(ctx)
		return &body[[]Token]{list}, err
	})
	route(s, http.MethodDelete, "/v1/tokens/{id}", "revokeToken", "End a token at once", operators, s.revokeToken)
}

func (s *Server) createToken(ctx context.Context, in *body[NewToken]) (*body[Token], error) {
	existing, err := s.tokens.all(ctx)
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
	secret, hash := newSecret()
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	expires := time.Now().AddDate(0, 0, days).UTC()
	shared := ledger.Marshal(tokenEvent{Name: in.Body.Name, Role: in.Body.Role, Hash: hash, Expires: expires.Unix()})
	if err := s.private(ctx, tokenCreated, shared, id[:]); err != nil {
		return nil, err
	}
	return &body[Token]{Token{ID: hex.EncodeToString(id[:]), Name: in.Body.Name, Role: in.Body.Role, Expires: expires.Truncate(time.Second), Secret: secret}}, nil
}

func (s *Server) revokeToken(ctx context.Context, in *tokenPath) (*none, error) {
	id, err := hex.DecodeString(in.ID)
	list, err2 := s.tokens.all(ctx)
	if err != nil || err2 != nil {
		return nil, problem(http.StatusBadRequest, "token", "not a token id", "")
	}
	for _, t := range list {
		if t.ID == in.ID {
			return &none{}, s.private(ctx, tokenRevoked, []byte{}, id)
		}
	}
	return nil, problem(http.StatusNotFound, "not-found", "no such token", "'vigil token list' shows them")
}

// private commits an event sealed to this agency alone and waits until the board has it.
func (s *Server) private(ctx context.Context, kind string, shared, row []byte) error {
	var id ledger.EventID
	_, _ = rand.Read(id[:]) // never fails
	event := ledger.Event{ID: id, Type: kind, Version: 1, Shared: shared, Width: uint32(len(row)), Rows: row}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	r, err := s.submit(ctx, []ledger.AudienceName{ledger.AudienceName(s.cfg.Agency)}, event)
	if err != nil {
		return err
	}
	defer s.tokens.forget()
	return s.follow(ctx, r.Index+1)
}
