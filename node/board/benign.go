package board

import (
	"context"
	"database/sql"
	"slices"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

// benigns is the noun of declarations that signals are benign.
var benigns = &small[*alert.Benign]{
	types: alert.BenignPrefix, ids: alert.BenignIDs, codec: alert.BenignCodec, byPolicy: true, drop: (*folder).dropBenign,
	ddl: `
CREATE TABLE benigns (id INTEGER PRIMARY KEY, author TEXT NOT NULL, exercise INTEGER NOT NULL, inforce INTEGER NOT NULL, moved INTEGER NOT NULL);
CREATE INDEX benigns_by_moved ON benigns (exercise, moved);
CREATE TABLE benign_signals (alg INTEGER, value BLOB, exercise INTEGER, benign INTEGER, PRIMARY KEY (alg, value, exercise, benign)) WITHOUT ROWID;
CREATE INDEX benign_signals_of ON benign_signals (benign);
`,
	foldAll: func(k noun.Key, events []noun.Placed[noun.Fact], _ ledger.Policy) *alert.Benign {
		return alert.FoldBenign(k, events)
	},
	write: writeBenign,
}

// writeBenign holds the signals of declarations that are in force, and lets the alerts that carry them follow at the end of
// the transaction.
func writeBenign(f *folder, object int64, o *Folded[*alert.Benign], last int64) error {
	b := o.Object
	inForce := b.InForce(f.rules)
	_, err := f.exec("INSERT INTO benigns VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET exercise = excluded.exercise, inforce = excluded.inforce, moved = excluded.moved",
		object, string(b.Key.Author), b.Declared.Exercise, inForce, last)
	if err != nil {
		return err
	}
	if err := f.dropBenign(object); err != nil || !inForce {
		return err
	}
	for _, s := range b.Declared.Signals {
		x := signalRow{uint8(s.Algorithm), indexKey(s.Value), object}
		if _, err := f.exec("INSERT INTO benign_signals VALUES (?, ?, ?, ?)", x.algorithm, x.value, b.Declared.Exercise, object); err != nil {
			return err
		}
		f.benign = append(f.benign, x)
	}
	return nil
}

// dropBenign takes back the signals of a declaration.
func (f *folder) dropBenign(object int64) error {
	rows, err := f.tx.Query("SELECT alg, value FROM benign_signals WHERE benign = ?", object)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		x := signalRow{of: object}
		if err := rows.Scan(&x.algorithm, &x.value); err != nil {
			return err
		}
		f.benign = append(f.benign, x)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	_, err = f.exec("DELETE FROM benign_signals WHERE benign = ?", object)
	return err
}

// settleBenign brings alerts to what is known to be benign: those that came with this transaction, and those that carry a
// signal of a declaration that changed. Both indexes are written.
func (f *folder) settleBenign(came []signalRow) error {
	changed := f.benign
	f.benign = nil
	var some bool
	if err := f.get(&some, "SELECT EXISTS (SELECT 1 FROM benign_signals)"); err != nil {
		return err
	}
	touched := map[int64]bool{}
	if some {
		for _, s := range came {
			known, err := f.numbers("SELECT benign FROM benign_signals WHERE alg = ? AND value = ? LIMIT 1", s.algorithm, s.value)
			if err != nil {
				return err
			}
			touched[s.of] = touched[s.of] || len(known) > 0
		}
	}
	for _, s := range changed {
		carriers, err := f.numbers("SELECT alert FROM signals WHERE alg = ? AND value = ?", s.algorithm, s.value)
		if err != nil {
			return err
		}
		for _, id := range carriers {
			touched[id] = true
		}
	}
	for id, yes := range touched {
		if !yes {
			continue
		}
		if err := f.conflict(id); err != nil {
			return err
		}
	}
	return nil
}

// conflict writes whether an alert carries a signal that is known to be benign.
func (f *folder) conflict(id int64) error {
	rows, err := f.tx.Query(alertColumns+byAlert+"WHERE a.id = ?", id)
	if err != nil {
		return err
	}
	found, err := scanAlerts(rows)
	if err != nil || len(found) == 0 {
		return err
	}
	a := found[0]
	benign := false
	for _, s := range a.File.Signals {
		known, err := f.numbers("SELECT benign FROM benign_signals WHERE alg = ? AND value = ? AND exercise = ? LIMIT 1", s.Algorithm, indexKey(s.Value), a.Details.Exercise)
		if err != nil {
			return err
		}
		benign = benign || len(known) > 0
	}
	if benign == a.Benign {
		return nil
	}
	if _, err := f.exec("UPDATE alerts SET benign = ? WHERE id = ?", benign, id); err != nil {
		return err
	}
	if err := f.tellBar(id); err != nil {
		return err
	}
	return f.rebar("id = ?", id)
}

// Benign is one declaration that signals are benign, as this agency sees it.
type Benign struct {
	Folded[*alert.Benign]
	InForce bool
}

// BenignQuery pages declarations. Exercises and casework never stand in one list.
type BenignQuery struct {
	Exercise bool
	Before   int64 // Next of the page before
	Limit    int
}

// BenignPage is one page, what moved last first; Next is 0 on the last.
type BenignPage struct {
	Benigns []Benign
	Next    int64
}

// Benigns returns one page.
func (b *Board) Benigns(ctx context.Context, q BenignQuery) (BenignPage, error) {
	from, args := "benigns n JOIN objects o ON o.id = n.id WHERE n.exercise = ?", []any{q.Exercise}
	if q.Before > 0 {
		from, args = from+" AND n.moved < ?", append(args, q.Before)
	}
	limit := pageLimit(q.Limit)
	found, err := benigns.find(ctx, b, "n.moved", from+" ORDER BY n.moved DESC LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return BenignPage{}, err
	}
	shown, next := pageOf(found, limit)
	return BenignPage{Benigns: b.judgeBenign(shown), Next: next}, nil
}

func (b *Board) judgeBenign(found []Folded[*alert.Benign]) []Benign {
	rules := b.Rules()
	out := make([]Benign, len(found))
	for i, x := range found {
		out[i] = Benign{x, x.Object.InForce(rules)}
	}
	return out
}

// Rules are what the jurisdiction's policy says of alerts now.
func (b *Board) Rules() alert.Rules {
	return alert.RulesOf(b.cfg.Policy(), b.cfg.Agency.Jurisdiction())
}

// OneBenign returns the one declaration that an id or its beginning names.
func (b *Board) OneBenign(ctx context.Context, text string) (Benign, error) {
	found, err := benigns.one(ctx, b, text)
	if err != nil {
		return Benign{}, err
	}
	return b.judgeBenign([]Folded[*alert.Benign]{found})[0], nil
}

// KnownBenign answers for each signal which declarations in force say that it is benign.
func (b *Board) KnownBenign(ctx context.Context, signals []alert.Signal, exercise bool) ([][]Benign, error) {
	out := make([][]Benign, len(signals))
	var some bool
	if err := b.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM benign_signals)").Scan(&some); err != nil || !some {
		return out, err
	}
	query, err := b.read.PrepareContext(ctx, "SELECT benign FROM benign_signals WHERE alg = ? AND value = ? AND exercise = ? LIMIT ?")
	if err != nil {
		return nil, err
	}
	defer query.Close()
	for i, s := range signals {
		rows, err := query.QueryContext(ctx, s.Algorithm, indexKey(s.Value), exercise, maxBenigns)
		if err != nil {
			return nil, err
		}
		ids, err := scanNumbers(rows)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			found, err := benigns.find(ctx, b, "0", "objects o WHERE o.id = ?", id)
			if err != nil {
				return nil, err
			}
			out[i] = append(out[i], b.judgeBenign(found)...)
		}
	}
	return out, nil
}

// benignOf returns the declarations in force on any of an alert's signals, each once.
func (b *Board) benignOf(ctx context.Context, a *Alert) ([]Benign, error) {
	if !a.Benign {
		return nil, nil
	}
	bySignal, err := b.KnownBenign(ctx, a.File.Signals, a.Details.Exercise)
	if err != nil {
		return nil, err
	}
	var out []Benign
	for _, x := range slices.Concat(bySignal...) {
		if !slices.ContainsFunc(out, func(y Benign) bool { return y.Key == x.Key }) {
			out = append(out, x)
		}
	}
	return out, nil
}

func scanNumbers(rows *sql.Rows) ([]int64, error) {
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
