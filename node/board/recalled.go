package board

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/export"
	"vigil/ledger/noun"
	"vigil/ledger/recall"
)

// Recall is one recall with what is needed to judge it.
type Recall struct {
	Alert       Alert
	Retraction  ledger.EventID
	Rows        alert.RowSet // that were retracted with it
	Reason      string
	Replacement *alert.Key
	Origin      ledger.Origin // of the retraction
	Index       uint64
	Authored    time.Time
	NoLaterThan time.Time // of the first checkpoint that covers the retraction: deadlines run from it; zero where none is known
	Audience    []string  // of the retraction
	Holders     []Holder
	Unknown     []ledger.AudienceName
	Answers     []recall.Given
	cursor      int64
}

// Recall returns the recall of the alert that an id or its beginning names. Its error is a noun.Refusal where the alert
// stands.
func (b *Board) Recall(ctx context.Context, text string) (Recall, error) {
	a, err := b.One(ctx, text)
	if err != nil {
		return Recall{}, err
	}
	o, err := b.Object(ctx, a.ID.Key)
	if err != nil || o == nil {
		return Recall{}, err
	}
	p := o.Retraction(a.ID.Row)
	if p == nil {
		return Recall{}, noun.Refuse("the alert stands: it was not taken back")
	}
	found, err := storedEvents(withContext{b.read, ctx}, "e.origin = ? AND e.idx = ? AND e.leaf = ?", string(p.Origin), p.Position.Index, p.Position.Leaf)
	if err != nil || len(found) != 1 {
		return Recall{}, errors.Join(errors.New("board: a stored event is missing"), err)
	}
	return b.recallOf(ctx, a, &found[0])
}

// recallOf puts a recall together from an alert and its retraction.
func (b *Board) recallOf(ctx context.Context, a Alert, s *Stored) (Recall, error) {
	fact, err := alert.Decode(&s.Event)
	r, ok := fact.(*alert.Retracted)
	if err != nil || !ok {
		return Recall{}, errors.Join(errors.New("board: a stored event is damaged"), err)
	}
	out := Recall{
		Alert: a, Retraction: s.Event.ID, Rows: r.Rows, Reason: r.Reason, Replacement: r.Replacement, Origin: s.Origin, Index: s.Position.Index,
		Authored: time.UnixMilli(s.authoredAt).UTC(), NoLaterThan: s.NoLaterThan, Audience: strings.Fields(s.audience), cursor: s.seq,
	}
	if out.Holders, out.Unknown, err = b.Holders(ctx, a.Origin, a.Position.Index); err != nil {
		return out, err
	}
	covering, err := b.covering(ctx, a.ID)
	if err != nil {
		return out, err
	}
	for _, retraction := range covering {
		given, err := b.answers(ctx, a.ID.Key, retraction, a.Details.Exercise)
		if err != nil {
			return out, err
		}
		out.Answers = append(out.Answers, given...)
	}
	return out, nil
}

// covering returns the retractions that cover an alert: an answer to any of them is an answer to its recall.
func (b *Board) covering(ctx context.Context, id alert.ID) ([]ledger.EventID, error) {
	rows, err := b.read.QueryContext(ctx, `SELECT r.event, y.rows FROM recalls r JOIN objects o ON o.id = r.object JOIN bodies y ON y.seq = r.seq
		WHERE o.event = ? AND o.author = ? AND o.home = ? AND o.noun = ? ORDER BY r.seq`, id.Event[:], string(id.Author), string(id.Home), alertPrefix)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []ledger.EventID
	for rows.Next() {
		var event, set []byte
		if err := rows.Scan(&event, &set); err != nil {
			return nil, err
		}
		covered, err := alert.DecodeRowSet(alert.RowNumberBytes, set)
		if err != nil {
			return nil, err
		}
		if covered.Has(id.Row) {
			out = append(out, ledger.EventID(event))
		}
	}
	return out, rows.Err()
}

// answers returns what agencies answered to a recall; what is said in an exercise has no effect on casework.
func (b *Board) answers(ctx context.Context, k alert.Key, retraction ledger.EventID, exercise bool) ([]recall.Given, error) {
	rows, err := b.read.QueryContext(ctx, `SELECT a.agency, a.hits, a.exports, a.told, e.origin, e.idx, e.leaf, e.authored,
		(SELECT at FROM seals s WHERE s.origin = e.origin AND s.size > e.idx ORDER BY s.size LIMIT 1)
		FROM recall_answers a JOIN events e ON e.seq = a.seq WHERE a.alert = ? AND a.author = ? AND a.home = ? AND a.retraction = ? AND a.exercise = ?`,
		k.Event[:], string(k.Author), string(k.Home), retraction[:], exercise)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []recall.Given
	for rows.Next() {
		var g recall.Given
		var agency, origin string
		var authored int64
		var sealed sql.NullInt64
		if err := rows.Scan(&agency, &g.Derived.Hits, &g.Derived.Exports, &g.Derived.Told, &origin, &g.Position.Index, &g.Position.Leaf, &authored, &sealed); err != nil {
			return nil, err
		}
		g.Agency, g.Origin, g.Signed = ledger.AgencyID(agency), ledger.Origin(origin), time.UnixMilli(authored).UTC()
		if sealed.Valid {
			g.NoLaterThan = time.UnixMilli(sealed.Int64).UTC()
		}
		out = append(out, g)
	}
	return out, rows.Err()
}

