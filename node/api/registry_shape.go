package api

import (
	"context"
	"time"

	"vigil/ledger"
	"vigil/ledger/recall"
	"vigil/ledger/registry"
	"vigil/node/board"
)

func (s *Server) registryPolicy() *registry.Policy {
	p, _ := s.cfg.Node.Policy()
	policy, _ := registry.Section.In(p)
	return policy
}

func (s *Server) listNotices(ctx context.Context, in *noticeQuery) (*body[NoticePage], error) {
	page, err := s.cfg.Board.Notices(ctx, board.NoticeQuery(*in))
	if err != nil {
		return nil, err
	}
	out := NoticePage{Notices: []Notice{}, Next: page.Next, StaleFor: s.cfg.Node.StaleFor().Seconds()}
	policy := s.registryPolicy()
	var ids []string
	for i := range page.Notices {
		n := s.notice(&page.Notices[i], policy)
		out.Notices, ids = append(out.Notices, n), append(ids, n.ID)
	}
	return &body[NoticePage]{out}, s.read(ctx, "registry.list", ids)
}

func (s *Server) getNotice(ctx context.Context, in *noticePath) (*body[Notice], error) {
	x, err := s.cfg.Board.Notice(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	policy := s.registryPolicy()
	out := s.notice(&x, policy)
	if err := s.changes(ctx, &out, &x, policy); err != nil {
		return nil, err
	}
	return &body[Notice]{out}, s.read(ctx, "registry.show", []string{out.ID})
}

// notice gives the board's notice its shape on the wire, as a list shows it.
func (s *Server) notice(x *board.Notice, p *registry.Policy) Notice {
	r, n := x.Object, x.Object.Notice
	out := Notice{
		ID: x.Key.ID(registry.IDPrefix), Author: string(r.Author), Ledger: string(r.Home), NoLaterThan: known(x.NoLaterThan), State: stateOf(r, p),
		NoticeFacts: NoticeFacts{Tier: n.Tier, Ground: n.Ground, Since: n.Since, Authority: n.Authority, Reference: n.Reference},
		Marks:       len(n.Marks), Audience: x.Audience, Exercise: n.Exercise, Waiting: r.Waiting(), Owed: len(r.Owes(s.cfg.Agency)),
	}
	if until, ends := p.Until(n); ends {
		out.Until = until.Format(time.DateOnly)
	}
	return out
}

func stateOf(r *registry.Record, p *registry.Policy) string {
	until, ends := p.Until(r.Notice)
	switch {
	case r.Lifted:
		return "lifted"
	case ends && !today().Before(until):
		return "run-out"
	case !p.Screens(r.Notice.Ground):
		return "not-screened"
	}
	return "holds"
}

// changes adds who has acknowledged what, and what is said against the notice.
func (s *Server) changes(ctx context.Context, out *Notice, x *board.Notice, p *registry.Policy) error {
	acknowledge, answer := p.Within()
	for _, c := range x.Object.Challenges {
		y := NoticeChallenge{ID: challengeIDs + c.Event.String(), By: string(c.Author), Reason: c.Reason, Answer: c.Answer}
		if at := x.Dates.Of(c.Origin, c.Position); !at.IsZero() && c.Answer == "" {
			due := at.Add(answer)
			y.Due, y.Overdue = &due, now().After(due)
		}
		out.Challenges = append(out.Challenges, y)
	}
	if len(x.Object.Changes) == 0 {
		return nil
	}
	held, unknown, err := s.holdersOf(ctx, x.Object)
	if err != nil {
		return err
	}
	var holders []recall.Holder
	for _, h := range held {
		if h.Agency != x.Object.Author { // who made a change need not be told
			holders = append(holders, recall.Holder{Agency: h.Agency, By: h.By, Removed: s.cfg.Node.RemovedSince(h)})
		}
	}
	for _, c := range x.Object.Changes {
		out.Changes = append(out.Changes, change(x, c, holders, unknown, acknowledge))
	}
	return nil
}

// change judges who has acknowledged one change, by the rules by which recalls are judged.
func change(x *board.Notice, c registry.Change, holders []recall.Holder, unknown []ledger.AudienceName, within time.Duration) NoticeChange {
	at := x.Dates.Of(c.Origin, c.Position)
	out := NoticeChange{ID: c.Event.String(), Kind: "corrected", Reason: c.Reason, NoLaterThan: known(at), Agencies: []Answer{}}
	if c.Lifting {
		out.Kind = "lifted"
	}
	due := at
	if !at.IsZero() {
		due = at.Add(within)
		out.Due = &due
	}
	var given []recall.Given
	for _, a := range x.Object.Answers {
		if a.Change == c.Event {
			given = append(given, recall.Given{Agency: a.Agency, Origin: a.Origin, Position: a.Position, Signed: millis(a.AuthoredAt), NoLaterThan: x.Dates.Of(a.Origin, a.Position)})
		}
	}
	lines := recall.Judge(x.Key.Home, holders, given, due, now())
	n := recall.Count(lines)
	out.Complete, out.Expected, out.Done, out.Late, out.Pending, out.Overdue, out.Removed = n.Complete() && len(unknown) == 0, n.Expected, n.Done, n.Late, n.Pending, n.Overdue, n.Removed
	for _, l := range lines {
		a := Answer{Agency: string(l.Agency), By: string(l.By), State: string(l.State), Late: l.Late}
		if g := l.Given; g != nil {
			a.Signed, a.NoLaterThan, a.Ledger, a.Index = &g.Signed, known(g.NoLaterThan), string(g.Origin), g.Position.Index
		}
		out.Agencies = append(out.Agencies, a)
	}
	for _, name := range unknown {
		out.Unknown = append(out.Unknown, string(name))
	}
	return out
}

func showRegistryEvent(e *ledger.Event) (any, error) {
	fact, err := registry.Codec.Decode(e)
	if err != nil {
		return nil, err
	}
	target, _ := fact.About()
	out := map[string]any{"notice": target.ID(registry.IDPrefix)}
	facts := func(n *registry.Notice) {
		out["facts"] = NoticeFacts{Tier: n.Tier, Ground: n.Ground, Since: n.Since, Authority: n.Authority, Reference: n.Reference}
		out["marks"], out["exercise"] = len(n.Marks), n.Exercise
	}
	switch f := fact.(type) {
	case *registry.Noticed:
		delete(out, "notice")
		facts(&f.Notice)
	case *registry.Corrected:
		facts(&f.Notice)
		out["reason"] = f.Reason
	case *registry.Lifted:
		out["reason"], out["authority"] = f.Reason, f.Authority
	case *registry.Challenged:
		out["reason"] = f.Reason
	case *registry.Upheld:
		out["reason"], out["challenge"] = f.Reason, challengeIDs+f.Challenge.Event.String()
	case *registry.Acknowledged:
		out["change"] = f.Change.String()
	}
	return out, nil
}

func showScreeningEvent(e *ledger.Event) (any, error) {
	fact, err := registry.ScreeningCodec.Decode(e)
	if err != nil {
		return nil, err
	}
	r, _ := fact.(*registry.Screened)
	return map[string]any{"by": r.By, "role": r.Role, "purpose": r.Purpose, "authority": r.Authority, "reference": r.Reference, "answer": answered(r.Referred).Answer, "exercise": r.Exercise}, nil
}
