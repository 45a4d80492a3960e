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
	"vigil/ledger/alert"
	"vigil/ledger/referral"
)

// referrals is the noun of package referral. A referral has few events, so every new one folds them all again.
type referrals struct{}

const referralTables = `
CREATE TABLE referrals (
	id INTEGER PRIMARY KEY, state TEXT NOT NULL, opener TEXT NOT NULL, holder TEXT NOT NULL, offered TEXT NOT NULL, kind TEXT NOT NULL,
	urgency INTEGER NOT NULL, exercise INTEGER NOT NULL, moved INTEGER NOT NULL);
CREATE INDEX referrals_by_state ON referrals (exercise, state, moved);
CREATE INDEX referrals_by_moved ON referrals (exercise, moved);
`

func (referrals) tables() string          { return referralTables }
func (referrals) prefix() string          { return referral.Prefix }
func (referrals) name(k alert.Key) string { return referralKey(k).String() }
func (referrals) forget()                 {}

func (referrals) place(w where, e *ledger.Event) (placed, fate) {
	fact, err := referral.Decode(e)
	switch {
	case errors.Is(err, referral.ErrNewer):
		return placed{}, newer
	case err != nil:
		return placed{}, malformed
	}
	p := referral.Placed{Origin: w.origin, Position: w.at, Author: w.author, AuthoredAt: w.authoredAt, Event: e.ID, Fact: fact}
	k := p.Key()
	return placed{key: alert.Key{Home: k.Home, Author: k.Author, Event: k.Event}, fact: p}, folded
}

func (referrals) fold(f *folder, object int64, p placed, _ bool) error {
	r, _, err := foldReferral(f.tx, object, referralKey(p.key))
	if err != nil || r.Opened == nil {
		return err
	}
	if _, err := f.exec("UPDATE objects SET founding = (SELECT seq FROM events WHERE object = ? AND type = ? ORDER BY seq LIMIT 1) WHERE id = ?", object, referral.TypeOpened, object); err != nil {
		return err
	}
	_, err = f.exec(`INSERT INTO referrals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
		state = excluded.state, holder = excluded.holder, offered = excluded.offered, moved = excluded.moved`,
		object, string(r.State), string(r.Opener), string(r.Holder), string(r.Offered), string(r.Opened.Kind), slices.Index(referral.Urgencies, r.Opened.Urgency), r.Opened.Exercise, p.seq)
	return err
}

func referralKey(k alert.Key) referral.Key {
	return referral.Key{Home: k.Home, Author: k.Author, Event: k.Event}
}

// foldReferral folds the stored events of an object; audience is that of its opening.
func foldReferral(q querier, object int64, key referral.Key) (r *referral.Referral, audience []string, err error) {
	stored, err := storedEvents(q, "e.object = ?", object)
	if err != nil {
		return nil, nil, err
	}
	var events []referral.Placed
	for i := range stored {
		s := &stored[i]
		fact, err := referral.Decode(&s.Event)
		if err != nil {
			return nil, nil, errors.Join(errors.New("board: a stored event is damaged"), err)
		}
		if _, ok := fact.(*referral.Opened); ok {
			audience = strings.Fields(s.audience)
		}
		events = append(events, referral.Placed{Origin: s.Origin, Position: s.Position, Author: s.Author, AuthoredAt: s.authoredAt, Event: s.Event.ID, Fact: fact})
	}
	return referral.Fold(key, events), audience, nil
}

// Referral is one referral as this agency sees it.
type Referral struct {
	*referral.Referral
	Audience []string
	// NoLaterThan is the time of the first checkpoint that covers its opening: deadlines run from it. Zero where none is known.
	NoLaterThan time.Time
	moved       int64
}

// Due returns when an answer is due, and whether one still is.
func (r *Referral) Due() (at time.Time, waiting bool) {
	if r.NoLaterThan.IsZero() {
		return time.Time{}, false
	}
	return r.NoLaterThan.Add(r.Opened.Within()), r.State == referral.Open || r.State == referral.Acknowledged
}

