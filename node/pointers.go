package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/pointer"
	"vigil/node/accesslog"
	"vigil/node/board"
	"vigil/node/cluster"
	"vigil/node/duty"
)

const (
	blindRoute = "/pointer/blind"
	// markBatch is how many events one look at pointers owes at most.
	markBatch = crypto.MaxBlinded
)

// blinding is the duty of deconfliction, and the evaluator that others ask.
type blinding struct {
	n   *Node
	key *crypto.BlindKey

	mu    sync.Mutex
	asked map[ledger.AgencyID]*rate.Limiter // guarded by mu
}

func newBlinding(n *Node) *blinding {
	return &blinding{n: n, key: crypto.DeriveBlindKey(n.current().Derive("vigil blind v1")), asked: map[ledger.AgencyID]*rate.Limiter{}}
}

// Name implements duty.Duty.
func (*blinding) Name() string { return "deconfliction" }

// evaluators are the agencies that blind now, in the order of their names; none where the jurisdiction has too few.
func (b *blinding) evaluators() []ledger.AgencyID {
	state := b.n.store.State()
	if state == nil {
		return nil
	}
	var roster []ledger.AgencyID
	for i := range state.Governance.Agencies {
		roster = append(roster, state.Governance.Agencies[i].ID)
	}
	section, _ := pointer.Section.In(state.Governance.Policy)
	return section.In(roster)
}

