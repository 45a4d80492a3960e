package alert

import (
	"slices"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// The known-benign list: signals of files that are no abuse material whatever an alert says of them, such as a logo or a
// picture that a tool ships with. An agency with the right says so in one event and lifts it in another. An alert that
// carries one of the signals is not acted on and is shown with the conflict; it is never dropped.
//
//	benign.declared  row  one: CBOR [signals, reason, exercise]
//	benign.lifted    row  one: CBOR [target, reason, exercise]
const (
	BenignPrefix = "benign."
	TypeDeclared = "benign.declared"
	TypeLifted   = "benign.lifted"
	// BenignIDs is what ids of declarations begin with.
	BenignIDs = "bn_"
)

// Declared is one agency's word that signals are benign.
type Declared struct {
	_        struct{} `cbor:",toarray"`
	Signals  []Signal // sorted by algorithm and value, none twice, without quality
	Reason   string
	Exercise bool
}

// Lifted takes a declaration back. It counts where it is its author's, or of an agency whose word on benign signals counts.
type Lifted struct {
	_        struct{} `cbor:",toarray"`
	Target   Key
	Reason   string
	Exercise bool // as the target's, or without effect
}

// BenignCodec reads and writes the events.
var BenignCodec = noun.Codec[noun.Fact]{Fresh: map[string]func() noun.Fact{
	TypeDeclared: func() noun.Fact { return &Declared{} },
	TypeLifted:   func() noun.Fact { return &Lifted{} },
}}

// About implements noun.Fact: it founds a declaration.
func (d *Declared) About() (Key, bool) { return Key{}, false }

// About implements noun.Fact.
func (l *Lifted) About() (Key, bool) { return l.Target, true }

// Validate accepts what can be encoded.
func (d *Declared) Validate() error {
	if len(d.Signals) == 0 || len(d.Signals) > MaxBenign {
		return noun.At("signals", noun.ErrCount)
	}
	for i, s := range d.Signals {
		err := s.Validate()
		switch {
		case err != nil:
		case s.Quality != 0:
			err = ErrQuality
		case i > 0 && compareSignals(d.Signals[i-1], s) >= 0:
			err = noun.ErrNotSorted
		}
		if err != nil {
			return noun.At(noun.Item("signals", i), err)
		}
	}
	return noun.At("reason", noun.Words(d.Reason, MaxReasonBytes))
}

// Validate accepts what can be encoded.
func (l *Lifted) Validate() error {
	return noun.First(noun.At("target", l.Target.Validate()), noun.At("reason", noun.Words(l.Reason, MaxReasonBytes)))
}

// Benign is a declaration with what became of it.
type Benign struct {
	Key      Key
	Declared *Declared // nil where it cannot be read here
	Lines    []BenignLine
}

// BenignLine is one event of a declaration, in canonical order.
type BenignLine struct {
	noun.Placed[noun.Fact]
	Effect string // empty, or why it has none
}

// FoldBenign folds all events of one declaration, in any order of arrival. Whose words count is a reader's policy:
// InForce says.
func FoldBenign(k Key, events []noun.Placed[noun.Fact]) *Benign {
	standing, repeated := noun.Canonical(k.Home, events)
	b := &Benign{Key: k}
	for _, p := range standing {
		line := BenignLine{Placed: p}
		switch f := p.Fact.(type) {
		case *Declared:
			b.Declared = f
		case *Lifted:
			if b.Declared != nil && f.Exercise != b.Declared.Exercise {
				line.Effect = WrongExercise.String()
			}
		}
		b.Lines = append(b.Lines, line)
	}
	for _, p := range repeated {
		b.Lines = append(b.Lines, BenignLine{p, Repeated.String()})
	}
	return b
}

// InForce says whether the signals are known to be benign under a reader's rules.
func (b *Benign) InForce(r Rules) bool {
	return b.Declared != nil && r.MayDeclareBenign(b.Key.Author) && !slices.ContainsFunc(b.Lines, func(l BenignLine) bool { return b.lifts(l, r) })
}

func (b *Benign) lifts(l BenignLine, r Rules) bool {
	f, ok := l.Fact.(*Lifted)
	return ok && l.Effect == "" && f.Exercise == b.Declared.Exercise && (l.Author == b.Key.Author || r.MayDeclareBenign(l.Author))
}

// Declare asks to put signals on the known-benign list.
type Declare struct {
	Event    ledger.EventID
	Signals  []Signal
	Reason   string
	Exercise bool
}

// Decide returns the declaration, or the refusal.
func (c Declare) Decide(by ledger.AgencyID, r Rules) (ledger.Event, error) {
	if !r.MayDeclareBenign(by) {
		return ledger.Event{}, noun.Refuse("the policy does not let %s say what is benign", by)
	}
	d := &Declared{Signals: File{Signals: c.Signals}.Normal().Signals, Reason: c.Reason, Exercise: c.Exercise}
	return BenignCodec.Encode(c.Event, TypeDeclared, d)
}

// DecideLift returns the event that lifts the declaration, or the refusal.
func (b *Benign) DecideLift(id ledger.EventID, by ledger.AgencyID, r Rules, reason string) (ledger.Event, error) {
	switch {
	case b.Declared == nil:
		return ledger.Event{}, noun.Refuse("the declaration cannot be read here")
	case by != b.Key.Author && !r.MayDeclareBenign(by):
		return ledger.Event{}, noun.Refuse("the policy does not let %s say what is benign", by)
	case slices.ContainsFunc(b.Lines, func(l BenignLine) bool { return b.lifts(l, r) }):
		return ledger.Event{}, noun.Refuse("it is lifted already")
	}
	return BenignCodec.Encode(id, TypeLifted, &Lifted{Target: b.Key, Reason: reason, Exercise: b.Declared.Exercise})
}
