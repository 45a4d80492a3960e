package node

import (
	"context"
	"slices"
	"time"

	"vigil/ledger"
	"vigil/node/board"
	"vigil/node/duty"
)

// acknowledgements are this agency's answers to corrections and liftings of registry notices: its board, and so every
// screening it answers, goes by what was changed.
type acknowledgements struct{ n *Node }

// Name implements duty.Duty.
func (acknowledgements) Name() string { return "acknowledge notices" }

// Owed implements duty.Duty. An answer goes to everyone who can read the notice; where its author cannot be written to
// now, it waits.
func (d acknowledgements) Owed(ctx context.Context, now time.Time) ([]duty.Owed, time.Time, error) {
	if !d.n.mayAnswer() {
		return nil, now.Add(time.Second), nil
	}
	notices, err := d.n.board.OwedNotices(ctx, owedAtOnce)
	if err != nil || len(notices) == 0 {
		return nil, time.Time{}, err
	}
	var out []duty.Owed
	for i := range notices {
		owed, err := d.of(ctx, &notices[i])
		if err != nil {
			return nil, time.Time{}, err
		}
		out = append(out, owed...)
	}
	return out, now.Add(recallRetry), nil
}

func (d acknowledgements) of(ctx context.Context, x *board.Notice) ([]duty.Owed, error) {
	r := x.Object
	first := r.Founding()
	holders, unknown, err := d.n.board.Holders(ctx, first.Origin, first.Position.Index)
	if err != nil {
		return nil, err
	}
	audience := d.n.RecallAudience(holders, unknown)
	if !slices.ContainsFunc(audience, func(name ledger.AudienceName) bool { return d.n.reads(name, r.Author) }) {
		return nil, nil
	}
	var out []duty.Owed
	for _, change := range r.Owes(d.n.id.Agency) {
		event, err := r.Acknowledge(d.n.id.Agency, change.Event)
		if err != nil {
			return nil, err
		}
		_, written, err := d.n.board.ByEvent(ctx, d.n.id.Agency, event.ID)
		if err != nil {
			return nil, err
		}
		if !written {
			out = append(out, duty.Owed{Audience: audience, Event: event})
		}
	}
	return out, nil
}
