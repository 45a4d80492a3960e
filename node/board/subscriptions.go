package board

import (
	"context"
	"database/sql"
	"errors"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/subscription"
)

// subscriptions is the noun of package subscription. How far each has been told stands beside it, in this board's own
// numbers: a board built anew begins again with what comes next.
var subscriptions = &small[*subscription.Subscription]{
	types: subscription.Types, ids: subscription.IDs, codec: subscription.Codec, own: true,
	ddl: `CREATE TABLE subscriptions (id INTEGER PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE told (event BLOB PRIMARY KEY, upto INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE told_of (object TEXT, event BLOB, PRIMARY KEY (object, event)) WITHOUT ROWID;
`,
	foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *subscription.Subscription {
		return subscription.Fold(k, events)
	},
	write: func(f *folder, object int64, o *Folded[*subscription.Subscription], _ int64) error {
		_, err := f.exec("INSERT INTO subscriptions VALUES (?, ?) ON CONFLICT DO UPDATE SET state = excluded.state", object, string(o.Object.State))
		return err
	},
}

// Subscription is one subscription of this agency.
type Subscription = Folded[*subscription.Subscription]

// Subscriptions returns those that are not closed, in the order in which they were opened.
func (b *Board) Subscriptions(ctx context.Context) ([]Subscription, error) {
	return subscriptions.find(ctx, b, "s.id", "subscriptions s JOIN objects o ON o.id = s.id WHERE s.state <> ? ORDER BY s.id LIMIT ?", string(subscription.Ended), maxAccounts)
}

// Subscription returns the one that an id or its beginning names, a closed one too.
func (b *Board) Subscription(ctx context.Context, text string) (Subscription, error) {
	return subscriptions.one(ctx, b, text)
}

// ToldUpTo returns the sequence of the last change that a subscription was told of or passed over; false where it was told
// of nothing yet.
func (b *Board) ToldUpTo(ctx context.Context, k noun.Key) (seq uint64, begun bool, err error) {
	err = b.read.QueryRowContext(ctx, "SELECT upto FROM told WHERE event = ?", k.Event[:]).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return seq, err == nil, err
}

// SetTold notes how far a subscription was told, and of which objects.
func (b *Board) SetTold(ctx context.Context, k noun.Key, seq uint64, objects []string) error {
	tx, err := b.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	for _, o := range objects {
		if _, err := tx.Exec("INSERT INTO told_of VALUES (?, ?) ON CONFLICT DO NOTHING", o, k.Event[:]); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("INSERT INTO told VALUES (?, ?) ON CONFLICT DO UPDATE SET upto = max(upto, excluded.upto)", k.Event[:], seq); err != nil {
		return err
	}
	return tx.Commit()
}

// WasTold says whether a subscription was told of an object, by the id people use of it.
func (b *Board) WasTold(ctx context.Context, k noun.Key, object string) (told bool, err error) {
	err = b.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM told_of WHERE object = ? AND event = ?)", object, k.Event[:]).Scan(&told)
	return told, err
}

// ToldOf returns how many subscriptions were told of an object, by the id people use of it.
func (b *Board) ToldOf(ctx context.Context, object string) (n int, err error) {
	err = b.read.QueryRowContext(ctx, "SELECT count(*) FROM told_of WHERE object = ?", object).Scan(&n)
	return n, err
}
