package board

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/registry"
)

// notices is the noun of package registry. Marks of what holds no more are not kept in a table; who asks about a person
// asks about the others.
var notices = &small[*registry.Record]{
	types: registry.Prefix, ids: registry.IDPrefix, codec: registry.Codec, byPolicy: true, parts: []string{"notice_marks.notice"},
	ddl: `
CREATE TABLE notices (
	id INTEGER PRIMARY KEY, home TEXT NOT NULL, author TEXT NOT NULL, lifted INTEGER NOT NULL, screened INTEGER NOT NULL, until INTEGER,
	exercise INTEGER NOT NULL, challenges INTEGER NOT NULL, owed INTEGER NOT NULL, moved INTEGER NOT NULL);
CREATE INDEX notices_by_moved ON notices (exercise, moved, author, lifted, challenges);
CREATE INDEX notices_by_home ON notices (home);
CREATE INDEX notices_owed ON notices (id) WHERE owed > 0;
CREATE TABLE notice_marks (mark BLOB, notice INTEGER, PRIMARY KEY (mark, notice)) WITHOUT ROWID;
CREATE INDEX notice_marks_by_notice ON notice_marks (notice);
`,
	foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *registry.Record {
		return registry.Fold(k, events)
	},
	write: writeNotice,
}

// screenings are records of what was asked, sealed to this agency.
var screenings = &small[*registry.Screened]{
	types: registry.ScreeningPrefix, ids: registry.ScreeningIDs, codec: registry.ScreeningCodec, own: true,
	ddl: `
CREATE TABLE screenings (id INTEGER PRIMARY KEY, asked TEXT NOT NULL, authored INTEGER NOT NULL, exercise INTEGER NOT NULL);
CREATE INDEX screenings_by_exercise ON screenings (exercise, id);
CREATE INDEX screenings_by_asked ON screenings (asked, authored);
`,
	foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *registry.Screened {
		return registry.FoldScreening(k, events)
	},
	write: func(f *folder, object int64, o *Folded[*registry.Screened], _ int64) error {
		_, err := f.exec("INSERT INTO screenings VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", object, o.Object.By, o.Authored.UnixMilli(), o.Object.Exercise)
		return err
	},
}

// Notice is one registry notice as this agency sees it; Screening the record that somebody asked.
type (
	Notice    = Folded[*registry.Record]
	Screening = Folded[*registry.Screened]
)

func writeNotice(f *folder, object int64, o *Folded[*registry.Record], last int64) error {
	r := o.Object
	policy, _ := registry.Section.In(f.policy)
	var until sql.NullInt64
	if at, ends := policy.Until(r.Notice); ends {
		until = sql.NullInt64{Int64: at.Unix(), Valid: true}
	}
	_, err := f.exec(`INSERT INTO notices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET lifted = excluded.lifted, screened = excluded.screened,
		until = excluded.until, challenges = excluded.challenges, owed = excluded.owed, moved = excluded.moved`,
		object, string(r.Home), string(r.Author), r.Lifted, policy.Screens(r.Notice.Ground), until, r.Notice.Exercise, r.Waiting(), len(r.Owes(f.board.cfg.Agency)), last)
	if err == nil {
		_, err = f.exec("DELETE FROM notice_marks WHERE notice = ?", object)
	}
	for _, m := range r.Notice.Marks {
		if err == nil && !r.Lifted {
			_, err = f.exec("INSERT INTO notice_marks VALUES (?, ?)", m[:], object)
		}
	}
	return err
}

// NoticeQuery filters and pages notices. Zero values do not filter, but exercises and casework never stand in one list.
type NoticeQuery struct {
	Author     string
	State      string // stands, lifted
	Challenged bool   // a challenge waits for its author's answer
	Exercise   bool
	Before     int64 // Next of the page before
	Limit      int
}

// NoticePage is one page, what moved last first; Next is 0 on the last.
type NoticePage struct {
	Notices []Notice
	Next    int64
}

