package board

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/pointer"
)

// What this agency holds, what every agency shows, and who blinds. expected holds, for each of our tags and each other
// agency that shows marks, the mark it would show of the same pointer; an overlap is where it shows that.
const (
	heldTables = `
CREATE TABLE pointers (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, exercise INTEGER NOT NULL, dropped INTEGER NOT NULL);
CREATE INDEX pointers_by_exercise ON pointers (exercise, id);
CREATE TABLE pointer_tags (pointer INTEGER, keyset BLOB, tag BLOB NOT NULL, mark BLOB NOT NULL, PRIMARY KEY (pointer, keyset)) WITHOUT ROWID;
CREATE INDEX pointer_tags_by_mark ON pointer_tags (mark);
CREATE TABLE pointer_expected (author TEXT, mark BLOB, pointer INTEGER, PRIMARY KEY (author, mark, pointer)) WITHOUT ROWID;
CREATE INDEX pointer_expected_by_pointer ON pointer_expected (pointer);
`
	markTables = `
CREATE TABLE pointer_marks (
	id INTEGER PRIMARY KEY, author TEXT NOT NULL, epoch INTEGER NOT NULL, mark BLOB NOT NULL, lifted INTEGER NOT NULL);
CREATE INDEX pointer_marks_by_mark ON pointer_marks (author, mark);
CREATE TABLE pointer_authors (author TEXT PRIMARY KEY) WITHOUT ROWID;
`
	evaluatorTables = `
CREATE TABLE pointer_evaluators (id INTEGER PRIMARY KEY, author TEXT NOT NULL, idx INTEGER NOT NULL, key BLOB NOT NULL, epoch INTEGER NOT NULL);
CREATE INDEX pointer_evaluators_by_author ON pointer_evaluators (author, idx);
`
)

// changeOverlap is the kind of the change that tells of an overlap.
const changeOverlap = "pointer.overlap"

var (
	pointers = &small[*pointer.Pointer]{
		weight: "SELECT exercise, 0 FROM pointers WHERE id = ?",
		types:  pointer.HeldTypes, ids: pointer.IDs, codec: pointer.HeldCodec, own: true, ddl: heldTables, write: writePointer, parts: []string{"pointer_tags.pointer", "pointer_expected.pointer"},
		foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *pointer.Pointer {
			return pointer.FoldHeld(k, events)
		},
	}
	marks = &small[*pointer.Shown]{
		types: pointer.MarkTypes, ids: pointer.MarkIDs, codec: pointer.MarkCodec, ddl: markTables, write: writeMark,
		foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *pointer.Shown {
			return pointer.FoldMark(k, events)
		},
	}
	evaluators = &small[*pointer.Evaluator]{
		types: pointer.EvalTypes, ids: pointer.EvalIDs, codec: pointer.EvalCodec, ddl: evaluatorTables,
		foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *pointer.Evaluator {
			standing, _ := noun.Canonical(k.Home, events)
			e, _ := standing[0].Fact.(*pointer.Evaluator)
			return e
		},
		write: func(f *folder, object int64, o *Folded[*pointer.Evaluator], last int64) error {
			_, err := f.exec("INSERT INTO pointer_evaluators SELECT ?, ?, idx, ?, ? FROM events WHERE seq = ? ON CONFLICT DO NOTHING", object, string(o.Key.Author), o.Object.Key[:], o.Object.Epoch, last)
			return err
		},
	}
)

func writePointer(f *folder, object int64, o *Folded[*pointer.Pointer], _ int64) error {
	p := o.Object
	if _, err := f.exec("INSERT INTO pointers VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET dropped = excluded.dropped", object, string(p.Held.Kind), p.Held.Exercise, p.Dropped); err != nil {
		return err
	}
	if _, err := f.exec("DELETE FROM pointer_expected WHERE pointer = ?", object); err != nil || p.Dropped {
		return err
	}
	for set, tag := range p.Tags {
		own := pointer.MarkOf(tag, f.board.cfg.Agency)
		if _, err := f.exec("INSERT INTO pointer_tags VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", object, set[:], tag[:], own[:]); err != nil {
			return err
		}
	}
	authors, err := column[string](f.tx, "SELECT author FROM pointer_authors")
	if err != nil {
		return err
	}
	for _, tag := range p.Tags {
		for _, author := range authors {
			if err := f.expect(object, p.Key, tag, author); err != nil {
				return err
			}
		}
	}
	return nil
}

