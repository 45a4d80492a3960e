package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"

	"vigil/ledger"
	"vigil/ledger/account"
	"vigil/ledger/alert"
	"vigil/ledger/export"
	"vigil/ledger/noun"
	"vigil/node/accesslog"
	"vigil/node/board"
)

const verbExport accesslog.Verb = "alert.export"

type exportPath struct {
	ID   string `path:"id" maxLength:"64" doc:"Id of an export, or a unique prefix of it"`
	Body ExportMore
}

type exportQuery struct {
	Exercise bool  `query:"exercise"`
	Before   int64 `query:"before" doc:"next of the page before"`
	Limit    int   `query:"limit" minimum:"0" maximum:"500"`
}

func (s *Server) exportRoutes() {
	route(s, http.MethodPost, "/v1/exports", "beginExport", "Begin to hand alerts out in an outside format", writers, s.beginExport, takesTwo(account.ActExport))
	route(s, http.MethodGet, "/v1/exports", "listExports", "What left this agency, newest first", content, s.listExports)
	route(s, http.MethodPost, "/v1/exports/{id}/alerts", "exportAlerts", "The next alerts of an export, recorded before they are answered", writers, s.exportAlerts, asking)
	route(s, http.MethodPost, "/v1/exports/{id}/withdrawals", "exportWithdrawals", "What earlier exports carried and is withdrawn", writers, s.exportWithdrawals, asking)
}

func (s *Server) beginExport(ctx context.Context, in *keyed[BeginExport]) (*body[Export], error) {
	begun := &export.Begun{Format: in.Body.Format, By: who(ctx).name, Exercise: in.Body.Exercise}
	if r, _ := requestOf(ctx); r != nil {
		begun.Purpose, begun.Case = r.Header.Get(headerPurpose), r.Header.Get(headerCase)
	}
	if in.Body.Since != "" {
		since, err := s.cfg.Board.Exported(ctx, in.Body.Since)
		if err == nil && since.Begun.Exercise != begun.Exercise {
			err = noun.Refuse("exercises and casework never stand in one export")
		}
		if err == nil {
			_, err = s.cfg.Board.ChainOf(ctx, since)
		}
		if err != nil {
			return nil, err
		}
		begun.Since = &since.Key
	}
	var event ledger.EventID
	_, err := s.write(ctx, in.Key, s.ourselves(), func(id ledger.EventID) (ledger.Event, error) {
		event = id
		return begun.Encode(id)
	})
	if err != nil {
		return nil, err
	}
	x, err := s.cfg.Board.Exported(ctx, export.Key{Event: event}.ID(export.IDPrefix))
	return &body[Export]{showExport(&x)}, err
}

func showExport(x *board.Exported) Export {
	out := Export{
		ID: x.Key.ID(export.IDPrefix), Format: x.Begun.Format, By: x.Begun.By, Purpose: x.Begun.Purpose, Case: x.Begun.Case, Exercise: x.Begun.Exercise,
		Begun: x.Authored, Carried: x.Carried, Withdrawn: x.Withdrawn,
	}
	if x.Begun.Since != nil {
		out.Since = x.Begun.Since.ID(export.IDPrefix)
	}
	return out
}

