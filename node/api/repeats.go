package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"vigil/ledger"
	"vigil/node/author"
	"vigil/node/board"
)

// caller names who asks: nobody's idempotency keys are another's. A program keeps its own when its token is replaced by one
// of the same name and role.
func caller(ctx context.Context) string {
	p := who(ctx)
	if p.user == nil && p.name != socketName {
		return fmt.Sprintf("%s %q", p.role, p.label)
	}
	return p.name
}

// keyed is the event of a caller's idempotency key, or that of the agreement by which the request is done. A node's duties
// name their events otherwise.
func (s *Server) keyed(ctx context.Context, key string) ledger.EventID {
	if id := consentOf(ctx); id != "" {
		return s.consentEvent(id)
	}
	if key == "" {
		key = rand.Text()
	}
	return ledger.EventIDFor(s.cfg.Agency, "key/"+caller(ctx)+"/"+key)
}

type decision = func(id ledger.EventID) (ledger.Event, error)

// orWritten decides, and where that is refused now, answers with what was written under the id before and says the same:
// a write may be the reason why it cannot be decided again.
func (s *Server) orWritten(ctx context.Context, same func(*ledger.Event) bool, decide decision) decision {
	return func(id ledger.EventID) (ledger.Event, error) {
		e, refusal := decide(id)
		if refusal == nil {
			return e, nil
		}
		stored, found, err := s.cfg.Board.ByEvent(ctx, s.cfg.Agency, id)
		if err != nil {
			return e, err
		}
		if found && same(&stored.Event) {
			return stored.Event, nil
		}
		return e, refusal
	}
}

// saying says whether an event is a fact of one kind that is the same.
func saying[T, F any](decode func(*ledger.Event) (F, error), same func(T) bool) func(*ledger.Event) bool {
	return func(e *ledger.Event) bool {
		fact, err := decode(e)
		x, ok := any(fact).(T)
		return err == nil && ok && same(x)
	}
}

// again answers a key that was used before: the first answer for the same content, a conflict for another.
func (s *Server) again(stored board.Stored, event ledger.Event, decideErr error) (Written, error) {
	if p, ok := errors.AsType[*Problem](decideErr); ok {
		return Written{}, p
	}
	if code := status(explain(decideErr)); decideErr != nil && (code == 0 || code >= http.StatusInternalServerError) {
		return Written{}, decideErr
	}
	if decideErr != nil || stored.Type != event.Type || !slices.Equal(stored.Event.Shared, event.Shared) || !slices.Equal(stored.Event.Rows, event.Rows) {
		return Written{}, keyReused()
	}
	r := author.Receipt{Index: stored.Position.Index, First: stored.Position.Leaf}
	var err error
	if r.Leaf, err = s.cfg.Node.Leaf(r.Index); err != nil {
		return Written{}, err
	}
	w := s.written(&stored.Event, r)
	w.Repeated = true
	return w, nil
}

func keyReused() *Problem {
	return problem(http.StatusConflict, "key-reused", "the idempotency key was used for something else", "use a new key for a new write")
}