// expect notes the mark that another agency would show of one of our tags, and tells of an overlap where it shows it.
func (f *folder) expect(object int64, k noun.Key, tag pointer.Tag, author string) error {
	mark := pointer.MarkOf(tag, ledger.AgencyID(author))
	if _, err := f.exec("INSERT INTO pointer_expected VALUES (?, ?, ?) ON CONFLICT DO NOTHING", author, mark[:], object); err != nil {
		return err
	}
	var shown int
	err := f.tx.QueryRow("SELECT count(*) FROM pointer_marks WHERE author = ? AND mark = ? AND lifted = 0", author, mark[:]).Scan(&shown)
	if err != nil || shown == 0 {
		return err
	}
	return f.change(changeOverlap, k.ID(pointer.IDs), f.origin, 0)
}

func writeMark(f *folder, object int64, o *Folded[*pointer.Shown], _ int64) error {
	m, author := o.Object.Marked, o.Key.Author
	r, err := f.exec("INSERT INTO pointer_marks VALUES (?, ?, ?, ?, 0) ON CONFLICT DO NOTHING", object, string(author), m.Epoch, m.Mark[:])
	if err != nil {
		return err
	}
	fresh, err := r.RowsAffected()
	if err == nil {
		_, err = f.exec("UPDATE pointer_marks SET lifted = ? WHERE id = ?", o.Object.Lifted, object)
	}
	if err != nil || author == f.board.cfg.Agency || fresh == 0 || o.Object.Lifted {
		return err
	}
	if err := f.meet(author); err != nil {
		return err
	}
	held, err := f.tx.Query("SELECT o.id, o.home, o.author, o.event, 0 FROM pointer_expected x JOIN objects o ON o.id = x.pointer WHERE x.author = ? AND x.mark = ?", string(author), m.Mark[:])
	if err != nil {
		return err
	}
	defer held.Close()
	for held.Next() {
		var id, none int64
		k, err := scanKey(held, &id, &none)
		if err == nil {
			err = f.change(changeOverlap, k.ID(pointer.IDs), o.Key.Home, 0)
		}
		if err != nil {
			return err
		}
	}
	return held.Err()
}

