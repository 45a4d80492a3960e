package board

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
)

// Alert is one alert as this agency sees it.
type Alert struct {
	ID         alert.ID
	Details    alert.Details
	File       alert.File
	Origin     ledger.Origin
	Position   ledger.Position // of its row
	AuthoredAt time.Time
	Audience   []string
	Standing   alert.State
	Agencies   int
}

// Event is one event of an alert's time line.
type Event struct {
	Type       string
	Author     ledger.AgencyID
	Origin     ledger.Origin
	Index      uint64
	AuthoredAt time.Time
	Fact       alert.Fact
}

// Query filters and pages. Zero values do not filter.
type Query struct {
	Standing, Author, Urgency, Text, Sort, Cursor string
	Exercise                                      bool
	Limit                                         int
}

// Page is one page; Next is empty on the last.
type Page struct {
	Alerts []Alert
	Next   string
}

const selectAlert = `SELECT a.id, a.event, a.row, a.author, a.home, a.authored, a.standing, a.agencies, a.urgency, e.origin, e.idx, e.leaf, e.audience, e.seq, e.raw
	FROM alerts a JOIN events e ON e.seq = a.founding `

// scanner reads alert rows and decodes each founding event once.
type scanner struct {
	causes map[int64]alert.Cause
}

type scanned struct {
	Alert
	id      int64
	urgency int64
}

func (s *scanner) scan(rows *sql.Rows) (scanned, error) {
	var x scanned
	var event, raw []byte
	var author, home, origin, audience string
	var authored, seq int64
	var leaf uint32
	err := rows.Scan(&x.id, &event, &x.ID.Row, &author, &home, &authored, &x.Standing, &x.Agencies, &x.urgency, &origin, &x.Position.Index, &leaf, &audience, &seq, &raw)
	if err != nil {
		return x, err
	}
	cause, err := s.cause(seq, raw)
	if err != nil {
		return x, err
	}
	x.ID.Key = alert.Key{Home: ledger.Origin(home), Author: ledger.AgencyID(author), Event: ledger.EventID(event)}
	x.Details, x.File = alert.DetailsOf(cause), alert.FileOf(cause, x.ID.Row)
	x.Origin, x.Position.Leaf, x.AuthoredAt = ledger.Origin(origin), leaf+x.ID.Row, time.UnixMilli(authored).UTC()
	x.Audience = strings.Fields(audience)
	return x, nil
}

func (s *scanner) cause(seq int64, raw []byte) (alert.Cause, error) {
	if c := s.causes[seq]; c != nil {
		return c, nil
	}
	var e ledger.Event
	if err := ledger.Unmarshal(raw, &e, ledger.MaxPlaintextBytes); err != nil {
		return nil, fmt.Errorf("board: a stored event is damaged: %w", err)
	}
	fact, err := alert.Decode(&e)
	if err != nil {
		return nil, err
	}
	c, ok := fact.(alert.Cause)
	if !ok {
		return nil, errors.New("board: an alert without a cause")
	}
	if s.causes == nil {
		s.causes = map[int64]alert.Cause{}
	}
	s.causes[seq] = c
	return c, nil
}

