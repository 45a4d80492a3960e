package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/referral"
	"vigil/ledger/report"
	"vigil/node/board"
)

type keyedEscalation struct {
	ID   string `path:"id" maxLength:"64"`
	Key  string `header:"Idempotency-Key" required:"true" minLength:"1" maxLength:"128" doc:"Asking again with the same key finishes what was interrupted"`
	Body EscalateReport
}

// escalate is the desk's one action: alerts, referrals and the conclusion.
//
// Everything is decided before anything is written, so that a refusal leaves nothing half done. Then the reports are
// claimed, which nobody else can from there on; then the alerts are committed, sightings of those that carry the files
// already, so that whoever raised them hears of it, the referrals, and last the conclusions. A
// crash or a lost leader between two of these leaves the reports claimed, and what is done in the ledger; the same request
// again finds it by its event ids and goes on.
func (s *Server) escalate(ctx context.Context, in *keyedEscalation) (*body[Escalated], error) {
	key := "escalate/" + in.Key
	release, err := s.alone(ctx, ledger.EventIDFor(s.cfg.Agency, key))
	if err != nil {
		return nil, err
	}
	defer release()
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	e, err := s.escalation(ctx, in, key)
	if err != nil {
		return nil, err
	}

	p := &plan{s: s}
	if err := p.stage(ctx, e.claims); err != nil {
		return nil, err
	}
	if err := p.stage(ctx, e.alerts); err != nil {
		return nil, err
	}
	if err := p.stage(ctx, e.sightings); err != nil {
		return nil, err
	}
	if err := p.stage(ctx, e.referrals); err != nil {
		return nil, err
	}
	conclusions, err := e.conclusions(ctx)
	if err != nil {
		return nil, p.unfinished([]planned{{what: "conclusion"}}, err)
	}
	if err := p.stage(ctx, conclusions); err != nil {
		return nil, err
	}

	out := p.answer(e.list)
	out.Alerts, out.Referrals, out.Sighted = append(out.Alerts, e.alertIDs...), append(out.Referrals, e.referralIDs...), e.sighted
	return &body[Escalated]{out}, nil
}

// escalation is what an escalation will write.
type escalation struct {
	s                 *Server
	in                EscalateReport
	key, by           string
	list              []board.Report
	claims            []planned
	alerts, referrals []planned
	sightings         []planned
	alertIDs          []string // raised
	knownIDs          []string // that carry the files already
	referralIDs       []string
	sighted           []string // of knownIDs
}

// escalation decides everything but the conclusions, which come after the claims, and looks whether those can be made.
func (s *Server) escalation(ctx context.Context, in *keyedEscalation, key string) (*escalation, error) {
	e := &escalation{s: s, in: in.Body, key: key, by: who(ctx).label}
	unsaid := e.in.Outcome == ""
	if unsaid {
		e.in.Outcome = report.Actioned
	}
	var err error
	if e.list, err = s.desked(ctx, in.ID, in.Body.Also); err != nil {
		return nil, err
	}
	if seen := in.Body.Revision; seen != nil && *seen != e.list[0].Object.Revision {
		return nil, noun.Refuse("you saw revision %d and the platform has amended it to revision %d: look again", *seen, e.list[0].Object.Revision)
	}
	for _, decide := range []func(context.Context) error{e.claim, e.raise, e.sight, e.refer} {
		if err := decide(ctx); err != nil {
			return nil, err
		}
	}
	for _, p := range slices.Concat(e.alerts, e.referrals) {
		if err := s.cfg.Node.Sealable(p.audience); err != nil {
			return nil, err
		}
	}
	err = (&report.Triaged{Target: e.list[0].Key, Move: report.Conclude, By: e.by, Outcome: e.in.Outcome, Text: e.in.Text}).Validate()
	if err == nil && unsaid && e.in.Alert == nil && len(e.in.Referrals) == 0 {
		err = noun.Refuse("nothing is raised or referred, so what came of the report is not known: say an outcome")
	}
	return e, err
}

// claim plans to claim what nobody holds, and refuses what another holds or has concluded.
func (e *escalation) claim(ctx context.Context) error {
	for i := range e.list {
		x := &e.list[i]
		_, concluded, err := e.s.cfg.Board.ByEvent(ctx, e.s.cfg.Agency, e.s.moveID(x.Key, e.key, report.Conclude))
		if err != nil {
			return err
		}
		if concluded {
			continue // by this request, before
		}
		if err := x.Object.Permits(e.s.cfg.Agency, &report.Triaged{Move: report.Conclude, By: e.by}); err != nil {
			return within(x.Key.ID(report.IDPrefix), err)
		}
		if x.Object.State != report.Waiting {
			continue
		}
		p, err := e.s.move(ctx, x, e.key, report.Triaged{Step: x.Object.Step, Revision: x.Object.Revision, Move: report.Claim, By: e.by})
		if err != nil {
			return within(x.Key.ID(report.IDPrefix), err)
		}
		e.claims = append(e.claims, p)
	}
	return nil
}

