package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/node/board"
)

type benignPath struct {
	ID string `path:"id" maxLength:"64" doc:"Declaration id, or a unique prefix of it"`
}

type benignQuery struct {
	Exercise bool  `query:"exercise"`
	Before   int64 `query:"before" doc:"next of the page before"`
	Limit    int   `query:"limit" minimum:"0" maximum:"500"`
}

type keyedBenign struct {
	ID   string `path:"id" maxLength:"64"`
	Key  string `header:"Idempotency-Key" maxLength:"128"`
	Body LiftBenign
}

func (s *Server) benignRoutes() {
	route(s, http.MethodPost, "/v1/benign", "declareBenign", "Say that signals are benign, where the policy lets this agency", writers, s.declareBenign)
	route(s, http.MethodGet, "/v1/benign", "listBenign", "The known-benign list, what moved last first", content, s.listBenign)
	route(s, http.MethodGet, "/v1/benign/{id}", "getBenign", "One declaration with its time line", content, s.getBenign)
	route(s, http.MethodPost, "/v1/benign/{id}/lift", "liftBenign", "Take a declaration back", writers, s.liftBenign)
}

func (s *Server) declareBenign(ctx context.Context, in *keyed[DeclareBenign]) (*body[Written], error) {
	signals, err := signalsOf(in.Body.Signals, "signals")
	if err != nil {
		return nil, err
	}
	audience, err := audienceOf(in.Body.Audience, s.cfg.Origin)
	if err != nil {
		return nil, err
	}
	var event ledger.EventID
	declared := ledger.Marshal(&alert.Declared{Signals: alert.File{Signals: signals}.Normal().Signals, Reason: in.Body.Reason, Exercise: in.Body.Exercise})
	same := saying(alert.BenignCodec.Decode, func(f *alert.Declared) bool { return bytes.Equal(ledger.Marshal(f), declared) })
	w, err := s.write(ctx, in.Key, audience, s.orWritten(ctx, same, func(id ledger.EventID) (ledger.Event, error) {
		event = id
		return alert.Declare{Event: id, Signals: signals, Reason: in.Body.Reason, Exercise: in.Body.Exercise}.Decide(s.cfg.Agency, s.cfg.Board.Rules())
	}))
	w.ID = alert.Key{Event: event}.ID(alert.BenignIDs)
	return &body[Written]{w}, err
}

