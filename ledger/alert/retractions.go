package alert

import "vigil/ledger"

// Retractions returns the retractions that have effect, in canonical order; none before the cause has arrived.
func (o *Object) Retractions() []Placed {
	var out []Placed
	for _, m := range o.marks {
		if m.retracts && o.cause != nil && o.ineffective(m) == 0 {
			out = append(out, m.placed)
		}
	}
	return out
}

// RetractedBy returns the retraction with an event id, where it has effect.
func (o *Object) RetractedBy(event ledger.EventID) (Placed, bool) {
	p := o.seen[identity{author: o.Key.Author, event: event}]
	if p == nil || o.cause == nil {
		return Placed{}, false
	}
	r, ok := p.Fact.(*Retracted)
	return *p, ok && o.ineffective(mark{placed: *p, retracts: true, exercise: r.Exercise}) == 0
}
