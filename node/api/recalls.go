package api

import (
	"context"
	"net/http"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/recall"
	"vigil/node/board"
)

type recallQuery struct {
	Author   string `query:"author" maxLength:"65" doc:"Whose alerts"`
	Exercise bool   `query:"exercise"`
	Before   int64  `query:"before" doc:"next of the page before"`
	Limit    int    `query:"limit" minimum:"0" maximum:"100"`
}

func (s *Server) recallRoutes() {
	route(s, http.MethodGet, "/v1/alerts/{id}/recall", "getRecall", "Who held an alert that was taken back, and who has answered", content, s.getRecall)
	route(s, http.MethodGet, "/v1/recalls", "listRecalls", "Recalls and how far they are, the latest first", content, s.listRecalls)
}

func (s *Server) getRecall(ctx context.Context, in *alertPath) (*body[Recall], error) {
	r, err := s.cfg.Board.Recall(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := s.recall(&r)
	return &body[Recall]{out}, s.read(ctx, "recall.show", []string{out.Alert})
}

func (s *Server) listRecalls(ctx context.Context, in *recallQuery) (*body[RecallPage], error) {
	page, err := s.cfg.Board.Recalls(ctx, board.RecallQuery(*in))
	if err != nil {
		return nil, err
	}
	out := RecallPage{Recalls: []Recall{}, Next: page.Next, StaleFor: s.cfg.Node.StaleFor().Seconds()}
	var ids []string
	for i := range page.Recalls {
		x := s.recall(&page.Recalls[i])
		x.Agencies = nil
		out.Recalls, ids = append(out.Recalls, x), append(ids, x.Alert)
	}
	return &body[RecallPage]{out}, s.read(ctx, "recall.list", ids)
}

// recall judges a recall by what this node knows now.
func (s *Server) recall(r *board.Recall) Recall {
	d := r.Alert.Details
	out := Recall{
		Alert: r.Alert.ID.String(), Author: string(r.Alert.ID.Author), Exercise: d.Exercise, Urgency: d.Urgency.String(),
		Ledger: string(r.Origin), Index: r.Index, Authored: r.Authored, Reason: r.Reason,
	}
	if r.Replacement != nil {
		out.Replacement = alert.ID{Key: *r.Replacement}.String()
	}
	due := r.NoLaterThan
	if !due.IsZero() {
		p, _ := s.cfg.Node.Policy()
		due = due.Add(recall.Within(p, out.Urgency))
		out.NoLaterThan, out.Due = &r.NoLaterThan, &due
	}
	for _, name := range r.Unknown {
		out.Unknown = append(out.Unknown, string(name))
	}
	holders := make([]recall.Holder, 0, len(r.Holders))
	for _, h := range r.Holders {
		holders = append(holders, recall.Holder{Agency: h.Agency, By: h.By, Removed: s.cfg.Node.RemovedSince(h)})
	}
	lines := recall.Judge(r.Alert.ID.Home, holders, r.Answers, due, now())
	c := recall.Count(lines)
	out.Complete = c.Complete() && len(out.Unknown) == 0
	out.Expected, out.Done, out.Late, out.Pending, out.Overdue, out.Removed = c.Expected, c.Done, c.Late, c.Pending, c.Overdue, c.Removed
	out.RecallDerived = RecallDerived{Hits: c.Hits, Exports: c.Exports, Told: c.Told}
	for i := range lines {
		out.Agencies = append(out.Agencies, recallAnswer(&lines[i]))
	}
	return out
}

func recallAnswer(l *recall.Line) RecallAnswer {
	out := RecallAnswer{Agency: string(l.Agency), By: string(l.By), State: string(l.State), Late: l.Late}
	if g := l.Given; g != nil {
		out.Signed, out.Ledger, out.Index, out.Position = &g.Signed, string(g.Origin), g.Position.Index, g.Position.Leaf
		out.RecallDerived = RecallDerived{Hits: uint64(g.Derived.Hits), Exports: uint64(g.Derived.Exports), Told: uint64(g.Derived.Told)}
		if !g.NoLaterThan.IsZero() {
			out.NoLaterThan = &g.NoLaterThan
		}
	}
	return out
}

// recallAudience is who hears that an alert was taken back: everyone who could ever open it.
func (s *Server) recallAudience(ctx context.Context, a board.Alert) ([]ledger.AudienceName, error) {
	holders, unknown, err := s.cfg.Board.Holders(ctx, a.Origin, a.Position.Index)
	if err != nil {
		return nil, err
	}
	return s.cfg.Node.RecallAudience(holders, unknown), nil
}

func showRecallEvent(e *ledger.Event) (any, error) {
	a, err := recall.Decode(e)
	if err != nil {
		return nil, err
	}
	type answer struct {
		Alert      string `json:"alert"`
		Retraction string `json:"retraction"`
		RecallDerived
	}
	content := struct {
		Author   string   `json:"author"`
		Ledger   string   `json:"ledger"`
		Exercise bool     `json:"exercise,omitempty"`
		Answers  []answer `json:"answers" doc:"The first hundred"`
	}{Author: string(a.Author), Ledger: string(a.Home), Exercise: a.Exercise}
	for _, x := range a.Answers[:min(len(a.Answers), maxShownRows)] {
		content.Answers = append(content.Answers, answer{
			Alert: alert.ID{Key: alert.Key{Event: x.Alert}}.String(), Retraction: x.Retraction.String(),
			RecallDerived: RecallDerived{Hits: uint64(x.Derived.Hits), Exports: uint64(x.Derived.Exports), Told: uint64(x.Derived.Told)},
		})
	}
	return content, nil
}