// RecallQuery pages recalls. Exercises and casework never stand in one list.
type RecallQuery struct {
	Author   string // whose alerts; empty: any
	Exercise bool
	Before   int64 // Next of the page before
	Limit    int
}

// RecallPage is one page, the latest retraction first; Next is 0 on the last.
type RecallPage struct {
	Recalls []Recall
	Next    int64
}

// Recalls returns one page. A retraction of several rows is shown with the first of them.
func (b *Board) Recalls(ctx context.Context, q RecallQuery) (RecallPage, error) {
	where, args := []string{"r.exercise = ?"}, []any{q.Exercise}
	if q.Author != "" {
		where, args = append(where, "e.author = ?"), append(args, q.Author)
	}
	if q.Before > 0 {
		where, args = append(where, "r.seq < ?"), append(args, q.Before)
	}
	limit := pageLimit(q.Limit)
	stored, err := storedEvents(withContext{b.read, ctx}, "e.seq IN (SELECT r.seq FROM recalls r JOIN events e ON e.seq = r.seq WHERE "+strings.Join(where, " AND ")+
		" ORDER BY r.seq DESC LIMIT ?) ORDER BY e.seq DESC", append(args, limit+1)...)
	if err != nil {
		return RecallPage{}, err
	}
	page := RecallPage{}
	if len(stored) > limit {
		stored = stored[:limit]
		page.Next = stored[limit-1].seq
	}
	for i := range stored {
		r, ok, err := b.recallFrom(ctx, &stored[i])
		if err != nil {
			return RecallPage{}, err
		}
		if ok {
			page.Recalls = append(page.Recalls, r)
		}
	}
	return page, nil
}

// recallFrom finds the alert of a retraction; false where it went meanwhile.
func (b *Board) recallFrom(ctx context.Context, s *Stored) (Recall, bool, error) {
	fact, err := alert.Decode(&s.Event)
	r, ok := fact.(*alert.Retracted)
	if err != nil || !ok {
		return Recall{}, false, errors.Join(errors.New("board: a stored event is damaged"), err)
	}
	row := int64(0)
	if !r.Rows.IsAll() {
		row = int64(r.Rows[0])
	}
	found, err := b.query(ctx, alertColumns+"FROM objects o CROSS JOIN causes c ON c.object = o.id CROSS JOIN alerts a ON a.id = c.first + ? "+eventOfCause+
		"WHERE o.event = ? AND o.author = ? AND o.home = ? AND o.noun = ?", row, r.Target.Event[:], string(r.Target.Author), string(r.Target.Home), alertPrefix)
	if err != nil || len(found) != 1 {
		return Recall{}, false, err
	}
	out, err := b.recallOf(ctx, found[0].Alert, s)
	return out, true, err
}

// Derived counts what was made here of rows of an alert: hits of the watch lists, exports that carried any of them, and
// subscribers that were told of the alert.
func (b *Board) Derived(ctx context.Context, k alert.Key, rows alert.RowSet) (d recall.Derived, err error) {
	var first, count int64
	err = b.read.QueryRowContext(ctx, "SELECT c.first, c.count FROM causes c JOIN objects o ON o.id = c.object WHERE o.event = ? AND o.author = ? AND o.home = ? AND o.noun = ?",
		k.Event[:], string(k.Author), string(k.Home), alertPrefix).Scan(&first, &count)
	if errors.Is(err, sql.ErrNoRows) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	hits, err := b.read.QueryContext(ctx, "SELECT alert FROM hits WHERE alert >= ? AND alert < ?", first, first+count)
	if err != nil {
		return d, err
	}
	defer hits.Close()
	for hits.Next() {
		var id int64
		if err := hits.Scan(&id); err != nil {
			return d, err
		}
		if rows.Has(uint32(id - first)) {
			d.Hits++
		}
	}
	if err := hits.Err(); err != nil {
		return d, err
	}
	if d.Exports, err = b.exportsOf(ctx, k, rows); err != nil {
		return d, err
	}
	told, err := b.ToldOf(ctx, alert.ID{Key: k}.String())
	d.Told = uint32(told)
	return d, err
}

