package alert

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// Flood quarantine. A member that raises far more in one window of its ledger than its share of the windows before, or
// far more signals that nobody has seen, may be mistaken, broken into, or poisoning what others act on. What is over its
// allowance is held: shown, and not acted on, until another agency looks at it (an assessment of its own) or releases
// it. What it raised within its allowance, and everything that others raise, is not affected.
//
// A window is so many consecutive entries of one ledger, counted from its first. What a member's alerts count is their
// signals; a signal is novel where no alert at an earlier position of the same ledger carries it. Both follow from the
// events of that ledger alone and from where they stand in it, so that every order of arrival gives the same.
// Exercises are counted apart.

// Share is what was raised.
type Share struct{ Signals, Novel uint64 }

// Add adds another share.
func (s Share) Add(o Share) Share { return Share{s.Signals + o.Signals, s.Novel + o.Novel} }

// WindowOf returns the number of the window that an entry is in.
func (f Flood) WindowOf(index uint64) uint64 { return index / max(f.Window, 1) }

// Allowance returns what a member may raise in a window: Factor times its share of an average one of the Recent windows
// before. Its share is what it raised itself, or what the members did on average that raised anything, whichever is
// more, so that a newcomer may do what others do. own and all are sums over those windows.
func (f Flood) Allowance(own, all Share, members int) Share {
	times := func(own, all, floor uint64) uint64 {
		share := max(own, all/uint64(max(members, 1)))
		return max(floor, f.Factor*share/max(f.Recent, 1))
	}
	return Share{times(own.Signals, all.Signals, f.Signals), times(own.Novel, all.Novel, f.Novel)}
}

// Over says that an event of a share goes beyond an allowance of which so much is used before it.
func (s Share) Over(before, allowed Share) bool {
	total := before.Add(s)
	return total.Signals > allowed.Signals || total.Novel > allowed.Novel
}

// The release of what is held, by an agency that has looked at it:
//
//	flood.released  row  one: CBOR [ledger, author, from, to, reason, exercise]
const (
	FloodPrefix  = "flood."
	TypeReleased = "flood.released"
	// FloodIDs is what ids of releases begin with.
	FloodIDs = "fr_"
)

// Released says of what an agency raised at positions of its ledger that another agency has looked at it, and that it
// need not be held. It has no effect by the agency that raised it.
type Released struct {
	_        struct{} `cbor:",toarray"`
	Ledger   ledger.Origin
	Author   ledger.AgencyID
	From, To uint64 // entries From to To-1
	Reason   string
	Exercise bool // only exercises, or only casework
}

// FloodCodec reads and writes the events.
var FloodCodec = noun.Codec[noun.Fact]{Fresh: map[string]func() noun.Fact{TypeReleased: func() noun.Fact { return &Released{} }}}

// About implements noun.Fact: it founds a release.
func (r *Released) About() (Key, bool) { return Key{}, false }

// Validate accepts what can be encoded.
func (r *Released) Validate() error {
	return noun.First(
		noun.At("ledger", Key{Home: r.Ledger, Author: r.Author}.Validate()),
		noun.At("to", r.validRange()),
		noun.At("reason", noun.Words(r.Reason, MaxReasonBytes)),
	)
}

func (r *Released) validRange() error {
	if r.From >= r.To || r.To-r.From > maxReleased {
		return noun.ErrCount
	}
	return nil
}

// Release is a release with who wrote it.
type Release struct {
	Key      Key
	Released *Released
}

// FoldRelease folds the events of one release: the first stands.
func FoldRelease(k Key, events []noun.Placed[noun.Fact]) *Release {
	standing, _ := noun.Canonical(k.Home, events)
	r := &Release{Key: k}
	for _, p := range standing {
		if f, ok := p.Fact.(*Released); ok && r.Released == nil {
			r.Released = f
		}
	}
	return r
}

// Counts says that it has effect: another agency than the one that raised it has looked.
func (r *Release) Counts() bool { return r.Released != nil && r.Key.Author != r.Released.Author }

// LetGo asks to release what an agency raised at positions of its ledger.
type LetGo struct {
	Event    ledger.EventID
	Released Released
	Held     int // alerts that are held there now
}

// Decide returns the release, or the refusal.
func (c LetGo) Decide(by ledger.AgencyID) (ledger.Event, error) {
	if err := c.Released.Validate(); err != nil {
		return ledger.Event{}, err
	}
	if by == c.Released.Author {
		return ledger.Event{}, noun.Refuse("another agency than the one that raised it looks at what is held")
	}
	if c.Held == 0 {
		return ledger.Event{}, noun.Refuse("nothing that %s raised there is held", c.Released.Author)
	}
	return FloodCodec.Encode(c.Event, TypeReleased, &c.Released)
}
