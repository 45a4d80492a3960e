package api

import (
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/report"
	"vigil/node/board"
	"vigil/node/interop"
)

// statementOf reads what the wire says. A text that carries material is refused as any other material is.
func statementOf(in ReportStatement) (report.Statement, error) {
	s := report.Statement{Reference: in.Reference, Kind: in.Kind, Priority: in.Priority, Occurred: momentOf(in.Occurred), Note: in.Note, Prior: in.Prior}
	if in.Place != nil {
		s.Place = report.Place{Country: in.Place.Country, Region: in.Place.Region}
	}
	if err := noun.At("note", interop.SniffText(in.Note)); err != nil {
		return s, err
	}
	for i, p := range in.About {
		if err := interop.SniffText(p.Value); err != nil {
			return s, noun.At(noun.Item("about", i)+".value", err)
		}
		s.About = append(s.About, report.Pointer{Role: p.Role, Kind: p.Kind, Value: p.Value, Service: p.Service, Port: uint64(p.Port), Seen: momentOf(p.Seen)})
	}
	for i, f := range in.Files {
		x, err := fileOf(f)
		if err != nil {
			return s, noun.At(noun.Item("files", i), err)
		}
		s.Files = append(s.Files, x)
	}
	return s, nil
}

func momentOf(t *time.Time) report.Moment {
	if t == nil {
		return report.Moment{}
	}
	return report.MomentOf(*t)
}

func fileOf(in ReportFile) (report.File, error) {
	f := report.File{
		Reference: in.Reference, Viewed: in.Viewed, Public: in.Public, Uploaded: momentOf(in.Uploaded), Labels: in.Labels, Supplemental: in.Supplemental,
		Prints: alert.File{MediaSize: in.Size},
	}
	var err error
	if f.Classifications, err = classesOf(in.Classifications); err != nil {
		return f, err
	}
	if f.Prints.Signals, err = signalsOf(in.Signals, "signals"); err != nil {
		return f, err
	}
	if in.Media != "" {
		if f.Media, err = alert.ParseMediaKind(in.Media); err != nil {
			return f, noun.At("media", err)
		}
	}
	if in.AIGenerated != "" {
		if f.AIGenerated, err = alert.ParseAIGenerated(in.AIGenerated); err != nil {
			return f, noun.At("ai_generated", err)
		}
	}
	return f, nil
}

func showMoment(m report.Moment) *time.Time {
	if !m.Stated() {
		return nil
	}
	t := m.Time()
	return &t
}

// showStatement gives a statement its shape on the wire.
func showStatement(s *report.Statement) *ReportStatement {
	out := &ReportStatement{Reference: s.Reference, Kind: s.Kind, Priority: s.Priority, Occurred: showMoment(s.Occurred), Note: s.Note, Prior: s.Prior}
	if s.Place != (report.Place{}) {
		out.Place = &ReportPlace{Country: s.Place.Country, Region: s.Place.Region}
	}
	for _, p := range s.About {
		out.About = append(out.About, ReportPointer{Role: p.Role, Kind: p.Kind, Value: p.Value, Service: p.Service, Port: int(p.Port), Seen: showMoment(p.Seen)})
	}
	for i := range s.Files {
		out.Files = append(out.Files, showFile(&s.Files[i]))
	}
	return out
}

func showFile(f *report.File) ReportFile {
	out := ReportFile{
		Reference: f.Reference, Signals: SignalsOf(f.Prints), Size: f.Prints.MediaSize, Media: f.Media.String(), AIGenerated: f.AIGenerated.String(),
		Viewed: f.Viewed, Public: f.Public, Uploaded: showMoment(f.Uploaded), Labels: f.Labels, Supplemental: f.Supplemental,
		Classifications: showClasses(f.Classifications),
	}
	return out
}

func qualityOf(s *report.Statement) ReportQuality {
	score, missing := s.Completeness()
	q := ReportQuality{Completeness: float64(score) / 1000}
	for _, g := range missing {
		q.Missing = append(q.Missing, ReportGap{Field: g.Field, Gain: float64(g.Gain) / 1000})
	}
	return q
}

func summaryOf(s *report.Statement) ReportSummary {
	out := ReportSummary{Reference: s.Reference, Kind: s.Kind, Priority: s.Priority, Occurred: showMoment(s.Occurred), Files: len(s.Files), About: len(s.About)}
	for i := range s.Files {
		if s.Files[i].Viewed == report.Yes {
			out.Viewed++
		}
	}
	return out
}

