package api

import (
	"context"
	"net/http"

	"vigil/ledger"
	"vigil/ledger/alert"
)

// floodReaders see who raised how much: no content.
var floodReaders = []string{RoleAnalyst, RoleLab, RoleAuditor, RoleCoordinator}

type floodQuery struct {
	Exercise bool `query:"exercise"`
}

func (s *Server) floodRoutes() {
	route(s, http.MethodGet, "/v1/floods", "listFloods", "What members raised beyond their allowances, the latest first", floodReaders, s.listFloods)
	route(s, http.MethodPost, "/v1/floods/release", "releaseFlood", "Say that what another agency raised was looked at and need not be held", writers, s.releaseFlood)
}

func (s *Server) listFloods(ctx context.Context, in *floodQuery) (*body[Floods], error) {
	found, err := s.cfg.Board.Floods(ctx, in.Exercise)
	if err != nil {
		return nil, err
	}
	out := Floods{Floods: []Flood{}}
	for _, f := range found {
		out.Floods = append(out.Floods, Flood{
			Ledger: string(f.Ledger), Agency: string(f.Agency), From: f.From, To: f.To, Signals: f.Raised.Signals, Novel: f.Raised.Novel,
			Alerts: f.Alerts, Held: f.Held, Exercise: f.Exercise,
		})
	}
	return &body[Floods]{out}, nil
}

func (s *Server) releaseFlood(ctx context.Context, in *keyed[ReleaseFlood]) (*body[Written], error) {
	x := alert.Released{
		Ledger: ledger.Origin(in.Body.Ledger), Author: ledger.AgencyID(in.Body.Agency), From: in.Body.From, To: in.Body.To, Reason: in.Body.Reason, Exercise: in.Body.Exercise,
	}
	if x.Ledger == "" {
		x.Ledger = s.cfg.Origin
	}
	audience := []ledger.AudienceName{ledger.Everyone(s.cfg.Origin.Jurisdiction())}
	var event ledger.EventID
	same := saying(alert.FloodCodec.Decode, func(f *alert.Released) bool { return *f == x })
	w, err := s.write(ctx, in.Key, audience, s.orWritten(ctx, same, func(id ledger.EventID) (ledger.Event, error) {
		event = id
		held, err := s.cfg.Board.HeldIn(ctx, x)
		if err != nil {
			return ledger.Event{}, err
		}
		return alert.LetGo{Event: id, Released: x, Held: held}.Decide(s.cfg.Agency)
	}))
	w.ID = alert.Key{Event: event}.ID(alert.FloodIDs)
	return &body[Written]{w}, err
}

func showFloodEvent(e *ledger.Event) (any, error) {
	fact, err := alert.FloodCodec.Decode(e)
	if err != nil {
		return nil, err
	}
	f := fact.(*alert.Released)
	return ReleaseFlood{Ledger: string(f.Ledger), Agency: string(f.Author), From: f.From, To: f.To, Reason: f.Reason, Exercise: f.Exercise}, nil
}
