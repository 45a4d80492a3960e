package board

import (
	"database/sql"
	"errors"
	"slices"
	"strings"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/recall"
)

// A recall is a retraction that has effect on an alert which this agency holds. It owes an answer to each audience of the
// retraction that none of its answers was sealed to; answers may come before what they answer.
const recallTables = memberTables + `
CREATE TABLE recalls (object INTEGER, event BLOB, seq INTEGER NOT NULL, exercise INTEGER NOT NULL, PRIMARY KEY (object, event)) WITHOUT ROWID;
CREATE INDEX recalls_by_seq ON recalls (exercise, seq);
CREATE TABLE recalls_owed (audience TEXT, object INTEGER, event BLOB, PRIMARY KEY (audience, object, event)) WITHOUT ROWID;
CREATE INDEX recalls_owed_by_object ON recalls_owed (object, event);
CREATE TABLE recalls_untold (audience TEXT, object INTEGER, event BLOB, PRIMARY KEY (audience, object, event)) WITHOUT ROWID;
CREATE TABLE recall_answers (
	alert BLOB, author TEXT, home TEXT, retraction BLOB, seq INTEGER, agency TEXT NOT NULL, exercise INTEGER NOT NULL, hits INTEGER NOT NULL, exports INTEGER NOT NULL, told INTEGER NOT NULL,
	PRIMARY KEY (alert, author, home, retraction, seq)) WITHOUT ROWID;
`

// recalls is the noun of package recall.
type recalls struct{}

func (recalls) prefix() string                        { return recall.Prefix }
func (recalls) schema() string                        { return recallTables }
func (recalls) repolicy(*folder) error                { return nil }
func (recalls) dated() bool                           { return false }
func (recalls) refold(*folder, int64, noun.Key) error { return nil }
func (recalls) forget()                               {}

func (recalls) weigh(f *folder, object int64) (weight, error) {
	return f.weightOf("SELECT a.exercise, 0 FROM events e JOIN recall_answers a ON a.seq = e.seq WHERE e.object = ? LIMIT 1", object)
}

func (recalls) name(p placed) string {
	a := p.fact.(recall.Placed).Fact
	return alert.ID{Key: alert.Key{Home: a.Home, Author: a.Author, Event: a.Answers[0].Alert}}.String()
}

func (recalls) place(w where, e *ledger.Event) (placed, fate) {
	p, err := recall.Place(w.origin, w.at, w.author, w.authoredAt, e)
	switch {
	case errors.Is(err, noun.ErrNewer):
		return placed{}, newer
	case err != nil:
		return placed{}, malformed
	}
	return placed{key: p.Key(), fact: p}, folded
}

