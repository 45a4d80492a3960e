package api

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/registry"
	"vigil/node/accesslog"
)

// The two answers to a screening.
const (
	answerRefer   = "refer to registry"
	answerNothing = "nothing held"
)

// answered gives an answer its one shape and size.
func answered(held bool) Screened {
	answer := answerNothing
	if held {
		answer = answerRefer
	}
	return Screened{Answer: answer, Padding: strings.Repeat(" ", len(answerRefer)-len(answer))}
}

// screen answers one question. What it costs to answer is spent whatever the answer is; who asked, why and on what
// authority is in the ledger and in the access log before the answer leaves.
func (s *Server) screen(ctx context.Context, in *body[Screen]) (*body[Screened], error) {
	if err := s.mayScreen(ctx); err != nil {
		return nil, err
	}
	who, record := who(ctx), in.Body
	asked := registry.Screened{By: who.name, Role: who.role, Purpose: record.Purpose, Authority: record.Authority, Reference: record.Reference, Exercise: record.Exercise}
	identity := identityOf(record.Person)
	if err := noun.First(identity.Validate(), asked.Validate()); err != nil {
		return nil, err
	}
	marks, err := s.marksOf(ctx, identity)
	if err != nil {
		return nil, err
	}
	if asked.Referred, err = s.cfg.Board.Screen(ctx, marks, today(), record.Exercise); err != nil {
		return nil, err
	}
	var event ledger.EventID
	_, err = s.write(ctx, "", []ledger.AudienceName{ledger.AudienceName(s.cfg.Agency)}, func(id ledger.EventID) (ledger.Event, error) {
		event = id
		return asked.Event(id)
	})
	if err != nil {
		return nil, err
	}
	id := registry.Key{Event: event}.ID(registry.ScreeningIDs)
	err = s.record(ctx, accesslog.Record{Verb: "registry.screen", Objects: objectsOf([]string{id}), Count: 1, Purpose: asked.Purpose + ": " + asked.Authority, Case: asked.Reference, Outcome: accesslog.Answered})
	return &body[Screened]{answered(asked.Referred)}, err
}

// marksOf makes the marks of somebody in every ledger that has notices, and in ours. One question at a time is worked
// on: each takes memory and time on purpose.
func (s *Server) marksOf(ctx context.Context, who registry.Identity) ([]registry.Mark, error) {
	homes, err := s.cfg.Board.NoticeHomes(ctx)
	if err != nil {
		return nil, err
	}
	s.blinding.Lock()
	defer s.blinding.Unlock()
	var out []registry.Mark
	for _, home := range noun.Set(append(homes, s.cfg.Origin)) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		out = append(out, who.Marks(home)...)
	}
	return out, nil
}

// mayScreen refuses a flood: so many an hour for each who asks, by the policy, and so many at once. What was asked before
// this node started counts too, for it is in the ledger.
func (s *Server) mayScreen(ctx context.Context) error {
	p, _ := s.cfg.Node.Policy()
	policy, _ := registry.Section.In(p)
	limit := rate.Every(time.Hour / time.Duration(policy.PerHour))
	bucket, fresh := s.screeners.of(who(ctx).name, limit, int(policy.AtOnce))
	if fresh {
		fill := time.Duration(float64(policy.AtOnce) / float64(limit) * float64(time.Second))
		n, err := s.cfg.Board.Asked(ctx, who(ctx).name, now().Add(-fill))
		if err != nil {
			return err
		}
		bucket.AllowN(now(), min(n, int(policy.AtOnce)))
	}
	_, w := requestOf(ctx)
	if take(w.Header(), "screening", bucket) {
		return nil
	}
	s.refused(ctx, "registry.screen", "rate")
	refusal := problem(http.StatusTooManyRequests, "rate", "too many screenings", "the policy lets each who asks have "+strconv.FormatUint(policy.PerHour, 10)+" an hour")
	refusal.retry = strconv.Itoa(int(math.Ceil((1 - bucket.TokensAt(now())) / float64(limit))))
	return refusal
}

func (s *Server) listScreenings(ctx context.Context, in *screeningsQuery) (*body[ScreeningPage], error) {
	page, err := s.cfg.Board.Screenings(ctx, in.By, in.Exercise, in.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := ScreeningPage{Screenings: []Screening{}, Next: page.Next}
	var ids []string
	for _, x := range page.Screenings {
		r := x.Object
		out.Screenings = append(out.Screenings, Screening{
			ID: x.Key.ID(registry.ScreeningIDs), At: x.Authored, By: r.By, Role: r.Role, Purpose: r.Purpose, Authority: r.Authority, Reference: r.Reference,
			Answer: answered(r.Referred).Answer, Exercise: r.Exercise,
		})
		ids = append(ids, x.Key.ID(registry.ScreeningIDs))
	}
	return &body[ScreeningPage]{out}, s.read(ctx, "registry.screenings", ids)
}
