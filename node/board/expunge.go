package board

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"vigil/ledger"
	"vigil/ledger/expunge"
	"vigil/ledger/noun"
)

// ChangeExpunged is the kind of the change that tells that something was expunged here.
const ChangeExpunged = "expunge.done"

// expungements is the noun of package expunge.
var expungements = &small[*expunge.Expungement]{
	types: expunge.Types, ids: expunge.IDs, codec: expunge.Codec,
	ddl: `
CREATE TABLE expungements (id INTEGER PRIMARY KEY, origin TEXT NOT NULL, target INTEGER NOT NULL, entry INTEGER NOT NULL, answered INTEGER NOT NULL);
CREATE INDEX expungements_by_target ON expungements (origin, target);
CREATE INDEX expungements_owed ON expungements (id) WHERE answered = 0;
`,
	foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *expunge.Expungement {
		return expunge.Fold(k, events)
	},
	write: func(f *folder, object int64, o *Folded[*expunge.Expungement], _ int64) error {
		_, answered := o.Object.Answered(f.board.cfg.Agency)
		_, err := f.exec(`INSERT INTO expungements SELECT ?, origin, ?, idx, ? FROM events WHERE seq = (SELECT founding FROM objects WHERE id = ?1)
			ON CONFLICT DO UPDATE SET answered = excluded.answered`, object, o.Object.Ordered.Target, answered)
		return err
	},
}

// Expungement is one expungement as this agency sees it.
type Expungement struct {
	Folded[*expunge.Expungement]
	Ledger ledger.Origin
	Entry  ledger.Index
	cursor int64
}

// Next is the cursor of the page that begins after it.
func (x *Expungement) Next() int64 { return x.cursor }

// Expungements returns those that this agency can read, the newest first, from before a cursor on; 0 is from the newest.
func (b *Board) Expungements(ctx context.Context, before int64, limit int) (page []Expungement, next int64, err error) {
	limit = pageLimit(limit)
	page, err = b.expungements(ctx, "?1 = 0 OR x.id < ?1 ORDER BY x.id DESC LIMIT ?2", before, limit+1)
	if err == nil && len(page) > limit {
		page = page[:limit]
		next = page[limit-1].cursor
	}
	return page, next, err
}

// OwedExpungements returns those that this agency has not answered.
func (b *Board) OwedExpungements(ctx context.Context, most int) ([]Expungement, error) {
	return b.expungements(ctx, "x.answered = 0 ORDER BY x.id LIMIT ?", most)
}

