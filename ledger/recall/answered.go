package recall

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// TypeAnswered is the type of the event Answered.
const TypeAnswered = "recall.answered"

// Prefix begins the types of this noun.
const Prefix = "recall."

const (
	// MaxAnswers bounds the answers of one event.
	MaxAnswers     = ledger.MaxEntryLeaves
	answerBytes    = 16 + 16 + 3*4
	maxSharedBytes = 256
)

// Recall names one retraction of one alert event. Who retracted it, and in which ledger the alert is, stand once in
// Answered.
type Recall struct {
	Alert      ledger.EventID
	Retraction ledger.EventID
}

func (r Recall) compare(o Recall) int {
	if c := bytes.Compare(r.Alert[:], o.Alert[:]); c != 0 {
		return c
	}
	return bytes.Compare(r.Retraction[:], o.Retraction[:])
}

// Derived counts what an agency had made of what was recalled, and has removed, marked or told on.
type Derived struct {
	Hits    uint32 // of its watch lists
	Exports uint32 // that carried it; the next one carries the withdrawal
	Told    uint32 // subscribers that were told
}

// Answer is an agency's word on one recall.
type Answer struct {
	Recall
	Derived Derived
}

// Answered is an agency's answer to recalls of one author's alerts.
type Answered struct {
	Home   ledger.Origin   // of the alerts
	Author ledger.AgencyID // of the alerts, who took them back
	// Exercise is as the alerts', or the answers are without effect.
	Exercise bool
	Answers  []Answer // ascending by alert and retraction, none twice
}

type answeredShared struct {
	_        struct{} `cbor:",toarray"`
	Home     ledger.Origin
	Author   ledger.AgencyID
	Exercise bool
}

// Normal returns the answers in canonical order. Of two to one recall the first stays.
func (a *Answered) Normal() *Answered {
	sorted := slices.Clone(a.Answers)
	slices.SortStableFunc(sorted, func(x, y Answer) int { return x.compare(y.Recall) })
	return &Answered{Home: a.Home, Author: a.Author, Exercise: a.Exercise, Answers: slices.CompactFunc(sorted, func(x, y Answer) bool { return x.Recall == y.Recall })}
}

// About implements noun.Fact: it stands by itself, for it is about many alerts.
func (a *Answered) About() (noun.Key, bool) { return noun.Key{}, false }

// Validate accepts what can be encoded.
func (a *Answered) Validate() error {
	if err := (noun.Key{Home: a.Home, Author: a.Author}).Validate(); err != nil {
		return err
	}
	if len(a.Answers) == 0 || len(a.Answers) > MaxAnswers {
		return noun.At("answers", noun.ErrCount)
	}
	for i := range a.Answers {
		if i > 0 && a.Answers[i-1].compare(a.Answers[i].Recall) >= 0 {
			return noun.At(noun.Item("answers", i), noun.ErrNotSorted)
		}
	}
	return nil
}

// Encode returns the event, or why it has none.
func (a *Answered) Encode(id ledger.EventID) (ledger.Event, error) {
	if err := a.Validate(); err != nil {
		return ledger.Event{}, err
	}
	rows := make([]byte, 0, answerBytes*len(a.Answers))
	for _, x := range a.Answers {
		rows = append(append(rows, x.Alert[:]...), x.Retraction[:]...)
		for _, n := range []uint32{x.Derived.Hits, x.Derived.Exports, x.Derived.Told} {
			rows = binary.BigEndian.AppendUint32(rows, n)
		}
	}
	return ledger.Event{ID: id, Type: TypeAnswered, Version: 1, Shared: ledger.Marshal(answeredShared{Home: a.Home, Author: a.Author, Exercise: a.Exercise}), Width: answerBytes, Rows: rows}, nil
}

// Decode reads an event. Its errors are noun.ErrNewer and noun.ErrMalformed. What decodes encodes to the same event.
func Decode(e *ledger.Event) (*Answered, error) {
	if e.Type != TypeAnswered || e.Version > 1 {
		return nil, noun.ErrNewer
	}
	var s answeredShared
	if err := ledger.Unmarshal(e.Shared, &s, maxSharedBytes); err != nil {
		return nil, fmt.Errorf("%w: %w", noun.ErrMalformed, err)
	}
	if e.Version != 1 || e.Width != answerBytes || len(e.Rows)%answerBytes != 0 {
		return nil, fmt.Errorf("%w: not rows of version 1", noun.ErrMalformed)
	}
	a := &Answered{Home: s.Home, Author: s.Author, Exercise: s.Exercise, Answers: make([]Answer, 0, len(e.Rows)/answerBytes)}
	for rows := e.Rows; len(rows) > 0; rows = rows[answerBytes:] {
		a.Answers = append(a.Answers, Answer{
			Recall: Recall{Alert: ledger.EventID(rows[:16]), Retraction: ledger.EventID(rows[16:32])},
			Derived: Derived{
				Hits: binary.BigEndian.Uint32(rows[32:]), Exports: binary.BigEndian.Uint32(rows[36:]), Told: binary.BigEndian.Uint32(rows[40:]),
			},
		})
	}
	if err := a.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", noun.ErrMalformed, err)
	}
	return a, nil
}

// Placed is an answer with its place in a ledger.
type Placed = noun.Placed[*Answered]

// Place decodes an event of a verified entry and notes where it stands.
func Place(origin ledger.Origin, pos ledger.Position, author ledger.AgencyID, authoredAt int64, e *ledger.Event) (Placed, error) {
	a, err := Decode(e)
	if err != nil {
		return Placed{}, err
	}
	return noun.Place(origin, pos, author, authoredAt, e, a), nil
}
