package board

import (
	"database/sql"
	"errors"
	"slices"

	"vigil/ledger"
)

// A signal is novel at the first alert of its stream that carries it. novelty counts the novel signals of the causes that
// came, and takes from others what one that stands before them makes known already; came are their signals in the order
// of the index, and they are in it.
func (f *folder) novelty(causes []*cause, came []signalRow, again map[stream]span) error {
	if len(causes) == 0 {
		return nil
	}
	novel := map[*cause]uint64{}
	for len(came) > 0 {
		n := 1
		for n < len(came) && sameSignal(came[0], came[n]) {
			n++
		}
		if err := f.firsts(causes, came[:n], novel, again); err != nil {
			return err
		}
		came = came[n:]
	}
	for _, c := range causes {
		c.raised.Novel = novel[c]
		if c.raised.Novel == c.raised.Signals {
			continue // as it was written
		}
		if _, err := f.exec("UPDATE causes SET novel = ? WHERE first = ?", c.raised.Novel, c.first); err != nil {
			return err
		}
	}
	return nil
}

func sameSignal(a, b signalRow) bool {
	return a.algorithm == b.algorithm && string(a.value) == string(b.value)
}

// firsts finds the first carriers of one signal among those that came, and takes novelty from those that were first before.
func (f *folder) firsts(causes []*cause, carriers []signalRow, novel map[*cause]uint64, again map[stream]span) error {
	first := map[stream]carrier{}
	for _, s := range carriers {
		c := causeOf(causes, s.of)
		x := carrier{cause: c, first: c.first, at: rowPosition(c.at, s.of-c.first)}
		if y, ok := first[c.stream]; !ok || comparePositions(x.at, y.at) < 0 {
			first[c.stream] = x
		}
	}
	var oldest int64
	if err := f.get(&oldest, "SELECT min(alert) FROM signals WHERE alg = ? AND value = ?", carriers[0].algorithm, carriers[0].value); err != nil {
		return err
	}
	for s, x := range first {
		if oldest < causes[0].first {
			known, err := f.knownBefore(s, carriers[0], causes[0].first, x, again)
			if err != nil {
				return err
			}
			if known {
				continue
			}
		}
		novel[x.cause]++
	}
	return nil
}

// carrier is a row that carries a signal.
type carrier struct {
	cause *cause // nil where it did not come with this transaction
	first int64  // of its cause
	at    ledger.Position
}

// knownBefore says whether an alert that was here before this transaction, numbers under limit, stands before x and
// carries the signal. Where one stands after x, it was novel until now and is not any more.
func (f *folder) knownBefore(s stream, signal signalRow, limit int64, x carrier, again map[stream]span) (bool, error) {
	const carriersOf = `FROM signals s CROSS JOIN alerts a ON a.id = s.alert CROSS JOIN causes c ON c.first = a.first CROSS JOIN events e ON e.seq = c.founding
		WHERE s.alg = ? AND s.value = ? AND s.alert < ? AND e.origin = ? AND c.exercise = ?`
	args := []any{signal.algorithm, signal.value, limit, string(s.origin), s.exercise}
	if comparePositions(x.at, f.board.flood.heads[s]) >= 0 { // whatever is here stands before it
		found, err := f.numbers("SELECT 1 "+carriersOf+" LIMIT 1", args...)
		return len(found) > 0, err
	}
	stmt, err := f.prepared("SELECT c.first, e.idx, e.leaf + a.id - a.first, c.author " + carriersOf + " ORDER BY e.idx, e.leaf, a.id LIMIT 1")
	if err != nil {
		return false, err
	}
	var y carrier
	var author string
	err = stmt.QueryRow(args...).Scan(&y.first, &y.at.Index, &y.at.Leaf, &author)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case comparePositions(y.at, x.at) < 0:
		return true, nil
	}
	return false, f.known(member{s, f.rules.Flood.WindowOf(y.at.Index), ledger.AgencyID(author)}, y.first, again)
}

// known takes one novel signal from a cause.
func (f *folder) known(m member, first int64, again map[stream]span) error {
	if _, err := f.exec("UPDATE causes SET novel = novel - 1 WHERE first = ?", first); err != nil || f.rules.Flood.Window == 0 {
		return err
	}
	share, err := f.raised(m)
	if err != nil {
		return err
	}
	share.Novel--
	f.board.flood.raised[m], f.board.flood.unwritten[m] = share, true
	f.again(again, m)
	return nil
}

// causeOf returns the cause that an alert belongs to; causes are in the order of their numbers.
func causeOf(causes []*cause, alert int64) *cause {
	i, found := slices.BinarySearchFunc(causes, alert, func(c *cause, id int64) int { return int(c.first - id) })
	if !found {
		i--
	}
	return causes[i]
}

func rowPosition(at ledger.Position, row int64) ledger.Position {
	at.Leaf += uint32(row)
	return at
}

// renovel counts the novel signals of all causes anew: a cause went, and with it what it made known.
func (f *folder) renovel() error {
	rows, err := f.tx.Query(`SELECT s.alg, s.value, c.first, c.exercise, e.origin, e.idx, e.leaf + a.id - a.first
		FROM signals s CROSS JOIN alerts a ON a.id = s.alert CROSS JOIN causes c ON c.first = a.first CROSS JOIN events e ON e.seq = c.founding ORDER BY s.alg, s.value`)
	if err != nil {
		return err
	}
	defer rows.Close()
	novel := map[int64]uint64{}
	first := map[stream]carrier{}
	take := func() {
		for _, x := range first {
			novel[x.first]++
		}
		clear(first)
	}
	var last signalRow
	for rows.Next() {
		var s signalRow
		var x carrier
		var st stream
		if err := rows.Scan(&s.algorithm, &s.value, &x.first, &st.exercise, (*string)(&st.origin), &x.at.Index, &x.at.Leaf); err != nil {
			return err
		}
		if !sameSignal(s, last) {
			take()
		}
		if y, ok := first[st]; !ok || comparePositions(x.at, y.at) < 0 {
			first[st] = x
		}
		last = s
	}
	take()
	if err := rows.Err(); err != nil {
		return err
	}
	if _, err := f.exec("UPDATE causes SET novel = 0"); err != nil {
		return err
	}
	for c, n := range novel {
		if _, err := f.exec("UPDATE causes SET novel = ? WHERE first = ?", n, c); err != nil {
			return err
		}
	}
	return nil
}
