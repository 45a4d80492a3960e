package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"vigil/ledger"
	"vigil/ledger/account"
	"vigil/ledger/release"
	"vigil/node/board"
)

// Release is the body of POST /v1/ledger/releases.
type Release struct {
	Index uint64 `json:"index,omitempty" doc:"Of the entry of our own ledger; or name an alert"`
	// Rows are places in the entry's events tree: the events that hold them are released, whole.
	Rows    []uint32 `json:"rows,omitempty" maxItems:"10000" doc:"Places among its rows; everything in it where none is named"`
	Alert   string   `json:"alert,omitempty" maxLength:"64" doc:"Alert id, in place of index and rows"`
	To      []string `json:"to" minItems:"1" maxItems:"15" doc:"Who is to read it too: uk/*, an agency"`
	Propose bool     `json:"propose,omitempty" doc:"Propose it to the members: another agency wrote the entry"`
}

// LateRelease is one audience to which an entry was released after it was written.
type LateRelease struct {
	Ledger   string `json:"ledger"`
	Target   uint64 `json:"target" doc:"Entry that was released"`
	Audience string `json:"audience"`
	Entry    uint64 `json:"entry" doc:"Entry that released it"`
}

// AskRelease is the body of POST /v1/ledger/asks.
type AskRelease struct {
	Ledger string `json:"ledger,omitempty" maxLength:"64" doc:"Origin; ours when empty"`
	Index  uint64 `json:"index"`
	Reason string `json:"reason" maxLength:"1024" doc:"Why it is needed"`
}

// DeclineAsk is the body of POST /v1/ledger/asks/{id}/refusal.
type DeclineAsk struct {
	Reason string `json:"reason" maxLength:"1024"`
}

// Ask is one request to release an entry.
type Ask struct {
	ID       string    `json:"id"`
	By       string    `json:"by"`
	Ledger   string    `json:"ledger"`
	Index    uint64    `json:"index"`
	Reason   string    `json:"reason"`
	Authored time.Time `json:"authored"`
	State    string    `json:"state" enum:"open,released,declined"`
	Declined string    `json:"declined,omitempty" doc:"Who declined it"`
	Because  string    `json:"because,omitempty"`
}

// Releases is a page of what was released late, and of what was asked for.
type Releases struct {
	Releases []LateRelease `json:"releases"`
	Asks     []Ask         `json:"asks"`
	Next     int64         `json:"next,omitempty" doc:"Of the requests: before of the next page"`
}

// sharers decide whom something is shown to.
var sharers = []string{RoleAnalyst, RoleLab, RoleCoordinator}

type releasesQuery struct {
	Origin string `query:"origin" maxLength:"64" doc:"Ours when empty"`
	Before int64  `query:"before" doc:"next of the page before"`
	Limit  int    `query:"limit" minimum:"0" maximum:"500"`
}

func (s *Server) releaseRoutes() {
	route(s, http.MethodPost, "/v1/ledger/releases", "release", "Release what this agency wrote to further audiences, or propose to release another's", sharers, s.release, takesTwo(account.ActGrant))
	route(s, http.MethodGet, "/v1/ledger/releases", "listReleases", "What was released late, and what was asked for", sharers, s.listReleases)
	route(s, http.MethodPost, "/v1/ledger/asks", "askRelease", "Ask that an entry be released that is here only as a hash", sharers, s.askRelease)
	type decline struct {
		ID   string `path:"id" maxLength:"64"`
		Key  string `header:"Idempotency-Key" maxLength:"128"`
		Body DeclineAsk
	}
	route(s, http.MethodPost, "/v1/ledger/asks/{id}/refusal", "declineAsk", "Decline to release what was asked for", sharers, func(ctx context.Context, in *decline) (*body[Written], error) {
		return s.declineAsk(ctx, in.Key, in.ID, in.Body.Reason)
	})
}

// named returns the entry of our ledger, and the rows in it, that a request names.
func (s *Server) named(ctx context.Context, index uint64, rows []uint32, id string) (uint64, []uint32, error) {
	if id == "" {
		slices.Sort(rows)
		return index, slices.Compact(rows), nil
	}
	if index > 0 || len(rows) > 0 {
		return 0, nil, problem(http.StatusBadRequest, "invalid", "name an alert, or an index with rows, not both", "")
	}
	a, err := s.cfg.Board.One(ctx, id)
	if err != nil {
		return 0, nil, err
	}
	if a.Origin != s.cfg.Origin {
		return 0, nil, problem(http.StatusConflict, "other-ledger", fmt.Sprintf("it is in the ledger of %s", a.Origin), "an agency of that jurisdiction decides about it")
	}
	return a.Position.Index, []uint32{a.Position.Leaf}, nil
}

func (s *Server) release(ctx context.Context, in *body[Release]) (*body[Written], error) {
	index, rows, err := s.named(ctx, in.Body.Index, in.Body.Rows, in.Body.Alert)
	if err != nil {
		return nil, err
	}
	to, err := audienceOf(in.Body.To, s.cfg.Origin)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	r, err := s.cfg.Node.Release(ctx, index, rows, to, in.Body.Propose)
	return s.governed(r, err)
}

