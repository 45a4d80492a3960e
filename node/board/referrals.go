package board

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/referral"
)

// referrals is the noun of package referral.
var referrals = &small[*referral.Referral]{
	types: referral.Prefix, ids: referral.IDPrefix, codec: referral.Codec,
	ddl: `
CREATE TABLE referrals (
	id INTEGER PRIMARY KEY, state TEXT NOT NULL, opener TEXT NOT NULL, holder TEXT NOT NULL, offered TEXT NOT NULL, kind TEXT NOT NULL,
	urgency INTEGER NOT NULL, exercise INTEGER NOT NULL, moved INTEGER NOT NULL);
CREATE INDEX referrals_by_state ON referrals (exercise, state, moved);
CREATE INDEX referrals_by_moved ON referrals (exercise, moved);
`,
	foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *referral.Referral {
		return referral.Fold(k, events)
	},
	write: writeReferral,
}

func writeReferral(f *folder, object int64, o *Folded[*referral.Referral], last int64) error {
	r := o.Object
	_, err := f.exec(`INSERT INTO referrals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
		state = excluded.state, holder = excluded.holder, offered = excluded.offered, moved = excluded.moved`,
		object, string(r.State), string(r.Opener), string(r.Holder), string(r.Offered), string(r.Opened.Kind), slices.Index(referral.Urgencies, r.Opened.Urgency), r.Opened.Exercise, last)
	return err
}

// Referral is one referral as this agency sees it.
type Referral = Folded[*referral.Referral]

// Due returns when an answer to a referral is due, and whether one still is.
func (b *Board) Due(r *Referral) (at time.Time, waiting bool) {
	if r.NoLaterThan.IsZero() {
		return time.Time{}, false
	}
	return r.NoLaterThan.Add(r.Object.Opened.Within(b.cfg.Policy())), r.Object.State == referral.Open || r.Object.State == referral.Acknowledged
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
	limit := pageLimit(q.Limit)
	found, err := referrals.find(ctx, b, "r.moved", "referrals r JOIN objects o ON o.id = r.id WHERE "+strings.Join(where, " AND ")+" ORDER BY r.moved DESC LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return ReferralPage{}, err
	}
	page := ReferralPage{}
	page.Referrals, page.Next = pageOf(found, limit)
	return page, nil
}

// Referral returns the one referral that an id or its beginning names.
func (b *Board) Referral(ctx context.Context, text string) (Referral, error) {
	return referrals.one(ctx, b, text)
}
