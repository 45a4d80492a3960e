package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/report"
	"vigil/node/draft"
)

// A draft has the event id of the report it will be, so that finishing it twice writes once, over a crash too.

type draftPath struct {
	ID string `path:"id" minLength:"35" maxLength:"35" doc:"Id of the draft, as it was answered"`
}

type draftFile struct {
	ID   string `path:"id" minLength:"35" maxLength:"35"`
	Body ReportFile
}

// accepted is for what is taken and not promised to be in the ledger.
func accepted(op *huma.Operation) { op.DefaultStatus = http.StatusAccepted }

func (s *Server) draftRoutes() {
	route(s, http.MethodPost, "/v1/drafts", "openDraft", "Begin a report that files are added to; nothing is reported before it is finished", platforms, s.openDraft, noMedia, accepted)
	route(s, http.MethodGet, "/v1/drafts", "listDrafts", "What this platform has begun", platforms, s.listDrafts)
	route(s, http.MethodGet, "/v1/drafts/{id}", "getDraft", "One draft", platforms, s.getDraft)
	route(s, http.MethodPost, "/v1/drafts/{id}/files", "addFile", "Add a file's details to a draft, or put them in place of those with the same reference", platforms, s.addFile, noMedia, accepted)
	route(s, http.MethodPost, "/v1/drafts/{id}/finish", "finishDraft", "Report what was drafted; the answer has a signed receipt", platforms, s.finishDraft)
	route(s, http.MethodDelete, "/v1/drafts/{id}", "removeDraft", "End a draft without reporting", platforms, s.removeDraft)
}

// drafted is what a draft says, in CBOR.
type drafted struct {
	_         struct{} `cbor:",toarray"`
	Statement report.Statement
	Exercise  bool
	Begun     [32]byte // SHA-256 of statement and exercise as it was begun, for a retry
	Finishing bool     // the report may be in the ledger: nothing is changed any more
}

// theDraft is a draft with what it says, while nobody else works on it.
type theDraft struct {
	draft.Draft
	drafted
	source report.Source
}

// withDraft lets one request at a time work on a draft of the platform that asks.
func (s *Server) withDraft(ctx context.Context, text string, work func(d *theDraft) (*body[ReportDraft], error)) (*body[ReportDraft], error) {
	d, release, err := s.draft(ctx, text)
	if err != nil {
		return nil, err
	}
	defer release()
	return work(d)
}

func (s *Server) draft(ctx context.Context, text string) (d *theDraft, release func(), err error) {
	source, err := s.platform(ctx)
	if err != nil {
		return nil, nil, err
	}
	id, err := draftID(text)
	if err != nil {
		return nil, nil, err
	}
	if release, err = s.aloneOnDraft(ctx, id); err != nil {
		return nil, nil, err
	}
	d = &theDraft{source: source}
	if d.Draft, err = s.cfg.Drafts.Get(id, source.Platform); err == nil && ledger.Unmarshal(d.Body, &d.drafted, len(d.Body)) != nil {
		err = draft.ErrDamaged
	}
	if err != nil {
		release()
		return nil, nil, s.draftGone(ctx, id, source, err)
	}
	return d, release, nil
}

func draftID(text string) (ledger.EventID, error) {
	id, err := ledger.ParseEventID(text[len(report.IDPrefix):])
	if err != nil || text[:len(report.IDPrefix)] != report.IDPrefix {
		return id, problem(http.StatusBadRequest, "invalid", "not the id of a draft", "")
	}
	return id, nil
}

// aloneOnDraft is apart from what writes the report, which waits for itself.
func (s *Server) aloneOnDraft(ctx context.Context, id ledger.EventID) (release func(), err error) {
	return s.alone(ctx, ledger.EventIDFor(s.cfg.Agency, "draft/"+id.String()))
}

