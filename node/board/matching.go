package board

import (
	"context"
	"database/sql"
	"errors"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/watch"
)

// changeHit is the kind of change that says: there is a hit, or the standing of its alert is another.
const changeHit = "watch.hit"

// Alike is a watched file and an alert whose fingerprints are near each other, by their numbers on this board.
type Alike struct {
	Watched, Alert int64
	Algorithm      alert.Algorithm
	Distance       int
}

// NoteAlike lets Run make hits of what an index over perceptual hashes has found. Where one of the two is gone, or one is
// an exercise and the other casework, there is none.
func (b *Board) NoteAlike(found []Alike) {
	b.mu.Lock()
	b.alike = append(b.alike, found...)
	b.mu.Unlock()
	b.rouse()
}

// noteAlike makes hits of what NoteAlike left.
func (b *Board) noteAlike(ctx context.Context) error {
	b.mu.Lock()
	found := b.alike
	b.alike = nil
	b.mu.Unlock()
	if len(found) == 0 {
		return nil
	}
	return b.transact(ctx, func(f *folder) error {
		for _, a := range found {
			if err := f.hit(a); err != nil {
				return err
			}
		}
		return nil
	})
}

// match makes hits of signals that came with this transaction: an alert's that is watched, a watched one that is on an
// alert. Both are in their indexes already. One frame that two films share says little; films are compared elsewhere.
func (f *folder) match(signals, watched []signalRow) error {
	if len(signals) > 0 {
		some, err := f.watches()
		if err != nil {
			return err
		}
		if !some {
			signals = nil
		}
	}
	frame := func(s signalRow) bool { return alert.Algorithm(s.algorithm) == alert.VPDQFrame }
	for _, s := range signals {
		if frame(s) {
			continue
		}
		found, err := f.numbers("SELECT watched FROM watched_signals WHERE alg = ? AND value = ?", s.algorithm, s.value)
		for _, w := range found {
			err = errors.Join(err, f.hit(Alike{Watched: w, Alert: s.of, Algorithm: alert.Algorithm(s.algorithm)}))
		}
		if err != nil {
			return err
		}
	}
	for _, s := range watched {
		if frame(s) {
			continue
		}
		found, err := f.numbers("SELECT alert FROM signals WHERE alg = ? AND value = ?", s.algorithm, s.value)
		for _, a := range found {
			err = errors.Join(err, f.hit(Alike{Watched: s.of, Alert: a, Algorithm: alert.Algorithm(s.algorithm)}))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// watches says whether anything is watched or was hit.
func (f *folder) watches() (bool, error) {
	if f.watching {
		return true, nil
	}
	err := f.tx.QueryRow("SELECT EXISTS (SELECT 1 FROM watched_signals) OR EXISTS (SELECT 1 FROM hits)").Scan(&f.watching)
	return f.watching, err
}

// numbers returns the first column of what a statement finds.
func (f *folder) numbers(query string, args ...any) ([]int64, error) {
	s, err := f.prepared(query)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// pair is what a hit is made of.
type pair struct {
	watched watch.ID
	alert   alert.ID
	weight
	origin ledger.Origin // of the alert
	index  uint64
}

// pairOf reads both sides; false where one is gone, or where they do not mix.
func (f *folder) pairOf(a Alike) (p pair, ok bool, err error) {
	var exercise, gone bool
	var home, author, alertHome, alertAuthor, origin string
	var event, alertEvent []byte
	s, err := f.prepared(`SELECT l.exercise, w.gone, w.id - w.first, o.home, o.author, o.event FROM watched w
		JOIN watchlists l ON l.first = w.first JOIN objects o ON o.id = l.object WHERE w.id = ?`)
	if err == nil {
		err = s.QueryRow(a.Watched).Scan(&p.exercise, &gone, &p.watched.Row, &home, &author, &event)
	}
	if errors.Is(err, sql.ErrNoRows) || err == nil && gone {
		return p, false, nil
	}
	if err != nil {
		return p, false, err
	}
	s, err = f.prepared(`SELECT c.exercise, c.urgency, a.id - a.first, o.home, o.author, o.event, e.origin, e.idx FROM alerts a JOIN causes c ON c.first = a.first
		JOIN objects o ON o.id = c.object JOIN events e ON e.seq = c.founding WHERE a.id = ?`)
	if err == nil {
		err = s.QueryRow(a.Alert).Scan(&exercise, &p.urgency, &p.alert.Row, &alertHome, &alertAuthor, &alertEvent, &origin, &p.index)
	}
	if errors.Is(err, sql.ErrNoRows) || err == nil && exercise != p.exercise {
		return p, false, nil
	}
	p.watched.Key, p.alert.Key, p.origin = keyOf(home, author, event), keyOf(alertHome, alertAuthor, alertEvent), ledger.Origin(origin)
	return p, err == nil, err
}

func keyOf(home, author string, event []byte) watch.Key {
	k := watch.Key{Home: ledger.Origin(home), Author: ledger.AgencyID(author)}
	copy(k.Event[:], event)
	return k
}

// hit notes that a watched file and an alert are alike. The nearest likeness is kept, of two the one by the algorithm with
// the lower number.
func (f *folder) hit(a Alike) error {
	p, ok, err := f.pairOf(a)
	if err != nil || !ok {
		return err
	}
	id := watch.HitOf(p.watched, p.alert)
	state, err := f.stateOf(id)
	if err != nil {
		return err
	}
	r, err := f.exec("INSERT INTO hits (hit, watched, alert, alg, distance, exercise, state) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		id[:], a.Watched, a.Alert, a.Algorithm, a.Distance, p.exercise, state)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		_, nearer := f.exec("UPDATE hits SET alg = ?1, distance = ?2 WHERE hit = ?3 AND (distance, alg) > (?2, ?1)", a.Algorithm, a.Distance, id[:])
		return errors.Join(err, nearer)
	}
	f.watching = true
	return f.note(changeHit, id.String(), p.origin, p.index, p.weight)
}

// tellHits tells of the hits of an alert whose standing becomes another in what it means: disputed, retracted, or neither.
func (f *folder) tellHits(id int64, to alert.State) error {
	if some, err := f.watches(); err != nil || !some {
		return err
	}
	s, err := f.prepared(`SELECT h.hit, a.standing, e.origin, e.idx, c.exercise, c.urgency FROM hits h JOIN alerts a ON a.id = h.alert JOIN causes c ON c.first = a.first
		JOIN events e ON e.seq = c.founding WHERE h.alert = ? ORDER BY h.id`)
	if err != nil {
		return err
	}
	rows, err := s.Query(id)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var hit []byte
		var from alert.State
		var origin string
		var index uint64
		var w weight
		if err := rows.Scan(&hit, &from, &origin, &index, &w.exercise, &w.urgency); err != nil {
			return err
		}
		if max(from, alert.Corroborated) == max(to, alert.Corroborated) {
			return rows.Err()
		}
		if err := f.note(changeHit, watch.HitID(hit).String(), ledger.Origin(origin), index, w); err != nil {
			return err
		}
	}
	return rows.Err()
}

// foldHandled writes what the first event of an object says about hits: a second one with its id has no effect.
func (watches) foldHandled(f *folder, object int64) error {
	events, err := watchEvents(f.tx, object)
	if err != nil {
		return err
	}
	first := events[0]
	for i := range events {
		if noun.Compare(first.Origin, &events[i], &first) < 0 {
			first = events[i]
		}
	}
	before, err := f.hitsOf(object)
	if err != nil {
		return err
	}
	if _, err := f.exec("DELETE FROM handled WHERE object = ?", object); err != nil {
		return err
	}
	h := first.Fact.(*watch.Handled)
	for _, hit := range h.Hits {
		_, err := f.exec(`INSERT INTO handled SELECT ?, ?, ?, ?, ?, ?, seq FROM events WHERE origin = ?2 AND idx = ?3 AND leaf = ?4`,
			hit[:], string(first.Origin), first.Position.Index, first.Position.Leaf, object, h.What)
		if err != nil {
			return err
		}
	}
	for _, hit := range append(before, h.Hits...) {
		state, err := f.stateOf(hit)
		if err == nil {
			_, err = f.exec("UPDATE hits SET state = ? WHERE hit = ?", state, hit[:])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hitsOf returns the hits that an object said something about so far.
func (f *folder) hitsOf(object int64) ([]watch.HitID, error) {
	rows, err := f.tx.Query("SELECT hit FROM handled WHERE object = ?", object)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []watch.HitID
	for rows.Next() {
		var hit []byte
		if err := rows.Scan(&hit); err != nil {
			return nil, err
		}
		out = append(out, watch.HitID(hit))
	}
	return out, rows.Err()
}

// stateOf returns where a hit stands by the last that was said of it.
func (f *folder) stateOf(hit watch.HitID) (watch.Handling, error) {
	s, err := f.prepared("SELECT what FROM handled WHERE hit = ? ORDER BY origin DESC, idx DESC, leaf DESC LIMIT 1")
	if err != nil {
		return 0, err
	}
	var what watch.Handling
	err = s.QueryRow(hit[:]).Scan(&what)
	if errors.Is(err, sql.ErrNoRows) {
		return watch.Open, nil
	}
	return what.State(), err
}
