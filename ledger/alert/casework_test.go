package alert

import (
	"errors"
	"slices"
	"testing"

	"vigil/ledger"
	"vigil/ledger/noun"
)

func TestSightDecides(t *testing.T) {
	single, list := object(t, raised(t)), object(t, listed(t, 3), takesBack(t, 6, target(2), 9, RowSet{1}))
	good := Sight{Event: eventID(50), Target: ID{Key: target(1)}, Setting: OnPlatform, Count: 2, Day: 20_000, Today: 20_000}
	for name, c := range map[string]struct {
		object *Object
		change func(*Sight)
		want   error
	}{
		"a hit":        {single, func(*Sight) {}, nil},
		"its own":      {single, func(*Sight) {}, nil},
		"of a list":    {list, func(s *Sight) { s.Target = ID{Key: target(2), Row: 2} }, nil},
		"unknown":      {nil, func(*Sight) {}, ErrUnknownAlert},
		"no such row":  {single, func(s *Sight) { s.Target.Row = 1 }, ErrNoSuchRow},
		"retracted":    {list, func(s *Sight) { s.Target = ID{Key: target(2), Row: 1} }, ErrRetracted},
		"nowhere":      {single, func(s *Sight) { s.Setting = 0 }, noun.ErrRequired},
		"never":        {single, func(s *Sight) { s.Count = 0 }, noun.ErrCount},
		"far too many": {single, func(s *Sight) { s.Count = MaxSightings + 1 }, noun.ErrCount},
		"no day":       {single, func(s *Sight) { s.Day = 0 }, noun.ErrRequired},
		"tomorrow":     {single, func(s *Sight) { s.Day++ }, ErrFuture},
	} {
		s := good
		c.change(&s)
		e, err := s.Decide(View{Agency: "uk/nca", Object: c.object})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil && first2(Decode(&e)).(*Sighted).Count != 2 {
			t.Errorf("%s: the event does not say so", name)
		}
	}
}

