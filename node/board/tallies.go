package board

import (
	"time"

	"vigil/ledger/alert"
)

// Tallies count alerts by everything that figures are made by, so that no figure reads each alert. The rows of a new cause
// are counted together where they are made; what changes or goes afterwards is counted by the database itself.
const tallyTables = `
CREATE TABLE tallies (
	day INTEGER, author TEXT, urgency INTEGER, exercise INTEGER, media INTEGER, ai INTEGER, tlp INTEGER, standing INTEGER, n INTEGER NOT NULL,
	PRIMARY KEY (day, author, urgency, exercise, media, ai, tlp, standing)) WITHOUT ROWID;
CREATE TRIGGER tally_standing AFTER UPDATE OF standing ON alerts WHEN OLD.standing <> NEW.standing BEGIN
	INSERT INTO tallies SELECT ` + tallyOf + `, OLD.standing, -1 FROM causes c WHERE c.first = OLD.first` + tallied + `;
	INSERT INTO tallies SELECT ` + tallyOf + `, NEW.standing, 1 FROM causes c WHERE c.first = NEW.first` + tallied + `;
END;
CREATE TRIGGER tally_gone AFTER DELETE ON alerts BEGIN
	INSERT INTO tallies SELECT ` + tallyOf + `, OLD.standing, -1 FROM causes c WHERE c.first = OLD.first` + tallied + `;
END;
`

// tallyOf is what stands in a cause c of what its alerts are counted by.
const tallyOf = "c.authored / 86400000, c.author, c.urgency, c.exercise, c.media, c.ai, c.tlp"

const tallied = " ON CONFLICT DO UPDATE SET n = n + excluded.n"

// tally counts the rows of a new cause by how they stand.
func (f *folder) tally(first int64, counts map[alert.State]int) error {
	for standing, n := range counts {
		if _, err := f.exec("INSERT INTO tallies SELECT "+tallyOf+", ?2, ?3 FROM causes c WHERE c.first = ?1"+tallied, first, standing, n); err != nil {
			return err
		}
	}
	return nil
}

// talliesDiffer asks whether the tallies are those of the alerts, which it reads each.
const talliesDiffer = `WITH each AS (
		SELECT ` + tallyOf + `, a.standing, count(*) FROM alerts a JOIN causes c ON c.first = a.first GROUP BY 1, 2, 3, 4, 5, 6, 7, 8),
	kept AS (SELECT * FROM tallies WHERE n <> 0)
	SELECT EXISTS (SELECT * FROM each EXCEPT SELECT * FROM kept) OR EXISTS (SELECT * FROM kept EXCEPT SELECT * FROM each)`

const dayMilliseconds = int64(24 * time.Hour / time.Millisecond)

// wholeDays says whether a query is of days from their beginning to their end, as tallies count.
func (q FigureQuery) wholeDays() bool {
	return (q.From.IsZero() || q.From.UnixMilli()%dayMilliseconds == 0) && (q.To.IsZero() || q.To.UnixMilli()%dayMilliseconds == 0)
}
