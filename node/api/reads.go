package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"vigil/ledger/account"
	"vigil/ledger/alert"
	"vigil/node/accesslog"
	"vigil/node/board"
)

// Headers that say why content is read; both go into the access log.
const (
	headerPurpose = "Vigil-Purpose"
	headerCase    = "Vigil-Case"
)

var auditors = []string{RoleAuditor}

// accessQuery filters the access log.
type accessQuery struct {
	Actor  string    `query:"actor" maxLength:"128" doc:"Token id"`
	Verb   string    `query:"verb" maxLength:"64" doc:"alert.show, alert.list, alert.look-up, …"`
	Object string    `query:"object" maxLength:"96" doc:"Alert id"`
	Case   string    `query:"case" maxLength:"128"`
	From   time.Time `query:"from"`
	To     time.Time `query:"to"`
	Before uint64    `query:"before" doc:"Next of the page before"`
	Limit  int       `query:"limit" minimum:"0" maximum:"1000"`
}

func (s *Server) accessRoutes() {
	route(s, http.MethodGet, "/v1/access", "listAccess", "Who read what, when and why, newest first", auditors, s.listAccess)
	route(s, http.MethodPost, "/v1/access/verify", "verifyAccess", "Read the access log again and compare it with the ledger", auditors, func(ctx context.Context, _ *none) (*body[AccessReport], error) {
		r, err := s.cfg.Node.VerifyAccess(ctx)
		return &body[AccessReport]{r}, err
	}, asking)
}

// read records that content is about to be answered. The error refuses it: nothing is read that is not in the log.
func (s *Server) read(ctx context.Context, verb accesslog.Verb, objects []string) error {
	return s.record(ctx, accesslog.Record{Verb: verb, Objects: objectsOf(objects), Count: uint64(len(objects)), Outcome: accesslog.Answered})
}

// did records an act that cannot be taken back, by whom, and the reason that they gave as purpose. It has happened by then: what
// fails here is in the node's log.
func (s *Server) did(ctx context.Context, verb accesslog.Verb, object string) {
	p := who(ctx)
	r := accesslog.Record{Actor: accesslog.Actor(p.name), Role: accesslog.Role(p.role), Verb: verb, Objects: objectsOf([]string{object}), Count: 1, Outcome: accesslog.Answered}
	if request, _ := requestOf(ctx); request != nil {
		r.Purpose, r.Case = request.Header.Get(headerPurpose), request.Header.Get(headerCase)
	}
	err := r.Check()
	if err == nil {
		_, err = s.cfg.Access.Append(ctx, r)
	}
	if err != nil {
		s.cfg.Log.Error("an act is not in the access log", "act", string(verb), "error", err)
	}
}

// refused records that content was asked for in vain, and why. Who is refused again and again fills no disk: the next record of a
// reason says how many there were since the last.
func (s *Server) refused(ctx context.Context, verb, reason string) {
	more, due := s.refusals.due(who(ctx).name, reason, now())
	if !due {
		return
	}
	if more > 0 {
		reason = fmt.Sprintf("%s, and %d more since the last", reason, more)
	}
	if err := s.record(ctx, accesslog.Record{Verb: accesslog.Verb(verb), Outcome: accesslog.Refused, Reason: reason}); err != nil {
		s.cfg.Log.Warn("a refused read is not in the access log", "error", err)
	}
}

func (s *Server) record(ctx context.Context, r accesslog.Record) error {
	p := who(ctx)
	r.Actor, r.Role = accesslog.Actor(p.name), accesslog.Role(p.role)
	if p.role == "" && len(p.roles) > 0 {
		r.Role = accesslog.Role(p.roles[0]) // it was refused for its roles
	}
	if request, _ := requestOf(ctx); request != nil {
		r.Purpose, r.Case = cmp.Or(r.Purpose, request.Header.Get(headerPurpose)), cmp.Or(r.Case, request.Header.Get(headerCase))
	}
	if refusal := s.unexplained(r); refusal != nil {
		return refusal
	}
	err := r.Check()
	if err == nil {
		_, err = s.cfg.Access.Append(ctx, r)
	}
	switch {
	case errors.Is(err, accesslog.ErrRecord):
		return problem(http.StatusBadRequest, "purpose", "purpose or case is too long or has control characters", "shorten "+headerPurpose+" and "+headerCase)
	case err != nil:
		s.cfg.Log.Error("the access log cannot be written; nothing is read", "error", err)
		return unavailable("access-log", "the access log cannot be written, so nothing is read")
	}
	return nil
}