// raise plans one alert for each file: those that were asked for, or those that no alert carries. Of what was raised by
// this request before nothing is decided again.
func (e *escalation) raise(ctx context.Context) error {
	x := e.list[0].Object
	hits, err := e.s.cfg.Triage.Known(ctx, x.Statement.Files, x.Received.Exercise)
	if err != nil || e.in.Alert == nil {
		e.knownIDs = alertsOf(hits)
		return err
	}
	if e.in.Alert.Exercise && !x.Received.Exercise {
		return problem(http.StatusBadRequest, "exercise", "exercises and casework are never one", "")
	}
	audience, err := audienceOf(e.in.Alert.Audience, e.s.cfg.Origin)
	if err != nil {
		return err
	}
	for _, n := range e.in.Alert.Files {
		if n < 0 || n >= len(x.Statement.Files) {
			return noun.At("alert.files", noun.ErrCount)
		}
	}
	for i := range x.Statement.Files {
		if !e.wants(i, hits) {
			continue
		}
		p := planned{audience: audience, what: fmt.Sprintf("alert on file %d", i)}
		if p.event, err = e.alert(i); err != nil {
			return within("alert", err)
		}
		e.alerts = append(e.alerts, p)
		e.alertIDs = append(e.alertIDs, alert.ID{Key: alert.Key{Event: p.event.ID}}.String())
	}
	if len(e.alerts) == 0 {
		return noun.Refuse("alerts carry every file already: name the files to raise others, or leave the alert out")
	}
	e.knownIDs = slices.DeleteFunc(alertsOf(hits), func(id string) bool { return slices.Contains(e.alertIDs, id) })
	return nil
}

// alertEvent is the event of the alert on a file of the report as it stands: an amendment brings other files.
func (e *escalation) alertEvent(file int) ledger.EventID {
	r := e.list[0].Object
	return ledger.EventIDFor(e.s.cfg.Agency, fmt.Sprintf("report/%s/%s/alert/%d/%d", r.Event, e.key, r.Revision, file))
}

// wants says whether an alert is to be raised on a file: what this request raised before counts as not known.
func (e *escalation) wants(file int, hits []report.Hit) bool {
	if len(e.in.Alert.Files) > 0 {
		return slices.Contains(e.in.Alert.Files, file)
	}
	own := alert.ID{Key: alert.Key{Event: e.alertEvent(file)}}.String()
	return !slices.ContainsFunc(hits, func(h report.Hit) bool { return h.File == file && (h.Harmless || h.Carries()) && h.Alert != own })
}

// alertsOf are the alerts that stand and carry the files themselves, each once: of what only looks alike nobody is told
// that it was met.
func alertsOf(hits []report.Hit) []string {
	var out []string
	for _, h := range hits {
		if h.Carries() && !slices.Contains(out, h.Alert) {
			out = append(out, h.Alert)
		}
	}
	return out
}

// alert decides the alert on one file: what the desk says of it, or else what the platform said.
func (e *escalation) alert(file int) (ledger.Event, error) {
	r := e.list[0].Object
	f := r.Statement.Files[file]
	facts := e.in.Alert.AlertFacts
	facts.Exercise = r.Received.Exercise
	if facts.Source == "" {
		facts.Source = r.Received.Source.Platform + " " + cmp.Or(r.Statement.Reference, r.ID(report.IDPrefix)) // the body first: who repeats it is one voice
	}
	if facts.Urgency == "" {
		facts.Urgency = urgencyOf(r.Statement).String()
	}
	d, err := detailsOf(facts)
	if err != nil {
		return ledger.Event{}, err
	}
	if facts.Basis == "" {
		d.Basis = alert.PlatformReport
	}
	if facts.Media == "" {
		d.Media = f.Media
	}
	if facts.AIGenerated == "" {
		d.AIGenerated = f.AIGenerated
	}
	if len(facts.Classifications) == 0 {
		d.Classifications = f.Classifications
	}
	return alert.Raise{Event: e.alertEvent(file), Details: d.Normal(), File: f.Prints}.Decide(alert.View{Agency: e.s.cfg.Agency})
}

// urgencyOf takes over what the platform says of a child at risk.
func urgencyOf(s *report.Statement) alert.Urgency {
	switch {
	case slices.Contains(s.Priority, report.ImmediateRisk):
		return alert.ImmediateRisk
	case slices.ContainsFunc([]report.Priority{report.Livestream, report.Sextortion, report.Sadistic}, func(p report.Priority) bool { return slices.Contains(s.Priority, p) }):
		return alert.Priority
	}
	return alert.Routine
}

