package board

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"errors"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

// fate is what became of an event. The numbers are stored.
type fate uint8

const (
	folded    fate = 0
	newer     fate = 1 // of a noun, type or version made after this binary; tried again at every start
	malformed fate = 2 // claims to be of a version that it is not; never has effect
	private   fate = 3 // sealed by this agency to itself, of no noun here: settings
)

// where is an event's place and what its record says.
type where struct {
	origin     ledger.Origin
	at         ledger.Position
	author     ledger.AgencyID
	authoredAt int64
	own        bool // sealed by this agency to itself alone
}

// placed is an event that a noun has read: the object it founds or refers to, and what it says.
type placed struct {
	where
	key   noun.Key // home, author and event name the object of any noun
	fact  any      // the noun's own
	event *ledger.Event
	seq   int64
}

// table folds the events whose type begins with its prefix into tables of its own. It belongs to Run.
type table interface {
	prefix() string
	// schema are the statements that make the noun's own tables.
	schema() string
	// name is the id people use of what an event is about.
	name(p placed) string
	// place reads an event; what is not folded is kept without effect.
	place(w where, e *ledger.Event) (placed, fate)
	// fold brings the object's tables to the fold of all its events, of which p is stored last; fresh says that p is the
	// only one.
	fold(f *folder, object int64, p placed, fresh bool) error
	// repolicy brings the tables to a policy that has changed, or notes that they are to follow soon.
	repolicy(f *folder) error
	// dated says that folds depend on the dates of events, and follow when a checkpoint dates them.
	dated() bool
	// refold brings an object's tables to the fold of its events as dates and policy are now.
	refold(f *folder, object int64, k noun.Key) error
	// forget drops what is remembered of objects.
	forget()
	// wipe takes an object out of the noun's own tables: some of its events are gone, and those that are left are folded again
	// afterwards.
	wipe(f *folder, object int64) error
}

// tables are those of all nouns that this binary knows.
func tables() []table {
	return []table{
		newAlerts(),
		asks,
		benigns,
		consents,
		evaluators,
		expungements,
		exports{},
		marks,
		notices,
		pointers,
		recalls{},
		referrals,
		releases,

		reports,
		subscriptions,
		screenings,
		tokens,
		users,
		watches{},
	}
}

// place finds the noun of an event and lets it read.
func (b *Board) place(w where, audience string, e *ledger.Event) (table, placed, fate) {
	w.own = w.author == b.cfg.Agency && audience == string(b.cfg.Agency)
	for _, n := range b.tables {
		if strings.HasPrefix(e.Type, n.prefix()) {
			p, fate := n.place(w, e)
			p.where, p.event = w, e
			return n, p, fate
		}
	}
	if w.own {
		return nil, placed{}, private
	}
	return nil, placed{}, newer
}

// audienceOf names whom an entry was sealed to.
func audienceOf(refs []ledger.AudienceRef) string {
	var names []string
	for _, a := range refs {
		names = append(names, string(a.Name))
	}
	return strings.Join(names, " ")
}

// event stores one event and folds the object it belongs to. One that is stored already has no effect. Holes are rows that are
// not known here: zeros stand for them.
func (f *folder) event(rec *ledger.Record, audience string, at ledger.Position, e *ledger.Event, holes []uint32) error {
	w := where{origin: rec.Origin, at: at, author: rec.Author, authoredAt: rec.AuthoredAt}
	n, p, fate := f.board.place(w, audience, e)
	seq, isNew, err := f.store(w, audience, fate, e, holes)
	f.rows += e.Count()
	if err != nil || !isNew || fate != folded {
		return err
	}
	p.seq = seq
	return f.fold(n, p)
}

