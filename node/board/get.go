package board

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

// Alert is one alert as this agency sees it.
type Alert struct {
	ID          alert.ID
	Row         int64 // its number on this board; it means nothing on another, and changes when the board is built anew
	Details     alert.Details
	File        alert.File
	Origin      ledger.Origin
	Position    ledger.Position // of its row
	AuthoredAt  time.Time       // the author's word
	NoLaterThan time.Time       // of the first checkpoint that covers it; zero where none is known
	Audience    []string
	Standing    alert.State
	Agencies    int // that stand for it, its author included
	Independent int // looks of their own among them
	Disputes    int
	Benign      bool      // a signal of it is known to be benign
	Bar         alert.Bar // why it is not acted on, alert.Open where it is
	Revision    int64     // of how it stands, as in Standing
	Sighted     int       // how often it was met, as far as this agency was told
}

// Event is one event of an alert's time line.
type Event struct {
	Type       string
	Author     ledger.AgencyID
	Origin     ledger.Origin
	Index      uint64
	AuthoredAt time.Time
	Fact       alert.Fact
	// Without says why the event has no effect; 0 where it has.
	Without alert.Why
}

const (
	alertColumns = `SELECT a.id, a.id - a.first, a.standing, a.agencies, a.independent, a.disputes, a.benign, a.bar, a.revision, a.sighted, a.file, c.urgency,
		e.origin, e.idx, e.leaf, e.author, e.event, e.type, e.version, e.authored, e.audience, e.shared,
		(SELECT at FROM seals s WHERE s.origin = e.origin AND s.size > e.idx ORDER BY s.size LIMIT 1) `
	eventOfCause = "JOIN events e ON e.seq = c.founding "
	byAlert      = "FROM alerts a CROSS JOIN causes c ON c.first = a.first " + eventOfCause
	bySignal     = "FROM signals s CROSS JOIN alerts a ON a.id = s.alert CROSS JOIN causes c ON c.first = a.first " + eventOfCause
)

type scanned struct {
	Alert
	urgency int64
}

// scanAlert reads one row. The founding event is put together with this row alone, so a list of thousands costs no more
// than a single alert.
func scanAlert(rows *sql.Rows) (scanned, error) {
	var x scanned
	var e ledger.Event
	var id []byte
	var origin, author, audience string
	var authored int64
	var sealed sql.NullInt64
	err := rows.Scan(&x.Row, &x.ID.Row, &x.Standing, &x.Agencies, &x.Independent, &x.Disputes, &x.Benign, &x.Bar, &x.Revision, &x.Sighted, &e.Rows, &x.urgency,
		&origin, &x.Position.Index, &x.Position.Leaf, &author, &id, &e.Type, &e.Version, &authored, &audience, &e.Shared, &sealed)
	if err == nil && len(id) != len(e.ID) {
		err = errors.New("board: a stored event is damaged")
	}
	if err != nil {
		return x, err
	}
	e.Width = uint32(len(e.Rows))
	fact, err := alert.Decode(&e)
	cause, ok := fact.(alert.Cause)
	if err != nil || !ok {
		return x, errors.Join(errors.New("board: a stored event is damaged"), err)
	}
	x.ID.Key = alert.Key{Home: ledger.Origin(origin), Author: ledger.AgencyID(author), Event: ledger.EventID(id)}
	x.Details, x.File = alert.DetailsOf(cause), alert.FileOf(cause, 0)
	x.Position.Leaf += x.ID.Row
	x.Origin, x.AuthoredAt, x.Audience = ledger.Origin(origin), time.UnixMilli(authored).UTC(), strings.Fields(audience)
	if sealed.Valid {
		x.NoLaterThan = time.UnixMilli(sealed.Int64).UTC()
	}
	return x, nil
}

func (b *Board) query(ctx context.Context, query string, args ...any) ([]scanned, error) {
	rows, err := b.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return scanAlerts(rows)
}

