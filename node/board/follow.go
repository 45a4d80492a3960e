package board

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/alert"
)

// Run follows every ledger until ctx ends. Catch-up and live are the same: read from the cursor, fold, move the cursor
// in the same transaction, wait for a change when there is nothing.
func (b *Board) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		changed := b.cfg.Ledger.Changed()
		moved := false
		for _, origin := range b.cfg.Ledger.Origins() {
			for b.Position(origin) < b.cfg.Ledger.Size(origin) && ctx.Err() == nil {
				if err := b.batch(ctx, origin); err != nil {
					return fmt.Errorf("board: follow %s: %w", origin, err)
				}
				moved = true
			}
		}
		if moved {
			continue
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
	return nil
}

// batch follows some entries of a ledger in one transaction. A crash before it commits leaves the cursor where it was.
func (b *Board) batch(ctx context.Context, origin ledger.Origin) error {
	tx, err := b.write.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	f := &folder{board: b, tx: tx, at: time.Now()}
	next, size := b.Position(origin), b.cfg.Ledger.Size(origin)
	for n := 0; next < size && n < batchEntries && f.rows < batchRows; n++ {
		if err := f.entry(origin, next); err != nil {
			return err
		}
		next++
	}
	if _, err := tx.Exec("INSERT INTO cursors VALUES (?, ?) ON CONFLICT DO UPDATE SET next = excluded.next", string(origin), next); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.positions[origin] = next
	b.last = max(b.last, f.last)
	close(b.changed)
	b.changed = make(chan struct{})
	return nil
}

// folder folds entries within one transaction.
type folder struct {
	board *Board
	tx    *sql.Tx
	at    time.Time
	rows  int
	last  uint64 // sequence of the last change noted
}

// entry folds one entry. What cannot be opened, or does not hold inside, has no effect and never stops the cursor.
func (f *folder) entry(origin ledger.Origin, index uint64) error {
	e, bare, _, err := f.board.cfg.Ledger.Entry(origin, index)
	if err != nil {
		return err
	}
	if bare {
		return nil
	}
	rec, err := e.Open()
	if err != nil {
		return err
	}
	if rec.Kind != ledger.KindSealed && rec.Kind != ledger.KindRelease {
		return nil
	}
	p, err := f.board.cfg.Opener.Open(rec, e.Payload)
	if errors.Is(err, crypto.ErrNotForUs) {
		return nil
	}
	if err != nil {
		f.board.cfg.Log.Warn("an entry for this agency does not open and has no effect", "ledger", origin, "index", index, "error", err)
		return nil
	}
	leaf := uint32(0)
	for i := range p.Events {
		if err := f.event(rec, ledger.Position{Index: index, Leaf: leaf}, &p.Events[i]); err != nil {
			return err
		}
		leaf += uint32(p.Events[i].Count())
	}
	return nil
}

// event stores one event and folds the object it belongs to.
func (f *folder) event(rec *ledger.Record, at ledger.Position, e *ledger.Event) error {
	placed, err := alert.Place(rec.Origin, at, rec.Author, rec.AuthoredAt, e)
	known := err == nil
	var key alert.Key
	words := ""
	if known {
		key = placed.Key()
		if c, ok := placed.Fact.(alert.Cause); ok {
			d := alert.DetailsOf(c)
			words = strings.ToLower(d.Title + "\n" + d.Notes + "\n" + d.Source + "\n" + d.Series)
		}
	}
	seq, fresh, err := f.store(rec, at, e, key, known, words)
	if err != nil || !fresh {
		return err
	}
	if !known {
		return nil // kept: another noun's, or newer than this node
	}
	return f.fold(key, &placed, seq, e)
}

