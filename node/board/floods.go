package board

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"vigil/ledger"
	"vigil/ledger/alert"
)

// A flood is found by sums: what each member raised in each window of its ledger. A cause is over where it goes beyond its
// author's allowance; an alert is held where its cause is and no release covers it. flooding has the policy that sums and
// verdicts were made with.
const floodTables = `
CREATE TABLE shares (
	origin TEXT, exercise INTEGER, window INTEGER, author TEXT, signals INTEGER NOT NULL, novel INTEGER NOT NULL,
	PRIMARY KEY (origin, exercise, window, author)) WITHOUT ROWID;
CREATE TABLE flooding (policy BLOB NOT NULL);
CREATE INDEX causes_over ON causes (first) WHERE over = 1;
`

// cause is a founding event as floods see it.
type cause struct {
	stream
	first, count int64
	at           ledger.Position
	author       ledger.AgencyID
	raised       alert.Share
	over         bool
}

// stream is what is counted together: the casework of a ledger, or its exercises.
type stream struct {
	origin   ledger.Origin
	exercise bool
}

// member is an agency in one window.
type member struct {
	stream
	window uint64
	author ledger.AgencyID
}

// flood remembers what it is about to need again. Nothing in it is not in the tables, but for what is unwritten.
type flood struct {
	heads     map[stream]ledger.Position // of the last cause; the zero position where there is none
	raised    map[member]alert.Share     // all that was raised in a window
	allowed   map[member]alert.Share
	unwritten map[member]bool // of raised
}

func newFlood() *flood {
	return &flood{heads: map[stream]ledger.Position{}, raised: map[member]alert.Share{}, allowed: map[member]alert.Share{}, unwritten: map[member]bool{}}
}

// span is windows from one to another, both included.
type span struct{ from, to uint64 }

// settleFloods counts the causes that came with this transaction and judges them; came is their signals, which are in
// the index. Causes that come in the order of their ledger are judged by themselves. One that stands before others
// changes what those may raise, so they are judged again.
func (f *folder) settleFloods(came []signalRow) error {
	causes := f.causes
	f.causes = nil
	if f.removed {
		return nil // everything is counted anew at the end
	}
	slices.SortFunc(causes, func(a, b *cause) int { return cmp.Compare(a.first, b.first) })
	again := map[stream]span{}
	if err := f.novelty(causes, came, again); err != nil {
		return err
	}
	if f.rules.Flood.Window == 0 {
		return nil
	}
	slices.SortStableFunc(causes, func(a, b *cause) int { return comparePositions(a.at, b.at) })
	for _, c := range causes {
		if err := f.count(c, again); err != nil {
			return err
		}
	}
	if err := f.writeShares(); err != nil {
		return err
	}
	for s, windows := range again {
		if err := f.rejudge(s, windows); err != nil {
			return err
		}
	}
	return nil
}

func comparePositions(a, b ledger.Position) int {
	return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Leaf, b.Leaf))
}

// count adds a cause to its window, and judges it where nothing of its ledger stands after it.
func (f *folder) count(c *cause, again map[stream]span) error {
	fl := f.board.flood
	m := member{c.stream, f.rules.Flood.WindowOf(c.at.Index), c.author}
	before, err := f.raised(m)
	if err != nil {
		return err
	}
	late := comparePositions(c.at, fl.heads[c.stream]) < 0
	if late {
		f.again(again, m)
	} else {
		f.forgetBefore(m)
		allowed, err := f.allowance(m)
		if err != nil {
			return err
		}
		fl.heads[c.stream] = c.at
		if c.over = c.raised.Over(before, allowed); c.over {
			if err := f.hold(c); err != nil {
				return err
			}
		}
	}
	fl.raised[m], fl.unwritten[m] = before.Add(c.raised), true
	return nil
}

// again notes that a window's sums are others now: it is judged again, and those that its sums decide.
func (f *folder) again(again map[stream]span, m member) {
	maps.DeleteFunc(f.board.flood.allowed, func(x member, _ alert.Share) bool { return x.stream == m.stream })
	d, marked := again[m.stream]
	if !marked {
		d = span{m.window, m.window}
	}
	again[m.stream] = span{min(d.from, m.window), max(d.to, m.window+f.rules.Flood.Recent)}
}

// forgetBefore drops what is remembered of windows before a member's.
func (f *folder) forgetBefore(m member) {
	fl := f.board.flood
	if f.rules.Flood.WindowOf(fl.heads[m.stream].Index) == m.window {
		return
	}
	passed := func(x member, _ alert.Share) bool {
		return x.stream == m.stream && x.window < m.window && !fl.unwritten[x]
	}
	maps.DeleteFunc(fl.raised, passed)
	maps.DeleteFunc(fl.allowed, passed)
}