func TestSightingsAreCounted(t *testing.T) {
	met := func(index uint64, agency ledger.AgencyID, id byte, f Sighted) Placed {
		f.Target = target(2)
		e, err := f.Encode(eventID(id))
		o := originUK
		if agency.Jurisdiction() == "in" {
			o = originIN
		}
		return place(t, o, index, agency, must(t, e, err))
	}
	o := object(t, listed(t, 3),
		met(1, "uk/nca", 10, Sighted{Row: 1, Setting: OnPlatform, Count: 3, Day: 20_010}),
		met(2, "uk/nca", 11, Sighted{Row: 1, Setting: OnPlatform, Count: 4, Day: 20_000}),
		met(3, "uk/nca", 11, Sighted{Row: 1, Setting: OnPlatform, Count: 900, Day: 20_000}), // its event id was used
		met(4, "uk/nca", 12, Sighted{Row: 1, Setting: OnPlatform, Review: FalsePositive, Count: 1, Day: 20_001}),
		met(5, "uk/nca", 13, Sighted{Row: 9, Setting: OnPlatform, Count: 5, Day: 20_001}),
		met(6, "uk/nca", 14, Sighted{Row: 1, Setting: OnPlatform, Count: 5, Day: 20_001, Exercise: true}),
		met(9, "in/ncrb", 15, Sighted{Row: 0, Setting: InSeizedMedia, Count: 1, Day: 20_002}))
	got := slices.Collect(o.Sightings)
	slices.SortFunc(got, func(a, b Sighting) int { return int(a.Count) - int(b.Count) + int(a.Row) - int(b.Row) })
	want := []Sighting{
		{0, InSeizedMedia, NotReviewed, "in/ncrb", 1, 20_002, 20_002},
		{1, OnPlatform, FalsePositive, "uk/nca", 1, 20_001, 20_001},
		{1, OnPlatform, NotReviewed, "uk/nca", 7, 20_000, 20_010},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if s := o.Standing(1, rules(2)); s.State != Asserted || s.Agencies != 1 {
		t.Errorf("a sighting is no assessment: %+v", s)
	}
}

// Who hears of a hit: the agency that raised the alert; more only where its marking allows.
func TestSightingAudience(t *testing.T) {
	readers := []ledger.AudienceName{"in/*", "uk/*"}
	for tlp, want := range map[TLP][]ledger.AudienceName{
		Red: {"in/ncrb", "uk/nca"}, AmberStrict: {"in/ncrb", "uk/nca"}, Amber: {"in/ncrb", "uk/nca"},
		Green: {"in/*", "in/ncrb", "uk/*", "uk/nca"}, Clear: {"in/*", "in/ncrb", "uk/*", "uk/nca"},
	} {
		if got := SightingAudience("uk/nca", "in/ncrb", Handling{TLP: tlp}, readers); !slices.Equal(got, want) {
			t.Errorf("%s: %v", tlp, got)
		}
	}
	if got := SightingAudience("in/ncrb", "in/ncrb", Handling{TLP: Amber}, readers); !slices.Equal(got, []ledger.AudienceName{"in/ncrb"}) {
		t.Error(got)
	}
}

func TestConnectDecides(t *testing.T) {
	single, list := object(t, raised(t)), object(t, listed(t, 3), takesBack(t, 6, target(2), 9, RowSet{1}))
	e, err := sampleLink(Linked{Relation: SameSeries}).Encode(eventID(30))
	linked := object(t, raised(t), place(t, originUK, 4, "uk/nca", must(t, e, err)))
	drill := details()
	drill.Exercise = true
	e, err = Raise{Event: eventID(2), Details: drill, File: file(1, MD5)}.Decide(View{Agency: "in/ncrb"})
	exercise := object(t, must(t, e, err))
	good := Connect{Event: eventID(50), A: ID{Key: target(2), Row: 2}, B: ID{Key: target(1)}, Relation: SameSeries, Verdict: Confirms}
	for name, c := range map[string]struct {
		object, other *Object
		change        func(*Connect)
		want          error
	}{
		"a pair":               {single, list, func(*Connect) {}, nil},
		"said already":         {linked, list, func(*Connect) {}, ErrAlreadyAssessed},
		"taken back":           {linked, list, func(c *Connect) { c.Verdict = Withdraws }, nil},
		"denied":               {linked, list, func(c *Connect) { c.Verdict = Disputes }, nil},
		"nothing to take back": {single, list, func(c *Connect) { c.Verdict = Withdraws }, ErrNothingToWithdraw},
		"near duplicates too":  {linked, list, func(c *Connect) { c.Relation = NearDuplicate }, nil},
		"the first unknown":    {nil, list, func(*Connect) {}, ErrUnknownAlert},
		"the second unknown":   {single, nil, func(*Connect) {}, ErrUnknownAlert},
		"no such row":          {single, list, func(c *Connect) { c.A.Row = 3 }, ErrNoSuchRow},
		"retracted":            {single, list, func(c *Connect) { c.A.Row = 1 }, ErrRetracted},
		"retracted, denied":    {single, list, func(c *Connect) { c.A.Row, c.Verdict = 1, Disputes }, nil},
		"itself":               {single, single, func(c *Connect) { c.A = c.B }, ErrSameAlert},
		"an exercise":          {single, exercise, func(c *Connect) { c.A.Row = 0 }, ErrExerciseLink},
		"no relation":          {single, list, func(c *Connect) { c.Relation = 0 }, noun.ErrRequired},
		"no verdict":           {single, list, func(c *Connect) { c.Verdict = 0 }, noun.ErrRequired},
	} {
		x := good
		c.change(&x)
		e, err := x.Decide(View{Agency: "uk/nca", Object: c.object, Other: c.other})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil && first2(Decode(&e)).(*Linked).Target.Key != target(1) {
			t.Errorf("%s: the greater is the target", name)
		}
	}
}

func TestLinksStandUntilDenied(t *testing.T) {
	says := func(index uint64, agency ledger.AgencyID, id byte, v Verdict) Placed {
		l := sampleLink(Linked{Relation: NearDuplicate})
		l.Verdict = v
		e, err := l.Encode(eventID(id))
		return place(t, originUK, index, agency, must(t, e, err))
	}
	drill := sampleLink(Linked{Relation: NearDuplicate, Exercise: true})
	e, err := drill.Encode(eventID(90))
	wrong := place(t, originUK, 90, "uk/met", must(t, e, err))
	for name, c := range map[string]struct {
		said   []Placed
		stands bool
		linked int
	}{
		"nobody":            {nil, false, 0},
		"one":               {[]Placed{says(1, "uk/nca", 40, Confirms)}, true, 1},
		"two":               {[]Placed{says(1, "uk/nca", 40, Confirms), says(2, "uk/met", 41, Confirms)}, true, 2},
		"one denies":        {[]Placed{says(1, "uk/nca", 40, Confirms), says(2, "uk/met", 41, Disputes)}, false, 1},
		"denies no longer":  {[]Placed{says(1, "uk/nca", 40, Confirms), says(2, "uk/met", 41, Disputes), says(3, "uk/met", 42, Withdraws)}, true, 1},
		"taken back":        {[]Placed{says(1, "uk/nca", 40, Confirms), says(2, "uk/nca", 41, Withdraws)}, false, 0},
		"another's drill":   {[]Placed{says(1, "uk/nca", 40, Confirms), wrong}, true, 1},
		"only a drill says": {[]Placed{wrong}, false, 0},
	} {
		o := object(t, raised(t), c.said...)
		var got Link
		for l := range o.Links {
			got = l
		}
		if got.Stands() != c.stands || len(got.Linked) != c.linked {
			t.Errorf("%s: %+v", name, got)
		}
		if flags := o.Flags(); (len(flags) == 1 && flags[0].Why == WrongExercise) != slices.ContainsFunc(c.said, func(p Placed) bool { return p.Event == eventID(90) }) {
			t.Errorf("%s: %v", name, flags)
		}
	}
}
