package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/pointer"
	"vigil/node/board"
)

// HoldPointer is the body of POST /v1/pointers.
type HoldPointer struct {
	Kind     string `json:"kind" enum:"account,email,phone,device,wallet,ip"`
	Value    string `json:"value" maxLength:"320" doc:"service:name, name@domain, +91…, IMEI or MAC, wallet address, address@time"`
	Case     string `json:"case,omitempty" maxLength:"128" doc:"This agency's own; nobody else learns it"`
	Note     string `json:"note,omitempty" maxLength:"512"`
	Exercise bool   `json:"exercise,omitempty"`
}

// Pointer is a pointer that this agency holds.
type Pointer struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`
	Value    string    `json:"value" doc:"In its normal form"`
	Case     string    `json:"case,omitempty"`
	Note     string    `json:"note,omitempty"`
	Exercise bool      `json:"exercise,omitempty"`
	Held     time.Time `json:"held"`
	Dropped  bool      `json:"dropped,omitempty"`
	State    string    `json:"state" doc:"waiting: not blinded yet; shown: others who hold it learn that this agency does"`
	Overlaps []string  `json:"overlaps" doc:"Agencies that hold it, too: speak to them"`
}

// PointerPage is one page, the latest first.
type PointerPage struct {
	Pointers   []Pointer `json:"pointers"`
	Next       int64     `json:"next,omitempty"`
	Evaluators []string  `json:"evaluators" doc:"Agencies that blind; none: the jurisdiction has fewer than three, and pointers wait"`
}

type pointerQuery struct {
	Kind     string `query:"kind" enum:"account,email,phone,device,wallet,ip,"`
	Overlaps bool   `query:"overlaps" doc:"Only those that another agency holds, too"`
	Exercise bool   `query:"exercise"`
	Before   int64  `query:"before" doc:"next of the page before"`
	Limit    int    `query:"limit" minimum:"0" maximum:"500"`
}

type pointerPath struct {
	ID string `path:"id" maxLength:"64" doc:"Pointer id, or a unique prefix of it"`
}

func (s *Server) pointerRoutes() {
	holders := []string{RoleAnalyst, RoleLab, RoleLiaison}
	readers := []string{RoleAnalyst, RoleLab, RoleLiaison, RoleAuditor}
	route(s, http.MethodPost, "/v1/pointers", "holdPointer", "Hold a pointer: agencies that hold the same one learn of each other, and nothing else", holders, s.holdPointer)
	route(s, http.MethodGet, "/v1/pointers", "listPointers", "What this agency holds, and who holds it, too", readers, s.listPointers)
	route(s, http.MethodGet, "/v1/pointers/{id}", "getPointer", "One pointer", readers, func(ctx context.Context, in *pointerPath) (*body[Pointer], error) {
		p, err := s.cfg.Board.Pointer(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		out := showPointer(p)
		return &body[Pointer]{out}, s.read(ctx, "pointer.show", []string{out.ID})
	})
	route(s, http.MethodPost, "/v1/pointers/{id}/drop", "dropPointer", "Hold a pointer no longer", holders, s.dropPointer)
}

func showPointer(p board.Pointer) Pointer {
	h := p.Object.Held
	out := Pointer{
		ID: p.Key.ID(pointer.IDs), Kind: string(h.Kind), Value: h.Value, Case: h.Case, Note: h.Note, Exercise: h.Exercise, Held: p.Authored,
		Dropped: p.Object.Dropped, State: "waiting", Overlaps: []string{},
	}
	if p.Shown {
		out.State = "shown"
	}
	for _, a := range p.Overlaps {
		out.Overlaps = append(out.Overlaps, string(a))
	}
	return out
}

func (s *Server) holdPointer(ctx context.Context, in *keyed[HoldPointer]) (*body[Written], error) {
	n, err := s.cfg.Board.CountPointers(ctx)
	if err != nil {
		return nil, err
	}
	if n >= maxPointers {
		return nil, problem(http.StatusConflict, "too-many-pointers", "this agency holds as many pointers as it may", "drop those of closed cases")
	}
	kind := pointer.Kind(in.Body.Kind)
	value, err := pointer.Normal(kind, in.Body.Value)
	if err != nil {
		return nil, noun.At("value", err)
	}
	var event ledger.EventID
	w, err := s.write(ctx, in.Key, []ledger.AudienceName{ledger.AudienceName(s.cfg.Agency)}, func(id ledger.EventID) (ledger.Event, error) {
		event = id
		return pointer.HeldCodec.Encode(id, pointer.TypeHeld, &pointer.Held{Kind: kind, Value: value, Case: in.Body.Case, Note: in.Body.Note, Exercise: in.Body.Exercise})
	})
	w.ID = noun.Key{Event: event}.ID(pointer.IDs)
	return &body[Written]{w}, err
}

func (s *Server) listPointers(ctx context.Context, in *pointerQuery) (*body[PointerPage], error) {
	page, next, err := s.cfg.Board.Pointers(ctx, board.PointerQuery(*in))
	if err != nil {
		return nil, err
	}
	out := PointerPage{Pointers: []Pointer{}, Next: next, Evaluators: []string{}}
	for _, a := range s.cfg.Node.Evaluators() {
		out.Evaluators = append(out.Evaluators, string(a))
	}
	var ids []string
	for _, p := range page {
		x := showPointer(p)
		out.Pointers, ids = append(out.Pointers, x), append(ids, x.ID)
	}
	return &body[PointerPage]{out}, s.read(ctx, "pointer.list", ids)
}

type keyedPath struct {
	ID  string `path:"id" maxLength:"64"`
	Key string `header:"Idempotency-Key" maxLength:"128"`
}

func (s *Server) dropPointer(ctx context.Context, in *keyedPath) (*body[Written], error) {
	p, err := s.cfg.Board.Pointer(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	event := s.keyed(ctx, in.Key)
	if in.Key == "" {
		event = ledger.EventIDFor(s.cfg.Agency, "drop "+p.Key.Event.String()) // it is dropped once, whoever asks
	}
	w, err := s.writeAs(ctx, event, []ledger.AudienceName{ledger.AudienceName(s.cfg.Agency)}, func(id ledger.EventID) (ledger.Event, error) {
		return pointer.HeldCodec.Encode(id, pointer.TypeDropped, &pointer.Dropped{Target: p.Key})
	})
	w.ID = p.Key.ID(pointer.IDs)
	return &body[Written]{w}, err
}

// showPointerEvent says of an event only what its readers may learn.
func showPointerEvent(e *ledger.Event) (any, error) {
	for _, c := range []noun.Codec[noun.Fact]{pointer.HeldCodec, pointer.MarkCodec, pointer.EvalCodec} {
		if fact, err := c.Decode(e); err == nil {
			return fact, nil
		}
	}
	return nil, noun.ErrNewer
}

// HoldPointer holds a pointer.
func (c *Client) HoldPointer(ctx context.Context, key string, p HoldPointer) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/pointers", body: p, key: key})
}

// PointerQuery filters and pages pointers; zero values do not filter.
type PointerQuery struct {
	Kind               string
	Overlaps, Exercise bool
	Before             int64
	Limit              int
}

// Pointers returns one page of what this agency holds.
func (c *Client) Pointers(ctx context.Context, q PointerQuery) (PointerPage, error) {
	v := url.Values{}
	if q.Kind != "" {
		v.Set("kind", q.Kind)
	}
	for name, on := range map[string]bool{"overlaps": q.Overlaps, "exercise": q.Exercise} {
		if on {
			v.Set(name, "true")
		}
	}
	if q.Before > 0 {
		v.Set("before", strconv.FormatInt(q.Before, 10))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return ask[PointerPage](ctx, c, call{method: http.MethodGet, path: "/v1/pointers", query: v})
}

// Pointer returns one pointer.
func (c *Client) Pointer(ctx context.Context, id string) (Pointer, error) {
	return ask[Pointer](ctx, c, call{method: http.MethodGet, path: "/v1/pointers/" + url.PathEscape(id)})
}

// DropPointer holds a pointer no longer.
func (c *Client) DropPointer(ctx context.Context, key, id string) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/pointers/" + url.PathEscape(id) + "/drop", key: key})
}