// head returns the position of the last cause of a stream, which must be asked for before a new one is in the tables.
func (f *folder) head(s stream) error {
	fl := f.board.flood
	if _, known := fl.heads[s]; known {
		return nil
	}
	var at ledger.Position
	stmt, err := f.prepared(`SELECT e.idx, e.leaf FROM events e JOIN causes c ON c.object = e.object AND c.founding = e.seq
		WHERE e.origin = ? AND c.exercise = ? ORDER BY e.idx DESC, e.leaf DESC LIMIT 1`)
	if err == nil {
		err = stmt.QueryRow(string(s.origin), s.exercise).Scan(&at.Index, &at.Leaf)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	fl.heads[s] = at
	return nil
}

// raised returns what a member has raised in a window.
func (f *folder) raised(m member) (alert.Share, error) {
	fl := f.board.flood
	if s, known := fl.raised[m]; known {
		return s, nil
	}
	var s alert.Share
	stmt, err := f.prepared("SELECT signals, novel FROM shares WHERE origin = ? AND exercise = ? AND window = ? AND author = ?")
	if err == nil {
		err = stmt.QueryRow(string(m.origin), m.exercise, m.window, string(m.author)).Scan(&s.Signals, &s.Novel)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s, err
	}
	fl.raised[m] = s
	return s, nil
}

// writeShares writes the sums that changed.
func (f *folder) writeShares() error {
	fl := f.board.flood
	for m := range fl.unwritten {
		s := fl.raised[m]
		if _, err := f.exec("INSERT OR REPLACE INTO shares VALUES (?, ?, ?, ?, ?, ?)", string(m.origin), m.exercise, m.window, string(m.author), s.Signals, s.Novel); err != nil {
			return err
		}
	}
	clear(fl.unwritten)
	return nil
}

// allowance returns what a member may raise in a window.
func (f *folder) allowance(m member) (alert.Share, error) {
	fl := f.board.flood
	if s, known := fl.allowed[m]; known {
		return s, nil
	}
	if err := f.writeShares(); err != nil {
		return alert.Share{}, err
	}
	from := m.window - min(m.window, f.rules.Flood.Recent)
	stmt, err := f.prepared("SELECT author, sum(signals), sum(novel) FROM shares WHERE origin = ? AND exercise = ? AND window >= ? AND window < ? GROUP BY author")
	if err != nil {
		return alert.Share{}, err
	}
	rows, err := stmt.Query(string(m.origin), m.exercise, from, m.window)
	if err != nil {
		return alert.Share{}, err
	}
	defer rows.Close()
	var own, all alert.Share
	members := 0
	for rows.Next() {
		var author string
		var s alert.Share
		if err := rows.Scan(&author, &s.Signals, &s.Novel); err != nil {
			return alert.Share{}, err
		}
		members++
		all = all.Add(s)
		if author == string(m.author) {
			own = s
		}
	}
	fl.allowed[m] = f.rules.Flood.Allowance(own, all, members)
	return fl.allowed[m], rows.Err()
}

// rejudge judges every cause of some windows again.
func (f *folder) rejudge(s stream, windows span) error {
	last := f.rules.Flood.WindowOf(f.board.flood.heads[s].Index)
	for w := windows.from; w <= min(windows.to, last); w++ {
		causes, err := f.causesIn(s, w)
		if err != nil {
			return err
		}
		used := map[ledger.AgencyID]alert.Share{}
		for _, c := range causes {
			allowed, err := f.allowance(member{s, w, c.author})
			if err != nil {
				return err
			}
			over := c.raised.Over(used[c.author], allowed)
			used[c.author] = used[c.author].Add(c.raised)
			if over == c.over {
				continue
			}
			c.over = over
			if err := f.hold(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// causesIn returns the causes of a window in the order of their ledger.
func (f *folder) causesIn(s stream, window uint64) ([]*cause, error) {
	length := f.rules.Flood.Window
	return f.causesOf("e.origin = ? AND e.idx >= ? AND e.idx < ? AND c.exercise = ? ORDER BY e.idx, e.leaf", string(s.origin), window*length, (window+1)*length, s.exercise)
}

func (f *folder) causesOf(condition string, args ...any) ([]*cause, error) {
	stmt, err := f.prepared(`SELECT e.origin, c.exercise, c.first, c.count, e.idx, e.leaf, c.author, c.signals, c.novel, c.over
		FROM events e JOIN causes c ON c.object = e.object AND c.founding = e.seq WHERE ` + condition)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.Query(args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*cause
	for rows.Next() {
		c := &cause{}
		err := rows.Scan((*string)(&c.origin), &c.exercise, &c.first, &c.count, &c.at.Index, &c.at.Leaf, (*string)(&c.author), &c.raised.Signals, &c.raised.Novel, &c.over)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// hold writes whether a cause is over its author's allowance, and with that whether its alerts are held.
func (f *folder) hold(c *cause) error {
	if _, err := f.exec("UPDATE causes SET over = ? WHERE first = ?", c.over, c.first); err != nil {
		return err
	}
	held := c.over
	if held {
		released, err := f.numbers("SELECT release FROM flood_releases WHERE origin = ? AND author = ? AND exercise = ? AND low <= ? AND high > ? LIMIT 1",
			string(c.origin), string(c.author), c.exercise, c.at.Index, c.at.Index)
		if err != nil {
			return err
		}
		held = len(released) == 0
	}
	r, err := f.exec("UPDATE alerts SET held = ? WHERE id >= ? AND id < ? AND held <> ?", held, c.first, c.first+c.count, held)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return err
	}
	if err := f.tellBar(c.first); err != nil {
		return err
	}
	return f.rebar("id >= ? AND id < ?", c.first, c.first+c.count)
}

// reflood makes sums and verdicts anew.
func (f *folder) reflood() error {
	f.board.flood = newFlood()
	if _, err := f.exec("DELETE FROM shares"); err != nil {
		return err
	}
	if f.rules.Flood.Window == 0 {
		_, err := f.exec("UPDATE causes SET over = 0 WHERE over = 1")
		if err == nil {
			_, err = f.exec("UPDATE alerts SET held = 0 WHERE held = 1")
		}
		if err != nil {
			return err
		}
		return f.rebar("true")
	}
	_, err := f.exec(`INSERT INTO shares SELECT e.origin, c.exercise, e.idx / ?, c.author, sum(c.signals), sum(c.novel)
		FROM causes c JOIN events e ON e.seq = c.founding GROUP BY 1, 2, 3, 4`, f.rules.Flood.Window)
	if err != nil {
		return err
	}
	windows, err := f.windows()
	if err != nil {
		return err
	}
	for s, w := range windows {
		if err := errors.Join(f.head(s), f.rejudge(s, w)); err != nil {
			return err
		}
	}
	return nil
}

// windows returns the windows of every stream in which something was raised.
func (f *folder) windows() (map[stream]span, error) {
	rows, err := f.tx.Query("SELECT origin, exercise, min(window), max(window) FROM shares GROUP BY origin, exercise")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[stream]span{}
	for rows.Next() {
		var s stream
		var w span
		if err := rows.Scan((*string)(&s.origin), &s.exercise, &w.from, &w.to); err != nil {
			return nil, err
		}
		out[s] = w
	}
	return out, rows.Err()
}

// refloodIf makes sums and verdicts anew where the policy on floods is another than they were made with.
func (f *folder) refloodIf() error {
	now := ledger.Marshal(f.rules.Flood)
	var before []byte
	if err := f.get(&before, "SELECT coalesce((SELECT policy FROM flooding), x'')"); err != nil || string(before) == string(now) {
		return err
	}
	if _, err := f.exec("DELETE FROM flooding"); err != nil {
		return err
	}
	if _, err := f.exec("INSERT INTO flooding VALUES (?)", now); err != nil {
		return err
	}
	return f.reflood()
}

// Flood is what a member raised in one window beyond its allowance.
type Flood struct {
	Ledger   ledger.Origin
	Agency   ledger.AgencyID
	Exercise bool
	From, To uint64      // entries From to To-1 hold what is over
	Raised   alert.Share // in the window, in all
	Alerts   int         // that are over
	Held     int         // of those, that are not acted on for that alone
}

// Floods returns what members raised beyond their allowances, the latest window first.
func (b *Board) Floods(ctx context.Context, exercise bool) ([]Flood, error) {
	window := max(b.Rules().Flood.Window, 1)
	rows, err := b.read.QueryContext(ctx, `SELECT e.origin, c.author, min(e.idx), max(e.idx) + 1, coalesce(s.signals, 0), coalesce(s.novel, 0), sum(c.count),
			sum((SELECT count(*) FROM alerts a WHERE a.id >= c.first AND a.id < c.first + c.count AND a.bar = ?))
		FROM causes c JOIN events e ON e.seq = c.founding
		LEFT JOIN shares s ON s.origin = e.origin AND s.exercise = c.exercise AND s.window = e.idx / ? AND s.author = c.author
		WHERE c.over = 1 AND c.exercise = ? GROUP BY e.origin, c.author, e.idx / ? ORDER BY e.idx / ? DESC, e.origin, c.author LIMIT ?`,
		alert.BarHeld, window, exercise, window, window, maxListed)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Flood
	for rows.Next() {
		x := Flood{Exercise: exercise}
		if err := rows.Scan((*string)(&x.Ledger), (*string)(&x.Agency), &x.From, &x.To, &x.Raised.Signals, &x.Raised.Novel, &x.Alerts, &x.Held); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, rows.Err()
}

// HeldIn returns how many alerts of an agency are held at positions of its ledger.
func (b *Board) HeldIn(ctx context.Context, r alert.Released) (held int, err error) {
	err = b.read.QueryRowContext(ctx, `SELECT coalesce(sum((SELECT count(*) FROM alerts a WHERE a.id >= c.first AND a.id < c.first + c.count AND a.held = 1)), 0)
		FROM causes c JOIN events e ON e.seq = c.founding WHERE c.over = 1 AND c.exercise = ? AND e.origin = ? AND c.author = ? AND e.idx >= ? AND e.idx < ?`,
		r.Exercise, string(r.Ledger), string(r.Author), r.From, r.To).Scan(&held)
	return held, err
}
