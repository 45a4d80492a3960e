package api

import (
	"context"
	"net/http"
	"slices"

	"vigil/ledger"
	"vigil/ledger/referral"
	"vigil/node/board"
)

var (
	referrers       = []string{RoleAnalyst, RoleLab, RoleLiaison}
	referralReaders = []string{RoleAnalyst, RoleLab, RoleLiaison, RoleAuditor}
)

type referralPath struct {
	ID string `path:"id" maxLength:"64" doc:"Referral id, or a unique prefix of it"`
}

type referralQuery struct {
	State    string `query:"state" enum:"open,acknowledged,accepted,declined,closed,withdrawn,"`
	Agency   string `query:"agency" maxLength:"65" doc:"That opened it, holds it or is offered it"`
	Exercise bool   `query:"exercise"`
	Before   int64  `query:"before" doc:"next of the page before"`
	Limit    int    `query:"limit" minimum:"0" maximum:"500"`
}

type keyedReferral struct {
	ID   string `path:"id" maxLength:"64"`
	Key  string `header:"Idempotency-Key" maxLength:"128"`
	Body MoveReferral
}

func (s *Server) referralRoutes() {
	route(s, http.MethodPost, "/v1/referrals", "openReferral", "Ask another agency to act", referrers, s.openReferral)
	route(s, http.MethodGet, "/v1/referrals", "listReferrals", "List referrals, what moved last first", referralReaders, s.listReferrals)
	route(s, http.MethodGet, "/v1/referrals/{id}", "getReferral", "One referral with its time line", referralReaders, s.getReferral)
	route(s, http.MethodPost, "/v1/referrals/{id}/moves", "moveReferral", "Acknowledge, accept, decline, transfer, note, close or withdraw", referrers, s.moveReferral)
}

func (s *Server) openReferral(ctx context.Context, in *keyed[OpenReferral]) (*body[Written], error) {
	c, err := s.opening(in.Body)
	if err != nil {
		return nil, err
	}
	w, err := s.write(ctx, in.Key, c.Readers, func(id ledger.EventID) (ledger.Event, error) {
		c.Event = id
		return c.Decide(s.cfg.Agency)
	})
	w.ID = referral.Key{Event: c.Event}.ID(referral.IDPrefix)
	return &body[Written]{w}, err
}

// opening reads what the wire asks for; its event id is still to be set.
func (s *Server) opening(in OpenReferral) (referral.Command, error) {
	readers := []ledger.AudienceName{ledger.AudienceName(s.cfg.Agency), ledger.AudienceName(in.To)}
	for _, a := range in.Also {
		readers = append(readers, ledger.AudienceName(a))
	}
	for _, r := range readers {
		if _, err := ledger.ParseAgencyID(string(r)); err != nil {
			return referral.Command{}, problem(http.StatusBadRequest, "invalid", "to and also name agencies, such as in/mh-cyber", "")
		}
	}
	slices.Sort(readers)
	opened := referral.Opened{
		Kind: referral.Kind(in.Kind), To: ledger.AgencyID(in.To), Urgency: in.Urgency, Title: in.Title, Text: in.Text, Alerts: in.Alerts, Exercise: in.Exercise,
	}
	if opened.Urgency == "" {
		opened.Urgency = referral.Urgencies[0]
	}
	if opened.Alerts == nil {
		opened.Alerts = []string{}
	}
	return referral.Command{Opened: opened, Readers: slices.Compact(readers)}, nil
}

