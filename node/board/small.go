package board

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// small is the table of a noun whose objects have few events each, so that every new one folds them all again.
type small[O any] struct {
	types    string // what its event types begin with
	ids      string // what the ids people use begin with
	ddl      string // the noun's own tables
	codec    noun.Codec[noun.Fact]
	own      bool // only what this agency sealed to itself alone counts: users, watch lists
	byPolicy bool // its folds depend on the policy, and follow soon where that changes
	byDate   bool // what write writes depends on the dates of events, and follows soon after a checkpoint covers them
	foldAll  func(k noun.Key, events []noun.Placed[noun.Fact], p ledger.Policy) O
	// parts are further tables that hold something of an object, "table.column", beside those whose id it is. drop is called
	// before an object is taken out of all of them, where others depend on what it held.
	parts []string
	drop  func(f *folder, object int64) error
	// weight is a query for exercise and urgency of an object; empty: neither plays a part.
	weight string
	// write brings the noun's own tables to an object's fold. It is called once the founding event is here, and again for
	// every event after; last is the board's number of the latest.
	write func(f *folder, object int64, o *Folded[O], last int64) error
}

// Folded is one object as this agency sees it.
type Folded[O any] struct {
	Key      noun.Key
	Object   O
	Audience []string // of its founding event
	Authored time.Time
	// NoLaterThan is the time of the first checkpoint that covers its founding: deadlines run from it. Zero where none is
	// known yet.
	NoLaterThan time.Time
	Dates       noun.Dates // of all its events, in the same sense
	cursor      int64
	number      int64 // of the object on this board
}

func (s *small[O]) prefix() string       { return s.types }
func (s *small[O]) schema() string       { return s.ddl }
func (s *small[O]) name(p placed) string { return p.key.ID(s.ids) }
func (s *small[O]) forget()              {}
func (s *small[O]) dated() bool          { return s.byDate }

func (s *small[O]) weigh(f *folder, object int64) (weight, error) {
	if s.weight == "" {
		return weight{}, nil
	}
	return f.weightOf(s.weight, object)
}

func (s *small[O]) place(w where, e *ledger.Event) (placed, fate) {
	if s.own && !w.own {
		return placed{}, malformed // another's word on what is ours alone
	}
	p, err := s.codec.Place(w.origin, w.at, w.author, w.authoredAt, e)
	switch {
	case errors.Is(err, noun.ErrNewer):
		return placed{}, newer
	case err != nil:
		return placed{}, malformed
	}
	return placed{key: p.Key(), fact: p}, folded
}

// fold leaves it to the end of the transaction, so that any number of events on one object fold once.
func (s *small[O]) fold(f *folder, object int64, p placed, _ bool) error {
	f.atEnd(object, p.seq, func(last int64) error {
		o, founding, err := s.read(f, object, p.key, f.policy)
		if err != nil || founding == 0 {
			return err
		}
		if _, err := f.exec("UPDATE objects SET founding = ? WHERE id = ? AND founding IS NOT ?", founding, object, founding); err != nil {
			return err
		}
		return s.write(f, object, o, last)
	})
	return nil
}

// repolicy lets every object be folded again, a few at a time.
func (s *small[O]) repolicy(f *folder) error {
	if !s.byPolicy {
		return nil
	}
	_, err := f.exec("UPDATE objects SET stale = 1 WHERE noun = ? AND founding IS NOT NULL", s.types)
	return err
}

func (s *small[O]) refold(f *folder, object int64, k noun.Key) error {
	o, founding, err := s.read(f, object, k, f.policy)
	if err != nil || founding == 0 {
		return err
	}
	var last int64
	if err := f.QueryRow("SELECT max(seq) FROM events WHERE object = ?", object).Scan(&last); err != nil {
		return err
	}
	return s.write(f, object, o, last)
}

// scanKey reads a row of (id, home, author, event, another number).
func scanKey(rows *sql.Rows, id, other *int64) (noun.Key, error) {
	var home, author string
	var event []byte
	if err := rows.Scan(id, &home, &author, &event, other); err != nil {
		return noun.Key{}, err
	}
	k := noun.Key{Home: ledger.Origin(home), Author: ledger.AgencyID(author)}
	copy(k.Event[:], event)
	return k, nil
}