func showHits(hits []report.Hit) []ReportHit {
	var out []ReportHit
	for _, h := range hits {
		x := ReportHit{File: h.File, Alert: h.Alert, Harmless: h.Harmless, Near: h.Near, Distance: h.Distance, Shared: h.Shared}
		if h.Alert != "" {
			x.Standing, x.Bar, x.Urgency = h.Standing.String(), h.Bar.String(), h.Urgency.String()
		}
		out = append(out, x)
	}
	return out
}

// showReportEvent gives an event of a report its shape on the wire, for 'vigil ledger show'.
func showReportEvent(e *ledger.Event) (any, error) {
	fact, err := report.Codec.Decode(e)
	if err != nil {
		return nil, err
	}
	switch f := fact.(type) {
	case *report.Received:
		return map[string]any{"platform": f.Source.Platform, "token": f.Source.Token, "desk": f.Desk, "exercise": f.Exercise, "statement": showStatement(&f.Statement)}, nil
	case *report.Amended:
		return map[string]any{"report": f.Target.ID(report.IDPrefix), "revision": f.Revision, "platform": f.Source.Platform, "reason": f.Reason, "statement": showStatement(&f.Statement)}, nil
	case *report.Withdrawn:
		return map[string]any{"report": f.Target.ID(report.IDPrefix), "revision": f.Revision, "platform": f.Source.Platform, "reason": f.Reason}, nil
	}
	x := reportLine(&report.Line{Placed: report.Placed{Fact: fact}})
	return map[string]any{"report": fact.(*report.Triaged).Target.ID(report.IDPrefix), "move": x}, nil
}

// reportLine gives a line of a report's time line its shape on the wire.
func reportLine(l *report.Line) ReportEvent {
	e := ReportEvent{Type: report.TypeReceived, Author: string(l.Author), Ledger: string(l.Origin), Index: l.Position.Index, Authored: millis(l.AuthoredAt), Effect: l.Effect}
	switch f := l.Fact.(type) {
	case *report.Amended:
		e.Type, e.Revision, e.By, e.Text = report.TypeAmended, &f.Revision, f.Source.Platform, f.Reason
	case *report.Withdrawn:
		e.Type, e.Revision, e.By, e.Text = report.TypeWithdrawn, &f.Revision, f.Source.Platform, f.Reason
	case *report.Triaged:
		e.Type, e.Revision, e.Step, e.Move, e.By, e.To = report.TypeTriaged, &f.Revision, &f.Step, f.Move, f.By, f.To
		e.Outcome, e.Text, e.Alerts, e.Referrals = f.Outcome, f.Text, f.Alerts, f.Referrals
	}
	return e
}

// ownReport is what a platform sees of its report: what it said itself, and the outcome that the policy tells.
func (s *Server) ownReport(x *board.Report) Report {
	r := x.Object
	out := Report{
		ID: x.Key.ID(report.IDPrefix), Platform: r.Received.Source.Platform, Agency: string(r.Author), Ledger: string(r.Home), Received: x.Authored,
		Revision: r.Revision, Withdrawn: r.Withdrawn, Outcome: s.reportPolicy().Told(r.Outcome), Exercise: r.Received.Exercise,
		ReportQuality: qualityOf(r.Statement), Summary: summaryOf(r.Statement),
	}
	if !x.NoLaterThan.IsZero() {
		out.NoLaterThan = &x.NoLaterThan
	}
	for i := range r.Lines {
		if _, founds := r.Lines[i].Fact.(*report.Received); founds {
			out.Index = r.Lines[i].Position.Index
			break
		}
	}
	sealed, _ := s.cfg.Node.Sealed(r.Home)
	out.Sealed = sealed > out.Index
	return out
}

// deskReport is what the desk sees.
func (s *Server) deskReport(x *board.Report) Report {
	r, out := x.Object, s.ownReport(x)
	told := out.Outcome
	out.Outcome = r.Outcome
	out.Desk = &ReportDesk{
		State: r.State, Step: r.Step, Holder: string(r.Holder), Person: r.Person, Again: r.Again, Alerts: r.Alerts, Referrals: r.Referrals, Told: told,
		Audience: x.Audience, Token: r.Received.Source.Token, Moves: []string{},
	}
	return out
}
