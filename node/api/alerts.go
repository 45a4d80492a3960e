package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"time"

	"vigil/ledger"
	"vigil/ledger/account"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/node/author"
	"vigil/node/board"
)

type body[T any] struct{ Body T }

type keyed[T any] struct {
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"The same key never writes twice"`
	Body T
}

type keyedAlert[T any] struct {
	ID   string `path:"id" maxLength:"64"`
	Key  string `header:"Idempotency-Key" maxLength:"128"`
	Body T
}

type alertPath struct {
	ID string `path:"id" maxLength:"64" doc:"Alert id, or a unique prefix of it"`
}

type listQuery struct {
	Standing   string `query:"standing" enum:"asserted,corroborated,disputed,retracted,"`
	Actionable string `query:"actionable" enum:"yes,no," doc:"Whether it is acted on"`
	Class      string `query:"class" maxLength:"256" doc:"scheme:value or scheme/context:value, stated by anybody or following by the crosswalk"`
	Series     string `query:"series" maxLength:"128" doc:"Name of a series, or an alert's id: then what is linked with it"`
	Author     string `query:"author" maxLength:"65"`
	Urgency    string `query:"urgency" maxLength:"32"`
	Text       string `query:"q" maxLength:"256"`
	Sort       string `query:"sort" enum:"newest,oldest,urgency,"`
	Cursor     string `query:"cursor" maxLength:"128"`
	Exercise   bool   `query:"exercise"`
	Limit      int    `query:"limit" minimum:"0" maximum:"500"`
}

func (s *Server) alertRoutes() {
	route(s, http.MethodPost, "/v1/alerts", "raise", "Raise an alert", writers, s.raise)
	route(s, http.MethodPost, "/v1/alerts/batch", "raiseList", "Raise many alerts that share everything but their signals", writers, s.raiseList, inBulk)
	route(s, http.MethodGet, "/v1/alerts", "listAlerts", "List alerts", content, s.listAlerts)
	route(s, http.MethodGet, "/v1/alerts/{id}", "getAlert", "One alert with its time line", content, s.getAlert)
	route(s, http.MethodPost, "/v1/alerts/{id}/assessments", "assess", "Assess another agency's alert", writers, s.assess)
	route(s, http.MethodPost, "/v1/alerts/{id}/retraction", "retract", "Take your own alert back", writers, s.retract, takesTwo(account.ActRetract))
	route(s, http.MethodPost, "/v1/alerts/{id}/sightings", "sightAlert", "Tell whoever raised an alert that its file was met", sighters, s.sight)
	route(s, http.MethodPost, "/v1/alerts/{id}/links", "linkAlerts", "Say whether two alerts belong together", writers, s.link)
	route(s, http.MethodPost, "/v1/lookup", "lookUp", "Which alerts carry these signals", lookers, s.lookUp, asking)
}

// write commits one decided event under an idempotency key, or gives the first answer again.
func (s *Server) write(ctx context.Context, key string, audience []ledger.AudienceName, decide decision) (Written, error) {
	return s.writeAs(ctx, s.keyed(ctx, key), audience, decide)
}

// writeAs does so under an event id.
func (s *Server) writeAs(ctx context.Context, id ledger.EventID, audience []ledger.AudienceName, decide decision) (Written, error) {
	release, err := s.alone(ctx, id)
	if err != nil {
		return Written{}, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	if err := s.catchUp(ctx); err != nil {
		return Written{}, err
	}
	stored, found, err := s.cfg.Board.ByEvent(ctx, s.cfg.Agency, id)
	if err != nil {
		return Written{}, err
	}
	event, decideErr := decide(id)
	if found {
		return s.again(stored, event, decideErr)
	}
	if decideErr != nil {
		return Written{}, decideErr
	}
	r, err := s.submit(ctx, audience, event)
	if err != nil {
		return Written{}, err
	}
	if err := s.follow(ctx, r.Index+1); err != nil {
		s.cfg.Log.Warn("committed, and the board is behind", "index", r.Index)
	}
	return s.written(&event, r), nil
}

// catchUp waits until the board has what the ledger has.
func (s *Server) catchUp(ctx context.Context) error {
	if s.cfg.Node.Writable() != nil {
		return nil // what the board has is all it will have
	}
	return s.follow(ctx, s.cfg.Node.Size())
}

// submit commits events in one entry, or refuses at once where no leader has been heard: what waits in vain is not known to
// be refused.
func (s *Server) submit(ctx context.Context, audience []ledger.AudienceName, events ...ledger.Event) (author.Receipt, error) {
	if d := s.cfg.Node.StaleFor(); d > 0 && s.cfg.Node.Writable() == nil {
		return author.Receipt{}, unavailable("no-leader", fmt.Sprintf("no leader heard for %.0f s; nothing was written", d.Seconds()))
	}
	return s.cfg.Author.Submit(ctx, audience, events)
}

// follow waits, bounded, until the board has followed our ledger to a size.
func (s *Server) follow(ctx context.Context, size uint64) error {
	ctx, cancel := context.WithTimeout(ctx, followWait)
	defer cancel()
	if err := s.cfg.Board.WaitFor(ctx, s.cfg.Origin, size); err != nil {
		return unavailable("board-behind", "the board is still following the ledger")
	}
	return nil
}

// alone lets one request at a time work on an event id.
func (s *Server) alone(ctx context.Context, id ledger.EventID) (release func(), err error) {
	for {
		s.mu.Lock()
		busy := s.inFlight[id]
		if busy == nil {
			done := make(chan struct{})
			s.inFlight[id] = done
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				delete(s.inFlight, id)
				s.mu.Unlock()
				close(done)
			}, nil
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-busy:
		}
	}
}

func (s *Server) written(e *ledger.Event, r author.Receipt) Written {
	sealed, _ := s.cfg.Node.Sealed(s.cfg.Origin)
	w := Written{
		ID: alert.ID{Key: alert.Key{Home: s.cfg.Origin, Author: s.cfg.Agency, Event: e.ID}}.String(), Ledger: string(s.cfg.Origin), Index: r.Index,
		State: "committed", Committed: time.Now().UTC(), Leaf: base64.StdEncoding.EncodeToString(r.Leaf[:]), Receipt: s.cfg.Node.Receipt(r, digestOf(e)),
	}
	if sealed > r.Index {
		w.State = "sealed"
	}
	return w
}

// digestOf names an event; an act of governance is none.
func digestOf(e *ledger.Event) (d [32]byte) {
	if e.Type != "" {
		d = e.Digest()
	}
	return d
}

func audienceOf(names []string, home ledger.Origin) ([]ledger.AudienceName, error) {
	if len(names) == 0 {
		return []ledger.AudienceName{ledger.Everyone(home.Jurisdiction())}, nil
	}
	var out []ledger.AudienceName
	for i, n := range names {
		a, err := ledger.ParseAudienceName(n)
		if err != nil {
			return nil, &noun.FieldError{Field: fmt.Sprintf("audience[%d]", i), Err: err}
		}
		out = append(out, a)
	}
	return out, nil
}

func (s *Server) raise(ctx context.Context, in *keyed[RaiseAlert]) (*body[Written], error) {
	details, err := detailsOf(in.Body.AlertFacts)
	if err != nil {
		return nil, err
	}
	signals, err := signalsOf(in.Body.Signals, "signals")
	if err != nil {
		return nil, err
	}
	audience, err := audienceOf(in.Body.Audience, s.cfg.Origin)
	if err != nil {
		return nil, err
	}
	w, err := s.write(ctx, in.Key, audience, func(id ledger.EventID) (ledger.Event, error) {
		if !in.Body.KnowingBenign {
			if err := s.notBenign(ctx, signals, details.Exercise); err != nil {
				return ledger.Event{}, err
			}
		}
		return alert.Raise{Event: id, Details: details, File: alert.File{Signals: signals}}.Decide(alert.View{Agency: s.cfg.Agency})
	})
	return &body[Written]{w}, err
}

func (s *Server) listAlerts(ctx context.Context, in *listQuery) (*body[AlertPage], error) {
	page, err := s.cfg.Board.List(ctx, board.Query(*in))
	if err != nil {
		return nil, err
	}
	out := AlertPage{Alerts: s.alerts(page.Alerts), Next: page.Next, StaleFor: s.cfg.Node.StaleFor().Seconds()}
	if err := s.read(ctx, "alert.list", idsOf(out.Alerts)); err != nil {
		return nil, err
	}
	return &body[AlertPage]{out}, nil
}

func (s *Server) getAlert(ctx context.Context, in *alertPath) (*body[Alert], error) {
	d, err := s.cfg.Board.Detail(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := s.alerts([]board.Alert{d.Alert})[0]
	if err := s.read(ctx, "alert.show", []string{out.ID}); err != nil {
		return nil, err
	}
	judged(&out, &d)
	met(&out, &d)
	for _, e := range d.Events {
		out.Timeline = append(out.Timeline, timelineOf(e, d.Alert.ID))
	}
	return &body[Alert]{out}, nil
}

// timelineOf gives an event of an alert's time line its shape on the wire.
func timelineOf(e board.Event, of alert.ID) AlertEvent {
	x := AlertEvent{Type: e.Type, Author: string(e.Author), Ledger: string(e.Origin), Index: e.Index, Authored: e.AuthoredAt, Effect: e.Without.String()}
	switch f := e.Fact.(type) {
	case *alert.Assessed:
		x.Verdict, x.Reason = f.Verdict.String(), f.Reason
	case *alert.Retracted:
		x.Reason, x.Replacement = f.Reason, replacementID(f)
	case *alert.Linked:
		x.Verdict, x.Reason, x.Relation, x.Other = f.Verdict.String(), f.Reason, f.Relation.String(), f.Other.String()
	}
	return x
}

func (s *Server) assess(ctx context.Context, in *keyedAlert[Assess]) (*body[Written], error) {
	says, err := assessOf(in.Body)
	if err != nil {
		return nil, err
	}
	a, err := s.cfg.Board.One(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	same := saying(alert.Decode, func(f *alert.Assessed) bool {
		return f.Target == a.ID.Key && slices.Equal(f.Rows, alert.RowSet{a.ID.Row}) && f.Verdict == says.Verdict
	})
	w, err := s.write(ctx, in.Key, s.answerAudience(a), s.orWritten(ctx, same, func(id ledger.EventID) (ledger.Event, error) {
		o, err := s.cfg.Board.Object(ctx, a.ID.Key)
		if err != nil {
			return ledger.Event{}, err
		}
		says.Event, says.Target, says.Rows = id, a.ID.Key, alert.RowSet{a.ID.Row}
		return says.Decide(alert.View{Agency: s.cfg.Agency, Object: o})
	}))
	return &body[Written]{w}, err
}

// assessOf reads what the wire says in words.
func assessOf(in Assess) (alert.Assess, error) {
	out := alert.Assess{Source: in.Source, Reason: in.Reason}
	var err error
	if out.Verdict, err = alert.ParseVerdict(in.Verdict); err != nil {
		return out, &noun.FieldError{Field: "verdict", Err: err}
	}
	if in.Basis != "" {
		if out.Basis, err = alert.ParseBasis(in.Basis); err != nil {
			return out, &noun.FieldError{Field: "basis", Err: err}
		}
	}
	out.Classifications, err = classesOf(in.Classifications)
	return out, err
}

func (s *Server) retract(ctx context.Context, in *keyedAlert[Retract]) (*body[Written], error) {
	a, err := s.cfg.Board.One(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var replacement *alert.Key
	if in.Body.Replacement != "" {
		r, err := s.cfg.Board.One(ctx, in.Body.Replacement)
		if err != nil {
			return nil, err
		}
		replacement = &r.ID.Key
	}
	audience, err := s.recallAudience(ctx, a)
	if err != nil {
		return nil, err
	}
	same := saying(alert.Decode, func(f *alert.Retracted) bool {
		return f.Target == a.ID.Key && slices.Equal(f.Rows, alert.RowSet{a.ID.Row}) && f.Reason == in.Body.Reason
	})
	w, err := s.write(ctx, in.Key, audience, s.orWritten(ctx, same, func(id ledger.EventID) (ledger.Event, error) {
		v := alert.View{Agency: s.cfg.Agency}
		var err error
		if v.Object, err = s.cfg.Board.Object(ctx, a.ID.Key); err == nil && replacement != nil {
			v.Replacement, err = s.cfg.Board.Object(ctx, *replacement)
		}
		if err != nil {
			return ledger.Event{}, err
		}
		return alert.Retract{Event: id, Target: a.ID.Key, Rows: alert.RowSet{a.ID.Row}, Reason: in.Body.Reason, Replacement: replacement}.Decide(v)
	}))
	return &body[Written]{w}, err
}

// answerAudience is who hears of an assessment: everyone at home, and every audience the alert went to.
func (s *Server) answerAudience(a board.Alert) []ledger.AudienceName {
	out := []ledger.AudienceName{}
	home := false
	for _, n := range a.Audience {
		name := ledger.AudienceName(n)
		home = home || name.Jurisdiction() == s.cfg.Origin.Jurisdiction()
		out = append(out, name)
	}
	if !home {
		out = append(out, ledger.Everyone(s.cfg.Origin.Jurisdiction()))
	}
	return out
}

// lookUp answers a platform with what is acted on only: it has nobody to judge the rest.
func (s *Server) lookUp(ctx context.Context, in *body[LookUp]) (*body[LookUpAnswer], error) {
	signals, err := signalsOf(in.Body.Signals, "signals")
	if err != nil {
		return nil, err
	}
	found, err := s.cfg.Board.LookUp(ctx, signals)
	if err != nil {
		return nil, err
	}
	benign, err := s.cfg.Board.KnownBenign(ctx, signals, in.Body.Exercise)
	if err != nil {
		return nil, err
	}
	_, judges := who(ctx).as(content)
	var hits []string
	out := LookUpAnswer{Results: make([]LookUpResult, len(found))}
	for i, alerts := range found {
		shown := slices.DeleteFunc(alerts, func(a board.Alert) bool {
			return a.Details.Exercise != in.Body.Exercise || !judges && (a.Bar != alert.Open || s.leaves(ctx, &a, alert.ToPlatform) != nil)
		})
		out.Results[i] = LookUpResult{
			Signal: in.Body.Signals[i], Alerts: s.alerts(shown),
			Actionable: slices.ContainsFunc(shown, func(a board.Alert) bool { return a.Bar == alert.Open }), Benign: benignNotes(benign[i]),
		}
		hits = append(hits, idsOf(out.Results[i].Alerts)...)
	}
	if err := s.read(ctx, "alert.look-up", hits); err != nil {
		return nil, err
	}
	return &body[LookUpAnswer]{out}, nil
}
