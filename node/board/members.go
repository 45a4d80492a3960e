package board

import (
	"context"
	"slices"

	"vigil/ledger"
)

// memberTables hold who could open what: the members of every epoch of every audience, of our ledger and of partners',
// those among them who were given its keys later, and to whom entries were released later. They follow from governance entries and from records, which need no key.
const memberTables = `
CREATE TABLE members (origin TEXT, audience TEXT, epoch INTEGER, agency TEXT, since INTEGER NOT NULL, granted INTEGER NOT NULL, PRIMARY KEY (origin, audience, epoch, agency)) WITHOUT ROWID;
CREATE TABLE releases (origin TEXT, target INTEGER, audience TEXT, epoch INTEGER, since INTEGER NOT NULL, PRIMARY KEY (origin, target, audience, epoch)) WITHOUT ROWID;
`

// governance notes the members of an epoch that an entry makes, or gives an agency.
func (f *folder) governance(rec *ledger.Record, index uint64, payload []byte) error {
	if f.board.cfg.OnGovernance != nil {
		f.board.cfg.OnGovernance(rec, index, payload)
	}
	act, err := ledger.DecodeAct(payload)
	if err != nil {
		return nil // newer than this node, which says so elsewhere
	}
	switch a := act.(type) {
	case *ledger.Genesis:
		return f.epoch(rec.Origin, index, a.Epoch)
	case *ledger.Successor:
		for _, e := range a.Epochs {
			if err := f.epoch(rec.Origin, index, e); err != nil {
				return err
			}
		}
	case *ledger.NewEpoch:
		return f.epoch(rec.Origin, index, a.Epoch)
	case *ledger.HandOver:
		return f.handedOver(rec.Origin, index, a)
	case *ledger.Took:
		if !a.OK {
			return f.refused(rec.Origin, index, rec.Author, a.Audience)
		}
	}
	return nil
}

func (f *folder) epoch(origin ledger.Origin, index uint64, e ledger.Epoch) error {
	for _, s := range e.Shares {
		if _, err := f.exec("INSERT INTO members VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING", string(origin), string(e.Audience), e.Number, string(s.Agency), index); err != nil {
			return err
		}
	}
	return nil
}

// released notes to whom an earlier entry was released, and of what was recalled of it that they have not heard.
func (f *folder) released(rec *ledger.Record, index uint64) error {
	for _, a := range rec.Audience {
		if _, err := f.exec("INSERT INTO releases VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", string(rec.Origin), rec.Target, string(a.Name), a.Epoch, index); err != nil {
			return err
		}
	}
	return f.releasedRecalls(rec)
}

// releasedRecalls looks again at the recalls of our own alerts that an entry founded.
func (f *folder) releasedRecalls(rec *ledger.Record) error {
	if rec.Origin.Jurisdiction() != f.board.cfg.Agency.Jurisdiction() {
		return nil
	}
	return f.retell("e.origin = ? AND e.idx = ?", string(rec.Origin), rec.Target)
}

// Holder is an agency that can open an entry.
type Holder struct {
	Agency ledger.AgencyID
	By     ledger.AudienceName
	// Since is the entry of its own ledger by which it can; 0 where that is not known, or is the first.
	Since uint64

	granted bool // it was given the keys later
}

// Holders returns who can open an entry: the members of its audiences at the epochs that its record names, and of those
// it was released to. unknown are audiences whose members this node cannot know: of jurisdictions that are not linked.
func (b *Board) Holders(ctx context.Context, origin ledger.Origin, index uint64) (holders []Holder, unknown []ledger.AudienceName, err error) {
	q := withContext{b.read, ctx}
	refs, err := b.references(q, origin, index)
	if err != nil {
		return nil, nil, err
	}
	for _, ref := range refs {
		found, err := b.holdersOf(q, origin, ref)
		if err != nil {
			return nil, nil, err
		}
		if len(found) == 0 {
			unknown = append(unknown, ref.name)
		}
		holders = append(holders, found...)
	}
	return holders, unknown, nil
}

// reference is an audience at an epoch, named by an entry.
type reference struct {
	name  ledger.AudienceName
	epoch uint64
	index uint64
}

// references returns the audiences that an entry names, and those it was released to.
func (b *Board) references(q querier, origin ledger.Origin, index uint64) ([]reference, error) {
	e, bare, _, err := b.cfg.Ledger.Entry(origin, index)
	if err != nil && len(e.Leaf) == 0 || bare {
		return nil, err
	}
	rec, _, err := ledger.OpenLeaf(e.Leaf)
	if err != nil {
		return nil, err
	}
	var out []reference
	for _, a := range rec.Audience {
		out = append(out, reference{a.Name, a.Epoch, index})
	}
	target := index
	if rec.Kind == ledger.KindRelease {
		target = rec.Target
	}
	rows, err := q.Query("SELECT audience, epoch, since FROM releases WHERE origin = ? AND target = ? ORDER BY audience, epoch", string(origin), target)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r reference
		var name string
		if err := rows.Scan(&name, &r.epoch, &r.index); err != nil {
			return nil, err
		}
		if r.name = ledger.AudienceName(name); !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out, rows.Err()
}

// holdersOf returns who can open what is sealed to an audience at an epoch.
func (b *Board) holdersOf(q querier, origin ledger.Origin, ref reference) ([]Holder, error) {
	if id, single := ref.name.Agency(); single {
		h := Holder{Agency: id, By: ref.name}
		if origin.Jurisdiction() == id.Jurisdiction() {
			h.Since = ref.index
		}
		return []Holder{h}, nil
	}
	if origin.Jurisdiction() != ref.name.Jurisdiction() {
		for _, o := range b.cfg.Ledger.Origins() { // a ledger that continues another numbers its epochs on: one of them has this
			if o.Jurisdiction() != ref.name.Jurisdiction() {
				continue
			}
			if found, err := b.holdersIn(q, o, ref); err != nil || len(found) > 0 {
				return found, err
			}
		}
		return nil, nil
	}
	return b.holdersIn(q, origin, ref)
}

func (b *Board) holdersIn(q querier, origin ledger.Origin, ref reference) ([]Holder, error) {
	rows, err := q.Query("SELECT agency, since, granted FROM members WHERE origin = ? AND audience = ? AND epoch = ? ORDER BY agency", string(origin), string(ref.name), ref.epoch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Holder
	for rows.Next() {
		h := Holder{By: ref.name}
		var agency string
		if err := rows.Scan(&agency, &h.Since, &h.granted); err != nil {
			return nil, err
		}
		h.Agency = ledger.AgencyID(agency)
		out = append(out, h)
	}
	return out, rows.Err()
}