// exportsOf counts the exports that carried any of the rows.
func (b *Board) exportsOf(ctx context.Context, k alert.Key, rows alert.RowSet) (uint32, error) {
	runs, err := b.read.QueryContext(ctx, "SELECT export, first, last FROM export_runs WHERE event = ? AND author = ? AND home = ? AND what = ?",
		k.Event[:], string(k.Author), string(k.Home), export.Included)
	if err != nil {
		return 0, err
	}
	defer runs.Close()
	carried := map[int64]bool{}
	for runs.Next() {
		var id int64
		var first, last uint32
		if err := runs.Scan(&id, &first, &last); err != nil {
			return 0, err
		}
		carried[id] = carried[id] || touches(rows, first, last)
	}
	n := uint32(0)
	for _, has := range carried {
		if has {
			n++
		}
	}
	return n, runs.Err()
}

// touches says whether a set has a row of a run.
func touches(rows alert.RowSet, first, last uint32) bool {
	if rows.IsAll() {
		return true
	}
	i, _ := slices.BinarySearch(rows, first)
	return i < len(rows) && rows[i] <= last
}

// OwedRecall is a recall that this agency owes an answer to.
type OwedRecall struct {
	Key        alert.Key
	Retraction ledger.EventID
	Rows       alert.RowSet
	Exercise   bool
	To         []ledger.AudienceName // sorted; those that have no answer yet
}

// UntoldAudiences returns the audiences that could open an alert of ours and that were not told of its retraction, sorted.
func (b *Board) UntoldAudiences(ctx context.Context) ([]ledger.AudienceName, error) {
	return b.audienceNames(ctx, "SELECT DISTINCT audience FROM recalls_untold ORDER BY 1")
}

// Untold returns at most so many retractions of ours that any of the audiences was not told of, as they were written.
func (b *Board) Untold(ctx context.Context, to []ledger.AudienceName, limit int) ([]Stored, error) {
	if len(to) == 0 {
		return nil, nil
	}
	args := make([]any, 0, len(to)+1)
	for _, name := range to {
		args = append(args, string(name))
	}
	return storedEvents(withContext{b.read, ctx}, `e.seq IN (SELECT r.seq FROM recalls_untold w JOIN recalls r ON r.object = w.object AND r.event = w.event
		WHERE w.audience IN (?`+strings.Repeat(", ?", len(to)-1)+`)) ORDER BY e.seq LIMIT ?`, append(args, limit)...)
}

// OwedAudiences returns the audiences to which any answer is owed, sorted.
func (b *Board) OwedAudiences(ctx context.Context) ([]ledger.AudienceName, error) {
	return b.audienceNames(ctx, "SELECT DISTINCT audience FROM recalls_owed ORDER BY 1")
}

func (b *Board) audienceNames(ctx context.Context, query string) ([]ledger.AudienceName, error) {
	rows, err := b.read.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []ledger.AudienceName
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		out = append(out, ledger.AudienceName(name))
	}
	return out, rows.Err()
}

// OwedRecalls returns at most so many recalls to which this agency owes an answer to any of the audiences.
func (b *Board) OwedRecalls(ctx context.Context, to []ledger.AudienceName, limit int) ([]OwedRecall, error) {
	if len(to) == 0 {
		return nil, nil
	}
	args := make([]any, 0, len(to)+1)
	for _, name := range to {
		args = append(args, string(name))
	}
	rows, err := b.read.QueryContext(ctx, `SELECT group_concat(w.audience, ' '), o.home, o.author, o.event, r.seq, r.exercise FROM recalls_owed w
		JOIN recalls r ON r.object = w.object AND r.event = w.event JOIN objects o ON o.id = w.object
		WHERE w.audience IN (?`+strings.Repeat(", ?", len(to)-1)+`) GROUP BY w.object, w.event ORDER BY r.seq LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []OwedRecall
	var seqs []int64
	for rows.Next() {
		var names, home, author string
		var event []byte
		var seq int64
		var x OwedRecall
		if err := rows.Scan(&names, &home, &author, &event, &seq, &x.Exercise); err != nil {
			return nil, err
		}
		x.Key = keyOf(home, author, event)
		for _, name := range strings.Fields(names) {
			x.To = append(x.To, ledger.AudienceName(name))
		}
		slices.Sort(x.To)
		out, seqs = append(out, x), append(seqs, seq)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return out, b.retractionsOf(ctx, out, seqs)
}

// retractionsOf fills in what the retractions say.
func (b *Board) retractionsOf(ctx context.Context, out []OwedRecall, seqs []int64) error {
	for i, seq := range seqs {
		found, err := storedEvents(withContext{b.read, ctx}, "e.seq = ?", seq)
		if err != nil || len(found) != 1 {
			return errors.Join(errors.New("board: a stored event is missing"), err)
		}
		fact, err := alert.Decode(&found[0].Event)
		r, ok := fact.(*alert.Retracted)
		if err != nil || !ok {
			return errors.Join(errors.New("board: a stored event is damaged"), err)
		}
		out[i].Retraction, out[i].Rows = found[0].Event.ID, r.Rows
	}
	return nil
}
