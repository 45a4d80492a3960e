package api

import (
	"context"
	"net/http"
	"slices"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/node/board"
)

// sighters are who may tell of hits: a platform too, of what it looked up here.
var sighters = []string{RoleAnalyst, RoleLab, RolePlatform}

// met adds to a single alert what agencies have met of it, and what belongs with it.
func met(out *Alert, d *board.Detail) {
	for _, x := range d.Sightings {
		out.Sightings = append(out.Sightings, Sighting{
			Agency: string(x.Agency), Setting: x.Setting.String(), Review: x.Review.String(), Count: x.Count, First: x.First.String(), Last: x.Last.String(),
		})
	}
	for _, r := range d.Related {
		out.Related = append(out.Related, Related{
			ID: r.ID.String(), Author: string(r.ID.Author), Relation: r.Relation.String(), Steps: r.Hops, Linked: r.Linked, Denied: r.Denied, Unknown: !r.Known,
		})
	}
	out.MoreRelated, out.Benign = d.More, benignNotes(d.Benign)
}

// sight commits a sighting. A platform's is written by the agency whose node serves it, which names no platform; it must
// name the alert whole, as a look-up gave it: beginnings would tell which alerts there are.
func (s *Server) sight(ctx context.Context, in *keyedAlert[SightAlert]) (*body[Written], error) {
	c, err := sightOf(in.Body)
	if err != nil {
		return nil, err
	}
	if _, person := who(ctx).as(writers); !person {
		if _, _, err := alert.ParseID(in.ID); err != nil {
			return nil, problem(http.StatusBadRequest, "id", "the whole id is needed", "a look-up answers with it")
		}
		c.Setting = alert.OnPlatform
	}
	a, err := s.cfg.Board.One(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	audience := alert.SightingAudience(s.cfg.Agency, a.ID.Author, a.Details.Handling, audienceNames(a.Audience))
	same := saying(alert.Decode, func(f *alert.Sighted) bool {
		return f.Target == a.ID.Key && f.Row == a.ID.Row && f.Setting == c.Setting && f.Review == c.Review && f.Count == c.Count && f.Day == c.Day
	})
	w, err := s.write(ctx, in.Key, audience, s.orWritten(ctx, same, func(id ledger.EventID) (ledger.Event, error) {
		o, err := s.cfg.Board.Object(ctx, a.ID.Key)
		if err != nil {
			return ledger.Event{}, err
		}
		c.Event, c.Target = id, a.ID
		return c.Decide(alert.View{Agency: s.cfg.Agency, Object: o})
	}))
	return &body[Written]{w}, err
}

// sightOf reads what the wire says in words.
func sightOf(in SightAlert) (alert.Sight, error) {
	c := alert.Sight{Setting: alert.InInvestigation, Count: max(in.Count, 1), Today: alert.DayOf(now())}
	c.Day = c.Today
	var err error
	if in.Setting != "" {
		if c.Setting, err = alert.ParseSetting(in.Setting); err != nil {
			return c, &noun.FieldError{Field: "setting", Err: err}
		}
	}
	if in.Review != "" {
		if c.Review, err = alert.ParseReview(in.Review); err != nil {
			return c, &noun.FieldError{Field: "review", Err: err}
		}
	}
	if in.Day != "" {
		if c.Day, err = alert.ParseDay(in.Day); err != nil {
			return c, &noun.FieldError{Field: "day", Err: err}
		}
	}
	return c, nil
}

// link commits this agency's word on a pair of alerts. Only those hear of it who can read both: to others it would tell
// that one of them exists.
func (s *Server) link(ctx context.Context, in *keyedAlert[LinkAlert]) (*body[Written], error) {
	c := alert.Connect{Verdict: alert.Confirms, Reason: in.Body.Reason}
	var err error
	if c.Relation, err = alert.ParseRelation(in.Body.Relation); err != nil {
		return nil, &noun.FieldError{Field: "relation", Err: err}
	}
	if in.Body.Verdict != "" {
		if c.Verdict, err = alert.ParseVerdict(in.Body.Verdict); err != nil {
			return nil, &noun.FieldError{Field: "verdict", Err: err}
		}
	}
	a, err := s.cfg.Board.One(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	b, err := s.cfg.Board.One(ctx, in.Body.Alert)
	if err != nil {
		return nil, err
	}
	c.A, c.B = a.ID, b.ID
	target, other := c.Ordered()
	same := saying(alert.Decode, func(f *alert.Linked) bool {
		return f.Target == target && f.Other == other && f.Relation == c.Relation && f.Verdict == c.Verdict && f.Reason == c.Reason
	})
	w, err := s.write(ctx, in.Key, s.bothRead(a, b), s.orWritten(ctx, same, func(id ledger.EventID) (ledger.Event, error) {
		v := alert.View{Agency: s.cfg.Agency}
		var err error
		if v.Object, err = s.cfg.Board.Object(ctx, target.Key); err == nil {
			v.Other, err = s.cfg.Board.Object(ctx, other.Key)
		}
		if err != nil {
			return ledger.Event{}, err
		}
		c.Event = id
		return c.Decide(v)
	}))
	return &body[Written]{w}, err
}

// bothRead are the audiences of both alerts, and this agency.
func (s *Server) bothRead(a, b board.Alert) []ledger.AudienceName {
	out := []ledger.AudienceName{ledger.AudienceName(s.cfg.Agency)}
	for _, name := range a.Audience {
		if slices.Contains(b.Audience, name) {
			out = append(out, ledger.AudienceName(name))
		}
	}
	return noun.Set(out)
}

func audienceNames(names []string) []ledger.AudienceName {
	out := make([]ledger.AudienceName, len(names))
	for i, n := range names {
		out[i] = ledger.AudienceName(n)
	}
	return out
}
