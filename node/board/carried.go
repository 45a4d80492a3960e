package board

import (
	"encoding/binary"
	"slices"
	"strings"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/expunge"
)

// release folds what an entry carries of an earlier one, at the earlier one's place: whoever reads it here for the first time
// sees it where everybody else has it.
func (f *folder) release(rec *ledger.Record, index uint64, p *ledger.Payload) error {
	return f.carried(rec, index, p, func(target *ledger.Record, at ledger.Position, c *ledger.CarriedEvent) error {
		return f.event(target, audiencesOf(target, rec), at, &c.Event, c.Holes)
	})
}

// audiencesOf names whom an entry was sealed to together with whom a later one carries it to.
func audiencesOf(target, rec *ledger.Record) string {
	names := strings.Fields(audienceOf(target.Audience) + " " + audienceOf(rec.Audience))
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}

// carried hands on the events that an entry carries of the one it names, or of an expungement of that before it. What does not
// belong to those has no effect.
func (f *folder) carried(rec *ledger.Record, index uint64, p *ledger.Payload, take func(target *ledger.Record, at ledger.Position, c *ledger.CarriedEvent) error) error {
	for i := range p.Events {
		if p.Events[i].Type != ledger.TypeCarried {
			continue
		}
		c, target, events, err := ledger.OpenCarried(&p.Events[i])
		if err != nil || c.Origin != rec.Origin || c.Index != rec.Target && (target.Kind != ledger.KindExpungement || target.Target != rec.Target || c.Index >= index) {
			f.board.cfg.Log.Warn("an entry carries what is not of the entry it names; that has no effect", "ledger", rec.Origin, "index", index, "error", err)
			continue
		}
		_, _, leaf, err := f.board.cfg.Ledger.Entry(c.Origin, c.Index)
		if leaf != ledger.LeafHash(c.Leaf) {
			if err != nil {
				return err
			}
			f.board.cfg.Log.Warn("an entry carries another leaf than the ledger has there; that has no effect", "ledger", rec.Origin, "index", index)
			continue
		}
		for i := range events {
			e := &events[i]
			if len(e.Holes) > 0 && e.Event.Type != alert.TypeListed || (c.Index != rec.Target || e.Event.Type == expunge.TypeOrdered) && !orders(target, &e.Event) {
				continue // only lists are read in part, and of expungements their orders
			}
			if err := take(target, ledger.Position{Index: c.Index, Leaf: e.First}, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// encodeHoles is 4 bytes a row, big-endian.
func encodeHoles(rows []uint32) []byte {
	out := []byte{}
	for _, row := range rows {
		out = binary.BigEndian.AppendUint32(out, row)
	}
	return out
}

// holes returns the rows of a stored event that are not known here.
func (f *folder) holes(seq int64) (rows []uint32, err error) {
	var b []byte
	if err := f.get(&b, "SELECT holes FROM events WHERE seq = ?", seq); err != nil {
		return nil, err
	}
	for ; len(b) >= 4; b = b[4:] {
		rows = append(rows, binary.BigEndian.Uint32(b))
	}
	return rows, nil
}