func (s *Server) listExports(ctx context.Context, in *exportQuery) (*body[ExportPage], error) {
	page, err := s.cfg.Board.Exports(ctx, in.Exercise, in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := ExportPage{Exports: []Export{}, Next: page.Next}
	var ids []string
	for i := range page.Exports {
		x := showExport(&page.Exports[i])
		out.Exports, ids = append(out.Exports, x), append(ids, x.ID)
	}
	return &body[ExportPage]{out}, s.read(ctx, "export.list", ids)
}

// ownExport returns an export that whoever asks has begun: what a second person agreed to is handed to nobody else.
func (s *Server) ownExport(ctx context.Context, id string) (board.Exported, error) {
	x, err := s.cfg.Board.Exported(ctx, id)
	if err == nil && x.Begun.By != who(ctx).name {
		err = problem(http.StatusForbidden, "not-yours", "another began this export", "begin one of your own; it may go on from this one")
	}
	return x, err
}

// exportAlerts hands out the next alerts. A crash after they are recorded leaves a record of more than left, never of less.
func (s *Server) exportAlerts(ctx context.Context, in *exportPath) (*body[ExportAlerts], error) {
	x, err := s.ownExport(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var chain *board.Chain
	if x.Begun.Since != nil {
		since, err := s.cfg.Board.Exported(ctx, x.Begun.Since.ID(export.IDPrefix))
		if err != nil {
			return nil, err
		}
		c, err := s.cfg.Board.ChainOf(ctx, since)
		if err != nil {
			return nil, err
		}
		chain = &c
	}
	found, err := s.cfg.Board.Leaving(ctx, chain, in.Body.Standing, x.Begun.Exercise, in.Body.After, exportPage)
	if err != nil {
		return nil, err
	}
	out := ExportAlerts{Alerts: []Alert{}}
	if len(found) == exportPage {
		out.Next = found[len(found)-1].Row
	}
	leave, withheld := mayLeave(found, x.Begun.Format)
	if err := s.refuseLeaving(ctx, withheld); err != nil {
		return nil, err
	}
	if leave, err = s.carry(ctx, x.Key, leave); err != nil {
		return nil, err
	}
	out.Alerts, out.Withheld = s.alerts(leave), len(withheld)
	return &body[ExportAlerts]{out}, s.read(ctx, verbExport, idsOf(out.Alerts))
}

// mayLeave tells what may leave in a format from what may not.
func mayLeave(found []board.Alert, format string) (leave, withheld []board.Alert) {
	for _, a := range found {
		_, identified := fileHas(a.File, alert.MD5)
		if a.Details.Handling.TLP == alert.Red || format == "vics" && !identified {
			withheld = append(withheld, a)
			continue
		}
		leave = append(leave, a)
	}
	return leave, withheld
}

func fileHas(f alert.File, algorithm alert.Algorithm) (alert.Signal, bool) {
	for _, x := range f.Signals {
		if x.Algorithm == algorithm {
			return x, true
		}
	}
	return alert.Signal{}, false
}

// refuseLeaving records what is kept back.
func (s *Server) refuseLeaving(ctx context.Context, withheld []board.Alert) error {
	if len(withheld) == 0 {
		return nil
	}
	return s.record(ctx, accesslog.Record{
		Verb: verbExport, Objects: objectsOf(idsOf(s.alerts(withheld))), Count: uint64(len(withheld)), Outcome: accesslog.Refused, Reason: "handling or format",
	})
}

// carry records that alerts leave, waits until the board has it, and returns those that are acted on still: one whose
// retraction came meanwhile is not handed out, and one whose retraction comes later finds the record.
func (s *Server) carry(ctx context.Context, x export.Key, leave []board.Alert) ([]board.Alert, error) {
	said := make([]export.Said, len(leave))
	rows := make([]int64, len(leave))
	for i, a := range leave {
		said[i], rows[i] = export.Said{Alert: a.ID, What: export.Included}, a.Row
	}
	if err := s.say(ctx, x, said); err != nil {
		return nil, err
	}
	barred, err := s.cfg.Board.Barred(ctx, rows)
	if err != nil {
		return nil, err
	}
	out := leave[:0]
	for _, a := range leave {
		if !barred[a.Row] {
			out = append(out, a)
		}
	}
	return out, nil
}

// say commits what an export says, sealed to this agency, and waits until the board has it.
func (s *Server) say(ctx context.Context, x export.Key, said []export.Said) error {
	if len(said) == 0 {
		return nil
	}
	for _, c := range export.Pack(x, said) {
		e, err := c.Encode(ledger.EventIDFor(s.cfg.Agency, "export.carried "+rand.Text()))
		if err != nil {
			return err
		}
		r, err := s.submit(ctx, s.ourselves(), e)
		if err != nil {
			return err
		}
		if err := s.follow(ctx, r.Index+1); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) exportWithdrawals(ctx context.Context, in *exportPath) (*body[ExportWithdrawals], error) {
	x, err := s.ownExport(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	chain := board.Chain{}
	if x.Begun.Since != nil {
		if chain, err = s.cfg.Board.ChainOf(ctx, x); err != nil {
			return nil, err
		}
	}
	found, err := s.cfg.Board.Withdrawals(ctx, chain, x.Begun.Exercise, in.Body.After, exportPage)
	if err != nil {
		return nil, err
	}
	out := ExportWithdrawals{Withdrawals: []Withdrawal{}}
	if len(found) == exportPage {
		out.Next = found[len(found)-1].Row
	}
	var said []export.Said
	var ids []string
	objects := map[alert.Key]*alert.Object{}
	for _, a := range found {
		w, err := s.withdrawal(ctx, a, objects)
		if err != nil {
			return nil, err
		}
		out.Withdrawals, said, ids = append(out.Withdrawals, w), append(said, export.Said{Alert: a.ID, What: export.Withdrawn}), append(ids, w.Alert)
	}
	if err := s.say(ctx, x.Key, said); err != nil {
		return nil, err
	}
	return &body[ExportWithdrawals]{out}, s.read(ctx, verbExport, ids)
}

// withdrawal says why an alert is not acted on any more. objects remembers the folds of one page.
func (s *Server) withdrawal(ctx context.Context, a board.Alert, objects map[alert.Key]*alert.Object) (Withdrawal, error) {
	w := Withdrawal{Alert: a.ID.String(), Author: string(a.ID.Author), Because: a.Bar.String(), Signals: SignalsOf(a.File)}
	if a.Bar != alert.BarRetracted {
		return w, nil
	}
	o := objects[a.ID.Key]
	if o == nil {
		var err error
		if o, err = s.cfg.Board.Object(ctx, a.ID.Key); err != nil || o == nil {
			return w, err
		}
		objects[a.ID.Key] = o
	}
	if p := o.Retraction(a.ID.Row); p != nil {
		r, at := p.Fact.(*alert.Retracted), millis(p.AuthoredAt)
		w.Reason, w.Retracted, w.Replacement = r.Reason, &at, replacementID(r)
	}
	return w, nil
}

func showExportEvent(e *ledger.Event) (any, error) {
	fact, err := export.Decode(e)
	if err != nil {
		return nil, err
	}
	switch f := fact.(type) {
	case *export.Begun:
		return showExport(&board.Exported{Key: export.Key{Event: e.ID}, Begun: *f}), nil
	case *export.Carried:
		runs := []string{}
		for _, r := range f.Runs[:min(len(f.Runs), maxShownRows)] {
			runs = append(runs, fmt.Sprintf("%s al_%s.%d-%d", map[export.What]string{export.Included: "carried", export.Withdrawn: "withdrawn"}[r.What], hex.EncodeToString(r.Alert[:]), r.First, r.Last))
		}
		return map[string]any{"export": f.Target.ID(export.IDPrefix), "author": f.Author, "ledger": f.Home, "alerts": runs}, nil
	}
	return nil, nil
}