// read folds the stored events of an object; founding is the number of the event that founds it, 0 where that is not here.
func (s *small[O]) read(q querier, object int64, key noun.Key, policy ledger.Policy) (o *Folded[O], founding int64, err error) {
	stored, err := storedEvents(q, "e.object = ? ORDER BY e.seq", object)
	if err != nil || len(stored) == 0 {
		return nil, 0, err
	}
	o = &Folded[O]{Key: key, Dates: noun.Dates{}}
	events := make([]noun.Placed[noun.Fact], 0, len(stored))
	for i := range stored {
		x := &stored[i]
		p, err := s.codec.Place(x.Origin, x.Position, x.Author, x.authoredAt, &x.Event)
		if err != nil {
			return nil, 0, errors.Join(errors.New("board: a stored event is damaged"), err)
		}
		events = append(events, p)
		o.Dates.Set(x.Origin, x.Position, x.NoLaterThan)
	}
	standing, _ := noun.Canonical(key.Home, events)
	for i := range standing {
		if _, refers := standing[i].Fact.About(); refers {
			continue
		}
		at := slices.IndexFunc(stored, func(x Stored) bool {
			return x.Origin == standing[i].Origin && x.Position == standing[i].Position
		})
		x := &stored[at]
		founding, o.Audience, o.Authored, o.NoLaterThan = x.seq, strings.Fields(x.audience), time.UnixMilli(x.authoredAt).UTC(), x.NoLaterThan
		break
	}
	o.Object = s.foldAll(key, events, policy)
	return o, founding, nil
}

// find returns objects in the order of a query. from is what comes after FROM, with "o" standing for objects; cursor is
// the column that pages go by.
func (s *small[O]) find(ctx context.Context, b *Board, cursor, from string, args ...any) ([]Folded[O], error) {
	type row struct {
		id, cursor int64
		key        noun.Key
	}
	q, done, err := b.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	rows, err := q.Query("SELECT o.id, o.home, o.author, o.event, "+cursor+" FROM "+from, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []row
	for rows.Next() {
		var x row
		if x.key, err = scanKey(rows, &x.id, &x.cursor); err != nil {
			return nil, err
		}
		found = append(found, x)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	policy := b.cfg.Policy()
	out := make([]Folded[O], 0, len(found))
	for _, x := range found {
		o, _, err := s.read(q, x.id, x.key, policy)
		if err == nil && o == nil {
			err = errors.New("board: the events of an object are not here: the board is damaged, and a scrub makes it anew")
		}
		if err != nil {
			return nil, err
		}
		o.cursor, o.number = x.cursor, x.id
		out = append(out, *o)
	}
	return out, nil
}

// one returns the object that an id or its beginning names.
func (s *small[O]) one(ctx context.Context, b *Board, text string) (Folded[O], error) {
	prefix, err := noun.ParsePrefix(s.ids, text)
	if err != nil {
		return Folded[O]{}, fmt.Errorf("%w: %w", ErrQuery, err)
	}
	low, high := idRange(prefix)
	found, err := s.find(ctx, b, "0", "objects o WHERE o.event >= ? AND o.event <= ? AND o.noun = ? AND o.founding IS NOT NULL LIMIT 2", low, high, s.types)
	switch {
	case err != nil:
		return Folded[O]{}, err
	case len(found) == 0:
		return Folded[O]{}, fmt.Errorf("%w: %.80s", ErrNotFound, text)
	case len(found) > 1:
		return Folded[O]{}, fmt.Errorf("%w: %.80s", ErrAmbiguous, text)
	}
	return found[0], nil
}

// pageOf cuts what was found down to a page that asked for one more; next is the cursor of its last, 0 on the last page.
func pageOf[O any](found []Folded[O], limit int) (page []Folded[O], next int64) {
	if len(found) <= limit {
		return found, 0
	}
	return found[:limit], found[limit-1].cursor
}

// pageLimit is how many a page holds where so many are asked for.
func pageLimit(asked int) int {
	if asked <= 0 {
		return defaultPage
	}
	return min(asked, maxPage)
}