// draftGone says what became of a draft that is not there.
func (s *Server) draftGone(ctx context.Context, id ledger.EventID, source report.Source, err error) error {
	if _, finished := s.finished(ctx, id, source); finished {
		return problem(http.StatusConflict, "finished", "the draft is a report already", "amend the report instead")
	}
	switch {
	case errors.Is(err, draft.ErrAbsent):
		return problem(http.StatusNotFound, "not-found", "no such draft of yours: never begun, removed, or expired", "begin again; nothing was reported")
	case errors.Is(err, draft.ErrDamaged):
		return problem(http.StatusGone, "draft-damaged", "the draft was kept and cannot be read any more; nothing was reported", "begin again")
	}
	return err
}

// finished returns the report that a draft has become.
func (s *Server) finished(ctx context.Context, id ledger.EventID, source report.Source) (*report.Received, bool) {
	x, err := s.cfg.Board.ReportOf(ctx, report.Key{Home: s.cfg.Origin, Author: s.cfg.Agency, Event: id})
	if err != nil || x.Object.Received.Source.Platform != source.Platform {
		return nil, false
	}
	return x.Object.Received, true
}

func (s *Server) openDraft(ctx context.Context, in *keyedSubmission) (*body[ReportDraft], error) {
	source, err := s.platform(ctx)
	if err != nil {
		return nil, err
	}
	statement, err := statementOf(in.Body.ReportStatement)
	if err != nil {
		return nil, err
	}
	id := s.reportEvent(source.Platform, in.Key)
	release, err := s.aloneOnDraft(ctx, id)
	if err != nil {
		return nil, err
	}
	defer release()
	d := &theDraft{drafted: drafted{Statement: statement.Normal(), Exercise: in.Body.Exercise}, source: source}
	d.Begun = sha256.Sum256(ledger.Marshal([]any{d.Statement, d.Exercise}))
	before, err := s.cfg.Drafts.Get(id, source.Platform)
	if err == nil {
		return s.draftAgain(d, before)
	}
	if gone := s.draftGone(ctx, id, source, err); !errors.Is(err, draft.ErrAbsent) || status(gone) == http.StatusConflict {
		return nil, gone
	}
	d.ID = id
	return s.keepDraft(d)
}

func status(err error) int {
	var p *Problem
	if errors.As(err, &p) {
		return p.Status
	}
	return 0
}

// draftAgain answers a key that a draft was begun with before.
func (s *Server) draftAgain(d *theDraft, before draft.Draft) (*body[ReportDraft], error) {
	var was drafted
	if err := ledger.Unmarshal(before.Body, &was, len(before.Body)); err != nil {
		return nil, err
	}
	if was.Begun != d.Begun {
		return nil, keyReused()
	}
	d.Draft, d.drafted = before, was
	out := showDraft(d)
	out.Repeated = true
	return &body[ReportDraft]{out}, nil
}

// keepDraft answers once the draft survives a crash.
func (s *Server) keepDraft(d *theDraft) (*body[ReportDraft], error) {
	received := report.Received{Source: d.source, Statement: d.Statement}
	if err := received.Validate(); err != nil {
		return nil, err
	}
	kept, err := s.cfg.Drafts.Put(d.ID, d.source.Platform, ledger.Marshal(d.drafted))
	switch {
	case errors.Is(err, draft.ErrTooMany):
		return nil, problem(http.StatusTooManyRequests, "too-many-drafts", "this platform has as many drafts as it may have", "finish or remove some")
	case errors.Is(err, draft.ErrTooLarge):
		return nil, problem(http.StatusRequestEntityTooLarge, "too-large", "the draft is too large", "finish it, and report further files in another report that names it as prior")
	case err != nil:
		return nil, err
	}
	d.Draft = kept
	return &body[ReportDraft]{showDraft(d)}, nil
}

func showDraft(d *theDraft) ReportDraft {
	quality := qualityOf(&d.Statement)
	return ReportDraft{
		ID: report.Key{Event: d.ID}.ID(report.IDPrefix), Opened: d.Opened, Expires: d.Expires(), Finishing: d.Finishing, Exercise: d.Exercise,
		Statement: showStatement(&d.Statement), Quality: &quality,
	}
}

