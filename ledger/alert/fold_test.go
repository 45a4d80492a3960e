package alert

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// rules corroborate by k agencies, of any jurisdiction.
func rules(k int) Rules {
	return Rules{Home: "in", Agencies: k, Jurisdictions: 1, From: Asserted}
}

func TestStanding(t *testing.T) {
	k := target(2)
	confirm := func(index uint64, agency ledger.AgencyID, id byte) Placed {
		return says(t, index, agency, id, k, Confirms, RowSet{0})
	}
	for name, c := range map[string]struct {
		said []Placed
		want Standing
	}{
		"alone":              {nil, Standing{Asserted, 1, 1, 1, false, 0}},
		"one confirms":       {[]Placed{confirm(1, "uk/nca", 10)}, Standing{Asserted, 2, 2, 2, true, 0}},
		"two confirm":        {[]Placed{confirm(1, "uk/nca", 10), confirm(2, "uk/met", 11)}, Standing{Corroborated, 3, 3, 2, true, 0}},
		"one confirms twice": {[]Placed{confirm(1, "uk/nca", 10), confirm(2, "uk/nca", 11)}, Standing{Asserted, 2, 2, 2, true, 0}},
		"the author does":    {[]Placed{confirm(6, "in/ncrb", 10)}, Standing{Asserted, 1, 1, 1, false, 0}},
		"withdrawn": {
			[]Placed{confirm(1, "uk/nca", 10), confirm(2, "uk/met", 11), says(t, 3, "uk/met", 12, k, Withdraws, AllRows())},
			Standing{Asserted, 2, 2, 2, true, 0},
		},
		"disputed": {
			[]Placed{confirm(1, "uk/nca", 10), confirm(2, "uk/met", 11), says(t, 9, "in/mh", 12, k, Disputes, AllRows())},
			Standing{Disputed, 3, 3, 2, true, 1},
		},
		"of another row": {[]Placed{says(t, 1, "uk/nca", 10, k, Disputes, RowSet{1})}, Standing{Asserted, 1, 1, 1, false, 0}},
		"of no row":      {[]Placed{says(t, 1, "uk/nca", 10, k, Disputes, RowSet{0, 3})}, Standing{Asserted, 1, 1, 1, false, 0}},
		"retracted":      {[]Placed{confirm(1, "uk/nca", 10), takesBack(t, 9, k, 13, AllRows())}, Standing{Withdrawn, 2, 2, 2, true, 0}},
		"before cause":   {[]Placed{takesBack(t, 1, k, 13, RowSet{0})}, Standing{Withdrawn, 1, 1, 1, false, 0}},
	} {
		if got := object(t, listed(t, 3), c.said...).Standing(0, rules(3)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// k independent agencies: what only repeats somebody's list, a platform's report or a machine's guess is no look of its
// own.
func TestIndependence(t *testing.T) {
	type word struct {
		agency ledger.AgencyID
		basis  Basis
		source string
	}
	for name, c := range map[string]struct {
		author  word
		confirm []word
		want    Standing
	}{
		"both examined":             {word{"in/ncrb", Examined, ""}, []word{{"uk/nca", Examined, ""}}, Standing{Corroborated, 2, 2, 2, true, 0}},
		"neither says why":          {word{"in/ncrb", NotStated, ""}, []word{{"uk/nca", NotStated, ""}}, Standing{Corroborated, 2, 2, 2, true, 0}},
		"one list":                  {word{"in/ncrb", PartnerList, "IWF 2026-05"}, []word{{"uk/nca", PartnerList, "iwf: daily"}}, Standing{Asserted, 2, 1, 2, false, 0}},
		"two lists":                 {word{"in/ncrb", PartnerList, "IWF"}, []word{{"uk/nca", PartnerList, "NCMEC"}}, Standing{Corroborated, 2, 2, 2, true, 0}},
		"the author's list":         {word{"in/ncrb", Examined, ""}, []word{{"uk/nca", PartnerList, "in/ncrb set 7"}}, Standing{Asserted, 2, 1, 2, false, 0}},
		"its list, and one looks":   {word{"in/ncrb", PartnerList, "uk/nca"}, []word{{"uk/nca", Examined, ""}}, Standing{Asserted, 2, 1, 2, false, 0}},
		"unnamed lists":             {word{"in/ncrb", PartnerList, ""}, []word{{"uk/nca", PartnerList, ""}}, Standing{Asserted, 2, 1, 2, false, 0}},
		"a list, and one looks":     {word{"in/ncrb", PartnerList, "IWF"}, []word{{"uk/nca", Investigation, ""}}, Standing{Corroborated, 2, 2, 2, true, 0}},
		"one platform":              {word{"in/ncrb", PlatformReport, "acme 1"}, []word{{"uk/nca", PlatformReport, "acme 2"}}, Standing{Asserted, 2, 1, 2, false, 0}},
		"a machine agrees":          {word{"in/ncrb", Examined, ""}, []word{{"uk/nca", Automatic, ""}}, Standing{Asserted, 2, 1, 1, false, 0}},
		"a machine, and one looks":  {word{"in/ncrb", Automatic, ""}, []word{{"uk/nca", Examined, ""}}, Standing{Asserted, 2, 1, 1, true, 0}},
		"a machine, and two look":   {word{"in/ncrb", Automatic, ""}, []word{{"uk/nca", Examined, ""}, {"in/mh", Examined, ""}}, Standing{Corroborated, 3, 2, 2, true, 0}},
		"twenty repeat one list":    {word{"in/ncrb", PartnerList, "IWF"}, []word{{"uk/nca", PartnerList, "IWF"}, {"in/mh", PartnerList, "IWF"}, {"in/dl", PartnerList, "IWF"}}, Standing{Asserted, 4, 1, 2, false, 0}},
		"a victim is heard as well": {word{"in/ncrb", VictimReport, ""}, []word{{"in/mh", VictimReport, ""}}, Standing{Corroborated, 2, 2, 1, true, 0}},
	} {
		d := details()
		d.Basis, d.Source = c.author.basis, c.author.source
		e, err := Raise{Event: eventID(1), Details: d, File: file(1, MD5)}.Decide(View{Agency: c.author.agency})
		events := []Placed{place(t, originIN, 5, c.author.agency, must(t, e, err))}
		for i, w := range c.confirm {
			e, err := (&Assessed{Target: target(1), Rows: AllRows(), Verdict: Confirms, Basis: w.basis, Source: w.source}).Encode(eventID(byte(20 + i)))
			o := originUK
			if w.agency.Jurisdiction() == "in" {
				o = originIN
			}
			events = append(events, place(t, o, uint64(10+i), w.agency, must(t, e, err)))
		}
		if got := Fold(target(1), events).Standing(0, rules(2)); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	home := rules(2)
	home.Jurisdictions = 2
	o := object(t, raised(t), says(t, 8, "in/mh", 9, target(1), Confirms, AllRows()))
	if s := o.Standing(0, home); s.State != Asserted {
		t.Errorf("two agencies of one jurisdiction corroborate for one that asks for two: %+v", s)
	}
}

func TestBars(t *testing.T) {
	careful := rules(2)
	careful.From = Corroborated
	for name, c := range map[string]struct {
		rules        Rules
		standing     Standing
		benign, held bool
		want         Bar
	}{
		"asserted":              {rules(2), Standing{State: Asserted}, false, false, Open},
		"corroborated":          {careful, Standing{State: Corroborated}, false, false, Open},
		"asserted, too few":     {careful, Standing{State: Asserted}, false, false, BarUnproven},
		"disputed":              {rules(2), Standing{State: Disputed, Agencies: 30}, false, false, BarDisputed},
		"retracted":             {rules(2), Standing{State: Withdrawn}, true, true, BarRetracted},
		"benign":                {rules(2), Standing{State: Corroborated}, true, false, BarBenign},
		"held":                  {rules(2), Standing{State: Asserted}, false, true, BarHeld},
		"held, and looked at":   {rules(2), Standing{State: Asserted, Seconded: true}, false, true, Open},
		"held, looked, too few": {careful, Standing{State: Asserted, Seconded: true}, false, true, BarUnproven},
		"orphan":                {rules(2), Standing{}, false, false, BarUnreadable},
	} {
		if got := c.rules.Bar(c.standing, c.benign, c.held); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestFlags(t *testing.T) {
	k := target(2)
	again := place(t, originIN, 8, "in/ncrb", listed(t, 3))
	other := place(t, originIN, 9, "in/ncrb", listed(t, 2))
	exercise, err := (&Assessed{Target: k, Rows: RowSet{0}, Verdict: Disputes, Basis: Examined, Exercise: true}).Encode(eventID(20))
	foreign, err2 := (&Retracted{Target: k, Rows: AllRows()}).Encode(eventID(21))
	o := object(t, listed(t, 3), again, other,
		says(t, 10, "in/ncrb", 22, k, Confirms, AllRows()),
		place(t, originUK, 1, "uk/nca", must(t, exercise, err)),
		place(t, originUK, 2, "uk/nca", must(t, foreign, err2)),
		says(t, 3, "uk/nca", 23, k, Disputes, RowSet{3}))
	var got []Why
	for _, f := range o.Flags() {
		got = append(got, f.Why)
	}
	if want := []Why{Repeated, Contradicting, ItsOwnAlert, WrongExercise, NotTheAuthor, NoSuchRow}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if s := o.Standing(0, rules(2)); s != (Standing{Asserted, 1, 1, 1, false, 0}) || o.Rows() != 3 {
		t.Errorf("they have effect: %+v", s)
	}
}

func TestAIGeneratedNeverLowersStanding(t *testing.T) {
	for _, ai := range []AIGenerated{UnknownAI, NoAI, PartlyAI, FullyAI} {
		d := details()
		d.AIGenerated = ai
		e, err := Raise{Event: eventID(1), Details: d, File: file(1, MD5)}.Decide(View{Agency: "in/ncrb"})
		o := object(t, must(t, e, err), says(t, 1, "uk/nca", 10, target(1), Confirms, AllRows()))
		if s := o.Standing(0, rules(2)); s.State != Corroborated {
			t.Errorf("%s: %+v", ai, s)
		}
	}
}

func TestOrphanKeepsWhatWasSaid(t *testing.T) {
	k := target(1)
	o := NewObject(k)
	if !o.Extend(says(t, 1, "uk/nca", 10, k, Disputes, RowSet{0})) {
		t.Fatal("not folded")
	}
	if _, ok := o.Cause(); ok || o.Standing(0, rules(2)).State != Orphan || len(o.Opinions(0)) != 1 {
		t.Fatal("no orphan")
	}
	cause := place(t, originIN, 5, "in/ncrb", raised(t))
	if o.Extend(cause) {
		t.Fatal("an older event was folded out of order")
	}
	if s := object(t, raised(t), says(t, 1, "uk/nca", 10, k, Disputes, RowSet{0})).Standing(0, rules(2)); s.State != Disputed {
		t.Fatal(s)
	}
}

// naiveBoard is the definition of a board, with no regard to cost: it keeps every event it was given, and answers by
// looking at all of them.
type naiveBoard struct{ events []Placed }

func (b *naiveBoard) of(k Key) []Placed {
	var own []Placed
	for _, e := range b.events {
		if e.Key() == k && !slices.ContainsFunc(own, func(p Placed) bool { return noun.Compare(k.Home, &p, &e) == 0 }) {
			own = append(own, e)
		}
	}
	slices.SortFunc(own, func(a, b Placed) int {
		less := func(a, b Placed) bool {
			if (a.Origin == k.Home) != (b.Origin == k.Home) {
				return a.Origin == k.Home
			}
			if a.Origin != b.Origin {
				return a.Origin < b.Origin
			}
			return a.Position.Index < b.Position.Index
		}
		if less(a, b) {
			return -1
		}
		return 1
	})
	var standing []Placed
	for _, e := range own {
		if !slices.ContainsFunc(standing, func(p Placed) bool {
			return p.Author == e.Author && p.Event == e.Event && isSighting(p) == isSighting(e)
		}) {
			standing = append(standing, e)
		}
	}
	return standing
}

func isSighting(p Placed) bool { _, ok := p.Fact.(*Sighted); return ok }

func (b *naiveBoard) picture(k Key, row uint32, policy int) string {
	events := b.of(k)
	var cause Cause
	for _, e := range events {
		if c, ok := e.Fact.(Cause); ok {
			cause = c
		}
	}
	if cause == nil || int(row) >= cause.Rows() {
		return fmt.Sprint(Standing{})
	}
	fits := func(rows RowSet, exercise bool) bool {
		return rows.Has(row) && exercise == DetailsOf(cause).Exercise && (rows.IsAll() || int(slices.Max(rows)) < cause.Rows())
	}
	latest, retracted := map[ledger.AgencyID]*Assessed{}, false
	for _, e := range events {
		switch f := e.Fact.(type) {
		case *Assessed:
			if e.Author != k.Author && fits(f.Rows, f.Exercise) {
				latest[e.Author] = f
			}
		case *Retracted:
			retracted = retracted || (e.Author == k.Author && fits(f.Rows, f.Exercise))
		}
	}
	s := Standing{State: Asserted, Agencies: 1}
	looks, jurisdictions := map[string]bool{}, map[ledger.JurisdictionID]bool{}
	hear := func(agency ledger.AgencyID, b Basis) string {
		name := map[Basis]string{Examined: string(agency), PartnerList: "a list", Automatic: ""}[b]
		if name != "" {
			looks[name], jurisdictions[agency.Jurisdiction()] = true, true
		}
		return name
	}
	own := hear(k.Author, DetailsOf(cause).Basis)
	for agency, said := range latest {
		switch said.Verdict {
		case Confirms:
			s.Agencies++
			name := hear(agency, said.Basis)
			s.Seconded = s.Seconded || name != "" && name != own
		case Disputes:
			s.Disputes++
		}
	}
	s.Independent, s.Jurisdictions = len(looks), len(jurisdictions)
	if s.Independent >= policy {
		s.State = Corroborated
	}
	if s.Disputes > 0 {
		s.State = Disputed
	}
	if retracted {
		s.State = Withdrawn
	}
	return fmt.Sprint(s)
}

// sightings and links are what was met and linked of an object, by the definition.
func (b *naiveBoard) sightingsAndLinks(k Key) string {
	events := b.of(k)
	var cause Cause
	for _, e := range events {
		if c, ok := e.Fact.(Cause); ok {
			cause = c
		}
	}
	if cause == nil {
		return ""
	}
	met, said := map[string]uint64{}, map[string]map[ledger.AgencyID]Verdict{}
	for _, e := range events {
		switch f := e.Fact.(type) {
		case *Sighted:
			if int(f.Row) < cause.Rows() && f.Exercise == DetailsOf(cause).Exercise {
				met[fmt.Sprint(f.Row, f.Setting, f.Review, e.Author)] += uint64(f.Count)
			}
		case *Linked:
			if int(f.Target.Row) < cause.Rows() && f.Exercise == DetailsOf(cause).Exercise {
				name := fmt.Sprint(f.Target.Row, f.Other, f.Relation)
				if said[name] == nil {
					said[name] = map[ledger.AgencyID]Verdict{}
				}
				said[name][e.Author] = f.Verdict
			}
		}
	}
	return fmt.Sprint(met, said)
}

func sightingsAndLinks(o *Object) string {
	if _, ok := o.Cause(); !ok {
		return ""
	}
	met, said := map[string]uint64{}, map[string]map[ledger.AgencyID]Verdict{}
	for s := range o.Sightings {
		met[fmt.Sprint(s.Row, s.Setting, s.Review, s.Agency)] += s.Count
	}
	for l := range o.Links {
		name := fmt.Sprint(l.Row, l.Other, l.Relation)
		said[name] = map[ledger.AgencyID]Verdict{}
		for k, words := range o.links { // those that withdrew are in neither list
			if fmt.Sprint(k.row, k.other, k.relation) == name {
				for agency, v := range words {
					if v == Withdraws && !slices.Contains(l.Linked, agency) && !slices.Contains(l.Denied, agency) && o.hasLink(k) {
						said[name][agency] = Withdraws
					}
				}
			}
		}
		for _, a := range l.Linked {
			said[name][a] = Confirms
		}
		for _, a := range l.Denied {
			said[name][a] = Disputes
		}
	}
	return fmt.Sprint(met, said)
}

// incremental is the board as a node keeps it: objects extended in order, folded again when something older comes.
type incremental struct {
	objects map[Key]*Object
	kept    map[Key][]Placed
}

func (b *incremental) add(p Placed) {
	k := p.Key()
	if b.objects[k] == nil {
		b.objects[k] = NewObject(k)
	}
	b.kept[k] = append(b.kept[k], p)
	if !b.objects[k].Extend(p) {
		b.objects[k] = Fold(k, b.kept[k])
	}
}

var worldOrigins = []ledger.Origin{originIN, originUK, originFR}

// drawWorld writes random events into three ledgers, with colliding event ids, causes that stand behind what they
// cause, wrong authors, wrong rows and wrong exercise flags.
func drawWorld(t *rapid.T) []Placed {
	var events []Placed
	for _, o := range worldOrigins {
		for index := range uint64(rapid.IntRange(0, 8).Draw(t, "length")) {
			author := ledger.AgencyID(string(o.Jurisdiction()) + "/" + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "author"))
			e, err := drawFact(t).Encode(ledger.EventID{rapid.Byte().Draw(t, "id") % 4})
			if err != nil {
				t.Fatal(err)
			}
			p, err := Place(o, ledger.Position{Index: index}, author, 0, &e)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, p)
		}
	}
	return events
}

func drawFact(t *rapid.T) Fact {
	home := rapid.SampledFrom(worldOrigins).Draw(t, "home")
	k := Key{
		Home: home, Author: ledger.AgencyID(string(home.Jurisdiction()) + "/a"),
		Event: ledger.EventID{rapid.Byte().Draw(t, "target") % 4},
	}
	rows := rapid.SampledFrom([]RowSet{{0}, {1}, {0, 1}, AllRows()}).Draw(t, "rows")
	exercise := rapid.IntRange(0, 5).Draw(t, "exercise") == 0
	d := details()
	d.Exercise, d.Basis = exercise, rapid.SampledFrom([]Basis{Examined, PartnerList, Automatic}).Draw(t, "basis")
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return &Raised{Details: d, File: file(rapid.Byte().Draw(t, "seed")%2, MD5)}
	case 1:
		l, err := NewListed(d, []File{file(1, MD5), file(2, MD5)})
		if err != nil {
			t.Fatal(err)
		}
		return l
	case 2:
		return &Retracted{Target: k, Rows: rows, Exercise: exercise}
	case 3:
		return &Sighted{
			Target: k, Row: rapid.Uint32Range(0, 2).Draw(t, "row"), Setting: rapid.SampledFrom([]Setting{OnPlatform, InSeizedMedia}).Draw(t, "setting"),
			Review: rapid.SampledFrom([]Review{Matches, FalsePositive}).Draw(t, "review"), Count: rapid.Uint32Range(1, 9).Draw(t, "count"), Day: 20_000, Exercise: exercise,
		}
	case 4:
		other := ID{Key: k, Row: rapid.Uint32Range(0, 2).Draw(t, "other")}
		other.Event[0]++
		return &Linked{
			Target: ID{Key: k, Row: rapid.Uint32Range(0, 2).Draw(t, "row")}, Other: other, Relation: rapid.SampledFrom([]Relation{NearDuplicate, SameSeries}).Draw(t, "relation"),
			Verdict: rapid.SampledFrom([]Verdict{Confirms, Disputes, Withdraws}).Draw(t, "verdict"), Exercise: exercise,
		}
	}
	v := rapid.SampledFrom([]Verdict{Confirms, Disputes, Withdraws}).Draw(t, "verdict")
	return &Assessed{Target: k, Rows: rows, Verdict: v, Basis: d.Basis, Exercise: exercise}
}

// Same facts, same picture: whatever the order in which ledgers arrive, with events delivered twice and causes late,
// live folding, folding at once and the definition agree.
func TestFoldsCommute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := drawWorld(t)
		delivered := append(slices.Clone(events), events[:len(events)/2]...)
		delivered = rapid.Permutation(delivered).Draw(t, "order")

		model := &naiveBoard{events: events}
		live := &incremental{objects: map[Key]*Object{}, kept: map[Key][]Placed{}}
		for _, p := range delivered {
			live.add(p)
		}
		for k, o := range live.objects {
			whole := Fold(k, live.kept[k])
			for row := range uint32(3) {
				want := model.picture(k, row, 2)
				if got := fmt.Sprint(o.Standing(row, rules(2))); got != want {
					t.Fatalf("%v row %d: live %s, defined %s", k, row, got, want)
				}
				if got := fmt.Sprint(whole.Standing(row, rules(2))); got != want {
					t.Fatalf("%v row %d: refolded %s, defined %s", k, row, got, want)
				}
			}
			if got, again, want := sightingsAndLinks(o), sightingsAndLinks(whole), model.sightingsAndLinks(k); got != want || again != want {
				t.Fatalf("%v: live %s, refolded %s, defined %s", k, got, again, want)
			}
			if got, want := fmt.Sprint(reasons(o)), fmt.Sprint(reasons(whole)); got != want {
				t.Fatalf("%v: flags live %s, refolded %s", k, got, want)
			}
		}
	})
}

func reasons(o *Object) []string {
	var all []string
	for _, f := range o.Flags() {
		all = append(all, fmt.Sprint(f.Placed.Origin, f.Placed.Position, f.Why))
	}
	return all
}

func BenchmarkDecodeListed(b *testing.B) {
	e := listed(b, 10_000)
	for b.Loop() {
		if _, err := Decode(&e); err != nil {
			b.Fatal(err)
		}
	}
}
