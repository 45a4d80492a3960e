package board

import (
	"context"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/ext/serdes"
)

// Dump is everything the board holds, without what the order of arrival decides: its own numbers, and times of its clock.
func (b *Board) Dump() (string, error) {
	var out strings.Builder
	for _, query := range []string{
		`SELECT origin, next FROM cursors ORDER BY 1`,
		`SELECT e.origin, e.idx, e.leaf, e.author, hex(e.event), e.type, e.version, e.authored, e.audience, e.fate, e.width, hex(e.shared), hex(b.rows), hex(o.event)
			FROM events e JOIN bodies b ON b.seq = e.seq LEFT JOIN objects o ON o.id = e.object ORDER BY 1, 2, 3`,
		`SELECT o.noun, o.home, o.author, hex(o.event), e.idx, e.leaf FROM objects o LEFT JOIN events e ON e.seq = o.founding ORDER BY 1, 2, 3, 4`,
		`SELECT hex(o.event), o.author, a.id - a.first, a.standing, a.agencies, a.independent, a.jurisdictions, a.seconded, a.disputes, a.benign, a.held, a.bar, a.sighted, hex(a.file),
				c.count, c.authored, c.urgency, c.exercise, c.media, c.ai, c.tlp, c.title, c.series, c.signals, c.novel, c.over
			FROM alerts a JOIN causes c ON c.first = a.first JOIN objects o ON o.id = c.object ORDER BY 1, 2, 3`,
		`SELECT s.alg, hex(s.value), hex(o.event), o.author, a.id - a.first
			FROM signals s JOIN alerts a ON a.id = s.alert JOIN causes c ON c.first = a.first JOIN objects o ON o.id = c.object ORDER BY 1, 2, 3, 4, 5`,
		`SELECT origin, exercise, window, author, signals, novel FROM shares ORDER BY 1, 2, 3, 4`,
		`SELECT hex(o.event), n.author, n.exercise, n.inforce FROM benigns n JOIN objects o ON o.id = n.id ORDER BY 1, 2`,
		`SELECT s.alg, hex(s.value), s.exercise, hex(o.event), o.author FROM benign_signals s JOIN objects o ON o.id = s.benign ORDER BY 1, 2, 3, 4, 5`,
		`SELECT hex(o.event), o.author, r.origin, r.author, r.exercise, r.low, r.high FROM flood_releases r JOIN objects o ON o.id = r.release ORDER BY 1, 2`,
		`SELECT k.class, hex(o.event), o.author, k.low - c.first, k.high - k.low, k.urgency, k.own
			FROM classes k JOIN alerts a ON a.id = k.low JOIN causes c ON c.first = a.first JOIN objects o ON o.id = c.object ORDER BY 1, 2, 3, 4`,
		`SELECT hex(o.event), o.author, s.row, s.setting, s.review, s.agency, s.count, s.first, s.last FROM sightings s JOIN objects o ON o.id = s.object ORDER BY 1, 2, 3, 4, 5, 6`,
		`SELECT hex(o.event), o.author, l.low_row, hex(p.event), p.author, l.high_row, l.relation, l.linked, l.denied
			FROM links l JOIN objects o ON o.id = l.low JOIN objects p ON p.id = l.high ORDER BY 1, 2, 3, 4, 5, 6, 7`,
		`SELECT kind, object, origin, idx FROM changes WHERE kind NOT IN ('watch.hit', 'alert.barred') ORDER BY 1, 2, 3, 4`, // these are told of as they come and change
		`SELECT hex(o.event), r.state, r.author, r.platform, r.holder, r.person, r.outcome, r.withdrawn, r.exercise, r.authored, r.revision, r.complete, r.files, r.viewed
			FROM reports r JOIN objects o ON o.id = r.id ORDER BY 1, 3`,
		`SELECT s.alg, hex(s.value), hex(o.event), o.author FROM report_signals s JOIN objects o ON o.id = s.report ORDER BY 1, 2, 3, 4`,
		`SELECT hex(o.event), l.casenumber, l.exercise, l.count, l.gone, w.id - w.first, w.gone, hex(w.file)
			FROM watched w JOIN watchlists l ON l.first = w.first JOIN objects o ON o.id = l.object ORDER BY 1, 6`,
		`SELECT s.alg, hex(s.value), hex(o.event), w.id - w.first
			FROM watched_signals s JOIN watched w ON w.id = s.watched JOIN watchlists l ON l.first = w.first JOIN objects o ON o.id = l.object ORDER BY 1, 2, 3, 4`,
		`SELECT hex(h.hit), hex(o.event), w.id - w.first, hex(x.event), a.id - a.first, h.alg, h.distance, h.exercise, h.state
			FROM hits h JOIN watched w ON w.id = h.watched JOIN watchlists l ON l.first = w.first JOIN objects o ON o.id = l.object
			JOIN alerts a ON a.id = h.alert JOIN causes c ON c.first = a.first JOIN objects x ON x.id = c.object ORDER BY 1`,
		`SELECT * FROM tallies WHERE n <> 0 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8`,
		`SELECT hex(o.event), n.home, n.author, n.lifted, n.screened, n.exercise, n.challenges FROM notices n JOIN objects o ON o.id = n.id ORDER BY 1, 2, 3`,
		`SELECT hex(m.mark), hex(o.event) FROM notice_marks m LEFT JOIN objects o ON o.id = m.notice ORDER BY 1, 2`,
		`SELECT hex(o.event), r.state, r.opener, r.holder, r.offered, r.kind, r.urgency, r.exercise FROM referrals r JOIN objects o ON o.id = r.id ORDER BY 1, 3`,
		`SELECT count(*), (SELECT count(*) FROM watchlists), (SELECT count(*) FROM report_times), (SELECT count(*) FROM referral_times) FROM referrals`,
		`SELECT hex(hit), origin, idx, leaf, what FROM handled ORDER BY 1, 2, 3, 4`,
		`SELECT * FROM members ORDER BY 1, 2, 3, 4`,
		`SELECT * FROM releases ORDER BY 1, 2, 3, 4`,
		`SELECT hex(o.event), o.author, hex(r.event), r.exercise, e.origin, e.idx FROM recalls r JOIN objects o ON o.id = r.object JOIN events e ON e.seq = r.seq ORDER BY 1, 2, 3`,
		`SELECT w.audience, hex(o.event), o.author, hex(w.event) FROM recalls_owed w JOIN objects o ON o.id = w.object ORDER BY 1, 2, 3, 4`,
		`SELECT w.audience, hex(o.event), o.author, hex(w.event) FROM recalls_untold w JOIN objects o ON o.id = w.object ORDER BY 1, 2, 3, 4`,
		`SELECT hex(a.alert), a.author, a.home, hex(a.retraction), a.agency, a.exercise, a.hits, a.exports, a.told, e.origin, e.idx, e.leaf FROM recall_answers a JOIN events e ON e.seq = a.seq ORDER BY 1, 2, 3, 4, 10, 11, 12`,
		`SELECT hex(o.event), hex(x.since), x.exercise FROM exports x JOIN objects o ON o.id = x.id ORDER BY 1`,
		`SELECT hex(r.event), r.author, r.home, r.first, r.last, r.what, r.origin, r.idx, r.leaf, hex(o.event) FROM export_runs r JOIN objects o ON o.id = r.export ORDER BY 1, 2, 3, 4, 7, 8, 9`,
	} {
		if err := b.dump(&out, query); err != nil {
			return "", err
		}
	}
	var differ bool
	if err := b.read.QueryRow(talliesDiffer).Scan(&differ); err != nil || differ {
		return "", fmt.Errorf("the tallies are not those of the alerts: %w", err)
	}
	return out.String(), nil
}

