package board

import (
	"context"
	"iter"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
)

// Change is one change of the board. Sequences grow and have no meaning on another node.
type Change struct {
	Sequence uint64
	Kind     string // the event's type, or "policy" where standings followed a new policy
	Object   string
	Origin   ledger.Origin
	Index    uint64
	At       time.Time
	Exercise bool
	Urgency  uint64 // as that of alerts
}

// Changes returns changes after a sequence, in order.
func (b *Board) Changes(ctx context.Context, after uint64, limit int) ([]Change, error) {
	rows, err := b.read.QueryContext(ctx, "SELECT seq, kind, object, origin, idx, at, exercise, urgency FROM changes WHERE seq > ? ORDER BY seq LIMIT ?", after, min(limit, maxChanges))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Change
	for rows.Next() {
		var c Change
		var origin string
		var at int64
		if err := rows.Scan(&c.Sequence, &c.Kind, &c.Object, &origin, &c.Index, &at, &c.Exercise, &c.Urgency); err != nil {
			return nil, err
		}
		c.Origin, c.At = ledger.Origin(origin), time.UnixMilli(at).UTC()
		out = append(out, c)
	}
	return out, rows.Err()
}

// ByEvent returns where an author's event with an id was committed, for a retry's first answer.
func (b *Board) ByEvent(ctx context.Context, author ledger.AgencyID, id ledger.EventID) (Stored, bool, error) {
	found, err := storedEvents(withContext{b.read, ctx}, "e.event = ? AND e.author = ? ORDER BY e.seq LIMIT 1", id[:], string(author))
	if err != nil || len(found) == 0 {
		return Stored{}, false, err
	}
	return found[0], true, nil
}

// Private returns what this agency sealed to itself of the types with a prefix, in the order of our ledger: settings,
// tokens.
func (b *Board) Private(ctx context.Context, prefix string) ([]Stored, error) {
	return storedEvents(withContext{b.read, ctx}, "e.fate = ? AND e.type >= ? AND e.type < ? ORDER BY e.seq", private, prefix, prefix+"\x7f")
}

// Newer returns events of a type or version made after this binary, the latest first and at most 1,000: kept, without
// effect, folded after an upgrade.
func (b *Board) Newer(ctx context.Context) ([]Stored, error) {
	return storedEvents(withContext{b.read, ctx}, "e.fate = ? ORDER BY e.seq DESC LIMIT ?", newer, maxListed)
}

// Orphans returns the alerts that events refer to and whose cause cannot be read here, or not yet; the latest first and
// at most 1,000.
func (b *Board) Orphans(ctx context.Context) ([]alert.Key, error) {
	rows, err := b.read.QueryContext(ctx, "SELECT home, author, event FROM objects WHERE founding IS NULL AND noun = ? ORDER BY id DESC LIMIT ?", alertPrefix, maxListed)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []alert.Key
	for rows.Next() {
		var home, author string
		var event []byte
		if err := rows.Scan(&home, &author, &event); err != nil {
			return nil, err
		}
		k := alert.Key{Home: ledger.Origin(home), Author: ledger.AgencyID(author)}
		copy(k.Event[:], event)
		out = append(out, k)
	}
	return out, rows.Err()
}

// Export yields every alert after a number on this board, those of one ledger in its order: for an index in memory, which
// goes on from the last number it has seen. An error ends it.
func (b *Board) Export(ctx context.Context, after int64) iter.Seq2[Alert, error] {
	return func(yield func(Alert, error) bool) {
		rows, err := b.read.QueryContext(ctx, alertColumns+byAlert+"WHERE a.id > ? ORDER BY a.id", after)
		if err != nil {
			yield(Alert{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			x, err := scanAlert(rows)
			if !yield(x.Alert, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Alert{}, err)
		}
	}
}