func (s *Server) liftBenign(ctx context.Context, in *keyedBenign) (*body[Written], error) {
	b, err := s.cfg.Board.OneBenign(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	same := saying(alert.BenignCodec.Decode, func(f *alert.Lifted) bool { return f.Target == b.Key && f.Reason == in.Body.Reason })
	w, err := s.write(ctx, in.Key, audienceNames(b.Audience), s.orWritten(ctx, same, func(id ledger.EventID) (ledger.Event, error) {
		now, err := s.cfg.Board.OneBenign(ctx, b.Key.ID(alert.BenignIDs)) // as it stands when the lifting is decided
		if err != nil {
			return ledger.Event{}, err
		}
		return now.Object.DecideLift(id, s.cfg.Agency, s.cfg.Board.Rules(), in.Body.Reason)
	}))
	w.ID = b.Key.ID(alert.BenignIDs)
	return &body[Written]{w}, err
}

func (s *Server) listBenign(ctx context.Context, in *benignQuery) (*body[BenignPage], error) {
	page, err := s.cfg.Board.Benigns(ctx, board.BenignQuery(*in))
	if err != nil {
		return nil, err
	}
	out := BenignPage{Benigns: []Benign{}, Next: page.Next, StaleFor: s.cfg.Node.StaleFor().Seconds()}
	var ids []string
	for i := range page.Benigns {
		x := showBenign(&page.Benigns[i])
		x.Timeline = nil
		out.Benigns, ids = append(out.Benigns, x), append(ids, x.ID)
	}
	return &body[BenignPage]{out}, s.read(ctx, "benign.list", ids)
}

func (s *Server) getBenign(ctx context.Context, in *benignPath) (*body[Benign], error) {
	b, err := s.cfg.Board.OneBenign(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := showBenign(&b)
	return &body[Benign]{out}, s.read(ctx, "benign.show", []string{out.ID})
}

// showBenign gives the board's declaration its shape on the wire.
func showBenign(b *board.Benign) Benign {
	d := b.Object.Declared
	out := Benign{
		ID: b.Key.ID(alert.BenignIDs), Agency: string(b.Key.Author), InForce: b.InForce, Reason: d.Reason, Signals: SignalsOf(alert.File{Signals: d.Signals}),
		Authored: b.Authored, Audience: b.Audience, Exercise: d.Exercise,
	}
	for _, l := range b.Object.Lines {
		e := BenignEvent{Author: string(l.Author), Ledger: string(l.Origin), Index: l.Position.Index, Authored: millis(l.AuthoredAt), Effect: l.Effect}
		switch f := l.Fact.(type) {
		case *alert.Declared:
			e.Type, e.Reason = alert.TypeDeclared, f.Reason
		case *alert.Lifted:
			e.Type, e.Reason = alert.TypeLifted, f.Reason
		}
		out.Timeline = append(out.Timeline, e)
	}
	return out
}

func benignNotes(in []board.Benign) []BenignNote {
	var out []BenignNote
	for _, b := range in {
		out = append(out, BenignNote{ID: b.Key.ID(alert.BenignIDs), Agency: string(b.Key.Author), Reason: b.Object.Declared.Reason})
	}
	return out
}

// notBenign refuses signals that are known to be benign.
func (s *Server) notBenign(ctx context.Context, signals []alert.Signal, exercise bool) error {
	known, err := s.cfg.Board.KnownBenign(ctx, signals, exercise)
	if err != nil {
		return err
	}
	for i, k := range known {
		if len(k) > 0 {
			return problem(http.StatusConflict, "known-benign", fmt.Sprintf("signals[%d]: %s", i, benignWords(k[0])),
				"raise it with knowing_benign where you hold that to be wrong: it is shown with the conflict, and not acted on")
		}
	}
	return nil
}

func benignWords(b board.Benign) string {
	return fmt.Sprintf("known to be benign, says %s: %s", b.Key.Author, b.Object.Declared.Reason)
}

// benignRows moves the rows that carry a known-benign signal to the bad ones. A list that was written under the key
// before is left as it was sent then.
func (s *Server) benignRows(ctx context.Context, key string, in RaiseList, files []alert.File, bad []RowVerdict) ([]alert.File, []RowVerdict, error) {
	_, before, err := s.cfg.Board.ByEvent(ctx, s.cfg.Agency, s.keyed(ctx, key+"/0"))
	if err != nil || before {
		return files, bad, err
	}
	var signals []alert.Signal
	for _, f := range files {
		signals = append(signals, f.Signals...)
	}
	known, err := s.cfg.Board.KnownBenign(ctx, signals, in.Exercise)
	if err != nil {
		return nil, nil, err
	}
	rows := goodNumbers(len(in.Rows), bad)
	good := files[:0:0]
	for i, f := range files {
		why := ""
		for range f.Signals {
			if len(known[0]) > 0 {
				why = benignWords(known[0][0])
			}
			known = known[1:]
		}
		if why == "" {
			good = append(good, f)
			continue
		}
		bad = append(bad, RowVerdict{Row: rows[i], Error: why})
	}
	return good, bad, nil
}

// goodNumbers are the numbers of the rows that are not bad.
func goodNumbers(count int, bad []RowVerdict) []int {
	isBad := map[int]bool{}
	for _, b := range bad {
		isBad[b.Row] = true
	}
	var out []int
	for row := range count {
		if !isBad[row] {
			out = append(out, row)
		}
	}
	return out
}

func showBenignEvent(e *ledger.Event) (any, error) {
	fact, err := alert.BenignCodec.Decode(e)
	if err != nil {
		return nil, err
	}
	switch f := fact.(type) {
	case *alert.Declared:
		return DeclareBenign{Signals: SignalsOf(alert.File{Signals: f.Signals}), Reason: f.Reason, Exercise: f.Exercise}, nil
	case *alert.Lifted:
		return map[string]any{"declaration": f.Target.ID(alert.BenignIDs), "reason": f.Reason}, nil
	}
	return nil, nil
}
