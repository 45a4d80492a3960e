package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"vigil/ledger/alert"
)

type entryPath struct {
	Index  uint64 `path:"index"`
	Origin string `query:"origin" maxLength:"64"`
}

type originQuery struct {
	Origin string `query:"origin" maxLength:"64" doc:"Ours when empty"`
}

type rawAnswer struct {
	Type string `header:"Content-Type"`
	Body []byte
}

func (s *Server) ledgerRoutes() {
	route(s, http.MethodGet, "/v1/ledger/entries/{index}", "entry", "One entry of a ledger", inspectors, func(ctx context.Context, in *entryPath) (*body[Entry], error) {
		p, reads := who(ctx).as(content)
		e, err := s.cfg.Node.Entry(in.Origin, in.Index, reads)
		if err == nil && len(e.Events) > 0 && reads {
			ctx = context.WithValue(ctx, principalKey{}, p)
			err = s.read(ctx, "entry.show", []string{fmt.Sprintf("%s#%d", e.Ledger, e.Index)})
		}
		return &body[Entry]{e}, err
	})
	route(s, http.MethodGet, "/v1/ledger/proofs/{index}", "proof", "Inclusion proof of an entry under the newest checkpoint", inspectors, func(_ context.Context, in *entryPath) (*body[Proof], error) {
		p, err := s.cfg.Node.Proof(in.Origin, in.Index)
		return &body[Proof]{p}, err
	})
	raw(s, "/v1/ledger/checkpoint", "checkpoint", "The newest signed checkpoint (C2SP signed note)", anyone, func(_ context.Context, in *originQuery) (*rawAnswer, error) {
		b, err := s.cfg.Node.Checkpoint(in.Origin)
		return &rawAnswer{"text/plain; charset=utf-8", b}, err
	})
	raw(s, "/v1/ledger/trust", "trust", "The trust file for vigil-verify", anyone, func(context.Context, *none) (*rawAnswer, error) {
		b, err := s.cfg.Node.Trust()
		return &rawAnswer{"application/json", b}, err
	})
	raw(s, "/v1/alerts/{id}/bundle", "bundle", "The evidence bundle of an alert", content, func(ctx context.Context, in *alertPath) (*rawAnswer, error) {
		a, _, err := s.cfg.Board.Get(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if err := s.leaves(ctx, &a, alert.ByBundle); err != nil {
			return nil, err
		}
		b, err := s.cfg.Node.Bundle(ctx, a.Origin, a.Position)
		if err == nil {
			err = s.read(ctx, "alert.bundle", []string{a.ID.String()})
		}
		return &rawAnswer{"application/cbor", b}, err
	})
	s.mux.Handle("GET /v1/ledger/tile/{path...}", s.allow(inspectors, http.HandlerFunc(s.tile)))
}

// raw registers an operation whose answer is not JSON.
func raw[I any](s *Server, path, id, summary string, roles []string, h func(context.Context, *I) (*rawAnswer, error)) {
	route(s, http.MethodGet, path, id, summary, roles, h)
	op := s.api.OpenAPI().Paths[path].Get
	op.Responses["200"].Content = map[string]*huma.MediaType{"application/octet-stream": {}}
}

// tile serves C2SP tlog-tiles of our ledger. Full tiles never change.
func (s *Server) tile(w http.ResponseWriter, r *http.Request) {
	b, full, err := s.cfg.Node.Tile("tile/" + r.PathValue("path"))
	if err != nil {
		writeProblem(w, problem(http.StatusNotFound, "no-tile", "no such tile", "see C2SP tlog-tiles"))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if full {
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	_, _ = w.Write(b) // the client may have gone
}

// verify streams the progress of a check of everything on disk, one JSON object a line.
func (s *Server) verify(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	ok := true
	line := func(l VerifyLine) {
		ok = ok && l.Finding == ""
		_ = out.Encode(l) // a client that has gone ends the context
		_ = flush.Flush()
	}
	err := s.cfg.Node.Verify(r.Context(), line)
	if err != nil {
		line(VerifyLine{Finding: "the check was not finished"})
		return
	}
	line(VerifyLine{Finished: true, OK: ok})
}

// scrub streams the progress of a scrub, one JSON object a line. A client that goes interrupts it.
func (s *Server) scrub(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	last := ScrubLine{Finished: true}
	line := func(l ScrubLine) {
		if l.Damage != "" {
			last.Found++
		}
		if l.Repaired != "" {
			last.Mended++
		}
		_ = out.Encode(l) // a client that has gone ends the context
		_ = flush.Flush()
	}
	if err := s.cfg.Node.Scrub(r.Context(), r.URL.Query().Get("resume") == "true", line); err == nil {
		line(last)
	}
}

// backup streams a backup, of what came after the one whose header is the body, if any; where it cannot be finished the connection
// breaks, and the file is seen to be cut.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	base, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBackupBase))
	if err != nil {
		writeProblem(w, problem(http.StatusBadRequest, "backup-base", "the body is not the header of an earlier backup", "send its first line, or nothing"))
		return
	}
	b, err := s.cfg.Node.Backup(base)
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if _, err := b.WriteTo(w); err != nil {
		s.cfg.Log.Error("a backup was not finished", "error", err)
		panic(http.ErrAbortHandler) // how net/http lets the other side see it
	}
}