func (f *folder) store(w where, audience string, fate fate, e *ledger.Event, holes []uint32) (seq int64, isNew bool, err error) {
	r, err := f.exec(`INSERT INTO events (origin, idx, leaf, author, event, type, version, authored, audience, fate, width, shared, holes)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		string(w.origin), w.at.Index, w.at.Leaf, string(w.author), e.ID[:], e.Type, e.Version, w.authoredAt, audience, fate, e.Width, notNil(e.Shared), encodeHoles(holes))
	if err != nil {
		return 0, false, err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return 0, false, err
	}
	if seq, err = r.LastInsertId(); err != nil {
		return 0, false, err
	}
	_, err = f.exec("INSERT INTO bodies VALUES (?, ?)", seq, e.Rows)
	return seq, true, err
}

// notNil keeps an empty part from being stored as NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// fold gives a stored event to its object.
func (f *folder) fold(n table, p placed) error {
	object, fresh, err := f.object(n.prefix(), p.key)
	if err != nil {
		return err
	}
	if _, err := f.exec("UPDATE events SET object = ? WHERE seq = ?", object, p.seq); err != nil {
		return err
	}
	if err := n.fold(f, object, p, fresh); err != nil {
		return err
	}
	told := func() error {
		var w weight
		if x, ok := n.(weighed); ok {
			var err error
			if w, err = x.weigh(f, object); err != nil {
				return err
			}
		}
		return f.note(p.event.Type, n.name(p), p.origin, p.at.Index, w)
	}
	if f.waitsFor(object) {
		f.changes = append(f.changes, told) // what it weighs is known once it has folded
		return nil
	}
	return told()
}

// weight is what decides, beside its kind, whether a change is told of.
type weight struct {
	exercise bool
	urgency  uint64
}

// weighed is a table whose objects are exercises or casework, and more or less urgent.
type weighed interface {
	weigh(f *folder, object int64) (weight, error)
}

// weightOf reads a weight by a query for exercise and urgency of an object; one that has not been founded has none.
func (f *folder) weightOf(query string, object int64) (w weight, err error) {
	err = f.tx.QueryRow(query, object).Scan(&w.exercise, &w.urgency)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return w, err
}

func (f *folder) object(prefix string, k noun.Key) (id int64, fresh bool, err error) {
	r, err := f.exec("INSERT INTO objects (noun, home, author, event) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", prefix, string(k.Home), string(k.Author), k.Event[:])
	if err != nil {
		return 0, false, err
	}
	if n, err := r.RowsAffected(); err != nil || n == 1 {
		id, lastErr := r.LastInsertId()
		return id, true, errors.Join(err, lastErr)
	}
	id, err = objectID(f, prefix, k)
	return id, false, err
}

func objectID(q querier, prefix string, k noun.Key) (id int64, err error) {
	err = q.QueryRow("SELECT id FROM objects WHERE event = ? AND author = ? AND home = ? AND noun = ?", k.Event[:], string(k.Author), string(k.Home), prefix).Scan(&id)
	return id, err
}

func (f *folder) change(kind, object string, origin ledger.Origin, index uint64) error {
	return f.note(kind, object, origin, index, weight{})
}

func (f *folder) note(kind, object string, origin ledger.Origin, index uint64, w weight) error {
	r, err := f.exec("INSERT INTO changes (kind, object, origin, idx, at, exercise, urgency) VALUES (?, ?, ?, ?, ?, ?, ?)", kind, object, string(origin), index, f.at.UnixMilli(), w.exercise, w.urgency)
	if err != nil {
		return err
	}
	n, err := r.LastInsertId()
	f.last = max(f.last, uint64(n))
	return err
}

// policyInForce reads the policy; where it is another than the stored folds were made with, they follow.
func (f *folder) policyInForce() error {
	f.policy = f.board.cfg.Policy()
	f.rules = alert.RulesOf(f.policy, f.board.cfg.Agency.Jurisdiction())
	sum := sha256.Sum256(ledger.Marshal(f.policy))
	var before []byte
	if err := f.tx.QueryRow("SELECT policy FROM meta").Scan(&before); err != nil || bytes.Equal(before, sum[:]) {
		return err
	}
	if _, err := f.exec("UPDATE meta SET policy = ?", sum[:]); err != nil {
		return err
	}
	if len(before) == 0 {
		return f.refloodIf() // a new board
	}
	for _, n := range f.board.tables {
		if err := n.repolicy(f); err != nil {
			return err
		}
	}
	return f.change("policy", "", "", 0)
}

// renew folds the events that were newer than the binary that stored them and are not newer than this one.
func (f *folder) renew() error {
	found, err := storedEvents(f.tx, "e.fate = ? ORDER BY e.seq", newer)
	if err != nil {
		return err
	}
	for i := range found {
		s := &found[i]
		w := where{origin: s.Origin, at: s.Position, author: s.Author, authoredAt: s.authoredAt}
		n, p, fate := f.board.place(w, s.audience, &s.Event)
		if fate == newer {
			continue
		}
		if _, err := f.exec("UPDATE events SET fate = ? WHERE seq = ?", fate, s.seq); err != nil {
			return err
		}
		p.seq = s.seq
		if fate == folded {
			if err := f.fold(n, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// Stored is an event as it was stored.
type Stored struct {
	Origin   ledger.Origin
	Position ledger.Position
	Author   ledger.AgencyID
	Type     string
	Event    ledger.Event
	// NoLaterThan is the time of the first checkpoint that covers it; zero where none is known.
	NoLaterThan time.Time

	authoredAt int64
	audience   string
	seq        int64
}

// Audience returns whom it was sealed to.
func (s *Stored) Audience() []ledger.AudienceName {
	var out []ledger.AudienceName
	for _, name := range strings.Fields(s.audience) {
		out = append(out, ledger.AudienceName(name))
	}
	return out
}

// storedEvents returns events with their rows.
func storedEvents(q querier, condition string, args ...any) ([]Stored, error) {
	rows, err := q.Query(`SELECT e.seq, e.origin, e.idx, e.leaf, e.author, e.event, e.type, e.version, e.authored, e.audience, e.width, e.shared, b.rows,
		(SELECT at FROM seals s WHERE s.origin = e.origin AND s.size > e.idx ORDER BY s.size LIMIT 1)
		FROM events e JOIN bodies b ON b.seq = e.seq WHERE `+condition, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Stored
	for rows.Next() {
		s, err := scanStored(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

func scanStored(rows *sql.Rows) (s Stored, err error) {
	var origin, author string
	var id []byte
	var sealed sql.NullInt64
	err = rows.Scan(&s.seq, &origin, &s.Position.Index, &s.Position.Leaf, &author, &id, &s.Type, &s.Event.Version, &s.authoredAt, &s.audience, &s.Event.Width, &s.Event.Shared, &s.Event.Rows, &sealed)
	if err == nil && len(id) != len(s.Event.ID) {
		err = errors.New("board: a stored event is damaged")
	}
	if err != nil {
		return s, err
	}
	s.Origin, s.Author, s.Event.ID, s.Event.Type = ledger.Origin(origin), ledger.AgencyID(author), ledger.EventID(id), s.Type
	if sealed.Valid {
		s.NoLaterThan = time.UnixMilli(sealed.Int64).UTC()
	}
	return s, nil
}
