package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/report"
	"vigil/node/author"
	"vigil/node/board"
	"vigil/node/interop"
)

var (
	platforms     = []string{RolePlatform}
	desk          = []string{RoleAnalyst, RoleLab}
	reportReaders = []string{RolePlatform, RoleAnalyst, RoleLab, RoleAuditor}
	deskReaders   = []string{RoleAnalyst, RoleLab, RoleAuditor}
)

type keyedSubmission struct {
	Key  string `header:"Idempotency-Key" required:"true" minLength:"1" maxLength:"128" doc:"The same key never writes twice; it is the platform's own"`
	Body SubmitReport
}

type keyedReport[T any] struct {
	ID   string `path:"id" maxLength:"64"`
	Key  string `header:"Idempotency-Key" maxLength:"128"`
	Body T
}

type reportPath struct {
	ID string `path:"id" maxLength:"64" doc:"Report id; for the desk a unique prefix will do"`
}

type bundlePath struct {
	ID       string `path:"id" maxLength:"64"`
	Revision uint64 `query:"revision" doc:"0 is the report as it came in; n its amendment or withdrawal of that number"`
}

type reportQuery struct {
	State    string `query:"state" enum:"waiting,claimed,concluded," doc:"For the desk only"`
	Platform string `query:"platform" maxLength:"64" doc:"For the desk only"`
	Person   string `query:"person" maxLength:"64" doc:"Who works on it; for the desk only"`
	Exercise bool   `query:"exercise"`
	Before   int64  `query:"before" doc:"next of the page before"`
	Limit    int    `query:"limit" minimum:"0" maximum:"500"`
}

type platformQuery struct {
	Platform string `query:"platform" maxLength:"64" doc:"For the desk only"`
	Exercise bool   `query:"exercise"`
}

func (s *Server) reportRoutes() {
	route(s, http.MethodPost, "/v1/reports", "submitReport", "Report to this agency; the answer has a signed receipt", platforms, s.submitReport, noMedia)
	route(s, http.MethodGet, "/v1/reports", "listReports", "List reports, what moved last first; a platform's own", reportReaders, s.listReports)
	route(s, http.MethodGet, "/v1/reports/{id}", "getReport", "One report, with its receipt and proof", reportReaders, s.getReport)
	raw(s, "/v1/reports/{id}/bundle", "reportBundle", "The evidence bundle of a report: this one and nothing else", reportReaders, s.reportBundle)
	route(s, http.MethodPost, "/v1/reports/{id}/amendments", "amendReport", "Put another statement in place of what was said", platforms, s.amendReport, noMedia)
	route(s, http.MethodPost, "/v1/reports/{id}/withdrawal", "withdrawReport", "Take a report back", platforms, s.withdrawReport, noMedia)
	route(s, http.MethodGet, "/v1/platforms", "listPlatforms", "How useful what platforms reported was, month by month; a platform's own", reportReaders, s.listPlatforms)
	s.draftRoutes()
	s.deskRoutes()
}

// platform says which platform asks, and under which token: the token is named after it.
func (s *Server) platform(ctx context.Context) (report.Source, error) {
	p := who(ctx)
	if p.user != nil {
		return report.Source{}, problem(http.StatusForbidden, "person", "a platform reports with a token of its own, not as a person", "make one with 'vigil token create'")
	}
	if err := report.PlatformName(p.label); err != nil {
		return report.Source{}, problem(http.StatusConflict, "token-name", "this token is not named after a platform: "+err.Error(), "ask for one that is, such as chat.example")
	}
	return report.Source{Platform: p.label, Token: p.name}, nil
}

// reportPolicy is the policy for reports in force.
func (s *Server) reportPolicy() *report.Policy {
	p, _ := s.cfg.Node.Policy()
	section, _ := report.Section.In(p)
	return section
}

// reportEvent is the event of a platform's idempotency key: two platforms may use the same one.
func (s *Server) reportEvent(platform, key string) ledger.EventID {
	return ledger.EventIDFor(s.cfg.Agency, "report/"+platform+"/"+key)
}