func scanAlerts(rows *sql.Rows) ([]scanned, error) {
	defer rows.Close()
	var out []scanned
	for rows.Next() {
		x, err := scanAlert(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, rows.Err()
}

func plain(in []scanned) []Alert {
	out := make([]Alert, len(in))
	for i := range in {
		out[i] = in[i].Alert
	}
	return out
}

// LookUp answers for each signal which alerts carry exactly it, the oldest first, at most a page of them.
func (b *Board) LookUp(ctx context.Context, signals []alert.Signal) ([][]Alert, error) {
	query, err := b.read.PrepareContext(ctx, alertColumns+bySignal+"WHERE s.alg = ? AND s.value = ? ORDER BY s.alert LIMIT ?")
	if err != nil {
		return nil, err
	}
	defer query.Close()
	out := make([][]Alert, len(signals))
	for i, s := range signals {
		rows, err := query.QueryContext(ctx, s.Algorithm, indexKey(s.Value), maxPage)
		if err != nil {
			return nil, err
		}
		found, err := scanAlerts(rows)
		if err != nil {
			return nil, err
		}
		out[i] = plain(found)
	}
	return out, nil
}

// Rows returns alerts by their numbers on this board, for an index that holds only those; one that is gone is left out.
func (b *Board) Rows(ctx context.Context, rows []int64) ([]Alert, error) {
	query, err := b.read.PrepareContext(ctx, alertColumns+byAlert+"WHERE a.id = ?")
	if err != nil {
		return nil, err
	}
	defer query.Close()
	var out []Alert
	for _, row := range rows {
		found, err := query.QueryContext(ctx, row)
		if err != nil {
			return nil, err
		}
		scanned, err := scanAlerts(found)
		if err != nil {
			return nil, err
		}
		out = append(out, plain(scanned)...)
	}
	return out, nil
}

// One returns an alert by its id or a unique prefix of it.
func (b *Board) One(ctx context.Context, text string) (Alert, error) {
	p, err := alert.ParsePrefix(text)
	if err != nil {
		return Alert{}, fmt.Errorf("%w: %w", ErrQuery, err)
	}
	low, high := idRange(p.Hex)
	found, err := b.query(ctx, alertColumns+`FROM objects o CROSS JOIN causes c ON c.object = o.id CROSS JOIN alerts a ON a.id = c.first + ? `+eventOfCause+
		`WHERE o.event >= ? AND o.event <= ? AND o.noun = ? AND c.count > ? LIMIT 2`, p.Row, low, high, alertPrefix, p.Row)
	switch {
	case err != nil:
		return Alert{}, err
	case len(found) == 0:
		return Alert{}, fmt.Errorf("%w: %.80s", ErrNotFound, text)
	case len(found) > 1:
		return Alert{}, fmt.Errorf("%w: %.80s", ErrAmbiguous, text)
	}
	return found[0].Alert, nil
}

// Detail is one alert with everything that is known of it here.
type Detail struct {
	Alert     Alert
	Object    *alert.Object // without sightings
	Events    []Event       // in canonical order, without sightings
	Sightings []alert.Sighting
	Benign    []Benign // declarations in force on any of its signals
	Related   []Related
	More      bool // more belongs with it than Related says
}

// Detail returns an alert by its id or a unique prefix of it.
func (b *Board) Detail(ctx context.Context, text string) (d Detail, err error) {
	if d.Alert, err = b.One(ctx, text); err != nil {
		return d, err
	}
	if d.Object, d.Events, err = b.timeLine(ctx, d.Alert.ID); err != nil {
		return d, err
	}
	if d.Sightings, err = b.Sightings(ctx, d.Alert.ID); err != nil {
		return d, err
	}
	if d.Benign, err = b.benignOf(ctx, &d.Alert); err != nil {
		return d, err
	}
	d.Related, d.More, err = b.Related(ctx, d.Alert.ID)
	return d, err
}

// Get returns an alert by its id or a unique prefix of it, with its time line.
func (b *Board) Get(ctx context.Context, text string) (Alert, []Event, error) {
	a, err := b.One(ctx, text)
	if err != nil {
		return Alert{}, nil, err
	}
	_, events, err := b.timeLine(ctx, a.ID)
	return a, events, err
}

// idRange returns the first and the last event id with a prefix in hex.
func idRange(prefix string) (low, high []byte) {
	low, _ = hex.DecodeString(prefix + strings.Repeat("0", 32-len(prefix))) // ParsePrefix has read it
	high, _ = hex.DecodeString(prefix + strings.Repeat("f", 32-len(prefix)))
	return low, high
}

// timeLine returns all events about one row in canonical order, and their fold.
func (b *Board) timeLine(ctx context.Context, id alert.ID) (*alert.Object, []Event, error) {
	events, err := b.eventsOf(ctx, id.Key)
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(events, func(x, y alert.Placed) int { return noun.Compare(id.Home, &x, &y) })
	without := map[place]alert.Why{}
	object := alert.Fold(id.Key, events)
	for _, flag := range object.Flags() {
		without[place{flag.Placed.Origin, flag.Placed.Position}] = flag.Why
	}
	var out []Event
	for i := range events {
		p := &events[i]
		if rows := rowsOf(p.Fact); rows != nil && !rows.Has(id.Row) {
			continue
		}
		out = append(out, Event{
			Type: factType(p.Fact), Author: p.Author, Origin: p.Origin, Index: p.Position.Index, AuthoredAt: time.UnixMilli(p.AuthoredAt).UTC(),
			Fact: p.Fact, Without: without[place{p.Origin, p.Position}],
		})
	}
	return object, out, nil
}

type place struct {
	origin ledger.Origin
	at     ledger.Position
}

// eventsOf returns the events of an object but sightings, of which there may be very many.
func (b *Board) eventsOf(ctx context.Context, key alert.Key) ([]alert.Placed, error) {
	q := withContext{b.read, ctx}
	object, err := objectID(q, alertPrefix, key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return alertEvents(q, "e.object = ? AND e.type <> ?", object, alert.TypeSighted)
}

func factType(f alert.Fact) string {
	switch f.(type) {
	case *alert.Raised:
		return alert.TypeRaised
	case *alert.Listed:
		return alert.TypeListed
	case *alert.Assessed:
		return alert.TypeAssessed
	case *alert.Retracted:
		return alert.TypeRetracted
	case *alert.Linked:
		return alert.TypeLinked
	}
	return alertPrefix
}

// Object folds an object for a decision, its sightings left out; nil where nothing is known of it.
func (b *Board) Object(ctx context.Context, key alert.Key) (*alert.Object, error) {
	events, err := b.eventsOf(ctx, key)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	return alert.Fold(key, events), nil
}

// withContext is a querier whose queries end with a context.
type withContext struct {
	db  *sql.DB
	ctx context.Context
}

// Query implements querier.
func (w withContext) Query(q string, args ...any) (*sql.Rows, error) {
	return w.db.QueryContext(w.ctx, q, args...)
}

// QueryRow implements querier.
func (w withContext) QueryRow(q string, args ...any) *sql.Row {
	return w.db.QueryRowContext(w.ctx, q, args...)
}
