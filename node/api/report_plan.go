package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"vigil/ledger"
	"vigil/ledger/report"
	"vigil/node/author"
	"vigil/node/board"
)

// planned is one event of a request that writes several.
type planned struct {
	event    ledger.Event
	audience []ledger.AudienceName
	what     string     // in words, such as "alert on file 0"
	moves    report.Key // the report it moves; its effect is looked at
}

// plan is a request that writes several events, each under an id that follows from the request's key: what was written
// before is not written again, so that asking again finishes what a failure interrupted. Events of one stage for one
// audience are one entry, and commit together.
type plan struct {
	s      *Server
	writes []Written
	done   []string // in words
	fresh  bool     // something was written that was not there
}

// stage commits events that may come in any order, and sees to it that moves took effect.
func (p *plan) stage(ctx context.Context, events []planned) error {
	var left []planned
	for _, e := range events {
		stored, found, err := p.s.cfg.Board.ByEvent(ctx, p.s.cfg.Agency, e.event.ID)
		if err != nil {
			return err
		}
		if !found {
			left = append(left, e)
			continue
		}
		w, err := p.s.again(stored, stored.Event, nil)
		if err != nil {
			return err
		}
		p.writes, p.done = append(p.writes, w), append(p.done, e.what)
	}
	for len(left) > 0 {
		same := func(e planned) bool { return slices.Equal(e.audience, left[0].audience) }
		var batch, others []planned
		for _, e := range left {
			if same(e) {
				batch = append(batch, e)
			} else {
				others = append(others, e)
			}
		}
		if err := p.commit(ctx, batch); err != nil {
			return p.unfinished(append(batch, others...), err)
		}
		left = others
	}
	for _, e := range events {
		if e.moves != (report.Key{}) {
			if err := p.s.tookEffect(ctx, e.moves, e.event.ID); err != nil {
				return p.unfinished([]planned{e}, err)
			}
		}
	}
	return nil
}

func (p *plan) commit(ctx context.Context, batch []planned) error {
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	events := make([]ledger.Event, len(batch))
	for i := range batch {
		events[i] = batch[i].event
	}
	r, err := p.s.submit(ctx, batch[0].audience, events...)
	if err != nil {
		return err
	}
	if err := p.s.follow(ctx, r.Index+1); err != nil {
		return err
	}
	p.fresh = true
	for i := range batch {
		p.writes, p.done = append(p.writes, p.s.written(&batch[i].event, author.Receipt{Index: r.Index, Leaf: r.Leaf})), append(p.done, batch[i].what)
	}
	return nil
}

// unfinished says what is done and what is not.
func (p *plan) unfinished(left []planned, cause error) error {
	if !p.fresh {
		return cause
	}
	var not []string
	for _, e := range left {
		not = append(not, e.what)
	}
	out := problem(http.StatusServiceUnavailable, "unfinished", "", "what is done is not done again: ask again with the same idempotency key")
	if known := (*Problem)(nil); errors.As(explain(cause), &known) {
		out.Status, out.Title, out.retry, out.Detail = known.Status, known.Title, known.retry, known.Detail
	}
	out.Detail = fmt.Sprintf("done: %s; not done: %s: %s", strings.Join(p.done, ", "), strings.Join(not, ", "), out.Detail)
	return out
}

// moveID is the event of a request's move on a report.
func (s *Server) moveID(k report.Key, key string, m report.Move) ledger.EventID {
	return ledger.EventIDFor(s.cfg.Agency, "report/"+k.Event.String()+"/"+key+"/"+m)
}

// move plans a move on a report as it is seen, or as it was decided before.
func (s *Server) move(ctx context.Context, x *board.Report, key string, m report.Triaged) (planned, error) {
	id := s.moveID(x.Key, key, m.Move)
	p := planned{audience: namesOf(x.Audience), what: fmt.Sprintf("%s of %s", m.Move, x.Key.ID(report.IDPrefix)), moves: x.Key}
	e, found, err := s.saidBefore(ctx, id, func(f report.Fact) bool {
		before, ok := f.(*report.Triaged)
		return ok && before.Move == m.Move && before.By == m.By && before.To == m.To && before.Outcome == m.Outcome && before.Text == m.Text
	})
	if err == nil && !found {
		e, err = x.Object.DecideMove(id, s.cfg.Agency, m)
	}
	p.event = e
	return p, err
}