func (s *Server) submitReport(ctx context.Context, in *keyedSubmission) (*body[ReportWritten], error) {
	source, err := s.platform(ctx)
	if err != nil {
		return nil, err
	}
	statement, err := statementOf(in.Body.ReportStatement)
	if err != nil {
		return nil, err
	}
	return s.takeIn(ctx, s.reportEvent(source.Platform, in.Key), source, statement, in.Body.Exercise)
}

// takeIn commits a report, or gives the first answer again. There is no answer without a receipt.
func (s *Server) takeIn(ctx context.Context, id ledger.EventID, source report.Source, statement report.Statement, exercise bool) (*body[ReportWritten], error) {
	at := s.reportPolicy().Desk
	c := report.Submission{Event: id, Source: source, Desk: at, Statement: statement.Normal(), Exercise: exercise}
	audience := append([]ledger.AudienceName{ledger.AudienceName(s.cfg.Agency)}, at...)
	w, err := s.writeAs(ctx, id, audience, func(ledger.EventID) (ledger.Event, error) {
		before, found, err := s.saidBefore(ctx, id, func(f report.Fact) bool { // whatever token or desk it comes under now
			before, ok := f.(*report.Received)
			return ok && before.Source.Platform == source.Platform && before.Exercise == exercise && sameStatement(&before.Statement, &c.Statement)
		})
		if err != nil || found {
			return before, err
		}
		return c.Decide(time.Now())
	})
	if err != nil {
		return nil, err
	}
	w.ID = report.Key{Event: id}.ID(report.IDPrefix)
	return &body[ReportWritten]{ReportWritten{Written: w, ReportQuality: qualityOf(&c.Statement)}}, nil
}

// isPlatform says that a platform asks, which sees its own reports only.
func isPlatform(ctx context.Context) bool { return who(ctx).role == RolePlatform }

// reportFor returns the report that who asks may see. To a platform another's is as one that is not there, and so is one
// that was named by its beginning only.
func (s *Server) reportFor(ctx context.Context, id string) (board.Report, error) {
	if !isPlatform(ctx) {
		return s.cfg.Board.Report(ctx, id)
	}
	source, err := s.platform(ctx)
	if err != nil {
		return board.Report{}, err
	}
	absent := problem(http.StatusNotFound, "not-found", "no report of yours has this id", "give the whole id, as it was answered")
	if len(id) != len(report.IDPrefix)+32 {
		return board.Report{}, absent
	}
	event, err := ledger.ParseEventID(id[len(report.IDPrefix):])
	if err != nil {
		return board.Report{}, absent
	}
	r, err := s.cfg.Board.ReportOf(ctx, report.Key{Home: s.cfg.Origin, Author: s.cfg.Agency, Event: event})
	if err != nil || r.Object.Received.Source.Platform != source.Platform {
		return board.Report{}, absent
	}
	return r, nil
}

func (s *Server) listReports(ctx context.Context, in *reportQuery) (*body[ReportPage], error) {
	q := board.ReportQuery{State: in.State, Platform: in.Platform, Person: in.Person, Exercise: in.Exercise, Before: in.Before, Limit: in.Limit}
	if isPlatform(ctx) {
		source, err := s.platform(ctx)
		if err != nil {
			return nil, err
		}
		q.State, q.Person, q.Platform, q.Author = "", "", source.Platform, string(s.cfg.Agency)
	}
	page, err := s.cfg.Board.Reports(ctx, q)
	if err != nil {
		return nil, err
	}
	out := ReportPage{Reports: []Report{}, Next: page.Next, StaleFor: s.cfg.Node.StaleFor().Seconds()}
	var ids []string
	for i := range page.Reports {
		x := s.report(ctx, &page.Reports[i])
		out.Reports, ids = append(out.Reports, x), append(ids, x.ID)
	}
	return &body[ReportPage]{out}, s.read(ctx, "report.list", ids)
}

// report is a report as who asks may see it.
func (s *Server) report(ctx context.Context, x *board.Report) Report {
	if isPlatform(ctx) {
		return s.ownReport(x)
	}
	return s.deskReport(x)
}

