package board

import (
	"context"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Seal is a checkpoint that counts: entries below Size existed no later than At.
type Seal struct {
	Size uint64
	At   time.Time
}

// sealsTables are the checkpoints and, for a scrub, how many there are of a ledger with the sums of their sizes and dates, in
// seconds: nothing but the board remembers which of the checkpoints that are kept it was told of.
const sealsTables = `
CREATE TABLE seals (origin TEXT, size INTEGER, at INTEGER NOT NULL, PRIMARY KEY (origin, size)) WITHOUT ROWID;
CREATE TABLE seal_sums (origin TEXT PRIMARY KEY, n INTEGER NOT NULL, sizes INTEGER NOT NULL, dates INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER seal_new AFTER INSERT ON seals BEGIN
	INSERT INTO seal_sums VALUES (NEW.origin, 1, NEW.size, NEW.at / 1000)
		ON CONFLICT DO UPDATE SET n = n + 1, sizes = sizes + excluded.sizes, dates = dates + excluded.dates;
END;
CREATE TRIGGER seal_earlier AFTER UPDATE ON seals BEGIN
	UPDATE seal_sums SET dates = dates - OLD.at / 1000 + NEW.at / 1000 WHERE origin = NEW.origin;
END;
`

// sealsDiffer asks whether the sums are those of the checkpoints.
const sealsDiffer = `WITH each AS (SELECT origin, count(*), sum(size), sum(at / 1000) FROM seals GROUP BY origin)
	SELECT EXISTS (SELECT * FROM each EXCEPT SELECT * FROM seal_sums) OR EXISTS (SELECT * FROM seal_sums EXCEPT SELECT * FROM each)`

// SetSealed notes checkpoints of a ledger. Of two for one size the earlier time stays. Entries are shown with the time of
// the first that covers them; objects whose folds depend on it are folded again soon.
func (b *Board) SetSealed(ctx context.Context, origin ledger.Origin, seals ...Seal) (err error) {
	defer func() { err = named(err) }()
	tx, err := b.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	for _, s := range seals {
		var before uint64
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(size), 0) FROM seals WHERE origin = ? AND size < ?", string(origin), s.Size).Scan(&before); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO seals VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = min(at, excluded.at)", string(origin), s.Size, s.At.UnixMilli()); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, b.markDated, string(origin), before, s.Size); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	b.rouse()
	return nil
}

// marking is the statement that makes stale what a new seal dates: objects with events of the ledger from one index to
// another, of the nouns whose folds depend on dates.
func marking(all []table) string {
	var nouns []string
	for _, n := range all {
		if n.dated() {
			nouns = append(nouns, "'"+n.prefix()+"'")
		}
	}
	return "UPDATE objects SET stale = 1 WHERE founding IS NOT NULL AND noun IN (" + strings.Join(nouns, ", ") + ") AND id IN (SELECT object FROM events WHERE origin = ? AND idx >= ? AND idx < ?)"
}

// Sealed returns the size of the greatest checkpoint that the board knows of a ledger.
func (b *Board) Sealed(ctx context.Context, origin ledger.Origin) (size uint64, err error) {
	err = b.read.QueryRowContext(ctx, "SELECT coalesce(max(size), 0) FROM seals WHERE origin = ?", string(origin)).Scan(&size)
	return size, err
}

// rouse wakes Run.
func (b *Board) rouse() {
	select {
	case b.wake <- struct{}{}:
	default: // Run is awake, or will be
	}
}

// refold folds some stale objects again. A crash before its transaction commits leaves them stale.
func (b *Board) refold(ctx context.Context) (more bool, err error) {
	var stale bool
	if err := b.write.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM objects WHERE stale = 1)").Scan(&stale); err != nil || !stale {
		if ctx.Err() != nil {
			return false, nil
		}
		return false, err
	}
	return true, b.transact(ctx, (*folder).refold)
}

func (f *folder) refold() error {
	type object struct {
		id   int64
		noun string
		key  noun.Key
	}
	rows, err := f.tx.Query("SELECT id, noun, home, author, event FROM objects WHERE stale = 1 LIMIT ?", staleBatch)
	if err != nil {
		return err
	}
	defer rows.Close()
	var stale []object
	for rows.Next() {
		var o object
		var event []byte
		if err := rows.Scan(&o.id, &o.noun, (*string)(&o.key.Home), (*string)(&o.key.Author), &event); err != nil {
			return err
		}
		copy(o.key.Event[:], event)
		stale = append(stale, o)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, o := range stale {
		if err := f.refoldOne(o.id, o.noun, o.key); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) refoldOne(id int64, prefix string, k noun.Key) error {
	if _, err := f.exec("UPDATE objects SET stale = 0 WHERE id = ?", id); err != nil {
		return err
	}
	for _, n := range f.board.tables {
		if n.prefix() == prefix {
			return n.refold(f, id, k)
		}
	}
	return nil
}