// sight plans to tell whoever raised an alert that carries a file that it was met again: so many times, on a platform, and
// nothing else. Whom it cannot be sealed to now hears nothing, and the case goes on.
func (e *escalation) sight(ctx context.Context) error {
	for _, id := range e.knownIDs {
		a, err := e.s.cfg.Board.One(ctx, id)
		if errors.Is(err, board.ErrAmbiguous) {
			continue // one of two agencies used the other's event id: nobody can be told which is meant
		}
		if err != nil {
			return err
		}
		o, err := e.s.cfg.Board.Object(ctx, a.ID.Key)
		if err != nil {
			return err
		}
		p := planned{audience: alert.SightingAudience(e.s.cfg.Agency, a.ID.Author, a.Details.Handling, audienceNames(a.Audience)), what: "sighting of " + id}
		today := alert.DayOf(now())
		p.event, err = alert.Sight{
			Event: ledger.EventIDFor(e.s.cfg.Agency, fmt.Sprintf("report/%s/%s/sighting/%s", e.list[0].Key.Event, e.key, id)), Target: a.ID,
			Setting: alert.OnPlatform, Count: uint32(len(e.list)), Day: today, Today: today,
		}.Decide(alert.View{Agency: e.s.cfg.Agency, Object: o})
		if err != nil && !errors.Is(err, alert.ErrRetracted) { // it was standing a moment ago
			return err
		}
		if err == nil && e.s.cfg.Node.Sealable(p.audience) == nil {
			e.sightings = append(e.sightings, p)
			e.sighted = append(e.sighted, id)
		}
	}
	return nil
}

// refer plans the referrals; each names the alerts.
func (e *escalation) refer(ctx context.Context) error {
	r := e.list[0].Object
	for i, in := range e.in.Referrals {
		if in.Exercise && !r.Received.Exercise {
			return problem(http.StatusBadRequest, "exercise", "exercises and casework are never one", "")
		}
		in.Exercise = r.Received.Exercise
		if in.Kind != string(referral.VictimSupport) { // which carries the minimum
			in.Alerts = first(slices.Concat(in.Alerts, e.alertIDs, e.knownIDs))
			in.Reports = first(slices.Concat(in.Reports, e.reportIDs()))
		}
		if in.Urgency == "" {
			in.Urgency = urgencyOf(r.Statement).String()
		}
		c, err := e.s.opening(in)
		if err != nil {
			return err
		}
		c.Event = ledger.EventIDFor(e.s.cfg.Agency, fmt.Sprintf("report/%s/%s/referral/%d", e.list[0].Key.Event, e.key, i))
		p := planned{audience: c.Opened.Readers(e.s.cfg.Agency), what: "referral to " + in.To}
		if p.event, err = e.opened(ctx, c); err != nil {
			return within(noun.Item("referrals", i), err)
		}
		e.referrals = append(e.referrals, p)
		e.referralIDs = append(e.referralIDs, referral.Key{Event: c.Event}.ID(referral.IDPrefix))
	}
	return nil
}

// first are as many ids as one referral names.
func first(ids []string) []string {
	ids = noun.Set(ids)
	return ids[:min(len(ids), referral.MaxLinks)]
}

func (e *escalation) reportIDs() (out []string) {
	for _, r := range e.list {
		out = append(out, r.Key.ID(report.IDPrefix))
	}
	return out
}

// opened returns the referral as this request opened it before, or decides it.
func (e *escalation) opened(ctx context.Context, c referral.Command) (ledger.Event, error) {
	stored, found, err := e.s.cfg.Board.ByEvent(ctx, e.s.cfg.Agency, c.Event)
	if err != nil {
		return ledger.Event{}, err
	}
	if !found {
		return c.Decide(e.s.cfg.Agency, now())
	}
	fact, err := referral.Codec.Decode(&stored.Event)
	before, ok := fact.(*referral.Opened)
	if err != nil || !ok || before.To != c.Opened.To || before.Kind != c.Opened.Kind || before.Title != c.Opened.Title {
		return ledger.Event{}, keyReused()
	}
	return stored.Event, nil
}

// within says which part of a request an error is about.
func within(part string, err error) error {
	if r, ok := errors.AsType[*noun.Refusal](err); ok {
		return noun.Refuse("%s: %s", part, r.Why)
	}
	return noun.At(part, err)
}

// conclusions are decided on what the reports are after the claims.
func (e *escalation) conclusions(ctx context.Context) ([]planned, error) {
	var out []planned
	for i := range e.list {
		now, err := e.s.cfg.Board.ReportOf(ctx, e.list[i].Key)
		if err != nil {
			return nil, err
		}
		alerts := noun.Set(append(slices.Clone(e.alertIDs), e.knownIDs...))
		p, err := e.s.move(ctx, &now, e.key, report.Triaged{
			Step: now.Object.Step, Revision: e.list[i].Object.Revision, Move: report.Conclude, By: e.by, Outcome: e.in.Outcome, Text: e.in.Text,
			Alerts: alerts[:min(len(alerts), report.MaxLinks)], Referrals: e.referralIDs,
		})
		if err != nil {
			return nil, within(now.Key.ID(report.IDPrefix), err)
		}
		out = append(out, p)
	}
	return out, nil
}
