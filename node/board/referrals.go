package board

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/referral"
)

// referrals is the noun of package referral. due and warn are of the deadline that comes first, alarm is when this agency
// is to say that one has passed. Lists are answered by the two wide indexes, which hold whatever they filter by; those of
// an agency by three narrow ones.
var referrals = &small[*referral.Referral]{
	weight: "SELECT exercise, urgency FROM referrals WHERE id = ?",
	types:  referral.Prefix, ids: referral.IDPrefix, codec: referral.Codec, byPolicy: true, byDate: true,
	ddl: `
CREATE TABLE referrals (
	id INTEGER PRIMARY KEY, state TEXT NOT NULL, opener TEXT NOT NULL, holder TEXT NOT NULL, offered TEXT NOT NULL, kind TEXT NOT NULL,
	urgency INTEGER NOT NULL, exercise INTEGER NOT NULL, moved INTEGER NOT NULL, warn INTEGER, due INTEGER, alarm INTEGER);
CREATE INDEX referrals_by_moved ON referrals (exercise, moved, state, kind, opener, holder, offered, urgency, due);
CREATE INDEX referrals_by_due ON referrals (exercise, due, id, state, kind, opener, holder, offered, urgency) WHERE due IS NOT NULL;
CREATE INDEX referrals_by_opener ON referrals (exercise, opener, moved);
CREATE INDEX referrals_by_holder ON referrals (exercise, holder, moved);
CREATE INDEX referrals_by_offered ON referrals (exercise, offered, moved);
CREATE INDEX referrals_by_alarm ON referrals (alarm) WHERE alarm IS NOT NULL;
CREATE INDEX referrals_handed_over ON referrals (holder) WHERE state = 'handover';
` + timesTable("referral_times"),
	foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *referral.Referral {
		return referral.Fold(k, events)
	},
	write: writeReferral,
}

// Referral is one referral as this agency sees it.
type Referral = Folded[*referral.Referral]

// timetables remembers the last policy that was made ready, for every list and every fold needs it.
var timetables struct {
	sync.Mutex
	section string
	table   *referral.Timetable
}

func timetable(p ledger.Policy) *referral.Timetable {
	timetables.Lock()
	defer timetables.Unlock()
	if section := string(p.Section(referral.Section.Name)); timetables.table == nil || section != timetables.section {
		policy, _ := referral.Section.In(p)
		timetables.section, timetables.table = section, policy.Timetable()
	}
	return timetables.table
}

// Timetable is the policy in force for referrals.
func (b *Board) Timetable() *referral.Timetable { return timetable(b.cfg.Policy()) }

func writeReferral(f *folder, object int64, o *Folded[*referral.Referral], last int64) error {
	r := o.Object
	deadlines := r.Deadlines(timetable(f.policy), o.Dates)
	var warn, due, alarm sql.NullInt64
	if next, _ := referral.Next(deadlines); next != nil {
		warn, due = milliseconds(next.Warn), milliseconds(next.Due)
	}
	if at, ok := Alarm(r, deadlines, f.board.cfg.Agency); ok {
		alarm = milliseconds(at)
	}
	_, err := f.exec(`INSERT INTO referrals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state,
		holder = excluded.holder, offered = excluded.offered, moved = excluded.moved, warn = excluded.warn, due = excluded.due, alarm = excluded.alarm`,
		object, string(r.State), string(r.Opener), string(r.Holder), string(r.Offered), string(r.Opened.Kind),
		slices.Index(referral.Urgencies, r.Opened.Urgency), r.Opened.Exercise, last, warn, due, alarm)
	if err != nil {
		return err
	}
	answered, concluded := referralTimes(o)
	return f.times("referral_times", object, o.NoLaterThan, answered, concluded)
}

func milliseconds(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: !t.IsZero()}
}