func (f *folder) store(rec *ledger.Record, at ledger.Position, e *ledger.Event, key alert.Key, known bool, words string) (seq int64, fresh bool, err error) {
	var home, author, cause any
	if known {
		home, author, cause = string(key.Home), string(key.Author), key.Event[:]
	}
	var audience []string
	for _, a := range rec.Audience {
		audience = append(audience, string(a.Name))
	}
	r, err := f.tx.Exec(`INSERT INTO events (origin, idx, leaf, author, event, type, authored, audience, home, cause_author, cause, words, raw)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		string(rec.Origin), at.Index, at.Leaf, string(rec.Author), e.ID[:], e.Type, rec.AuthoredAt, strings.Join(audience, " "), home, author, cause, words, ledger.Marshal(e))
	if err != nil {
		return 0, false, err
	}
	n, err := r.RowsAffected()
	if err != nil || n == 0 {
		return 0, false, err
	}
	seq, err = r.LastInsertId()
	return seq, true, err
}

// fold folds an object from all of its stored events, in canonical order, whichever order they came in.
func (f *folder) fold(key alert.Key, placed *alert.Placed, seq int64, e *ledger.Event) error {
	events, seqs, err := loadEvents(f.tx, key)
	if err != nil {
		return err
	}
	o := alert.Fold(key, events)
	founding := o.Founded()
	if founding != nil {
		where := seqs[place{founding.Origin, founding.Position}]
		if err := f.insert(key, o, founding, where); err != nil {
			return err
		}
		if len(events) > 1 {
			if err := f.standings(key, o, placed); err != nil {
				return err
			}
		}
	}
	f.rows += e.Count()
	return f.change(e.Type, alert.ID{Key: key}, placed)
}

// insert makes the rows of an object the first time its cause is known.
func (f *folder) insert(key alert.Key, o *alert.Object, founding *alert.Placed, seq int64) error {
	cause, _ := o.Cause()
	d := alert.DetailsOf(cause)
	k := f.board.cfg.Corroboration()
	alerts, err := f.tx.Prepare(`INSERT INTO alerts (event, row, author, home, founding, authored, standing, agencies, urgency, exercise)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	if err != nil {
		return err
	}
	defer alerts.Close()
	signals, err := f.tx.Prepare("INSERT INTO signals VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
	if err != nil {
		return err
	}
	defer signals.Close()
	for row := range uint32(o.Rows()) {
		s := o.Standing(row, k)
		r, err := alerts.Exec(key.Event[:], row, string(key.Author), string(key.Home), seq, founding.AuthoredAt, int(s.State), s.Agencies, int(d.Urgency), d.Exercise)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return err // the object is there already
		}
		id, err := r.LastInsertId()
		if err != nil {
			return err
		}
		for _, x := range alert.FileOf(cause, row).Signals {
			if _, err := signals.Exec(int(x.Algorithm), []byte(x.Value), id); err != nil {
				return err
			}
		}
	}
	return nil
}

// standings writes the standing of the rows an event is about.
func (f *folder) standings(key alert.Key, o *alert.Object, placed *alert.Placed) error {
	k := f.board.cfg.Corroboration()
	update, err := f.tx.Prepare("UPDATE alerts SET standing = ?, agencies = ? WHERE event = ? AND row = ? AND author = ? AND home = ?")
	if err != nil {
		return err
	}
	defer update.Close()
	touched := rowsOf(placed.Fact)
	for row := range uint32(o.Rows()) {
		if touched != nil && !touched.Has(row) {
			continue
		}
		s := o.Standing(row, k)
		if _, err := update.Exec(int(s.State), s.Agencies, key.Event[:], row, string(key.Author), string(key.Home)); err != nil {
			return err
		}
	}
	return nil
}

// rowsOf returns the rows an event is about; nil is all.
func rowsOf(f alert.Fact) alert.RowSet {
	switch x := f.(type) {
	case *alert.Assessed:
		return x.Rows
	case *alert.Retracted:
		return x.Rows
	}
	return nil
}

func (f *folder) change(kind string, id alert.ID, p *alert.Placed) error {
	r, err := f.tx.Exec("INSERT INTO changes (kind, object, origin, idx, at) VALUES (?, ?, ?, ?, ?)", kind, id.String(), string(p.Origin), p.Position.Index, f.at.UnixMilli())
	if err != nil {
		return err
	}
	n, err := r.LastInsertId()
	f.last = max(f.last, uint64(n))
	return err
}

type place struct {
	origin ledger.Origin
	at     ledger.Position
}

type querier interface {
	Query(query string, args ...any) (*sql.Rows, error)
}

// loadEvents returns every stored event of an object.
func loadEvents(q querier, key alert.Key) ([]alert.Placed, map[place]int64, error) {
	rows, err := q.Query("SELECT seq, origin, idx, leaf, author, authored, raw FROM events WHERE cause = ? AND cause_author = ? AND home = ?",
		key.Event[:], string(key.Author), string(key.Home))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	var out []alert.Placed
	seqs := map[place]int64{}
	for rows.Next() {
		var seq, authored int64
		var origin, author string
		var at ledger.Position
		var raw []byte
		if err := rows.Scan(&seq, &origin, &at.Index, &at.Leaf, &author, &authored, &raw); err != nil {
			return nil, nil, err
		}
		var e ledger.Event
		if err := ledger.Unmarshal(raw, &e, ledger.MaxPlaintextBytes); err != nil {
			return nil, nil, fmt.Errorf("board: a stored event is damaged: %w", err)
		}
		p, err := alert.Place(ledger.Origin(origin), at, ledger.AgencyID(author), authored, &e)
		if err != nil {
			continue // newer than this node: without effect until an upgrade
		}
		out = append(out, p)
		seqs[place{p.Origin, p.Position}] = seq
	}
	return out, seqs, rows.Err()
}