func (s *Server) listDrafts(ctx context.Context, _ *none) (*body[[]ReportDraft], error) {
	source, err := s.platform(ctx)
	if err != nil {
		return nil, err
	}
	out := []ReportDraft{}
	for _, d := range s.cfg.Drafts.List(source.Platform) {
		out = append(out, ReportDraft{ID: report.Key{Event: d.ID}.ID(report.IDPrefix), Opened: d.Opened, Expires: d.Expires()})
	}
	return &body[[]ReportDraft]{out}, s.read(ctx, "draft.list", nil)
}

func (s *Server) getDraft(ctx context.Context, in *draftPath) (*body[ReportDraft], error) {
	return s.withDraft(ctx, in.ID, func(d *theDraft) (*body[ReportDraft], error) {
		return &body[ReportDraft]{showDraft(d)}, s.read(ctx, "draft.show", []string{in.ID})
	})
}

func (s *Server) addFile(ctx context.Context, in *draftFile) (*body[ReportDraft], error) {
	f, err := fileOf(in.Body)
	if err != nil {
		return nil, err
	}
	return s.withDraft(ctx, in.ID, func(d *theDraft) (*body[ReportDraft], error) {
		if d.Finishing {
			return nil, problem(http.StatusConflict, "finishing", "the draft is being finished", "finish it again for the receipt, then amend the report")
		}
		before := ledger.Marshal(d.drafted)
		d.Statement.Files = withFile(d.Statement.Files, f)
		d.Statement = d.Statement.Normal()
		if slices.Equal(before, ledger.Marshal(d.drafted)) {
			out := showDraft(d)
			out.Repeated = true
			return &body[ReportDraft]{out}, nil
		}
		return s.keepDraft(d)
	})
}

// withFile adds a file's details, or puts them in place of those with the same reference; the same again changes nothing.
func withFile(files []report.File, f report.File) []report.File {
	one := (report.Statement{Files: []report.File{f}}).Normal().Files[0]
	for i := range files {
		if f.Reference != "" && files[i].Reference == f.Reference {
			files[i] = one
			return files
		}
		if slices.Equal(ledger.Marshal(files[i]), ledger.Marshal(one)) {
			return files
		}
	}
	return append(files, one)
}

// finishDraft reports what was drafted. Where a crash comes after the report is committed, the draft is there still, and
// finishing it again gives the first answer; where it comes after the draft is removed, the report does.
func (s *Server) finishDraft(ctx context.Context, in *draftPath) (*body[ReportWritten], error) {
	d, release, err := s.draft(ctx, in.ID)
	if status(err) == http.StatusConflict {
		return s.finishedBefore(ctx, in.ID)
	}
	if err != nil {
		return nil, err
	}
	defer release()

	if !d.Finishing {
		c := report.Submission{Event: d.ID, Source: d.source, Desk: s.reportPolicy().Desk, Statement: d.Statement, Exercise: d.Exercise}
		if _, err := c.Decide(time.Now()); err != nil {
			return nil, err // the draft stays open
		}
		d.Finishing = true
		if _, err := s.keepDraft(d); err != nil {
			return nil, err
		}
	}

	out, err := s.takeIn(ctx, d.ID, d.source, d.Statement, d.Exercise)
	if err != nil {
		return nil, err
	}

	if err := s.cfg.Drafts.Remove(d.ID); err != nil {
		s.cfg.Log.Warn("a finished draft is not removed yet; it expires", "draft", d.ID, "error", err)
	}
	return out, nil
}

func (s *Server) finishedBefore(ctx context.Context, text string) (*body[ReportWritten], error) {
	source, err := s.platform(ctx)
	if err != nil {
		return nil, err
	}
	id, err := draftID(text)
	if err != nil {
		return nil, err
	}
	before, ok := s.finished(ctx, id, source)
	if !ok {
		return nil, noun.Refuse("the draft is not there any more")
	}
	return s.takeIn(ctx, id, source, before.Statement, before.Exercise)
}

func (s *Server) removeDraft(ctx context.Context, in *draftPath) (*none, error) {
	d, release, err := s.draft(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	defer release()
	if d.Finishing {
		return nil, problem(http.StatusConflict, "finishing", "the draft is being finished, and may be reported already", "finish it again for the receipt, then withdraw the report")
	}
	return &none{}, s.cfg.Drafts.Remove(d.ID)
}
