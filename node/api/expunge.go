package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"vigil/ledger"
	"vigil/ledger/account"
	"vigil/ledger/expunge"
	"vigil/node/board"
)

// Expunge is the body of POST /v1/ledger/expungements.
type Expunge struct {
	Index uint64 `json:"index,omitempty" doc:"Of the entry of our own ledger; or name an alert"`
	// Rows are places in the entry's events tree. Of a list of alerts single rows go, of everything else whole events.
	Rows      []uint32 `json:"rows,omitempty" maxItems:"10000" doc:"Places among its rows; everything in it where none is named"`
	Alert     string   `json:"alert,omitempty" maxLength:"64" doc:"Alert id, in place of index and rows"`
	Order     string   `json:"order" minLength:"64" maxLength:"64" doc:"SHA-256 of the order as it was received, hex"`
	Authority string   `json:"authority" minLength:"1" maxLength:"256" doc:"Who ordered it, with their reference"`
	Reason    string   `json:"reason,omitempty" maxLength:"1024"`
	Propose   bool     `json:"propose,omitempty" doc:"Propose it to the members: another agency wrote the entry"`
}

// ExpungementHolder is how one agency stands that could open what was expunged.
type ExpungementHolder struct {
	Agency   string     `json:"agency"`
	State    string     `json:"state" enum:"gone,waiting,overdue,left"`
	Answered *time.Time `json:"answered,omitempty" doc:"When it signed that it is gone"`
}

// Expungement is one expungement, with the answers to it.
type Expungement struct {
	ID        string              `json:"id" doc:"ex_…"`
	Ledger    string              `json:"ledger"`
	Target    uint64              `json:"target" doc:"Entry of which something was expunged"`
	Rows      []uint64            `json:"rows" doc:"Places in its events tree that went"`
	Entry     uint64              `json:"entry" doc:"Entry that expunged it"`
	By        string              `json:"by"`
	Authority string              `json:"authority"`
	Order     string              `json:"order" doc:"SHA-256 of the order, hex"`
	Reason    string              `json:"reason,omitempty"`
	Authored  time.Time           `json:"authored"`
	Due       *time.Time          `json:"due,omitempty" doc:"Until then each holder has to answer"`
	Holders   []ExpungementHolder `json:"holders"`
}

// ExpungementPage is one page, newest first.
type ExpungementPage struct {
	Expungements []Expungement `json:"expungements"`
	Next         int64         `json:"next,omitempty" doc:"before of the next page"`
}

// expungeReaders see what was expunged, by whose order: no content of what went.
var expungeReaders = []string{RoleAnalyst, RoleLab, RoleCoordinator, RoleAuditor}

func (s *Server) expungeRoutes() {
	type query struct {
		Before int64 `query:"before" doc:"next of the page before"`
		Limit  int   `query:"limit" minimum:"0" maximum:"500"`
	}
	route(s, http.MethodPost, "/v1/ledger/expungements", "expunge", "Delete what this agency wrote everywhere, by an order, or propose to delete another's", governors, s.expunge, takesTwo(account.ActRemove))
	route(s, http.MethodGet, "/v1/ledger/expungements", "listExpungements", "What was expunged, by whose order, and who has said that it is gone", expungeReaders, func(ctx context.Context, in *query) (*body[ExpungementPage], error) {
		page, next, err := s.cfg.Board.Expungements(ctx, in.Before, in.Limit)
		out := ExpungementPage{Expungements: []Expungement{}, Next: next}
		var ids []string
		for i := range page {
			if err != nil {
				break
			}
			var x Expungement
			x, err = s.showExpungement(ctx, &page[i])
			out.Expungements, ids = append(out.Expungements, x), append(ids, x.ID)
		}
		if err == nil && len(ids) > 0 {
			err = s.read(ctx, "expunge.list", ids)
		}
		return &body[ExpungementPage]{out}, err
	})
}

func (s *Server) expunge(ctx context.Context, in *body[Expunge]) (*body[Written], error) {
	index, rows, err := s.named(ctx, in.Body.Index, in.Body.Rows, in.Body.Alert)
	if err != nil {
		return nil, err
	}
	o := expunge.Ordered{Authority: in.Body.Authority, Reason: in.Body.Reason}
	if b, err := hex.DecodeString(in.Body.Order); err != nil || copy(o.Order[:], b) != len(o.Order) {
		return nil, problem(http.StatusBadRequest, "invalid", "the order is named by its SHA-256, 64 hex digits", "sha256sum FILE")
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	r, err := s.cfg.Node.Expunge(ctx, index, rows, o, in.Body.Propose)
	return s.governed(r, err)
}

func (s *Server) showExpungement(ctx context.Context, x *board.Expungement) (Expungement, error) {
	o := x.Object.Ordered
	out := Expungement{
		ID: x.Key.ID(expunge.IDs), Ledger: string(x.Ledger), Target: o.Target, Rows: o.Rows, Entry: x.Entry, By: string(x.Key.Author), Authority: o.Authority,
		Order: hex.EncodeToString(o.Order[:]), Reason: o.Reason, Authored: x.Authored, Holders: []ExpungementHolder{},
	}
	holders, _, err := s.cfg.Board.Holders(ctx, x.Ledger, o.Target)
	if err != nil {
		return out, err
	}
	p, _ := s.cfg.Node.Policy()
	policy, _ := expunge.Section.In(p)
	seen := map[ledger.AgencyID]bool{}
	for _, h := range holders {
		if seen[h.Agency] {
			continue
		}
		seen[h.Agency] = true
		state, due := policy.Judge(x.Object, h.Agency, s.cfg.Node.RemovedSince(h), x.NoLaterThan, time.Now())
		line := ExpungementHolder{Agency: string(h.Agency), State: string(state)}
		if a, ok := x.Object.Answered(h.Agency); ok {
			line.Answered = &a.Signed
		}
		if !due.IsZero() {
			out.Due = &due
		}
		out.Holders = append(out.Holders, line)
	}
	return out, nil
}

func showExpungeEvent(e *ledger.Event) (any, error) {
	fact, err := expunge.Codec.Decode(e)
	if err != nil {
		return nil, err
	}
	if o, ok := fact.(*expunge.Ordered); ok {
		return map[string]any{"target": o.Target, "rows": o.Rows, "order": hex.EncodeToString(o.Order[:]), "authority": o.Authority, "reason": o.Reason}, nil
	}
	return map[string]any{"expungement": fact.(*expunge.Answered).Target.ID(expunge.IDs)}, nil
}
