package board

import (
	"database/sql"
	"errors"
	"slices"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// handedOver notes an agency that was given earlier keys of an audience as a member of those epochs: it opens what they
// opened, and answers for it.
func (f *folder) handedOver(origin ledger.Origin, index uint64, h *ledger.HandOver) error {
	for i := range h.Shares {
		_, err := f.exec("INSERT INTO members VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT DO NOTHING", string(origin), string(h.Audience), h.First+uint64(i), string(h.Agency), index)
		if err != nil {
			return err
		}
	}
	return f.retellGranted(h)
}

// refused takes back what the latest hand-over before an entry noted: its keys did not match.
func (f *folder) refused(origin ledger.Origin, index uint64, agency ledger.AgencyID, audience ledger.AudienceName) error {
	_, err := f.exec(`DELETE FROM members WHERE origin = ?1 AND audience = ?2 AND agency = ?3 AND granted = 1 AND since =
		(SELECT max(since) FROM members WHERE origin = ?1 AND audience = ?2 AND agency = ?3 AND granted = 1 AND since < ?4)`,
		string(origin), string(audience), string(agency), index)
	return err
}

// retellGranted looks again at the recalls of our own alerts that an agency can open now.
func (f *folder) retellGranted(h *ledger.HandOver) error {
	return f.retell("instr(' ' || e.audience || ' ', ?) > 0", " "+string(h.Audience)+" ")
}

// retell looks again at the recalls of our own alerts whose founding event, called e, meets a condition.
func (f *folder) retell(condition string, args ...any) error {
	type one struct {
		object, seq int64
		key         noun.Key
		event       ledger.EventID
	}
	rows, err := f.tx.Query(`SELECT r.object, o.home, o.author, o.event, r.seq, r.event FROM recalls r JOIN objects o ON o.id = r.object JOIN events e ON e.seq = o.founding
		WHERE o.author = ? AND `+condition, append([]any{string(f.board.cfg.Agency)}, args...)...)
	if err != nil {
		return err
	}
	var found []one
	for rows.Next() {
		var x one
		var home, author string
		var object, event []byte
		if err := rows.Scan(&x.object, &home, &author, &object, &x.seq, &event); err != nil {
			return errors.Join(err, rows.Close())
		}
		x.key, x.event = keyOf(home, author, object), ledger.EventID(event)
		found = append(found, x)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, x := range found {
		if err := f.untold(x.object, x.key, x.event, x.seq); err != nil {
			return err
		}
	}
	return nil
}

// untoldGrants returns the audiences of an alert that have a member by a grant who can open the alert and none of the
// retractions that cover the one stored as seq: it joined after they were sealed.
func (f *folder) untoldGrants(object, seq int64) ([]string, error) {
	var origin string
	var index uint64
	err := f.tx.QueryRow("SELECT e.origin, e.idx FROM objects o JOIN events e ON e.seq = o.founding WHERE o.id = ?", object).Scan(&origin, &index)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	of, err := f.board.references(f, ledger.Origin(origin), index)
	if err != nil {
		return nil, err
	}
	var told [][]Holder // who can open each retraction
	var out []string
	for _, ref := range of {
		holders, err := f.board.holdersOf(f, ledger.Origin(origin), ref)
		if err != nil {
			return nil, err
		}
		holders = slices.DeleteFunc(holders, func(h Holder) bool { return !h.granted })
		if len(holders) > 0 && told == nil {
			if told, err = f.toldOf(object, seq); err != nil {
				return nil, err
			}
		}
		if slices.ContainsFunc(holders, func(h Holder) bool {
			return !slices.ContainsFunc(told, func(t []Holder) bool { return holds(t, h.Agency) })
		}) {
			out = append(out, string(ref.name))
		}
	}
	return out, nil
}

func holds(holders []Holder, id ledger.AgencyID) bool {
	return slices.ContainsFunc(holders, func(h Holder) bool { return h.Agency == id })
}

// toldOf returns who can open each of the retractions of an alert that cover the rows of the one stored as seq.
func (f *folder) toldOf(object, seq int64) (told [][]Holder, err error) {
	rows, err := f.tx.Query(`SELECT e.origin, e.idx FROM recalls r JOIN events e ON e.seq = r.seq JOIN bodies b ON b.seq = r.seq, bodies x
		WHERE r.object = ? AND x.seq = ? AND (b.rows = x.rows OR b.rows = x'ffffffff')`, object, seq)
	if err != nil {
		return nil, err
	}
	type place struct {
		origin string
		index  uint64
	}
	var places []place
	for rows.Next() {
		var p place
		if err := rows.Scan(&p.origin, &p.index); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		places = append(places, p)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, p := range places {
		refs, err := f.board.references(f, ledger.Origin(p.origin), p.index)
		if err != nil {
			return nil, err
		}
		var all []Holder
		for _, ref := range refs {
			holders, err := f.board.holdersOf(f, ledger.Origin(p.origin), ref)
			if err != nil {
				return nil, err
			}
			all = append(all, holders...)
		}
		told = append(told, all)
	}
	return told, nil
}