func (s *Server) moveReferral(ctx context.Context, in *keyedReferral) (*body[Written], error) {
	r, err := s.cfg.Board.Referral(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	readers := namesOf(r.Audience)
	w, err := s.write(ctx, in.Key, readers, func(id ledger.EventID) (ledger.Event, error) {
		if e, ok := s.movedBefore(ctx, id, in.Body); ok {
			return e, nil // a retry: what was decided then, not what would be decided now
		}
		now, err := s.cfg.Board.Referral(ctx, r.Key.ID(referral.IDPrefix)) // as it stands when the move is decided
		if err != nil {
			return ledger.Event{}, err
		}
		step := now.Object.Step
		if in.Body.Step != nil {
			step = *in.Body.Step
		}
		return now.Object.DecideMove(id, s.cfg.Agency, step, referral.Moved{Move: referral.Move(in.Body.Move), To: ledger.AgencyID(in.Body.To), Text: in.Body.Text}, readers)
	})
	w.ID = r.Key.ID(referral.IDPrefix)
	return &body[Written]{w}, err
}

// movedBefore returns our event with an id where it says the same.
func (s *Server) movedBefore(ctx context.Context, id ledger.EventID, m MoveReferral) (ledger.Event, bool) {
	stored, found, err := s.cfg.Board.ByEvent(ctx, s.cfg.Agency, id)
	if err != nil || !found {
		return ledger.Event{}, false
	}
	fact, err := referral.Codec.Decode(&stored.Event)
	before, ok := fact.(*referral.Moved)
	return stored.Event, err == nil && ok && string(before.Move) == m.Move && string(before.To) == m.To && before.Text == m.Text
}

func (s *Server) listReferrals(ctx context.Context, in *referralQuery) (*body[ReferralPage], error) {
	page, err := s.cfg.Board.Referrals(ctx, board.ReferralQuery(*in))
	if err != nil {
		return nil, err
	}
	out := ReferralPage{Referrals: []Referral{}, Next: page.Next, StaleFor: s.cfg.Node.StaleFor().Seconds()}
	var ids []string
	for i := range page.Referrals {
		x := s.referral(&page.Referrals[i])
		x.Timeline = nil
		out.Referrals, ids = append(out.Referrals, x), append(ids, x.ID)
	}
	return &body[ReferralPage]{out}, s.read(ctx, "referral.list", ids)
}

func (s *Server) getReferral(ctx context.Context, in *referralPath) (*body[Referral], error) {
	r, err := s.cfg.Board.Referral(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &body[Referral]{s.referral(&r)}, s.read(ctx, "referral.show", []string{r.Key.ID(referral.IDPrefix)})
}

// referral gives the board's referral its shape on the wire.
func (s *Server) referral(x *board.Referral) Referral {
	r := x.Object
	out := Referral{
		ID: x.Key.ID(referral.IDPrefix), Ledger: string(r.Home), State: string(r.State), Step: r.Step, Opener: string(r.Opener), Holder: string(r.Holder), Offered: string(r.Offered),
		Kind: string(r.Opened.Kind), Urgency: r.Opened.Urgency, Title: r.Opened.Title, Text: r.Opened.Text, Alerts: r.Opened.Alerts, Exercise: r.Opened.Exercise,
		Audience: x.Audience, Timeline: []ReferralEvent{}, Moves: s.moves(r),
	}
	if !x.NoLaterThan.IsZero() {
		out.NoLaterThan = &x.NoLaterThan
	}
	if at, waiting := s.cfg.Board.Due(x); waiting {
		out.Due, out.Overdue = &at, now().After(at)
	}
	for _, l := range r.Lines {
		e := ReferralEvent{Author: string(l.Author), Ledger: string(l.Origin), Index: l.Position.Index, Authored: millis(l.AuthoredAt), Move: "open", Step: l.Step, Effect: l.Effect}
		if m, ok := l.Fact.(*referral.Moved); ok {
			e.Move, e.To, e.Text = string(m.Move), string(m.To), m.Text
		}
		out.Timeline = append(out.Timeline, e)
	}
	return out
}

// moves are the moves this agency may make now.
func (s *Server) moves(r *referral.Referral) []string {
	out := []string{}
	for _, m := range referral.Moves {
		if r.Permits(s.cfg.Agency, &referral.Moved{Move: m}) == nil {
			out = append(out, string(m))
		}
	}
	return out
}

func showReferralEvent(e *ledger.Event) (any, error) {
	fact, err := referral.Codec.Decode(e)
	if err != nil {
		return nil, err
	}
	switch f := fact.(type) {
	case *referral.Opened:
		return OpenReferral{To: string(f.To), Kind: string(f.Kind), Urgency: f.Urgency, Title: f.Title, Text: f.Text, Alerts: f.Alerts, Exercise: f.Exercise}, nil
	case *referral.Moved:
		return map[string]any{"referral": f.Target.ID(referral.IDPrefix), "step": f.Step, "move": f.Move, "to": f.To, "text": f.Text}, nil
	}
	return nil, nil
}