func (s *Server) listReleases(ctx context.Context, in *releasesQuery) (*body[Releases], error) {
	out := Releases{Releases: []LateRelease{}, Asks: []Ask{}}
	origin := s.cfg.Origin
	if in.Origin != "" {
		origin = ledger.Origin(in.Origin)
	}
	if in.Before == 0 {
		late, err := s.cfg.Board.LateReleases(ctx, origin, 0, in.Limit)
		if err != nil {
			return nil, err
		}
		for _, r := range late {
			out.Releases = append(out.Releases, LateRelease{Ledger: string(r.Ledger), Target: r.Target, Audience: string(r.Audience), Entry: r.Entry})
		}
	}
	page, next, err := s.cfg.Board.Asks(ctx, in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	var ids []string
	for i := range page {
		a, err := s.showAsk(ctx, &page[i])
		if err != nil {
			return nil, err
		}
		out.Asks, ids = append(out.Asks, a), append(ids, a.ID)
	}
	out.Next = next
	if len(ids) > 0 {
		err = s.read(ctx, "release.list", ids)
	}
	return &body[Releases]{out}, err
}

func (s *Server) showAsk(ctx context.Context, a *board.Asked) (Ask, error) {
	m := a.Object.Made
	out := Ask{ID: a.Key.ID(release.IDs), By: string(a.Key.Author), Ledger: string(m.Ledger), Index: m.Index, Reason: m.Reason, Authored: a.Authored, State: "open"}
	if d := a.Object.Declined; d != nil {
		out.State, out.Declined, out.Because = "declined", string(a.Object.By), d.Reason
	}
	late, err := s.cfg.Board.ReleasesOf(ctx, m.Ledger, m.Index)
	for _, r := range late {
		if id, single := r.Audience.Agency(); single && id == a.Key.Author || !single && r.Audience.Jurisdiction() == a.Key.Author.Jurisdiction() {
			out.State = "released"
		}
	}
	return out, err
}

func (s *Server) askRelease(ctx context.Context, in *keyed[AskRelease]) (*body[Written], error) {
	m := release.Made{Ledger: ledger.Origin(in.Body.Ledger), Index: in.Body.Index, Reason: in.Body.Reason}
	if m.Ledger == "" {
		m.Ledger = s.cfg.Origin
	}
	e, err := s.cfg.Node.Entry(string(m.Ledger), m.Index, false)
	if err != nil {
		return nil, err
	}
	if !e.Bare && e.Author == string(s.cfg.Agency) {
		return nil, problem(http.StatusConflict, "own-entry", "this agency wrote it", "")
	}
	audience := []ledger.AudienceName{ledger.Everyone(m.Ledger.Jurisdiction()), ledger.AudienceName(s.cfg.Agency)}
	if err := s.cfg.Node.Sealable(audience); err != nil {
		return nil, err
	}
	return s.asked(ctx, in.Key, audience, func(id ledger.EventID) (ledger.Event, error) { return release.DecideMade(id, m) })
}

func (s *Server) declineAsk(ctx context.Context, key, id, reason string) (*body[Written], error) {
	a, err := s.cfg.Board.Ask(ctx, id)
	if err != nil {
		return nil, err
	}
	audience, err := audienceOf(a.Audience, s.cfg.Origin)
	if err != nil {
		return nil, err
	}
	same := saying(release.Codec.Decode, func(f *release.Declined) bool { return f.Target == a.Key && f.Reason == reason })
	return s.asked(ctx, key, audience, s.orWritten(ctx, same, func(event ledger.EventID) (ledger.Event, error) {
		a, err := s.cfg.Board.Ask(ctx, id)
		if err != nil {
			return ledger.Event{}, err
		}
		return a.Object.DecideDeclined(event, s.cfg.Agency, reason)
	}))
}

func (s *Server) asked(ctx context.Context, key string, audience []ledger.AudienceName, decide func(ledger.EventID) (ledger.Event, error)) (*body[Written], error) {
	var event ledger.EventID
	w, err := s.write(ctx, key, audience, func(id ledger.EventID) (ledger.Event, error) {
		event = id
		return decide(id)
	})
	w.ID = release.IDs + event.String()
	return &body[Written]{w}, err
}

func showAskEvent(e *ledger.Event) (any, error) {
	fact, err := release.Codec.Decode(e)
	if err != nil {
		return nil, err
	}
	if m, ok := fact.(*release.Made); ok {
		return AskRelease{Ledger: string(m.Ledger), Index: m.Index, Reason: m.Reason}, nil
	}
	d := fact.(*release.Declined)
	return map[string]any{"ask": d.Target.ID(release.IDs), "reason": d.Reason}, nil
}

// showCarriedEvent shows what an entry carries of another.
func showCarriedEvent(e *ledger.Event) (any, error) {
	c, rec, events, err := ledger.OpenCarried(e)
	if err != nil {
		return nil, err
	}
	out := struct {
		Target uint64 `json:"target"`
		Author string `json:"author"`
		Events []any  `json:"events"`
	}{Target: c.Index, Author: string(rec.Author), Events: []any{}}
	for i := range events {
		x := map[string]any{"at": events[i].First, "event": map[string]any{"id": events[i].Event.ID.String(), "type": events[i].Event.Type, "rows": events[i].Event.Count()}}
		if n := len(events[i].Holes); n > 0 {
			x["missing"] = n
		} else {
			x["event"] = ShowEvent(&events[i].Event)
		}
		out.Events = append(out.Events, x)
	}
	return out, nil
}