// meet notes what an agency that shows its first mark would show of each of our tags.
func (f *folder) meet(author ledger.AgencyID) error {
	r, err := f.exec("INSERT INTO pointer_authors VALUES (?) ON CONFLICT DO NOTHING", string(author))
	if err != nil {
		return err
	}
	if first, err := r.RowsAffected(); err != nil || first == 0 {
		return err
	}
	type held struct {
		id  int64
		tag pointer.Tag
	}
	rows, err := f.tx.Query("SELECT t.pointer, t.tag FROM pointer_tags t JOIN pointers p ON p.id = t.pointer WHERE p.dropped = 0")
	if err != nil {
		return err
	}
	defer rows.Close()
	var all []held
	for rows.Next() {
		var h held
		var tag []byte
		if err := rows.Scan(&h.id, &tag); err != nil {
			return err
		}
		copy(h.tag[:], tag)
		all = append(all, h)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, h := range all {
		mark := pointer.MarkOf(h.tag, author)
		if _, err := f.exec("INSERT INTO pointer_expected VALUES (?, ?, ?) ON CONFLICT DO NOTHING", string(author), mark[:], h.id); err != nil {
			return err
		}
	}
	return nil
}

// column reads the one column of a query.
func column[T any](q querier, query string, args ...any) ([]T, error) {
	rows, err := q.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var x T
		if err := rows.Scan(&x); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, rows.Err()
}

// Pointer is one pointer that this agency holds.
type Pointer struct {
	Folded[*pointer.Pointer]
	Shown    bool              // its mark is shown to the others
	Overlaps []ledger.AgencyID // who holds it, too
}

// PointerQuery filters and pages pointers; exercises and casework never stand in one list.
type PointerQuery struct {
	Kind     string
	Overlaps bool // only those that another agency holds, too
	Exercise bool
	Before   int64 // Next of the page before
	Limit    int
}

const overlapping = `FROM pointer_expected x JOIN pointer_marks m ON m.author = x.author AND m.mark = x.mark AND m.lifted = 0 WHERE x.pointer = `

// Pointers returns one page of what this agency holds, the latest first; next is 0 on the last.
func (b *Board) Pointers(ctx context.Context, q PointerQuery) (page []Pointer, next int64, err error) {
	where, args := []string{"p.exercise = ?", "p.dropped = 0"}, []any{q.Exercise}
	add := func(condition string, values ...any) { where, args = append(where, condition), append(args, values...) }
	if q.Kind != "" {
		if !slices.Contains(pointer.Kinds, pointer.Kind(q.Kind)) {
			return nil, 0, fmt.Errorf("%w: kind: not one of the known ones", ErrQuery)
		}
		add("p.kind = ?", q.Kind)
	}
	if q.Overlaps {
		add("EXISTS (SELECT 1 " + overlapping + "p.id)")
	}
	if q.Before > 0 {
		add("p.id < ?", q.Before)
	}
	limit := pageLimit(q.Limit)
	found, err := pointers.find(ctx, b, "p.id", "pointers p JOIN objects o ON o.id = p.id WHERE "+strings.Join(where, " AND ")+" ORDER BY p.id DESC LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return nil, 0, err
	}
	found, next = pageOf(found, limit)
	for _, x := range found {
		p, err := b.withOverlaps(ctx, x)
		if err != nil {
			return nil, 0, err
		}
		page = append(page, p)
	}
	return page, next, nil
}

// Pointer returns the one that an id or its beginning names, a dropped one too.
func (b *Board) Pointer(ctx context.Context, text string) (Pointer, error) {
	x, err := pointers.one(ctx, b, text)
	if err != nil {
		return Pointer{}, err
	}
	return b.withOverlaps(ctx, x)
}

func (b *Board) withOverlaps(ctx context.Context, x Folded[*pointer.Pointer]) (Pointer, error) {
	q := withContext{b.read, ctx}
	object, err := objectID(q, pointer.HeldTypes, x.Key)
	if err != nil {
		return Pointer{}, err
	}
	out := Pointer{Folded: x}
	names, err := column[string](q, "SELECT DISTINCT x.author "+overlapping+"? ORDER BY x.author", object)
	for _, n := range names {
		out.Overlaps = append(out.Overlaps, ledger.AgencyID(n))
	}
	if err != nil {
		return out, err
	}
	var shown int
	err = q.QueryRow("SELECT count(*) FROM pointer_tags t JOIN pointer_marks m ON m.author = ? AND m.mark = t.mark AND m.lifted = 0 WHERE t.pointer = ?", string(b.cfg.Agency), object).Scan(&shown)
	out.Shown = shown > 0
	return out, err
}

// CountPointers returns how many this agency holds.
func (b *Board) CountPointers(ctx context.Context) (n int, err error) {
	err = b.read.QueryRowContext(ctx, "SELECT count(*) FROM pointers WHERE dropped = 0").Scan(&n)
	return n, err
}

// Evaluators returns what each agency announced last.
func (b *Board) Evaluators(ctx context.Context) (map[ledger.AgencyID]pointer.Evaluator, error) {
	rows, err := b.read.QueryContext(ctx, "SELECT author, key, epoch FROM pointer_evaluators ORDER BY idx")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[ledger.AgencyID]pointer.Evaluator{}
	for rows.Next() {
		var author string
		var key []byte
		var e pointer.Evaluator
		if err := rows.Scan(&author, &key, &e.Epoch); err != nil {
			return nil, err
		}
		copy(e.Key[:], key)
		out[ledger.AgencyID(author)] = e
	}
	return out, rows.Err()
}

// PointersToBlind returns pointers that have no tag in a set, the first so many.
func (b *Board) PointersToBlind(ctx context.Context, set pointer.Set, most int) ([]Folded[*pointer.Pointer], error) {
	return pointers.find(ctx, b, "p.id", `pointers p JOIN objects o ON o.id = p.id
		WHERE p.dropped = 0 AND NOT EXISTS (SELECT 1 FROM pointer_tags t WHERE t.pointer = p.id AND t.keyset = ?) ORDER BY p.id LIMIT ?`, set[:], most)
}

// PointersToShow returns pointers with a tag in a set whose mark is not shown in an epoch, the first so many.
func (b *Board) PointersToShow(ctx context.Context, set pointer.Set, epoch uint64, most int) ([]Folded[*pointer.Pointer], error) {
	return pointers.find(ctx, b, "p.id", `pointer_tags t JOIN pointers p ON p.id = t.pointer JOIN objects o ON o.id = p.id
		WHERE p.dropped = 0 AND t.keyset = ? AND NOT EXISTS (SELECT 1 FROM pointer_marks m WHERE m.author = ? AND m.mark = t.mark AND m.epoch >= ? AND m.lifted = 0) ORDER BY p.id LIMIT ?`,
		set[:], string(b.cfg.Agency), epoch, most)
}

// MarksToLift returns marks of ours that no pointer we hold has in a set, the first so many.
func (b *Board) MarksToLift(ctx context.Context, set pointer.Set, most int) ([]Folded[*pointer.Shown], error) {
	return marks.find(ctx, b, "m.id", `pointer_marks m JOIN objects o ON o.id = m.id
		WHERE m.author = ? AND m.lifted = 0 AND NOT EXISTS (
			SELECT 1 FROM pointer_tags t JOIN pointers p ON p.id = t.pointer WHERE t.mark = m.mark AND t.keyset = ? AND p.dropped = 0) ORDER BY m.id LIMIT ?`,
		string(b.cfg.Agency), set[:], most)
}