// unexplained refuses a read that does not say why, or for which case, where the policy wants that of the role.
func (s *Server) unexplained(r accesslog.Record) error {
	if r.Outcome != accesslog.Answered {
		return nil
	}
	policy := s.accessPolicy()
	switch {
	case r.Purpose == "" && slices.Contains(policy.Purpose, string(r.Role)):
		return problem(http.StatusBadRequest, "purpose-required", "the policy wants to know why this is read", "say so with --purpose, or in the header "+headerPurpose)
	case r.Case == "" && slices.Contains(policy.Case, string(r.Role)):
		return problem(http.StatusBadRequest, "case-required", "the policy wants to know for which case this is read", "say so with --case, or in the header "+headerCase)
	}
	return nil
}

// accessPolicy is the access policy in force.
func (s *Server) accessPolicy() *account.Policy {
	p, _ := s.cfg.Node.Policy()
	section, _ := account.Section.In(p)
	return section
}

// writeError answers a plain handler's error.
func writeError(w http.ResponseWriter, err error) {
	var p *Problem
	if !errors.As(err, &p) {
		p = problem(http.StatusInternalServerError, "internal", "an error of ours; it is in the node's log", "")
	}
	writeProblem(w, p)
}

func objectsOf(ids []string) []accesslog.Object {
	out := make([]accesslog.Object, 0, min(len(ids), accesslog.MaxObjects))
	for _, id := range ids[:cap(out)] {
		out = append(out, accesslog.Object(id))
	}
	return out
}

func idsOf(alerts []Alert) []string {
	out := make([]string, len(alerts))
	for i, a := range alerts {
		out[i] = a.ID
	}
	return out
}

func (s *Server) listAccess(ctx context.Context, in *accessQuery) (*body[AccessPage], error) {
	if err := s.read(ctx, "access.list", nil); err != nil {
		return nil, err
	}
	page, err := s.cfg.Access.Query(ctx, accesslog.Query{
		Actor: accesslog.Actor(in.Actor), Verb: accesslog.Verb(in.Verb), Object: accesslog.Object(in.Object), Case: in.Case,
		From: in.From, To: in.To, Before: in.Before, Limit: in.Limit,
	})
	if errors.Is(err, accesslog.ErrTampered) {
		return nil, problem(http.StatusInternalServerError, "access-tampered", err.Error(), "'vigil access verify' names everything that is not what was written")
	}
	if err != nil {
		return nil, err
	}
	out := AccessPage{Records: []AccessRecord{}, Next: page.Next}
	for _, e := range page.Entries {
		x := AccessRecord{
			Index: e.Index, At: e.At, Actor: string(e.Record.Actor), Role: string(e.Record.Role), Verb: string(e.Record.Verb), Count: e.Record.Count,
			Purpose: e.Record.Purpose, Case: e.Record.Case, Outcome: e.Record.Outcome.String(), Reason: e.Record.Reason,
		}
		for _, o := range e.Record.Objects {
			x.Objects = append(x.Objects, string(o))
		}
		out.Records = append(out.Records, x)
	}
	return &body[AccessPage]{out}, nil
}

// leaves says whether an alert may leave this agency by a way. A refusal is in the access log, with its reason.
func (s *Server) leaves(ctx context.Context, a *board.Alert, way alert.Way) error {
	refusal := a.Details.Handling.Permits(way, a.ID.Author == s.cfg.Agency)
	if refusal == nil {
		return nil
	}
	r := accesslog.Record{Verb: "alert.hand-on", Objects: objectsOf([]string{a.ID.String()}), Count: 1, Outcome: accesslog.Refused, Reason: refusal.Error()}
	if err := s.record(ctx, r); err != nil {
		s.cfg.Log.Warn("a refusal is not in the access log", "error", err)
	}
	return refusal
}