// Alarm returns when an agency is to say that a deadline has passed: at once where it comes first among those concerned,
// later where another should have said so by then. Where several do, the first stands.
func Alarm(r *referral.Referral, deadlines []referral.Deadline, agency ledger.AgencyID) (at time.Time, ok bool) {
	for i := range deadlines {
		d := &deadlines[i]
		if !d.Runs() || d.Due.IsZero() || d.Escalated.Origin != "" {
			continue
		}
		if t := d.Due.Add(time.Duration(r.Rank(agency, d)) * alarmApart); !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	return at, ok
}

// ReferralQuery filters and pages referrals. Zero values do not filter, but exercises and casework never stand in one list.
type ReferralQuery struct {
	State, Kind string
	Holder      string // that holds it
	Agency      string // opened it, holds it or is offered it
	Overdue     bool   // whose first deadline has passed
	DueBefore   time.Time
	Sort        string // moved, what moved last first; or due, what is due first: the only order of what is overdue or due before
	Exercise    bool
	Cursor      string // Next of the page before
	Limit       int
}

// ReferralPage is one page; Next is empty on the last.
type ReferralPage struct {
	Referrals []Referral
	Next      string
}

// Orders of referrals.
const (
	byMoved = "moved"
	byDue   = "due"
)

// Referrals returns one page, as things are at a time.
func (b *Board) Referrals(ctx context.Context, q ReferralQuery, now time.Time) (ReferralPage, error) {
	c, err := q.conditions(now)
	if err != nil {
		return ReferralPage{}, err
	}
	limit := pageLimit(q.Limit)
	cursor, from, args := q.from(c, limit+1)
	found, err := referrals.find(ctx, b, cursor, from, args...)
	if err != nil {
		return ReferralPage{}, err
	}
	page, at := ReferralPage{}, int64(0)
	if page.Referrals, at = pageOf(found, limit); at != 0 {
		page.Next = encodeCursor(q.Sort, at, page.Referrals[limit-1].number)
	}
	return page, nil
}

func (q *ReferralQuery) conditions(now time.Time) (*conditions, error) {
	c := &conditions{}
	if q.Overdue || !q.DueBefore.IsZero() {
		q.Sort = byDue
	}
	if q.Sort == "" {
		q.Sort = byMoved
	}
	c.add("r.exercise = ?", q.Exercise)
	switch {
	case q.Sort != byMoved && q.Sort != byDue:
		return nil, fmt.Errorf("%w: sort is moved or due", ErrQuery)
	case q.State != "" && !slices.Contains(referral.States, referral.State(q.State)):
		return nil, fmt.Errorf("%w: state: not one of the known ones", ErrQuery)
	case q.Kind != "" && !slices.Contains(referral.Kinds, referral.Kind(q.Kind)):
		return nil, fmt.Errorf("%w: kind: not one of the known ones", ErrQuery)
	}
	for column, value := range map[string]string{"state": q.State, "kind": q.Kind, "holder": q.Holder} {
		if value != "" {
			c.add("r."+column+" = ?", value)
		}
	}
	if q.Agency != "" && q.Sort == byDue {
		c.add("(r.opener = ? OR r.holder = ? OR r.offered = ?)", q.Agency, q.Agency, q.Agency)
	}
	if q.Sort == byDue {
		c.add("r.due IS NOT NULL")
	}
	if q.Overdue {
		c.add("r.due < ?", now.UnixMilli())
	}
	if !q.DueBefore.IsZero() {
		c.add("r.due < ?", q.DueBefore.UnixMilli())
	}
	return c, q.after(c)
}

// from returns what comes after FROM, and the column that pages go by. An agency's are found by each of its parts apart,
// since no index holds them together.
func (q *ReferralQuery) from(c *conditions, limit int) (cursor, from string, args []any) {
	const objects = " CROSS JOIN objects o ON o.id = r.id "
	if q.Sort == byDue {
		return "r.due", "referrals r" + objects + c.text() + " ORDER BY r.due, r.id LIMIT ?", append(c.args, limit)
	}
	if q.Agency == "" {
		return "r.moved", "referrals r" + objects + c.text() + " ORDER BY r.moved DESC LIMIT ?", append(c.args, limit)
	}
	var parts []string
	for _, part := range []string{"opener", "holder", "offered"} {
		parts = append(parts, "SELECT * FROM (SELECT r.id, r.moved FROM referrals r INDEXED BY referrals_by_"+part+" "+c.text()+" AND r."+part+" = ? ORDER BY r.moved DESC LIMIT ?)")
		args = append(append(args, c.args...), q.Agency, limit)
	}
	return "r.moved", "(" + strings.Join(parts, " UNION ") + ") r" + objects + "ORDER BY r.moved DESC LIMIT ?", append(args, limit)
}

// after leaves out what earlier pages held.
func (q *ReferralQuery) after(c *conditions) error {
	if q.Cursor == "" {
		return nil
	}
	at, id, err := decodeCursor(q.Sort, q.Cursor)
	switch {
	case err != nil:
		return err
	case q.Sort == byDue:
		c.add("r.due >= ? AND (r.due, r.id) > (?, ?)", at, at, id)
	default:
		c.add("r.moved < ?", at)
	}
	return nil
}

// Referral returns the one referral that an id or its beginning names.
func (b *Board) Referral(ctx context.Context, text string) (Referral, error) {
	return referrals.one(ctx, b, text)
}

// Alarms returns referrals with a deadline that this agency is to escalate by a time, the longest due first, and when the
// next is to be looked at after that; zero where none is known.
func (b *Board) Alarms(ctx context.Context, now time.Time, limit int) (due []Referral, next time.Time, err error) {
	due, err = referrals.find(ctx, b, "0", "referrals r CROSS JOIN objects o ON o.id = r.id WHERE r.alarm <= ? ORDER BY r.alarm LIMIT ?", now.UnixMilli(), limit)
	if err != nil {
		return nil, next, err
	}
	var at sql.NullInt64
	err = b.read.QueryRowContext(ctx, "SELECT min(alarm) FROM referrals WHERE alarm > ?", now.UnixMilli()).Scan(&at)
	if at.Valid {
		next = time.UnixMilli(at.Int64).UTC()
	}
	return due, next, err
}

// Overdue returns how many referrals, exercises apart, have a deadline that has passed.
func (b *Board) Overdue(ctx context.Context, now time.Time) (n int, err error) {
	err = b.read.QueryRowContext(ctx, "SELECT count(*) FROM referrals WHERE exercise = 0 AND due < ?", now.UnixMilli()).Scan(&n)
	return n, err
}

// HandedOver returns referrals that this agency holds and that were accepted abroad, some of them where there are many.
func (b *Board) HandedOver(ctx context.Context, limit int) ([]Referral, error) {
	return referrals.find(ctx, b, "0", "referrals r CROSS JOIN objects o ON o.id = r.id WHERE r.state = 'handover' AND r.holder = ? LIMIT ?", string(b.cfg.Agency), limit)
}