func (b *Board) expungements(ctx context.Context, condition string, args ...any) ([]Expungement, error) {
	found, err := expungements.find(ctx, b, "x.id", "expungements x JOIN objects o ON o.id = x.id WHERE "+condition, args...)
	var out []Expungement
	for i := range found {
		x := Expungement{Folded: found[i], cursor: found[i].number}
		row := b.read.QueryRowContext(ctx, "SELECT origin, entry FROM expungements WHERE id = ?", x.number)
		if err := row.Scan((*string)(&x.Ledger), &x.Entry); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, err
}

// expunge takes off the board what an entry expunged: whatever is of the entry it names and that it does not carry. On a board
// built anew it brings what was left. It is called where the payloads are gone from this node.
func (f *folder) expunge(rec *ledger.Record, index uint64, p *ledger.Payload) error {
	left, target := map[uint32]*ledger.CarriedEvent{}, (*ledger.Record)(nil)
	if p != nil {
		err := f.carried(rec, index, p, func(t *ledger.Record, at ledger.Position, c *ledger.CarriedEvent) error {
			if at.Index != rec.Target { // the order of an expungement before this one
				return f.event(t, audienceOf(t.Audience), at, &c.Event, nil)
			}
			target, left[at.Leaf] = t, c
			return nil
		})
		if err != nil {
			return err
		}
	}
	touched, err := f.strike(rec, target, left)
	if err != nil {
		return err
	}
	for _, t := range touched {
		if err := f.unfold(t.object); err != nil {
			return err
		}
	}
	if len(touched) > 0 {
		f.struck = true
	}
	for _, leaf := range sortedLeaves(left) {
		if err := f.event(target, audiencesOf(target, rec), ledger.Position{Index: rec.Target, Leaf: leaf}, &left[leaf].Event, left[leaf].Holes); err != nil {
			return err
		}
	}
	return f.change(ChangeExpunged, "", rec.Origin, index)
}

func sortedLeaves(m map[uint32]*ledger.CarriedEvent) []uint32 {
	var out []uint32
	for leaf := range m {
		out = append(out, leaf)
	}
	slices.Sort(out)
	return out
}

type struck struct {
	seq, object int64
	leaf        uint32
	holes       []byte
}

// strike deletes the events of an entry that are not left, and the rows that are not; it takes out of left what is here as it
// is left, and returns what has changed, each object once.
func (f *folder) strike(rec, target *ledger.Record, left map[uint32]*ledger.CarriedEvent) (touched []struck, err error) {
	here, err := f.stored(rec.Origin, rec.Target)
	if err != nil {
		return nil, err
	}
	for _, s := range here {
		c := left[s.leaf]
		delete(left, s.leaf)
		if c != nil {
			if _, err := f.exec("UPDATE events SET audience = ? WHERE seq = ?", audiencesOf(target, rec), s.seq); err != nil {
				return nil, err
			}
		}
		switch {
		case c != nil && string(encodeHoles(c.Holes)) == string(s.holes):
			continue
		case c != nil:
			_, err = f.exec("UPDATE bodies SET rows = ? WHERE seq = ?", c.Event.Rows, s.seq)
			if err == nil {
				_, err = f.exec("UPDATE events SET holes = ? WHERE seq = ?", encodeHoles(c.Holes), s.seq)
			}
		default:
			_, err = f.exec("DELETE FROM bodies WHERE seq = ?", s.seq)
			if err == nil {
				_, err = f.exec("DELETE FROM events WHERE seq = ?", s.seq)
			}
		}
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(touched, func(t struck) bool { return t.object == s.object }) {
			touched = append(touched, s)
		}
	}
	return touched, nil
}

// stored returns the events here of an entry.
func (f *folder) stored(origin ledger.Origin, index uint64) (out []struck, err error) {
	rows, err := f.tx.Query("SELECT seq, coalesce(object, 0), leaf, holes FROM events WHERE origin = ? AND idx = ? ORDER BY leaf", string(origin), index)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s struck
		if err := rows.Scan(&s.seq, &s.object, &s.leaf, &s.holes); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// unfold brings an object to the fold of what is left of its events; 0 is an event of no object.
func (f *folder) unfold(object int64) error {
	if object == 0 {
		return nil
	}
	var prefix, home, author string
	var event []byte
	if err := f.tx.QueryRow("SELECT noun, home, author, event FROM objects WHERE id = ?", object).Scan(&prefix, &home, &author, &event); err != nil {
		return err
	}
	for _, n := range f.board.tables {
		if n.prefix() != prefix {
			continue
		}
		if err := n.wipe(f, object); err != nil {
			return err
		}
		if _, err := f.exec("UPDATE objects SET founding = NULL WHERE id = ?", object); err != nil {
			return err
		}
		if err := f.afresh(n, object); err != nil {
			return err
		}
		_, err := f.exec(`DELETE FROM objects WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM events WHERE object = ?1)
			AND NOT EXISTS (SELECT 1 FROM links WHERE low = ?1 OR high = ?1)`, object)
		return err
	}
	return fmt.Errorf("board: no noun %s", prefix)
}

// afresh folds an object's events one after the other.
func (f *folder) afresh(n table, object int64) error {
	left, err := storedEvents(f.tx, "e.object = ? ORDER BY e.seq", object)
	if err != nil {
		return err
	}
	for i := range left {
		s := &left[i]
		w := where{origin: s.Origin, at: s.Position, author: s.Author, authoredAt: s.authoredAt}
		_, p, fate := f.board.place(w, s.audience, &s.Event)
		if fate != folded {
			continue // a row of it is gone that it cannot be without
		}
		p.seq = s.seq
		if err := n.fold(f, object, p, len(left) == 1); err != nil {
			return err
		}
	}
	return nil
}

// wipeAll runs statements about one object.
func (f *folder) wipeAll(object int64, statements ...string) error {
	for _, s := range statements {
		if _, err := f.exec(s, object); err != nil {
			return err
		}
	}
	return nil
}

var byObject = regexp.MustCompile(`CREATE TABLE (\w+) \(\s*id INTEGER PRIMARY KEY`)

// wipe implements table: it takes an object out of the tables whose id is the object, and of the parts.
func (s *small[O]) wipe(f *folder, object int64) error {
	if s.drop != nil {
		if err := s.drop(f, object); err != nil {
			return err
		}
	}
	var statements []string
	for _, m := range byObject.FindAllStringSubmatch(s.ddl, -1) {
		statements = append(statements, "DELETE FROM "+m[1]+" WHERE id = ?")
	}
	for _, part := range s.parts {
		name, column, _ := strings.Cut(part, ".")
		statements = append(statements, "DELETE FROM "+name+" WHERE "+column+" = ?")
	}
	return f.wipeAll(object, statements...)
}

// wipe implements table.
func (n *alerts) wipe(f *folder, object int64) error {
	delete(n.folds, object)
	var founded bool
	if err := f.get(&founded, "SELECT EXISTS (SELECT 1 FROM causes WHERE object = ?)", object); err != nil {
		return err
	}
	if founded {
		if err := n.removeCause(f, object); err != nil {
			return err
		}
	}
	return f.wipeAll(object, "DELETE FROM sightings WHERE object = ?", "DELETE FROM links WHERE low = ?", "DELETE FROM recalls WHERE object = ?",
		"DELETE FROM recalls_owed WHERE object = ?", "DELETE FROM recalls_untold WHERE object = ?")
}

// wipe implements table: answers go with their event, and what was answered with one of ours is owed again.
func (recalls) wipe(f *folder, _ int64) error {
	if _, err := f.exec("DELETE FROM recall_answers WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = recall_answers.seq)"); err != nil {
		return err
	}
	type owed struct {
		object   int64
		key      noun.Key
		event    []byte
		audience string
	}
	rows, err := f.tx.Query("SELECT r.object, r.event, e.audience, o.home, o.author, o.event FROM recalls r JOIN events e ON e.seq = r.seq JOIN objects o ON o.id = r.object")
	if err != nil {
		return err
	}
	var all []owed
	for rows.Next() {
		var x owed
		var home, author string
		var alert []byte
		if err := rows.Scan(&x.object, &x.event, &x.audience, &home, &author, &alert); err != nil {
			return errors.Join(err, rows.Close())
		}
		x.key = keyOf(home, author, alert)
		all = append(all, x)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, x := range all {
		for _, name := range strings.Fields(x.audience) {
			if _, err := f.exec("INSERT INTO recalls_owed VALUES (?, ?, ?) ON CONFLICT DO NOTHING", name, x.object, x.event); err != nil {
				return err
			}
		}
		if err := f.settled(x.key, ledger.EventID(x.event)); err != nil {
			return err
		}
	}
	return nil
}

// wipe implements table.
func (exports) wipe(f *folder, object int64) error {
	return f.wipeAll(object, "DELETE FROM exports WHERE id = ?", "DELETE FROM export_runs WHERE export = ?")
}

// wipe implements table.
func (watches) wipe(f *folder, object int64) error {
	const files = "(SELECT w.id FROM watched w JOIN watchlists l ON l.first = w.first WHERE l.object = ?)"
	if err := f.settle(); err != nil { // what this transaction collected; that of the list must not come after
		return err
	}
	return f.wipeAll(object, "DELETE FROM hits WHERE watched IN "+files, "DELETE FROM watched_signals WHERE watched IN "+files, "DELETE FROM watched WHERE id IN "+files,
		"DELETE FROM watchlists WHERE object = ?", "DELETE FROM handled WHERE object = ?")
}

// scrub empties what a deletion leaves behind: the index over words keeps what was deleted until it is merged.
func (f *folder) scrub() error {
	_, err := f.exec("INSERT INTO words (words) VALUES ('optimize')")
	return err
}

// truncate empties the write-ahead log, in which pages stand as they were. Readers may keep it from that, and are not waited for long: Run
// tries again until it is done.
func (b *Board) truncate() {
	var busy, frames, done int
	_, err := b.write.Exec("PRAGMA busy_timeout = 100")
	if err == nil {
		err = b.write.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done)
	}
	_, restored := b.write.Exec("PRAGMA busy_timeout = 5000")
	if err = errors.Join(err, restored); err != nil {
		b.cfg.Log.Warn("the board's log is not emptied yet", "error", err)
	}
	b.logged.Store(err != nil || busy != 0)
}

// Emptied says whether nothing that was taken off the board is left in its files.
func (b *Board) Emptied() bool { return !b.logged.Load() }
