package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/referral"
	"vigil/node/board"
)

// changeID names a change: the making of the board, in eight letters, and the sequence there. A board that was built anew
// numbers anew: a bare sequence would then skip what its reader has not seen.
func (s *Server) changeID(sequence uint64) string {
	made := s.cfg.Board.Made()
	return base32Lower.EncodeToString(made[:5]) + "-" + strconv.FormatUint(sequence, 10)
}

// afterChange reads after which sequence a stream begins. A bare one, as ids were, is refused as another board's.
func (s *Server) afterChange(id string) (uint64, *Problem) {
	last := s.cfg.Board.LastChange()
	if id == "" {
		return last, nil
	}
	n, err := strconv.ParseUint(id[strings.LastIndexByte(id, '-')+1:], 10, 62)
	switch {
	case err != nil:
		return 0, problem(http.StatusBadRequest, "cursor", "Last-Event-ID is not an id of this stream", "")
	case id != "0" && (id != s.changeID(n) || n > last):
		return 0, problem(http.StatusConflict, "future-cursor", "Last-Event-ID is nothing that this node has: the board was built anew, or the id is another node's or an earlier version's", "begin again with 0")
	}
	return n, nil
}

// events is the event stream: server-sent events. Last-Event-ID resumes after one; without it the stream begins with the
// next change, with 0 it begins with the oldest. A wake carries no data: the board is read after it, so that nothing is
// missed and nothing is kept per reader.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	after, refusal := s.afterChange(r.Header.Get("Last-Event-ID"))
	if refusal != nil {
		writeProblem(w, refusal)
		return
	}
	wants, err := wanted(r.URL.Query())
	if err != nil {
		writeError(w, explain(err))
		return
	}
	if err := s.read(r.Context(), "event.follow", nil); err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w)
	for r.Context().Err() == nil && s.stands(r) {
		next, err := s.sendChanges(w, r.Context(), after, wants)
		if err == nil {
			err = flush.Flush()
		}
		if err != nil {
			return // the client resumes
		}
		if next > after {
			after = next
			continue
		}
		wait, cancel := context.WithTimeout(r.Context(), eventBeat)
		err = s.cfg.Board.WaitChange(wait, after)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			_, _ = w.Write([]byte(": alive\n\n")) // the next write notices a client that has gone
		}
	}
}

// wanted reads which changes a stream is to carry: kinds (beginnings of event types), the least urgency, and whether
// exercises, which are quiet otherwise.
func wanted(q url.Values) (func(board.Change) bool, error) {
	kinds, exercise, least := q["kind"], q.Get("exercise") == "true", uint64(0)
	if len(kinds) > maxKinds {
		return nil, noun.At("kind", noun.ErrCount)
	}
	if text := q.Get("urgency"); text != "" {
		u, err := alert.ParseUrgency(text)
		if err != nil {
			return nil, noun.At("urgency", err)
		}
		least = uint64(u)
	}
	return func(c board.Change) bool {
		if c.Exercise && !exercise || c.Urgency < least {
			return false
		}
		return len(kinds) == 0 || slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(c.Kind, k) })
	}, nil
}

func (s *Server) sendChanges(w http.ResponseWriter, ctx context.Context, after uint64, wants func(board.Change) bool) (uint64, error) {
	changes, err := s.cfg.Board.Changes(ctx, after, eventPage)
	if err != nil {
		return after, err
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(eventBeat * 2)) // a reader that stalls is cut off
	if len(changes) == 0 {
		_, err = w.Write([]byte(": \n\n"))
		return after, err
	}
	for _, c := range changes {
		if !wants(c) || !s.visible(ctx, c) {
			after = c.Sequence
			continue
		}
		data, err := json.Marshal(Change{
			ID: s.changeID(c.Sequence), Sequence: c.Sequence, Kind: c.Kind, Object: c.Object, Ledger: string(c.Origin), Index: c.Index, At: c.At, Exercise: c.Exercise, Urgency: alert.Urgency(c.Urgency).String(),
		})
		if err != nil {
			return after, err
		}
		if _, err := fmt.Fprintf(w, "id: %s\nevent: %s\ndata: %s\n\n", s.changeID(c.Sequence), c.Kind, data); err != nil {
			return after, err
		}
		after = c.Sequence
	}
	return after, nil
}

// followers are roles that follow changes: of everything, or of referrals.
var followers = []string{RoleAnalyst, RoleLab, RoleAuditor, RoleLiaison, RoleSupport}

// visible says whether who asks is told of a change: some roles know of referrals only, and one of victim support only.
func (s *Server) visible(ctx context.Context, c board.Change) bool {
	if _, all := who(ctx).as(content); all {
		return true
	}
	if !strings.HasPrefix(c.Kind, referral.Prefix) {
		return false
	}
	_, err := s.referralFor(ctx, c.Object)
	return err == nil
}

// docs is the reference as a page, made from the OpenAPI document; nothing is fetched from elsewhere.
func (s *Server) docs(w http.ResponseWriter, _ *http.Request) {
	type operation struct{ Method, Path, Summary, Roles string }
	var list []operation
	for path, item := range s.api.OpenAPI().Paths {
		for method, op := range map[string]any{"GET": item.Get, "POST": item.Post, "DELETE": item.Delete} {
			if x := describe(op); x.summary != "" {
				list = append(list, operation{method, path, x.summary, x.roles})
			}
		}
	}
	slices.SortFunc(list, func(a, b operation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+docsStyleHash+"'")
	_ = docsPage.Execute(w, map[string]any{"Style": template.CSS(docsStyle), "Version": s.cfg.Version, "Operations": list})
}
