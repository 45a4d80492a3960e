package api

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"vigil/ledger/alert"
	"vigil/node/accesslog"
	"vigil/node/board"
)

const (
	signalsPage = 500
	placeBytes  = 16 + 8 + 1 + 8 // which board, and where on it
)

var errPlace = errors.New("api: not a cursor of this stream")

// placeText writes a place on this board as a cursor.
func (s *Server) placeText(p board.Place) string {
	made := s.cfg.Board.Made()
	b := binary.BigEndian.AppendUint64(made[:], uint64(p.Revision))
	kept := byte(0)
	if p.Kept {
		kept = 1
	}
	b = binary.BigEndian.AppendUint64(append(b, kept), uint64(p.Row))
	return base64.RawURLEncoding.EncodeToString(b)
}

// parsePlace reads a cursor; false says that it was right for another making of the board.
func (s *Server) parsePlace(text string) (p board.Place, ours bool, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != placeBytes || b[24] > 1 {
		return p, false, errPlace
	}
	p = board.Place{Revision: int64(binary.BigEndian.Uint64(b[16:])), Kept: b[24] == 1, Row: int64(binary.BigEndian.Uint64(b[25:]))}
	return p, [16]byte(b[:16]) == s.cfg.Board.Made(), nil
}

// signals streams what is acted on as lines of JSON, additions and withdrawals, from the beginning or after a cursor; with
// follow=true it stays open. It is what a platform matches with by itself. A withdrawal may name what was never added.
func (s *Server) signals(w http.ResponseWriter, r *http.Request) {
	place, refusal := s.signalsFrom(r)
	if refusal != nil {
		writeProblem(w, refusal)
		return
	}
	q := r.URL.Query()
	f := &signalFeed{s: s, w: w, r: r, exercise: q.Get("exercise") == "true"}
	if q.Get("after") == "" {
		var err error
		if f.fresh, err = s.cfg.Board.Revision(r.Context()); err != nil {
			writeError(w, err)
			return
		}
	}
	if err := s.read(r.Context(), "signal.follow", nil); err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	for r.Context().Err() == nil && s.stands(r) {
		seen := s.cfg.Board.LastChange()
		next, err := f.page(r.Context(), place)
		if err != nil {
			return // the client goes on after the last line it has
		}
		if next != place {
			place = next
			continue
		}
		if q.Get("follow") != "true" {
			return
		}
		wait, cancel := context.WithTimeout(r.Context(), eventBeat)
		_ = s.cfg.Board.WaitChange(wait, seen) // a beat notices a client that has gone
		cancel()
	}
}

func (s *Server) signalsFrom(r *http.Request) (board.Place, *Problem) {
	q := r.URL.Query()
	for _, name := range []string{"follow", "exercise"} {
		if v := q.Get(name); v != "" && v != "true" && v != "false" {
			return board.Place{}, problem(http.StatusBadRequest, "invalid", name+" is true or false", "")
		}
	}
	if q.Get("after") == "" {
		return board.EndOf(0), nil
	}
	p, ours, err := s.parsePlace(q.Get("after"))
	if err != nil {
		return p, problem(http.StatusBadRequest, "cursor", "after is not a cursor of this stream", "take the cursor of the last line")
	}
	last, err := s.cfg.Board.Revision(r.Context())
	if !ours || err == nil && p.Revision > last {
		return p, problem(http.StatusConflict, "future-cursor", "the cursor is of another node, or this node has built its board anew", "begin again without after, and drop what you have")
	}
	return p, nil
}

// signalFeed is one stream.
type signalFeed struct {
	s        *Server
	w        http.ResponseWriter
	r        *http.Request
	exercise bool
	fresh    int64 // the revision up to which the client has nothing, so that nothing needs to be withdrawn
}

// page sends what stands differently after a place, and then where to go on. What is sent is in the access log before.
func (f *signalFeed) page(ctx context.Context, after board.Place) (board.Place, error) {
	page, err := f.s.cfg.Board.Standings(ctx, after, signalsPage)
	if err != nil {
		return after, err
	}
	lines, ids, err := f.lines(ctx, page)
	if err == nil && len(ids) > 0 {
		err = f.s.read(ctx, "signal.export", ids)
	}
	if err != nil {
		return after, err
	}
	if len(page) > 0 {
		after = page[len(page)-1].Place()
	}
	lines = append(lines, SignalLine{Op: "next", Cursor: f.s.placeText(after)})
	return after, f.send(lines)
}

func (f *signalFeed) send(lines []SignalLine) error {
	flush := http.NewResponseController(f.w)
	_ = flush.SetWriteDeadline(time.Now().Add(eventBeat * 2)) // a reader that stalls is cut off
	out := bufio.NewWriter(f.w)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	for i := range lines {
		if err := e.Encode(lines[i]); err != nil {
			return err
		}
	}
	return errors.Join(out.Flush(), flush.Flush())
}

// lines returns a page's lines, and the ids of the alerts in them.
func (f *signalFeed) lines(ctx context.Context, page []board.Standing) (lines []SignalLine, ids []string, err error) {
	shown, others, err := f.shown(ctx, page)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range page {
		line, add := shown[p.Row]
		switch {
		case add && !p.Gone:
			ids = append(ids, line.Alert)
		case p.Revision <= f.fresh || others[p.Row]:
			continue
		default:
			line = SignalLine{Op: "withdraw", Number: p.Row}
		}
		line.Cursor = f.s.placeText(p.Place())
		lines = append(lines, line)
	}
	return lines, ids, nil
}

// shown returns the lines of a page's alerts that are acted on, and which never were in this stream: of the other kind, or
// such as may not leave to a platform. What may not is one refusal in the access log for a page.
func (f *signalFeed) shown(ctx context.Context, page []board.Standing) (shown map[int64]SignalLine, others map[int64]bool, err error) {
	var rows []int64
	for _, p := range page {
		if !p.Gone && p.Bar == alert.Open {
			rows = append(rows, p.Row)
		}
	}
	alerts, err := f.s.cfg.Board.Rows(ctx, rows)
	if err != nil {
		return nil, nil, err
	}
	shown, others = map[int64]SignalLine{}, map[int64]bool{}
	refusal, kept := "", []string(nil)
	for i, a := range f.s.alerts(alerts) {
		b := &alerts[i]
		err := b.Details.Handling.Permits(alert.ToPlatform, b.ID.Author == f.s.cfg.Agency)
		switch {
		case b.Details.Exercise != f.exercise:
			others[b.Row] = true
		case err != nil:
			others[b.Row] = true
			refusal, kept = err.Error(), append(kept, a.ID)
		case b.Bar == alert.Open:
			shown[b.Row] = SignalLine{
				Op: "add", Number: b.Row, Alert: a.ID, Signals: a.Signals, Author: a.Author, Urgency: a.Urgency,
				Standing: a.Standing, Classifications: a.Classifications, Handling: a.Handling,
			}
		}
	}
	if len(kept) == 0 {
		return shown, others, nil
	}
	r := accesslog.Record{Verb: "alert.hand-on", Objects: objectsOf(kept), Count: uint64(len(kept)), Outcome: accesslog.Refused, Reason: refusal}
	return shown, others, f.s.record(ctx, r)
}