// Owed implements duty.Duty.
func (b *blinding) Owed(ctx context.Context, _ time.Time) ([]duty.Owed, time.Time, error) {
	names := b.evaluators()
	if len(names) == 0 {
		return nil, time.Time{}, nil
	}
	known, err := b.n.board.Evaluators(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	epoch := b.epoch()
	own := pointer.Evaluator{Key: b.key.Public(), Epoch: epoch}
	if last := known[b.n.id.Agency]; slices.Contains(names, b.n.id.Agency) && (last.Key != own.Key || last.Epoch < epoch) {
		owed, err := b.owe(pointer.EvalCodec, pointer.TypeEvaluator, fmt.Sprintf("pointer evaluator %x %d", own.Key, epoch), &own, b.everyone())
		return owed, time.Time{}, err
	}
	keys := make([]pointer.KeyOf, 0, len(names))
	for _, name := range names {
		e, ok := known[name]
		if !ok {
			return nil, time.Time{}, nil // it is not announced yet
		}
		keys = append(keys, pointer.KeyOf{Agency: name, Key: e.Key})
	}
	owed, err := b.due(ctx, pointer.SetOf(keys), epoch, keys)
	return owed, time.Time{}, err
}

// due is what is owed of our pointers in a set: first tags, then marks, then what is no longer to be shown.
func (b *blinding) due(ctx context.Context, set pointer.Set, epoch uint64, keys []pointer.KeyOf) ([]duty.Owed, error) {
	blind, err := b.n.board.PointersToBlind(ctx, set, markBatch)
	if err != nil {
		return nil, err
	}
	if len(blind) > 0 {
		return b.blind(ctx, set, keys, blind)
	}
	show, err := b.n.board.PointersToShow(ctx, set, epoch, markBatch)
	if err != nil {
		return nil, err
	}
	var out []duty.Owed
	for _, p := range show {
		f := &pointer.Marked{Set: set, Mark: pointer.MarkOf(p.Object.Tags[set], b.n.id.Agency), Exercise: p.Object.Held.Exercise, Epoch: epoch}
		o, err := b.owe(pointer.MarkCodec, pointer.TypeMarked, fmt.Sprintf("pointer mark %s %x %d", p.Key.Event, set, epoch), f, b.everyone())
		if err != nil {
			return nil, err
		}
		out = append(out, o...)
	}
	if len(out) > 0 {
		return out, nil
	}
	lift, err := b.n.board.MarksToLift(ctx, set, markBatch)
	for _, m := range lift {
		o, err := b.owe(pointer.MarkCodec, pointer.TypeUnmarked, "pointer lift "+m.Key.Event.String(), &pointer.Unmarked{Target: m.Key}, b.everyone())
		if err != nil {
			return nil, err
		}
		out = append(out, o...)
	}
	return out, err
}

// epoch is that of the jurisdiction's audience: who was admitted with it reads nothing older, so all is shown again.
func (b *blinding) epoch() uint64 {
	a, _ := b.n.store.State().Governance.Audience(b.everyone()[0])
	return a.Epoch
}

func (b *blinding) everyone() []ledger.AudienceName {
	return []ledger.AudienceName{ledger.Everyone(b.n.id.Agency.Jurisdiction())}
}

func (b *blinding) owe(codec noun.Codec[noun.Fact], kind, id string, f noun.Fact, audience []ledger.AudienceName) ([]duty.Owed, error) {
	e, err := codec.Encode(ledger.EventIDFor(b.n.id.Agency, id), kind, f)
	return []duty.Owed{{Audience: audience, Event: e}}, err
}

// blind has pointers blinded by every evaluator. One that does not answer keeps all waiting: a tag without it would be
// another tag. One whose proof does not hold is named.
func (b *blinding) blind(ctx context.Context, set pointer.Set, keys []pointer.KeyOf, held []board.Folded[*pointer.Pointer]) ([]duty.Owed, error) {
	inputs := make([][]byte, len(held))
	for i, p := range held {
		inputs[i] = pointer.Input(p.Object.Held.Kind, p.Object.Held.Value, p.Object.Held.Exercise)
	}
	answers := make([][][]byte, len(held)) // of each pointer, in the order of the evaluators' names
	for _, k := range keys {
		hashes, err := b.ask(ctx, k, inputs)
		if errors.Is(err, crypto.ErrMismatch) {
			b.n.alarm(string(k.Agency), "it blinded pointers with another key than it announced; they wait")
		}
		if err != nil {
			return nil, fmt.Errorf("blinding by %s: %w", k.Agency, err)
		}
		for i := range held {
			answers[i] = append(answers[i], hashes[i])
		}
	}
	own := []ledger.AudienceName{ledger.AudienceName(b.n.id.Agency)}
	var out []duty.Owed
	for i, p := range held {
		o, err := b.owe(pointer.HeldCodec, pointer.TypeBlinded, fmt.Sprintf("pointer tag %s %x", p.Key.Event, set), &pointer.Blinded{Target: p.Key, Set: set, Tag: pointer.TagOf(set, answers[i])}, own)
		if err != nil {
			return nil, err
		}
		out = append(out, o...)
	}
	return out, nil
}

// ask has one evaluator blind inputs.
func (b *blinding) ask(ctx context.Context, k pointer.KeyOf, inputs [][]byte) ([][]byte, error) {
	blinded, err := crypto.Blind(k.Key, inputs)
	if err != nil {
		return nil, err
	}
	var answer []byte
	if k.Agency == b.n.id.Agency {
		answer, err = b.key.Answer(blinded.Request)
	} else {
		a, ok := b.n.store.State().Governance.Agency(k.Agency)
		if !ok {
			return nil, fmt.Errorf("%s has left", k.Agency)
		}
		answer, err = b.n.cluster.Post(ctx, a.Node.Key.ID(), blindRoute, blinded.Request)
	}
	if err != nil {
		return nil, err
	}
	return blinded.Finish(answer)
}

// serve answers another agency's request to blind: counted, bounded and in the access log, because whoever may ask without
// bound can guess.
func (b *blinding) serve(w http.ResponseWriter, r *http.Request) {
	id, _ := cluster.PeerFromContext(r.Context())
	agency, ok := b.n.store.State().Governance.NodeOwner(id)
	request, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	switch {
	case !ok || err != nil:
		http.Error(w, "not a member", http.StatusForbidden)
		return
	case !slices.Contains(b.evaluators(), b.n.id.Agency):
		http.Error(w, "this agency is no evaluator", http.StatusConflict)
		return
	}
	n := crypto.BlindedCount(request)
	if !b.allow(agency, n) {
		b.record(r.Context(), agency, n, accesslog.Refused, "over the day's bound")
		b.n.alarm(string(agency), "it asks for more pointers to be blinded than the policy lets an agency have in a day")
		http.Error(w, "over the day's bound", http.StatusTooManyRequests)
		return
	}
	answer, err := b.key.Answer(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !b.record(r.Context(), agency, n, accesslog.Answered, "") {
		http.Error(w, "the access log cannot be written", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write(answer) // a lost answer is asked for again
}

func (b *blinding) allow(agency ledger.AgencyID, n int) bool {
	section, _ := pointer.Section.In(b.n.policyInForce())
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.asked[agency]
	if l == nil || l.Burst() != int(section.PerDay) {
		l = rate.NewLimiter(rate.Limit(float64(section.PerDay)/(24*time.Hour).Seconds()), int(section.PerDay))
		b.asked[agency] = l
	}
	return l.AllowN(time.Now(), n)
}

func (b *blinding) record(ctx context.Context, agency ledger.AgencyID, n int, outcome accesslog.Outcome, reason string) bool {
	_, err := b.n.access.Append(ctx, accesslog.Record{Actor: accesslog.Actor(agency), Role: "agency", Verb: "pointer.blind", Count: uint64(n), Outcome: outcome, Reason: reason})
	if err != nil {
		b.n.log.Error("blinding is not in the access log", "error", err)
	}
	return err == nil
}

// Evaluators implements api.Node.
func (n *Node) Evaluators() []ledger.AgencyID { return n.blinding.evaluators() }
