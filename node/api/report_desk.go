package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"vigil/ledger"
	"vigil/ledger/report"
	"vigil/node/board"
)

// Triage says what waits and what is known of it.
type Triage interface {
	// Waiting returns the whole queue, of exercises or of casework, the most pressing first. It must not be changed.
	Waiting(ctx context.Context, exercise bool) ([]report.Ranked, error)
	// Known returns what is known of files now.
	Known(ctx context.Context, files []report.File, exercise bool) ([]report.Hit, error)
}

const (
	defaultQueue = 20
	maxQueue     = 100
	maxCopies    = 100 // that are named
)

type queueQuery struct {
	Exercise bool   `query:"exercise"`
	Cursor   string `query:"cursor" maxLength:"128"`
	Limit    int    `query:"limit" minimum:"0" maximum:"100"`
}

func (s *Server) deskRoutes() {
	route(s, http.MethodGet, "/v1/queue", "queue", "What waits for the desk, the most pressing first, with the reasons", deskReaders, s.queue)
	route(s, http.MethodPost, "/v1/reports/{id}/triage", "triageReport", "Claim, assign, release, conclude, tell another outcome, or reopen", desk, s.triage)
	route(s, http.MethodPost, "/v1/reports/{id}/escalation", "escalateReport", "Raise alerts, open referrals and conclude, in one request", desk, s.escalate)
}

func (s *Server) queue(ctx context.Context, in *queueQuery) (*body[Queue], error) {
	all, err := s.cfg.Triage.Waiting(ctx, in.Exercise)
	if err != nil {
		return nil, err
	}
	rest := all
	if in.Cursor != "" {
		order, event, err := queueCursor(in.Cursor)
		if err != nil {
			return nil, err
		}
		rest = report.After(all, order, event)
	}
	limit := min(in.Limit, maxQueue)
	if limit <= 0 {
		limit = defaultQueue
	}
	out := Queue{Places: []QueuePlace{}, Waiting: len(all), StaleFor: s.cfg.Node.StaleFor().Seconds()}
	var ids []string
	for i := range rest[:min(limit, len(rest))] {
		place, err := s.place(ctx, &rest[i])
		if err != nil {
			return nil, err
		}
		out.Places, ids = append(out.Places, place), append(append(ids, place.Report.ID), place.Copies...)
	}
	if len(rest) > limit {
		last := rest[limit-1]
		out.Next = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", last.Order(), last.Key.Event))
	}
	return &body[Queue]{out}, s.read(ctx, "report.queue", ids)
}

func queueCursor(text string) (order int64, event ledger.EventID, err error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	first, second, ok := strings.Cut(string(b), " ")
	if err == nil && ok {
		order, err = strconv.ParseInt(first, 10, 64)
	}
	if err == nil {
		event, err = ledger.ParseEventID(second)
	}
	if err != nil || !ok {
		err = problem(http.StatusBadRequest, "query", "the cursor is of another list", "")
	}
	return order, event, err
}

func (s *Server) place(ctx context.Context, r *report.Ranked) (QueuePlace, error) {
	x, err := s.cfg.Board.ReportOf(ctx, r.Key)
	if err != nil {
		return QueuePlace{}, err
	}
	score, parts := r.Explain(now())
	p := QueuePlace{Score: score, Report: s.deskReport(&x), Count: 1 + len(r.Copies), Hits: showHits(r.Hits)}
	for _, part := range parts {
		p.Parts = append(p.Parts, QueuePart{Name: part.Name, Points: part.Points, Why: part.Why})
	}
	for _, c := range r.Copies[:min(len(r.Copies), maxCopies)] {
		p.Copies = append(p.Copies, c.Key.ID(report.IDPrefix))
	}
	return p, nil
}

// knownOf adds what is known of a report's files now, and which other reports carry one of them.
func (s *Server) knownOf(ctx context.Context, x *board.Report, out *ReportDesk) error {
	r := x.Object
	hits, err := s.cfg.Triage.Known(ctx, r.Statement.Files, r.Received.Exercise)
	if err != nil {
		return err
	}
	out.Hits = showHits(hits)
	for i := range r.Statement.Files {
		keys, err := s.cfg.Board.ReportsWith(ctx, r.Statement.Files[i].Prints, r.Received.Exercise)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if id := k.ID(report.IDPrefix); k != r.Key && len(out.Same) < maxCopies && !slices.Contains(out.Same, id) {
				out.Same = append(out.Same, id)
			}
		}
	}
	for _, m := range report.Moves {
		if r.Permits(s.cfg.Agency, &report.Triaged{Move: m, By: who(ctx).label}) == nil {
			out.Moves = append(out.Moves, m)
		}
	}
	return nil
}

// desked are reports that one request works on, the one it names first.
func (s *Server) desked(ctx context.Context, first string, also []string) ([]board.Report, error) {
	var out []board.Report
	seen := map[report.Key]bool{}
	for _, id := range append([]string{first}, also...) {
		x, err := s.cfg.Board.Report(ctx, id)
		if err != nil {
			return nil, err
		}
		if seen[x.Key] {
			continue
		}
		if len(out) > 0 && x.Object.Received.Exercise != out[0].Object.Received.Exercise {
			return nil, problem(http.StatusBadRequest, "exercise", "exercises and casework are never one", "")
		}
		seen[x.Key], out = true, append(out, x)
	}
	return out, nil
}

// triage makes one move on one report or several: all are decided before any is written.
func (s *Server) triage(ctx context.Context, in *keyedReport[TriageReport]) (*body[Escalated], error) {
	key := keyOr("triage/", in.Key)
	release, err := s.alone(ctx, ledger.EventIDFor(s.cfg.Agency, key))
	if err != nil {
		return nil, err
	}
	defer release()
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	list, err := s.desked(ctx, in.ID, in.Body.Also)
	if err != nil {
		return nil, err
	}
	var moves []planned
	for i := range list {
		m := report.Triaged{
			Step: list[i].Object.Step, Revision: list[i].Object.Revision, Move: in.Body.Move, By: who(ctx).label, To: in.Body.To, Outcome: in.Body.Outcome, Text: in.Body.Text,
			Alerts: in.Body.Alerts, Referrals: in.Body.Referrals,
		}
		if i == 0 && in.Body.Step != nil {
			m.Step = *in.Body.Step
		}
		if i == 0 && in.Body.Revision != nil {
			m.Revision = *in.Body.Revision
		}
		p, err := s.move(ctx, &list[i], key, m)
		if err != nil {
			return nil, within(list[i].Key.ID(report.IDPrefix), err)
		}
		moves = append(moves, p)
	}
	p := &plan{s: s}
	if err := p.stage(ctx, moves); err != nil {
		return nil, err
	}
	return &body[Escalated]{p.answer(list)}, nil
}

func (p *plan) answer(list []board.Report) Escalated {
	out := Escalated{Alerts: []string{}, Referrals: []string{}, Reports: []string{}, Writes: p.writes, Repeated: !p.fresh}
	for i := range list {
		out.Reports = append(out.Reports, list[i].Key.ID(report.IDPrefix))
	}
	return out
}