func (b *Board) query(ctx context.Context, where string, args ...any) ([]scanned, error) {
	rows, err := b.read.QueryContext(ctx, selectAlert+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var s scanner
	var out []scanned
	for rows.Next() {
		x, err := s.scan(rows)
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

// LookUp answers for each signal which alerts carry exactly it.
func (b *Board) LookUp(ctx context.Context, signals []alert.Signal) ([][]Alert, error) {
	out := make([][]Alert, len(signals))
	for i, s := range signals {
		found, err := b.query(ctx, "WHERE a.id IN (SELECT alert FROM signals WHERE alg = ? AND value = ?) ORDER BY a.id LIMIT ?", int(s.Algorithm), []byte(s.Value), maxPage)
		if err != nil {
			return nil, err
		}
		out[i] = plain(found)
	}
	return out, nil
}

// Get returns an alert by its id or a unique prefix of it, with its time line.
func (b *Board) Get(ctx context.Context, text string) (Alert, []Event, error) {
	p, err := alert.ParsePrefix(text)
	if err != nil {
		return Alert{}, nil, fmt.Errorf("%w: %w", ErrQuery, err)
	}
	where, args := "WHERE hex(a.event) LIKE ? || '%' AND a.row = ? ORDER BY a.id LIMIT 2", []any{strings.ToUpper(p.Hex), p.Row}
	if len(p.Hex) == 32 {
		event, err := ledger.ParseEventID(p.Hex)
		if err != nil {
			return Alert{}, nil, fmt.Errorf("%w: %w", ErrQuery, err)
		}
		where, args = "WHERE a.event = ? AND a.row = ? ORDER BY a.id LIMIT 2", []any{event[:], p.Row}
	}
	found, err := b.query(ctx, where, args...)
	switch {
	case err != nil:
		return Alert{}, nil, err
	case len(found) == 0:
		return Alert{}, nil, fmt.Errorf("%w: %.80s", ErrNotFound, text)
	case len(found) > 1:
		return Alert{}, nil, fmt.Errorf("%w: %.80s", ErrAmbiguous, text)
	}
	events, err := b.timeline(ctx, found[0].ID)
	return found[0].Alert, events, err
}

func (b *Board) timeline(ctx context.Context, id alert.ID) ([]Event, error) {
	placed, _, err := loadEvents(withContext{b.read, ctx}, id.Key)
	if err != nil {
		return nil, err
	}
	var out []Event
	for i := range placed {
		p := &placed[i]
		if rows := rowsOf(p.Fact); rows != nil && !rows.Has(id.Row) {
			continue
		}
		out = append(out, Event{Type: factType(p.Fact), Author: p.Author, Origin: p.Origin, Index: p.Position.Index, AuthoredAt: time.UnixMilli(p.AuthoredAt).UTC(), Fact: p.Fact})
	}
	return out, nil
}

func factType(f alert.Fact) string {
	switch f.(type) {
	case *alert.Raised:
		return "alert.raised"
	case *alert.Listed:
		return "alert.listed"
	case *alert.Assessed:
		return "alert.assessed"
	case *alert.Retracted:
		return "alert.retracted"
	}
	return "alert"
}

type withContext struct {
	db  *sql.DB
	ctx context.Context
}

// Query implements querier.
func (w withContext) Query(q string, args ...any) (*sql.Rows, error) {
	return w.db.QueryContext(w.ctx, q, args...)
}

// Object folds an object for a decision; nil where nothing is known of it.
func (b *Board) Object(ctx context.Context, key alert.Key) (*alert.Object, error) {
	placed, _, err := loadEvents(withContext{b.read, ctx}, key)
	if err != nil || len(placed) == 0 {
		return nil, err
	}
	return alert.Fold(key, placed), nil
}

// List returns one page of alerts.
func (b *Board) List(ctx context.Context, q Query) (Page, error) {
	where, args, err := q.where()
	if err != nil {
		return Page{}, err
	}
	order, err := q.order()
	if err != nil {
		return Page{}, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	found, err := b.query(ctx, "WHERE "+strings.Join(where, " AND ")+order+" LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return Page{}, err
	}
	page := Page{}
	if len(found) > limit {
		found = found[:limit]
		last := found[limit-1]
		page.Next = encodeCursor(q.Sort, last.urgency, last.id)
	}
	page.Alerts = plain(found)
	return page, nil
}

func (q Query) order() (string, error) {
	switch q.Sort {
	case "", "newest":
		return " ORDER BY a.id DESC", nil
	case "oldest":
		return " ORDER BY a.id", nil
	case "urgency":
		return " ORDER BY a.urgency DESC, a.id DESC", nil
	}
	return "", fmt.Errorf("%w: sort is newest, oldest or urgency", ErrQuery)
}

func (q Query) where() (where []string, args []any, err error) {
	where, args = []string{"a.exercise = ?"}, []any{q.Exercise}
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if q.Standing != "" {
		s, err := alert.ParseState(q.Standing)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: standing: %w", ErrQuery, err)
		}
		add("a.standing = ?", int(s))
	}
	if q.Urgency != "" {
		u, err := alert.ParseUrgency(q.Urgency)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: urgency: %w", ErrQuery, err)
		}
		add("a.urgency = ?", int(u))
	}
	if q.Author != "" {
		add("a.author = ?", q.Author)
	}
	if q.Text != "" {
		if len(q.Text) > maxTextBytes {
			return nil, nil, fmt.Errorf("%w: text of %d bytes, at most %d", ErrQuery, len(q.Text), maxTextBytes)
		}
		add("instr(e.words, ?) > 0", strings.ToLower(q.Text))
	}
	if q.Cursor != "" {
		urgency, id, err := decodeCursor(q.Sort, q.Cursor)
		if err != nil {
			return nil, nil, err
		}
		switch q.Sort {
		case "oldest":
			add("a.id > ?", id)
		case "urgency":
			add("(a.urgency, a.id) < (?, ?)", urgency, id)
		default:
			add("a.id < ?", id)
		}
	}
	return where, args, nil
}

func encodeCursor(sort string, urgency, id int64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d %d", sort, urgency, id))
}

func decodeCursor(sort, cursor string) (urgency, id int64, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	parts := strings.Split(string(b), " ")
	if err != nil || len(parts) != 3 || parts[0] != sort {
		return 0, 0, fmt.Errorf("%w: the cursor is of another list", ErrQuery)
	}
	urgency, err1 := strconv.ParseInt(parts[1], 10, 64)
	id, err2 := strconv.ParseInt(parts[2], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("%w: the cursor is of another list", ErrQuery)
	}
	return urgency, id, nil
}

// Stored is an event as it was stored.
type Stored struct {
	Origin   ledger.Origin
	Position ledger.Position
	Type     string
	Event    ledger.Event
}

// ByEvent returns where an author's event with an id was committed, for a retry's first answer.
func (b *Board) ByEvent(ctx context.Context, author ledger.AgencyID, id ledger.EventID) (Stored, bool, error) {
	found, err := b.stored(ctx, "event = ? AND author = ? ORDER BY seq LIMIT 1", id[:], string(author))
	if err != nil || len(found) == 0 {
		return Stored{}, false, err
	}
	return found[0], true, nil
}

// Private returns this agency's own events of the types with a prefix, in the order of our ledger: settings, tokens.
func (b *Board) Private(ctx context.Context, prefix string) ([]Stored, error) {
	return b.stored(ctx, "type >= ? AND type < ? AND author = ? ORDER BY seq", prefix, prefix+"\x7f", string(b.cfg.Agency))
}

func (b *Board) stored(ctx context.Context, where string, args ...any) ([]Stored, error) {
	rows, err := b.read.QueryContext(ctx, "SELECT origin, idx, leaf, type, raw FROM events WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Stored
	for rows.Next() {
		var s Stored
		var origin string
		var raw []byte
		if err := rows.Scan(&origin, &s.Position.Index, &s.Position.Leaf, &s.Type, &raw); err != nil {
			return nil, err
		}
		if err := ledger.Unmarshal(raw, &s.Event, ledger.MaxPlaintextBytes); err != nil {
			return nil, fmt.Errorf("board: a stored event is damaged: %w", err)
		}
		s.Origin = ledger.Origin(origin)
		out = append(out, s)
	}
	return out, rows.Err()
}

// Change is one change of the board. Sequences grow and have no meaning on another node.
type Change struct {
	Sequence uint64
	Kind     string
	Object   string
	Origin   ledger.Origin
	Index    uint64
	At       time.Time
}

// Changes returns changes after a sequence, in order.
func (b *Board) Changes(ctx context.Context, after uint64, limit int) ([]Change, error) {
	rows, err := b.read.QueryContext(ctx, "SELECT seq, kind, object, origin, idx, at FROM changes WHERE seq > ? ORDER BY seq LIMIT ?", after, min(limit, maxChanges))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Change
	for rows.Next() {
		var c Change
		var origin string
		var at int64
		if err := rows.Scan(&c.Sequence, &c.Kind, &c.Object, &origin, &c.Index, &at); err != nil {
			return nil, err
		}
		c.Origin, c.At = ledger.Origin(origin), time.UnixMilli(at).UTC()
		out = append(out, c)
	}
	return out, rows.Err()
}
