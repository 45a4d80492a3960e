package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/node/board"
)

// ErrNotInStep says that the index is not in step with the board yet.
var ErrNotInStep = errors.New("api: the index is being brought in step")

// Finder says which alerts carry what is the same as, or near to, a file's fingerprints.
type Finder interface {
	Find(file alert.File, want Want) (Near, error)
}

// Want is how to look.
type Want struct {
	Radius   *int // of PDQ and frames, 0 to 63; nil for the usual one
	Limit    int  // alerts
	Exercise bool
	Poor     bool // look among PDQ of a quality below 50 too
}

// Near is what was found, the nearest first and each alert once.
type Near struct {
	Found []Found
	More  bool
}

// Found is an alert by its number on the board.
type Found struct {
	Row             int64
	Algorithm       alert.Algorithm
	Distance        int     // of PDQ
	Queried, Stored float64 // of films: percentages
}

const (
	maxMatchHits = 20_000 // in one answer
	usualMatches = 10
)

func (s *Server) matchRoutes() {
	route(s, http.MethodPost, "/v1/match", "match", "Which alerts carry what is the same as, or near to, these files", lookers, s.match, asking, inBulk)
	boolean := &huma.Schema{Type: huma.TypeBoolean}
	stream[SignalLine](s, "/v1/signals", "followSignals", "What is acted on, additions and withdrawals, as lines of JSON to match with at your own upload path", "application/x-ndjson", lookers, s.signals,
		&huma.Param{Name: "after", In: "query", Description: "Cursor of the last line that was taken; without it everything comes. 409: the node has built its board anew, and what you have is dropped", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: new(64)}},
		&huma.Param{Name: "follow", In: "query", Description: "Stay open for what comes", Schema: boolean},
		&huma.Param{Name: "exercise", In: "query", Description: "Exercises instead of casework", Schema: boolean})
}

// match answers each row by itself: a bad one is refused and the others go on. A platform is answered with what is acted
// on only.
func (s *Server) match(ctx context.Context, in *body[Match]) (*body[MatchAnswer], error) {
	if len(in.Body.Rows) == 0 {
		return nil, noun.At("rows", noun.ErrRequired)
	}
	want := Want{Radius: in.Body.Radius, Limit: in.Body.Limit, Exercise: in.Body.Exercise, Poor: in.Body.Poor}
	if want.Limit == 0 {
		want.Limit = usualMatches
	}
	out := MatchAnswer{Results: make([]MatchResult, len(in.Body.Rows))}
	var read []string
	for i, row := range in.Body.Rows {
		r, err := s.matchRow(ctx, row, want)
		if err != nil {
			return nil, err
		}
		r.Row = i
		out.Results[i] = r
		for _, h := range r.Hits {
			read = append(read, h.Alert.ID)
		}
		switch r.Verdict {
		case MatchHit:
			out.Hits++
		case MatchRefused:
			out.Refused++
		}
		if len(read) > maxMatchHits {
			return nil, problem(http.StatusRequestEntityTooLarge, "too-many-hits", fmt.Sprintf("more than %d alerts match, which one answer does not hold", maxMatchHits), "send fewer rows, or a lower limit")
		}
	}
	if err := s.read(ctx, "alert.match", read); err != nil {
		return nil, err
	}
	return &body[MatchAnswer]{out}, nil
}

// matchRow answers one row.
func (s *Server) matchRow(ctx context.Context, row []Fingerprint, want Want) (MatchResult, error) {
	file, err := askedFile(row)
	if err != nil {
		return MatchResult{Verdict: MatchRefused, Error: err.Error(), Hits: []MatchedAlert{}}, nil
	}
	near, err := s.cfg.Finder.Find(file, want)
	if errors.Is(err, ErrNotInStep) {
		return MatchResult{}, unavailable("index", "the index is being brought in step with the board")
	}
	if err != nil {
		return MatchResult{}, err
	}
	hits, err := s.matched(ctx, near.Found, want.Exercise)
	if err != nil {
		return MatchResult{}, err
	}
	r := MatchResult{Verdict: MatchNone, Hits: hits, More: near.More}
	if len(hits) > 0 {
		r.Verdict = MatchBarred
	}
	if slices.ContainsFunc(hits, func(h MatchedAlert) bool { return h.Alert.Actionable }) {
		r.Verdict = MatchHit
	}
	return r, nil
}

// askedFile reads the fingerprints of one file.
func askedFile(row []Fingerprint) (alert.File, error) {
	plain := make([]Signal, len(row))
	for i, f := range row {
		plain[i] = Signal(f)
	}
	signals, err := signalsOf(plain, "signals")
	if err != nil {
		return alert.File{}, err
	}
	if len(signals) == 0 {
		return alert.File{}, errors.New("no fingerprint")
	}
	file := alert.File{Signals: signals}.Normal()
	return file, file.Validate()
}

// matched reads the alerts that were found, as they stand now.
func (s *Server) matched(ctx context.Context, found []Found, exercise bool) ([]MatchedAlert, error) {
	rows := make([]int64, len(found))
	by := make(map[int64]Found, len(found))
	for i, f := range found {
		rows[i], by[f.Row] = f.Row, f
	}
	alerts, err := s.cfg.Board.Rows(ctx, rows)
	if err != nil {
		return nil, err
	}
	_, judges := who(ctx).as(content)
	alerts = slices.DeleteFunc(alerts, func(a board.Alert) bool {
		return a.Details.Exercise != exercise || a.Standing == alert.Withdrawn || !judges && (a.Bar != alert.Open || s.leaves(ctx, &a, alert.ToPlatform) != nil)
	})
	out := make([]MatchedAlert, len(alerts))
	for i, shown := range s.alerts(alerts) {
		f := by[alerts[i].Row]
		out[i] = MatchedAlert{Alert: shown, Algorithm: f.Algorithm.String(), Distance: f.Distance}
		if f.Algorithm == alert.VPDQFrame {
			out[i].Frames = &FrameShares{Queried: f.Queried, Stored: f.Stored}
		}
	}
	return out, nil
}