func (b *Board) dump(out *strings.Builder, query string) error {
	rows, err := b.read.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]*string, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for _, v := range values {
			if v == nil {
				out.WriteString("-\t")
			} else {
				out.WriteString(*v + "\t")
			}
		}
		out.WriteByte('\n')
	}
	out.WriteByte('\n')
	return rows.Err()
}

// Plan explains how a query is answered.
func (b *Board) Plan(q Query) (string, error) {
	c, err := b.conditions(context.Background(), q)
	if err != nil {
		return "", err
	}
	order, err := q.order(c)
	if err != nil {
		return "", err
	}
	if c.match != "" {
		query, args := q.causesQuery(c, &causePlace{2, 7}, 50)
		return b.ExplainQuery(query, args...)
	}
	return b.ExplainQuery(alertColumns+c.from+eventOfCause+c.text()+order+" LIMIT 50", c.args...)
}

// ExplainQuery explains how SQL is answered.
func (b *Board) ExplainQuery(query string, args ...any) (string, error) {
	rows, err := b.read.Query("EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var out strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return "", err
		}
		out.WriteString(detail + "\n")
	}
	return out.String(), rows.Err()
}

// Exec writes past Run, for tests that play another binary.
func (b *Board) Exec(query string, args ...any) error {
	_, err := b.write.Exec(query, args...)
	return err
}

// Clear returns every page of the file as it is under the encryption, those that hold nothing any more included.
func (b *Board) Clear() (file []byte, err error) {
	c, err := b.write.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	err = c.Raw(func(x any) error {
		file, err = serdes.Serialize(x.(driver.Conn).Raw(), "main")
		return err
	})
	return file, err
}
