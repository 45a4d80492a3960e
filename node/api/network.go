package api

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"vigil/ledger"
	"vigil/ledger/account"
	"vigil/node/author"
)

type none struct{}

type proposalPath struct {
	ID string `path:"id" minLength:"8" maxLength:"64" doc:"Proposal id, or a unique prefix of it"`
}

func (s *Server) networkRoutes() {
	route(s, http.MethodGet, "/v1/status", "status", "The node and the network, problems first", anyone, func(ctx context.Context, _ *none) (*body[Status], error) {
		return &body[Status]{s.cfg.Node.Status(ctx)}, nil
	})
	route(s, http.MethodGet, "/v1/agencies", "agencies", "The roster and open proposals", inspectors, func(context.Context, *none) (*body[Agencies], error) {
		return &body[Agencies]{s.cfg.Node.Agencies()}, nil
	})
	route(s, http.MethodPost, "/v1/invitations", "invite", "Invite one agency", governors, func(_ context.Context, in *body[Invite]) (*body[Invitation], error) {
		hours := in.Body.Hours
		if hours == 0 {
			hours = defaultHours
		}
		inv, err := s.cfg.Node.Invite(in.Body.Agency, in.Body.Audiences, time.Duration(hours)*time.Hour)
		return &body[Invitation]{inv}, err
	})
	route(s, http.MethodPost, "/v1/proposals/{id}/approval", "approve", "Approve an open proposal", governors, func(ctx context.Context, in *proposalPath) (*body[Written], error) {
		return s.governed(s.cfg.Node.Approve(ctx, in.ID))
	}, s.approvalTakesTwo)
	route(s, http.MethodDelete, "/v1/proposals/{id}", "withdraw", "Take this agency's own open proposal back", governors, func(ctx context.Context, in *proposalPath) (*body[Written], error) {
		return s.governed(s.cfg.Node.Withdraw(ctx, in.ID))
	})
	route(s, http.MethodPost, "/v1/audiences", "setAudience", "Propose who is in an audience", governors, func(ctx context.Context, in *body[SetAudience]) (*body[Written], error) {
		return s.governed(s.cfg.Node.SetAudience(ctx, in.Body.Name, in.Body.Members))
	})
	route(s, http.MethodPost, "/v1/grants", "grant", "Propose to open an audience's past to an agency", governors, func(ctx context.Context, in *body[Grant]) (*body[Written], error) {
		return s.governed(s.cfg.Node.Grant(ctx, in.Body.Agency, in.Body.Audience, in.Body.First, in.Body.Last))
	}, takesTwo(account.ActGrant))
	route(s, http.MethodPost, "/v1/removals", "remove", "Propose that an agency leaves", governors, func(ctx context.Context, in *body[Removal]) (*body[Written], error) {
		w, err := s.governed(s.cfg.Node.Remove(ctx, in.Body.Agency))
		if err == nil {
			s.did(ctx, "agency.remove", in.Body.Agency)
		}
		return w, err
	}, takesTwo(account.ActRemove))
	route(s, http.MethodPost, "/v1/format", "raiseFormat", "Propose a higher format of the ledger, once every node runs a binary that knows it", governors, func(ctx context.Context, in *body[Format]) (*body[Written], error) {
		return s.governed(s.cfg.Node.RaiseFormat(ctx, in.Body.Format))
	})
	route(s, http.MethodGet, "/v1/keys", "keys", "This agency's keys, without secrets", inspectors, func(context.Context, *none) (*body[[]Key], error) {
		return &body[[]Key]{s.cfg.Node.AgencyKeys()}, nil
	})
	route(s, http.MethodPost, "/v1/keys", "rotateKey", "Make this agency's next key and propose it", governors, func(ctx context.Context, _ *none) (*body[Rotation], error) {
		r, fingerprint, err := s.cfg.Node.RotateKey(ctx)
		w, err := s.governed(r, err)
		if err != nil {
			return nil, err
		}
		return &body[Rotation]{Rotation{Written: w.Body, Fingerprint: fingerprint}}, nil
	})
	route(s, http.MethodGet, "/v1/partners", "partners", "Linked jurisdictions", inspectors, func(context.Context, *none) (*body[[]PartnerStatus], error) {
		return &body[[]PartnerStatus]{s.cfg.Node.Partners()}, nil
	})
	route(s, http.MethodGet, "/v1/partners/card", "card", "Our own partner card", inspectors, func(context.Context, *none) (*body[Card], error) {
		c, err := s.cfg.Node.Card()
		return &body[Card]{c}, err
	})
	route(s, http.MethodPost, "/v1/partners", "link", "Propose to link the jurisdiction of a card", governors, func(ctx context.Context, in *body[Link]) (*body[Written], error) {
		return s.governed(s.cfg.Node.Link(ctx, in.Body.Card))
	})
}

// approvalActs are the acts that approving a proposal of a change carries out.
var approvalActs = map[string]account.Act{
	"remove": account.ActRemove, "expunge": account.ActRemove, "grant": account.ActGrant, "release": account.ActGrant,
}

// approvalTakesTwo puts the approval of a proposal under the four-eyes rule of what is proposed.
func (s *Server) approvalTakesTwo(op *huma.Operation) {
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		r, w := requestOf(ctx.Context())
		act, refusal := s.approvalAct(ctx.Param("id"))
		switch {
		case refusal != nil:
			writeProblem(w, refusal)
		case act == "" || s.consented(ctx.Context(), w, r, act):
			next(ctx)
		}
	})
}

// approvalAct is the act of a proposal where the policy puts it under the rule. Such a proposal is named whole, so that no
// other takes the place of the one that a second person has seen.
func (s *Server) approvalAct(id string) (account.Act, *Problem) {
	four := s.accessPolicy().FourEyes
	if !slices.Contains(four, account.ActRemove) && !slices.Contains(four, account.ActGrant) {
		return "", nil
	}
	id = strings.ToLower(id)
	open := s.cfg.Node.Agencies().Proposals
	open = slices.DeleteFunc(open, func(p Proposal) bool { return !strings.HasPrefix(p.ID, id) })
	if len(open) != 1 {
		return "", problem(http.StatusNotFound, "no-proposal", fmt.Sprintf("%d open proposals begin with that", len(open)), "'vigil agency list' shows the open ones")
	}
	act := approvalActs[open[0].Change]
	if !slices.Contains(four, act) {
		return "", nil
	}
	if open[0].ID != id {
		return "", problem(http.StatusBadRequest, "invalid", "it takes a second person, and the proposal must be named whole", "it is "+open[0].ID)
	}
	return act, nil
}

// governed is the answer to an act of governance; its id is the entry's leaf hash, which approvals name.
func (s *Server) governed(r author.Receipt, err error) (*body[Written], error) {
	if err != nil {
		return nil, err
	}
	w := s.written(&ledger.Event{}, r)
	w.ID = hex.EncodeToString(r.Leaf[:])
	return &body[Written]{w}, nil
}