// fold keeps every answer; which of an agency's counts is said where they are judged.
func (n recalls) fold(f *folder, object int64, p placed, _ bool) error {
	if _, err := f.exec("UPDATE objects SET founding = ? WHERE id = ? AND founding IS NULL", p.seq, object); err != nil {
		return err
	}
	a := p.fact.(recall.Placed).Fact
	for _, x := range a.Answers {
		_, err := f.exec("INSERT INTO recall_answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", x.Alert[:], string(a.Author), string(a.Home), x.Retraction[:], p.seq,
			string(p.author), a.Exercise, x.Derived.Hits, x.Derived.Exports, x.Derived.Told)
		if err == nil && p.author == f.board.cfg.Agency {
			err = f.settled(alert.Key{Home: a.Home, Author: a.Author, Event: x.Alert}, x.Retraction)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// recalled notes the retractions of an alert that have effect: p, or where all is set whatever its fold has now.
func (f *folder) recalled(object int64, o *alert.Object, p placed, all bool) error {
	if !all {
		r, ok := o.RetractedBy(p.event.ID)
		if _, retracts := p.fact.(alert.Placed).Fact.(*alert.Retracted); !retracts || !ok {
			return nil
		}
		return f.recall(object, o, &r)
	}
	standing := o.Retractions()
	if err := f.unrecalled(object, standing); err != nil {
		return err
	}
	for i := range standing {
		if err := f.recall(object, o, &standing[i]); err != nil {
			return err
		}
	}
	return nil
}

// unrecalled drops recalls that have no effect any more: an event that stands before theirs came later.
func (f *folder) unrecalled(object int64, standing []alert.Placed) error {
	rows, err := f.tx.Query("SELECT event FROM recalls WHERE object = ?", object)
	if err != nil {
		return err
	}
	var gone [][]byte
	for rows.Next() {
		var event []byte
		if err := rows.Scan(&event); err != nil {
			return errors.Join(err, rows.Close())
		}
		if !slices.ContainsFunc(standing, func(p alert.Placed) bool { return p.Event == ledger.EventID(event) }) {
			gone = append(gone, event)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, event := range gone {
		for _, query := range []string{"DELETE FROM recalls WHERE object = ? AND event = ?", "DELETE FROM recalls_owed WHERE object = ? AND event = ?", "DELETE FROM recalls_untold WHERE object = ? AND event = ?"} {
			if _, err := f.exec(query, object, event); err != nil {
				return err
			}
		}
	}
	return nil
}

// recall notes one retraction, and to whom this agency owes an answer.
func (f *folder) recall(object int64, o *alert.Object, p *alert.Placed) error {
	cause, _ := o.Cause()
	var seq int64
	var audience string
	err := f.tx.QueryRow("SELECT seq, audience FROM events WHERE origin = ? AND idx = ? AND leaf = ?", string(p.Origin), p.Position.Index, p.Position.Leaf).Scan(&seq, &audience)
	if err != nil {
		return err
	}
	_, err = f.exec("INSERT INTO recalls VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq", object, p.Event[:], seq, alert.DetailsOf(cause).Exercise)
	if err != nil {
		return err
	}
	if _, err := f.exec("DELETE FROM recalls_owed WHERE object = ? AND event = ?", object, p.Event[:]); err != nil {
		return err
	}
	for _, name := range strings.Fields(audience) {
		if _, err := f.exec("INSERT INTO recalls_owed VALUES (?, ?, ?) ON CONFLICT DO NOTHING", name, object, p.Event[:]); err != nil {
			return err
		}
	}
	if err := f.untold(object, o.Key, p.Event, seq); err != nil {
		return err
	}
	return f.settled(o.Key, p.Event)
}

// untold notes, of our own alerts, to which of those who could open one a retraction was not sealed: a link may have been
// suspended then, or the alert was released meanwhile, or its audience's keys given to an agency that joined after. Another retraction of the same rows, or of all, tells them as well.
func (f *folder) untold(object int64, k alert.Key, event ledger.EventID, seq int64) error {
	if k.Author != f.board.cfg.Agency {
		return nil
	}
	heard, err := f.names("SELECT audience FROM events WHERE seq = ?", seq)
	if err != nil {
		return err
	}
	for _, name := range heard {
		_, err := f.exec(`DELETE FROM recalls_untold WHERE audience = ?1 AND object = ?2 AND event IN (SELECT r.event FROM recalls r JOIN bodies b ON b.seq = r.seq, bodies x
			WHERE r.object = ?2 AND x.seq = ?3 AND (b.rows = x.rows OR x.rows = x'ffffffff'))`, name, object, seq)
		if err != nil {
			return err
		}
	}
	wanted, err := f.names(`SELECT e.audience FROM objects o JOIN events e ON e.seq = o.founding WHERE o.id = ?1
		UNION SELECT r.audience FROM objects o JOIN events e ON e.seq = o.founding JOIN releases r ON r.origin = e.origin AND r.target = e.idx WHERE o.id = ?1`, object)
	if err != nil {
		return err
	}
	others, err := f.names(`SELECT e.audience FROM recalls r JOIN events e ON e.seq = r.seq JOIN bodies b ON b.seq = r.seq, bodies x
		WHERE r.object = ? AND x.seq = ? AND (b.rows = x.rows OR b.rows = x'ffffffff')`, object, seq)
	if err != nil {
		return err
	}
	granted, err := f.untoldGrants(object, seq)
	if err != nil {
		return err
	}
	wanted = slices.DeleteFunc(wanted, func(name string) bool { return slices.Contains(heard, name) || slices.Contains(others, name) })
	for _, name := range append(wanted, granted...) {
		if _, err := f.exec("INSERT INTO recalls_untold VALUES (?, ?, ?) ON CONFLICT DO NOTHING", name, object, event[:]); err != nil {
			return err
		}
	}
	return nil
}

// names returns the words of the first column of what is found: names of audiences.
func (f *folder) names(query string, args ...any) ([]string, error) {
	rows, err := f.tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var words string
		if err := rows.Scan(&words); err != nil {
			return nil, err
		}
		out = append(out, strings.Fields(words)...)
	}
	return out, rows.Err()
}

// settled strikes the audiences that an answer of this agency was sealed to off what it owes.
func (f *folder) settled(k alert.Key, retraction ledger.EventID) error {
	object, err := objectID(f.tx, alertPrefix, k)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := f.names("SELECT e.audience FROM recall_answers a JOIN events e ON e.seq = a.seq WHERE a.alert = ? AND a.author = ? AND a.home = ? AND a.retraction = ? AND a.agency = ?",
		k.Event[:], string(k.Author), string(k.Home), retraction[:], string(f.board.cfg.Agency))
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := f.exec("DELETE FROM recalls_owed WHERE audience = ? AND object = ? AND event = ?", name, object, retraction[:]); err != nil {
			return err
		}
	}
	return nil
}