// ReferralQuery filters and pages referrals. Zero values do not filter, but exercises and casework never stand in one list.
type ReferralQuery struct {
	State    string
	Agency   string // opened, held or offered
	Exercise bool
	Before   int64 // Next of the page before
	Limit    int
}

// ReferralPage is one page, what moved last first; Next is 0 on the last.
type ReferralPage struct {
	Referrals []Referral
	Next      int64
}

// Referrals returns one page.
func (b *Board) Referrals(ctx context.Context, q ReferralQuery) (ReferralPage, error) {
	where, args := []string{"r.exercise = ?"}, []any{q.Exercise}
	add := func(condition string, values ...any) { where, args = append(where, condition), append(args, values...) }
	if q.State != "" {
		if !slices.Contains(referral.States, referral.State(q.State)) {
			return ReferralPage{}, fmt.Errorf("%w: state: not one of the known ones", ErrQuery)
		}
		add("r.state = ?", q.State)
	}
	if q.Agency != "" {
		add("(r.opener = ? OR r.holder = ? OR r.offered = ?)", q.Agency, q.Agency, q.Agency)
	}
	if q.Before > 0 {
		add("r.moved < ?", q.Before)
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	found, err := b.referrals(ctx, strings.Join(where, " AND ")+" ORDER BY r.moved DESC LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return ReferralPage{}, err
	}
	page := ReferralPage{Referrals: found}
	if len(found) > limit {
		page.Referrals = found[:limit]
		page.Next = found[limit-1].moved
	}
	return page, nil
}

// Referral returns the one referral that an id or its beginning names.
func (b *Board) Referral(ctx context.Context, text string) (Referral, error) {
	prefix, err := referral.ParsePrefix(text)
	if err != nil {
		return Referral{}, fmt.Errorf("%w: %w", ErrQuery, err)
	}
	low, high := idRange(prefix)
	found, err := b.referrals(ctx, "o.event >= ? AND o.event <= ? LIMIT 2", low, high)
	switch {
	case err != nil:
		return Referral{}, err
	case len(found) == 0:
		return Referral{}, fmt.Errorf("%w: %.80s", ErrNotFound, text)
	case len(found) > 1:
		return Referral{}, fmt.Errorf("%w: %.80s", ErrAmbiguous, text)
	}
	return found[0], nil
}

func (b *Board) referrals(ctx context.Context, condition string, args ...any) ([]Referral, error) {
	type row struct {
		id, moved int64
		key       referral.Key
		sealed    sql.NullInt64
	}
	q := withContext{b.read, ctx}
	rows, err := q.Query(`SELECT r.id, r.moved, o.home, o.author, o.event,
		(SELECT at FROM seals s JOIN events e ON e.seq = o.founding WHERE s.origin = e.origin AND s.size > e.idx ORDER BY s.size LIMIT 1)
		FROM referrals r JOIN objects o ON o.id = r.id WHERE `+condition, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []row
	for rows.Next() {
		var x row
		var home, author string
		var event []byte
		if err := rows.Scan(&x.id, &x.moved, &home, &author, &event, &x.sealed); err != nil {
			return nil, err
		}
		x.key = referral.Key{Home: ledger.Origin(home), Author: ledger.AgencyID(author)}
		copy(x.key.Event[:], event)
		found = append(found, x)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	out := make([]Referral, 0, len(found))
	for _, x := range found {
		r, audience, err := foldReferral(q, x.id, x.key)
		if err != nil {
			return nil, err
		}
		item := Referral{Referral: r, Audience: audience, moved: x.moved}
		if x.sealed.Valid {
			item.NoLaterThan = time.UnixMilli(x.sealed.Int64).UTC()
		}
		out = append(out, item)
	}
	return out, nil
}