func (s *Server) getReport(ctx context.Context, in *reportPath) (*body[Report], error) {
	x, err := s.reportFor(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := s.report(ctx, &x)
	out.Statement = showStatement(x.Object.Statement)
	if !isPlatform(ctx) {
		if err := s.knownOf(ctx, &x, out.Desk); err != nil {
			return nil, err
		}
	}
	for i := range x.Object.Lines {
		if _, moved := x.Object.Lines[i].Fact.(*report.Triaged); !moved || !isPlatform(ctx) {
			out.Timeline = append(out.Timeline, reportLine(&x.Object.Lines[i]))
		}
	}
	if err := s.prove(ctx, &x, &out); err != nil {
		return nil, err
	}
	return &body[Report]{out}, s.read(ctx, "report.show", []string{out.ID})
}

// prove adds the receipt, where this agency took the report in, and the proof once a checkpoint covers it.
func (s *Server) prove(ctx context.Context, x *board.Report, out *Report) error {
	if x.Key.Home != s.cfg.Origin {
		return nil
	}
	if x.Key.Author == s.cfg.Agency {
		stored, _, err := s.cfg.Board.ByEvent(ctx, x.Key.Author, x.Key.Event)
		if err != nil {
			return err
		}
		leaf, err := s.cfg.Node.Leaf(stored.Position.Index)
		if err != nil {
			return err
		}
		out.Receipt = s.cfg.Node.Receipt(author.Receipt{Index: stored.Position.Index, Leaf: leaf}, stored.Event.Digest())
	}
	if out.Sealed {
		proof, err := s.cfg.Node.Proof("", out.Index)
		if err != nil {
			return err
		}
		out.Proof = &proof
	}
	return nil
}

func (s *Server) reportBundle(ctx context.Context, in *bundlePath) (*rawAnswer, error) {
	x, err := s.reportFor(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	line, ok := x.Object.At(in.Revision)
	if !ok {
		return nil, problem(http.StatusNotFound, "not-found", fmt.Sprintf("the report has no revision %d", in.Revision), "")
	}
	b, err := s.cfg.Node.Bundle(ctx, line.Origin, line.Position)
	if err == nil {
		err = s.read(ctx, "report.bundle", []string{x.Key.ID(report.IDPrefix)})
	}
	return &rawAnswer{"application/cbor", b}, err
}

func (s *Server) amendReport(ctx context.Context, in *keyedReport[AmendReport]) (*body[ReportWritten], error) {
	statement, err := statementOf(in.Body.ReportStatement)
	if err == nil {
		err = noun.At("reason", interop.SniffText(in.Body.Reason))
	}
	if err != nil {
		return nil, err
	}
	statement = statement.Normal()
	w, err := s.change(ctx, in.ID, keyOr("amend/", in.Key), in.Body.Revision, func(f report.Fact) bool {
		before, ok := f.(*report.Amended)
		return ok && before.Reason == in.Body.Reason && sameStatement(&before.Statement, &statement)
	}, func(r *report.Report, id ledger.EventID, source report.Source, revision uint64) (ledger.Event, error) {
		return r.DecideAmend(id, s.cfg.Agency, report.Amended{Revision: revision, Source: source, Statement: statement, Reason: in.Body.Reason}, time.Now())
	})
	return &body[ReportWritten]{ReportWritten{Written: w, ReportQuality: qualityOf(&statement)}}, err
}

func (s *Server) withdrawReport(ctx context.Context, in *keyedReport[WithdrawReport]) (*body[Written], error) {
	if err := noun.At("reason", interop.SniffText(in.Body.Reason)); err != nil {
		return nil, err
	}
	w, err := s.change(ctx, in.ID, keyOr("withdraw/", in.Key), in.Body.Revision, func(f report.Fact) bool {
		before, ok := f.(*report.Withdrawn)
		return ok && before.Reason == in.Body.Reason
	}, func(r *report.Report, id ledger.EventID, source report.Source, revision uint64) (ledger.Event, error) {
		return r.DecideWithdraw(id, s.cfg.Agency, report.Withdrawn{Revision: revision, Source: source, Reason: in.Body.Reason})
	})
	return &body[Written]{w}, err
}

// keyOr is a caller's idempotency key for one kind of write, or a fresh one.
func keyOr(kind, key string) string {
	if key == "" {
		key = rand.Text()
	}
	return kind + key
}

func sameStatement(a, b *report.Statement) bool {
	return bytes.Equal(ledger.Marshal(a), ledger.Marshal(b))
}

// change commits what a platform says of a report of its own, on the revision it saw, or gives the first answer again
// where it said the same. The answer says that it took effect.
func (s *Server) change(ctx context.Context, text, key string, seen *uint64, same func(report.Fact) bool, decide func(r *report.Report, id ledger.EventID, source report.Source, revision uint64) (ledger.Event, error)) (Written, error) {
	source, err := s.platform(ctx)
	if err != nil {
		return Written{}, err
	}
	x, err := s.reportFor(ctx, text)
	if err != nil {
		return Written{}, err
	}
	id := s.reportEvent(source.Platform, x.Key.Event.String()+"/"+key)
	w, err := s.writeAs(ctx, id, namesOf(x.Audience), func(ledger.EventID) (ledger.Event, error) {
		if before, found, err := s.saidBefore(ctx, id, same); err != nil || found {
			return before, err
		}
		now, err := s.cfg.Board.ReportOf(ctx, x.Key) // as it stands when it is decided
		if err != nil {
			return ledger.Event{}, err
		}
		revision := now.Object.Revision
		if seen != nil {
			revision = *seen
		}
		return decide(now.Object, id, source, revision)
	})
	if err != nil {
		return Written{}, err
	}
	w.ID = x.Key.ID(report.IDPrefix)
	return w, s.tookEffect(ctx, x.Key, id)
}

// saidBefore returns our event of a report with an id where there is one and it says the same.
func (s *Server) saidBefore(ctx context.Context, id ledger.EventID, same func(report.Fact) bool) (e ledger.Event, found bool, err error) {
	stored, found, err := s.cfg.Board.ByEvent(ctx, s.cfg.Agency, id)
	if err != nil || !found {
		return e, false, err
	}
	fact, err := report.Codec.Decode(&stored.Event)
	if err != nil || !same(fact) {
		return e, true, keyReused()
	}
	return stored.Event, true, nil
}

func namesOf(audience []string) []ledger.AudienceName {
	out := make([]ledger.AudienceName, 0, len(audience))
	for _, a := range audience {
		out = append(out, ledger.AudienceName(a))
	}
	return out
}

// tookEffect refuses what was committed after another's move that it did not know of.
func (s *Server) tookEffect(ctx context.Context, k report.Key, id ledger.EventID) error {
	x, err := s.cfg.Board.ReportOf(ctx, k)
	if err != nil {
		return err
	}
	if effect, found := x.Object.EffectOf(s.cfg.Agency, id); found && effect != "" {
		return problem(http.StatusConflict, "stale", "written, and without effect: "+effect, "look at the report again")
	}
	return nil
}

func (s *Server) listPlatforms(ctx context.Context, in *platformQuery) (*body[[]Platform], error) {
	platform, agency := in.Platform, ""
	if isPlatform(ctx) {
		source, err := s.platform(ctx)
		if err != nil {
			return nil, err
		}
		platform, agency = source.Platform, string(s.cfg.Agency)
	}
	figures, err := s.cfg.Board.Platforms(ctx, platform, agency, in.Exercise)
	if err != nil {
		return nil, err
	}
	out := []Platform{}
	for _, f := range figures {
		m := PlatformMonth{
			Month: f.Month, Reports: f.Reports, Completeness: float64(f.Complete) / 1000, Files: f.Files, Viewed: f.Viewed, Amended: f.Amended, Withdrawn: f.Withdrawn,
			Outcomes: map[string]int{},
		}
		for outcome, n := range f.Outcomes {
			if !isPlatform(ctx) || s.reportPolicy().Told(outcome) != "" {
				m.Outcomes[outcome] = n
			}
		}
		if n := len(out); n == 0 || out[n-1].Platform != f.Platform {
			out = append(out, Platform{Platform: f.Platform})
		}
		out[len(out)-1].Months = append(out[len(out)-1].Months, m)
	}
	return &body[[]Platform]{out}, s.read(ctx, "platform.list", nil)
}
