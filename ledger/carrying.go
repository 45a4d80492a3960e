package ledger

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// TypeCarried is the type of the event by which a release or an expungement carries rows of the entry that it names: one
// row, and as shared part CBOR [carried, spans].
const TypeCarried = "entry.carried"

const carriedVersion = 1

// Span says which rows of the events tree belong to one event of which some are shown: First to First+Count-1.
type Span struct {
	_            struct{} `cbor:",toarray"`
	First, Count uint64
}

type carriedWire struct {
	_       struct{} `cbor:",toarray"`
	Carried Carried
	Spans   []Span // one for each of Carried.Shared
}

// CarryEvent returns the event that carries the rows named of an entry and nothing else of it.
func CarryEvent(origin Origin, index Index, leaf []byte, p *Payload, show []int) (Event, error) {
	c, err := Carry(origin, index, leaf, p, show)
	if err != nil {
		return Event{}, err
	}
	w := carriedWire{Carried: *c, Spans: []Span{}}
	n := uint64(0)
	for i := range p.Events {
		count := uint64(p.Events[i].Count())
		for _, row := range c.Rows[n : n+count] {
			if len(row.Hash) == 0 {
				w.Spans = append(w.Spans, Span{First: n, Count: count})
				break
			}
		}
		n += count
	}
	return w.event(), nil
}

// CarriedEvent is an event of an earlier entry as a later one carries it.
type CarriedEvent struct {
	// Event has the rows that are shown; those that are not are zeros.
	Event Event
	// First is the place of its first row in the events tree.
	First uint32
	// Holes are the rows of the event that are not shown, in order.
	Holes []uint32
}

// OpenCarried decodes what CarryEvent made, and checks that it is what the author of the carried entry signed; that the leaf
// stands at its place in the ledger is the caller's to check. The record is the carried entry's.
func OpenCarried(e *Event) (*Carried, *Record, []CarriedEvent, error) {
	var w carriedWire
	if e.Type != TypeCarried || e.Version != carriedVersion || !bytes.Equal(e.Rows, []byte{0}) {
		return nil, nil, nil, fmt.Errorf("%w: %.40q of version %d", ErrCarried, e.Type, e.Version)
	}
	if err := Unmarshal(e.Shared, &w, MaxPlaintextBytes); err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", ErrCarried, err)
	}
	c := &w.Carried
	rec, _, err := OpenLeaf(c.Leaf)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", ErrCarried, err)
	}
	root, err := c.EventsRoot()
	if err != nil {
		return nil, nil, nil, err
	}
	if root != rec.EventsRoot || rec.Origin != c.Origin {
		return nil, nil, nil, fmt.Errorf("%w: what is shown is not what was signed", ErrCarried)
	}
	events, err := c.events(w.Spans)
	return c, rec, events, err
}

// events puts the events together again of which something is shown.
func (c *Carried) events(spans []Span) ([]CarriedEvent, error) {
	if len(spans) != len(c.Shared) {
		return nil, fmt.Errorf("%w: %d spans of %d events", ErrCarried, len(spans), len(c.Shared))
	}
	var out []CarriedEvent
	end := uint64(0) // of the span before
	for i, span := range spans {
		if span.First < end || span.Count == 0 || span.Count > MaxEntryLeaves || span.First > uint64(len(c.Rows)) || span.First+span.Count > uint64(len(c.Rows)) {
			return nil, fmt.Errorf("%w: span %d", ErrCarried, i)
		}
		if err := c.bare(end, span.First); err != nil {
			return nil, err
		}
		end = span.First + span.Count
		e, err := c.event(uint64(i), span)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, c.bare(end, uint64(len(c.Rows)))
}

// bare refuses rows that are shown outside of every span.
func (c *Carried) bare(from, to uint64) error {
	for n := from; n < to; n++ {
		if len(c.Rows[n].Hash) != tlog.HashSize {
			return fmt.Errorf("%w: row %d belongs to no event", ErrCarried, n)
		}
	}
	return nil
}

func (c *Carried) event(shared uint64, span Span) (CarriedEvent, error) {
	f, err := OpenShared(c.Shared[shared])
	if err != nil {
		return CarriedEvent{}, err
	}
	out := CarriedEvent{First: uint32(span.First), Event: Event{ID: f.ID, Type: f.Type, Version: f.Version, Shared: f.Shared, Width: f.Width}}
	if f.Width == 0 || uint64(f.Width)*span.Count > MaxPlaintextBytes {
		return out, fmt.Errorf("%w: rows of %d bytes", ErrCarried, f.Width)
	}
	for n, row := range c.Rows[span.First : span.First+span.Count] {
		switch {
		case len(row.Hash) > 0:
			out.Holes = append(out.Holes, uint32(n))
			out.Event.Rows = append(out.Event.Rows, make([]byte, f.Width)...)
		case row.Shared != shared || len(row.Row) != int(f.Width):
			return out, fmt.Errorf("%w: row %d is of another event", ErrCarried, span.First+uint64(n))
		default:
			out.Event.Rows = append(out.Event.Rows, row.Row...)
		}
	}
	if len(out.Holes) == int(span.Count) {
		return out, fmt.Errorf("%w: an event of which nothing is shown", ErrCarried)
	}
	return out, out.Event.check()
}

// CarryLess returns the event that carries what another carries but for some rows, which become hashes: what an entry carries
// of an expunged one is expunged in part. ok is false where nothing is left to be carried.
func CarryLess(e *Event, hide []int) (less Event, ok bool, err error) {
	if _, _, _, err := OpenCarried(e); err != nil {
		return Event{}, false, err
	}
	var w carriedWire
	if err := Unmarshal(e.Shared, &w, MaxPlaintextBytes); err != nil {
		return Event{}, false, err
	}
	c := &w.Carried
	for _, n := range hide {
		if n < 0 || n >= len(c.Rows) {
			return Event{}, false, fmt.Errorf("%w: row %d of %d", ErrCarried, n, len(c.Rows))
		}
		if r := c.Rows[n]; len(r.Hash) == 0 {
			h := EventLeafHash([16]byte(r.Salt), c.Shared[r.Shared], r.Row)
			c.Rows[n] = CarriedRow{Hash: h[:]}
		}
	}
	w.compact()
	return w.event(), len(c.Shared) > 0, nil
}

// compact drops the shared parts of which no row is shown.
func (w *carriedWire) compact() {
	used := map[uint64]uint64{}
	shared, spans := [][]byte{}, []Span{}
	for i, r := range w.Carried.Rows {
		if len(r.Hash) > 0 {
			continue
		}
		at, seen := used[r.Shared]
		if !seen {
			at = uint64(len(shared))
			used[r.Shared] = at
			shared, spans = append(shared, w.Carried.Shared[r.Shared]), append(spans, w.Spans[r.Shared])
		}
		w.Carried.Rows[i].Shared = at
	}
	w.Carried.Shared, w.Spans = shared, spans
}

func (w *carriedWire) event() Event {
	shared := Marshal(w)
	id := sha256.Sum256(shared)
	return Event{ID: EventID(id[:16]), Type: TypeCarried, Version: carriedVersion, Shared: shared, Width: 1, Rows: []byte{0}}
}
