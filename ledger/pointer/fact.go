package pointer

import (
	"crypto/sha256"
	"slices"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/noun"
)

// Types of events: those of what an agency holds are its own, those of marks and evaluators are to everyone.
const (
	HeldTypes     = "pointer.own."
	TypeHeld      = "pointer.own.held"
	TypeBlinded   = "pointer.own.blinded"
	TypeDropped   = "pointer.own.dropped"
	MarkTypes     = "pointer.mark."
	TypeMarked    = "pointer.mark.set"
	TypeUnmarked  = "pointer.mark.lifted"
	EvalTypes     = "pointer.evaluator."
	TypeEvaluator = "pointer.evaluator.key"
)

// IDs begins the ids people use of a pointer, MarkIDs those of a mark.
const (
	IDs     = "pt_"
	MarkIDs = "pm_"
	EvalIDs = "pe_"
)

// Bounds.
const (
	maxNoteBytes = 512
	maxCaseBytes = 128
	// MinEvaluators is how many there are at least, so that who asks needs two others.
	MinEvaluators = 3
	maxEvaluators = 7
)

// HeldCodec, MarkCodec and EvalCodec read and write the events.
var (
	HeldCodec = noun.Codec[noun.Fact]{Fresh: map[string]func() noun.Fact{
		TypeHeld: func() noun.Fact { return &Held{} }, TypeBlinded: func() noun.Fact { return &Blinded{} }, TypeDropped: func() noun.Fact { return &Dropped{} },
	}}
	MarkCodec = noun.Codec[noun.Fact]{Fresh: map[string]func() noun.Fact{
		TypeMarked: func() noun.Fact { return &Marked{} }, TypeUnmarked: func() noun.Fact { return &Unmarked{} },
	}}
	EvalCodec = noun.Codec[noun.Fact]{Fresh: map[string]func() noun.Fact{TypeEvaluator: func() noun.Fact { return &Evaluator{} }}}
)

// Set names evaluators with their keys; Tag is what a pointer is in a set; Mark is what one agency shows of a tag.
type (
	Set  [32]byte
	Tag  [32]byte
	Mark [32]byte
)

// Evaluator announces an agency's public key for blinding. It is announced again in every epoch of the jurisdiction's
// audience, because who is admitted reads nothing older.
type Evaluator struct {
	_     struct{} `cbor:",toarray"`
	Key   [crypto.BlindPublicBytes]byte
	Epoch uint64
}

// Held says that this agency holds a pointer.
type Held struct {
	_        struct{} `cbor:",toarray"`
	Kind     Kind
	Value    string // normal form
	Case     string // this agency's own
	Note     string
	Exercise bool
}

// Blinded notes a pointer's tag in a set, so that the evaluators need not be asked again.
type Blinded struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
	Set    Set
	Tag    Tag
}

// Dropped says that this agency no longer holds a pointer.
type Dropped struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
}

// Marked shows everyone the mark of a pointer that its author holds; again in every epoch, like Evaluator.
type Marked struct {
	_        struct{} `cbor:",toarray"`
	Set      Set
	Mark     Mark
	Exercise bool
	Epoch    uint64
}

// Unmarked takes a mark back.
type Unmarked struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
}

// About implements noun.Fact for what founds an object.
func (*Evaluator) About() (noun.Key, bool) { return noun.Key{}, false }
func (*Held) About() (noun.Key, bool)      { return noun.Key{}, false }
func (*Marked) About() (noun.Key, bool)    { return noun.Key{}, false }

// About implements noun.Fact for what refers to one.
func (f *Blinded) About() (noun.Key, bool)  { return f.Target, true }
func (f *Dropped) About() (noun.Key, bool)  { return f.Target, true }
func (f *Unmarked) About() (noun.Key, bool) { return f.Target, true }

// Validate implements noun.Fact.
func (*Evaluator) Validate() error { return nil }

// Validate implements noun.Fact.
func (f *Held) Validate() error {
	normal, err := Normal(f.Kind, f.Value)
	if err == nil && normal != f.Value {
		err = ErrNotNormal
	}
	return noun.First(noun.At("value", err), noun.At("case", noun.Line(f.Case, maxCaseBytes)), noun.At("note", noun.Prose(f.Note, maxNoteBytes)))
}

// Validate implements noun.Fact.
func (f *Blinded) Validate() error { return noun.At("target", f.Target.Validate()) }

// Validate implements noun.Fact.
func (f *Dropped) Validate() error { return noun.At("target", f.Target.Validate()) }

// Validate implements noun.Fact.
func (*Marked) Validate() error { return nil }

// Validate implements noun.Fact.
func (f *Unmarked) Validate() error { return noun.At("target", f.Target.Validate()) }

// KeyOf is one evaluator with its key.
type KeyOf struct {
	Agency ledger.AgencyID
	Key    [crypto.BlindPublicBytes]byte
}

// SetOf names a set of evaluators, given in any order.
func SetOf(keys []KeyOf) Set {
	sorted := slices.SortedFunc(slices.Values(keys), func(a, b KeyOf) int {
		if a.Agency < b.Agency {
			return -1
		}
		return 1
	})
	h := sha256.New()
	h.Write([]byte("vigil pointer set v1\x00"))
	for _, k := range sorted {
		h.Write([]byte(k.Agency + "\x00"))
		h.Write(k.Key[:])
	}
	return Set(h.Sum(nil))
}

// TagOf is the tag of a pointer: of the evaluators' answers in the order of their agencies' names.
func TagOf(set Set, answers [][]byte) Tag {
	h := sha256.New()
	h.Write([]byte("vigil pointer tag v1\x00"))
	h.Write(set[:])
	for _, a := range answers {
		h.Write(a) // 64 bytes each
	}
	return Tag(h.Sum(nil))
}

// MarkOf is the mark that an agency shows of a tag.
func MarkOf(tag Tag, agency ledger.AgencyID) Mark {
	h := sha256.New()
	h.Write([]byte("vigil pointer mark v1\x00"))
	h.Write(tag[:])
	h.Write([]byte(agency))
	return Mark(h.Sum(nil))
}

// Input is what evaluators blind of a pointer: kinds never meet, nor exercise and casework.
func Input(kind Kind, value string, exercise bool) []byte {
	world := "casework"
	if exercise {
		world = "exercise"
	}
	return []byte("vigil pointer v1\x00" + world + "\x00" + string(kind) + "\x00" + value)
}
