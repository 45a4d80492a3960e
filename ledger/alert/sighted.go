package alert

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// TypeSighted is the type of the event Sighted.
const TypeSighted = "alert.sighted"

// Setting is where an alert's file was met. It says no more than that.
type Setting uint8

// The settings.
const (
	OnPlatform      Setting = 1 // on an intermediary's service, reported by the agency whose node serves it
	InSeizedMedia   Setting = 2 // in a laboratory's work
	InInvestigation Setting = 3 // in an investigation, before anything was seized
	AtHotline       Setting = 4 // in a report by the public
)

// Review says whether somebody looked at what was met.
type Review uint8

// The reviews.
const (
	NotReviewed   Review = 0
	Matches       Review = 1 // an examiner looked: it is the file, or a copy of it
	FalsePositive Review = 2 // an examiner looked: it is something else
)

var (
	settingNames = []string{"", "platform", "seized-media", "investigation", "hotline"}
	reviewNames  = []string{"not-reviewed", "matches", "false-positive"}
)

// Settings returns the public names.
func Settings() []string { return settingNames[1:] }

// Sighted is hits on one alert, counted: where and on which day, and nothing else. It has no field that could say in
// what place, on which service, or by whom.
type Sighted struct {
	Target   Key
	Row      uint32
	Setting  Setting
	Review   Review
	Count    uint32
	Day      Day  // the author's word
	Exercise bool // as the target's, or without effect
}

type sightedShared struct {
	_        struct{} `cbor:",toarray"`
	Target   Key
	Setting  Setting
	Review   Review
	Count    uint32
	Day      Day
	Exercise bool
}

// Validate accepts what can be encoded.
func (s *Sighted) Validate() error {
	return noun.First(
		noun.At("target", s.Target.Validate()),
		RowSet{s.Row}.Validate(),
		noun.At("setting", defined(settingNames, s.Setting)),
		noun.At("review", defined(reviewNames, s.Review)),
		noun.At("count", s.validCount()),
		noun.At("day", s.validDay()),
	)
}

func (s *Sighted) validCount() error {
	if s.Count == 0 || s.Count > MaxSightings {
		return noun.ErrCount
	}
	return nil
}

func (s *Sighted) validDay() error {
	if s.Day == 0 {
		return noun.ErrRequired
	}
	return s.Day.validate()
}

// Encode returns the event, or why it has none.
func (s *Sighted) Encode(id ledger.EventID) (ledger.Event, error) {
	if err := s.Validate(); err != nil {
		return ledger.Event{}, err
	}
	shared := sightedShared{Target: s.Target, Setting: s.Setting, Review: s.Review, Count: s.Count, Day: s.Day, Exercise: s.Exercise}
	return ledger.Event{
		ID: id, Type: TypeSighted, Version: 1,
		Shared: ledger.Marshal(shared), Width: RowNumberBytes, Rows: RowSet{s.Row}.Encode(),
	}, nil
}

func decodeSighted(e *ledger.Event) (Fact, error) {
	var x sightedShared
	if err := ledger.Unmarshal(e.Shared, &x, maxSharedBytes); err != nil {
		return nil, noun.At("shared", err)
	}
	row, err := decodeRow(e)
	if err != nil {
		return nil, err
	}
	s := &Sighted{Target: x.Target, Row: row, Setting: x.Setting, Review: x.Review, Count: x.Count, Day: x.Day, Exercise: x.Exercise}
	return s, s.Validate()
}

// decodeRow reads the rows of an event that is about one row.
func decodeRow(e *ledger.Event) (uint32, error) {
	rows, err := DecodeRowSet(e.Width, e.Rows)
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 || rows.IsAll() {
		return 0, noun.At("rows", noun.ErrCount)
	}
	return rows[0], nil
}

// About implements noun.Fact.
func (s *Sighted) About() (Key, bool) { return s.Target, true }

// Sighting is what one agency met of one alert, counted.
type Sighting struct {
	Row     uint32
	Setting Setting
	Review  Review
	Agency  ledger.AgencyID
	Count   uint64
	First   Day
	Last    Day
}

// sightKey is what sightings are counted by.
type sightKey struct {
	row      uint32
	setting  Setting
	review   Review
	agency   ledger.AgencyID
	exercise bool
}

type tally struct {
	count       uint64
	first, last Day
}

func (o *Object) sight(p Placed, f *Sighted) {
	k := sightKey{f.Row, f.Setting, f.Review, p.Author, f.Exercise}
	t, before := o.sights[k]
	if !before {
		t.first = f.Day
	}
	t.count, t.first, t.last = t.count+uint64(f.Count), min(t.first, f.Day), max(t.last, f.Day)
	o.sights[k] = t
}

// Sighting returns what an agency met of an alert, in all, of the kind that a sighting is of; false where the alert has
// no such row, or is an exercise and the sighting is not.
func (o *Object) Sighting(agency ledger.AgencyID, f *Sighted) (Sighting, bool) {
	k := sightKey{f.Row, f.Setting, f.Review, agency, f.Exercise}
	t, ok := o.sights[k]
	return o.sighting(k, t), ok && o.counts(k)
}

// Sightings yields everything that was met of the alerts, in no order.
func (o *Object) Sightings(yield func(Sighting) bool) {
	for k, t := range o.sights {
		if o.counts(k) && !yield(o.sighting(k, t)) {
			return
		}
	}
}

func (o *Object) counts(k sightKey) bool {
	return o.cause != nil && o.misses(RowSet{k.row}, k.exercise) == 0
}

func (o *Object) sighting(k sightKey, t tally) Sighting {
	return Sighting{Row: k.row, Setting: k.setting, Review: k.review, Agency: k.agency, Count: t.count, First: t.first, Last: t.last}
}

// Sight asks to tell the agency that raised an alert that its file was met.
type Sight struct {
	Event   ledger.EventID
	Target  ID
	Setting Setting
	Review  Review
	Count   uint32
	Day     Day
	Today   Day // as the agency's node has it
}

// Decide returns the sighting, or the refusal.
func (c Sight) Decide(v View) (ledger.Event, error) {
	cause, _, err := v.target(c.Target.Key, RowSet{c.Target.Row})
	if err != nil {
		return ledger.Event{}, err
	}
	s := &Sighted{
		Target: c.Target.Key, Row: c.Target.Row, Setting: c.Setting, Review: c.Review, Count: c.Count, Day: c.Day,
		Exercise: DetailsOf(cause).Exercise,
	}
	if err := s.Validate(); err != nil {
		return ledger.Event{}, err
	}
	if c.Day > c.Today {
		return ledger.Event{}, noun.At("day", ErrFuture)
	}
	if v.Object.Retraction(c.Target.Row) != nil {
		return ledger.Event{}, ErrRetracted
	}
	return s.Encode(c.Event)
}

// SightingAudience is who hears of a sighting by an agency: whoever raised the alert, and beside it those who can read
// the alert where it is marked for a community rather than for need to know.
func SightingAudience(by, raiser ledger.AgencyID, h Handling, readers []ledger.AudienceName) []ledger.AudienceName {
	out := []ledger.AudienceName{ledger.AudienceName(by), ledger.AudienceName(raiser)}
	if h.TLP == Clear || h.TLP == Green {
		out = append(out, readers...)
	}
	return noun.Set(out)
}