// Notices returns one page.
func (b *Board) Notices(ctx context.Context, q NoticeQuery) (NoticePage, error) {
	c := &conditions{}
	c.add("n.exercise = ?", q.Exercise)
	switch q.State {
	case "":
	case "stands", "lifted":
		c.add("n.lifted = ?", q.State == "lifted")
	default:
		return NoticePage{}, fmt.Errorf("%w: state: stands or lifted", ErrQuery)
	}
	if q.Author != "" {
		c.add("n.author = ?", q.Author)
	}
	if q.Challenged {
		c.add("n.challenges > 0")
	}
	if q.Before > 0 {
		c.add("n.moved < ?", q.Before)
	}
	limit := pageLimit(q.Limit)
	found, err := notices.find(ctx, b, "n.moved", "notices n CROSS JOIN objects o ON o.id = n.id "+c.text()+" ORDER BY n.moved DESC LIMIT ?", append(c.args, limit+1)...)
	if err != nil {
		return NoticePage{}, err
	}
	page := NoticePage{}
	page.Notices, page.Next = pageOf(found, limit)
	return page, nil
}

// Notice returns the one notice that an id or its beginning names.
func (b *Board) Notice(ctx context.Context, text string) (Notice, error) {
	return notices.one(ctx, b, text)
}

// OwedNotices returns notices with a change that this agency has not acknowledged, some of them where there are many.
func (b *Board) OwedNotices(ctx context.Context, limit int) ([]Notice, error) {
	return notices.find(ctx, b, "0", "notices n CROSS JOIN objects o ON o.id = n.id WHERE n.owed > 0 ORDER BY n.id LIMIT ?", limit)
}

// NoticeHomes returns the ledgers that have notices: marks of a person are different in each.
func (b *Board) NoticeHomes(ctx context.Context) ([]ledger.Origin, error) {
	rows, err := b.read.QueryContext(ctx, "SELECT DISTINCT home FROM notices ORDER BY home")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []ledger.Origin
	for rows.Next() {
		var home string
		if err := rows.Scan(&home); err != nil {
			return nil, err
		}
		out = append(out, ledger.Origin(home))
	}
	return out, rows.Err()
}

// Screen says whether a notice holds for any of these marks on a day. It looks every one of them up, whatever it finds.
func (b *Board) Screen(ctx context.Context, marks []registry.Mark, today time.Time, exercise bool) (bool, error) {
	q, done, err := b.snapshot(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	held := 0
	for _, m := range marks {
		var n int
		err := q.QueryRow(`SELECT count(*) FROM notice_marks m CROSS JOIN notices n ON n.id = m.notice
			WHERE m.mark = ? AND n.lifted = 0 AND n.screened = 1 AND n.exercise = ? AND (n.until IS NULL OR n.until > ?)`, m[:], exercise, today.Unix()).Scan(&n)
		if err != nil {
			return false, err
		}
		held += n
	}
	return held > 0, nil
}

// ScreeningPage is one page, the latest first; Next is 0 on the last.
type ScreeningPage struct {
	Screenings []Screening
	Next       int64
}

// Screenings returns one page of what was asked, of everyone or of one who asked.
func (b *Board) Screenings(ctx context.Context, asked string, exercise bool, before int64, limit int) (ScreeningPage, error) {
	where, args := []string{"s.exercise = ?"}, []any{exercise}
	if asked != "" {
		where, args = append(where, "s.asked = ?"), append(args, asked)
	}
	if before > 0 {
		where, args = append(where, "s.id < ?"), append(args, before)
	}
	limit = pageLimit(limit)
	found, err := screenings.find(ctx, b, "s.id", "screenings s CROSS JOIN objects o ON o.id = s.id WHERE "+strings.Join(where, " AND ")+" ORDER BY s.id DESC LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return ScreeningPage{}, err
	}
	page := ScreeningPage{}
	page.Screenings, page.Next = pageOf(found, limit)
	return page, nil
}

// Asked returns how often somebody asked since a time.
func (b *Board) Asked(ctx context.Context, by string, since time.Time) (n int, err error) {
	err = b.read.QueryRowContext(ctx, "SELECT count(*) FROM screenings WHERE asked = ? AND authored > ?", by, since.UnixMilli()).Scan(&n)
	return n, err
}
