package registry_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/registry"
)

const (
	home = ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	far  = ledger.Origin("uk/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	a    = ledger.AgencyID("in/a")
	b    = ledger.AgencyID("in/b")
	u    = ledger.AgencyID("uk/u")
)

var today = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func notice() registry.Notice {
	return registry.Notice{Marks: []registry.Mark{{1}, {2}}, Tier: "low", Ground: "convicted", Since: "2020-02-29", Authority: "court", Reference: "12/2020"}
}

type failer interface{ Fatal(...any) }

type story struct {
	events []registry.Placed
	next   uint64
}

func (s *story) place(t failer, by ledger.AgencyID, e ledger.Event, err error) *registry.Record {
	if err != nil {
		t.Fatal(err)
	}
	origin := home
	if by.Jurisdiction() == "uk" {
		origin = far
	}
	s.next++
	p, err := registry.Codec.Place(origin, ledger.Position{Index: s.next}, by, 0, &e)
	if err != nil {
		t.Fatal(err)
	}
	s.events = append(s.events, p)
	return s.fold()
}

func (s *story) fold() *registry.Record { return registry.Fold(s.events[0].Key(), s.events) }

func (s *story) id(by ledger.AgencyID) ledger.EventID {
	return ledger.EventIDFor(by, fmt.Sprint(s.next))
}

func begin(t failer) (*story, *registry.Record) {
	s := &story{}
	e, err := notice().Decide(ledger.EventIDFor(a, "begin"), today)
	if err != nil {
		t.Fatal(err)
	}
	p, err := registry.Codec.Place(home, ledger.Position{}, a, 0, &e)
	if err != nil {
		t.Fatal(err)
	}
	s.events = append(s.events, p)
	return s, s.fold()
}

func refused(err error) bool {
	_, ok := errors.AsType[*noun.Refusal](err)
	return ok
}

func TestANoticeIsCorrectedChallengedAndLifted(t *testing.T) {
	s, r := begin(t)
	policy := registry.Section.Default()
	if !r.Holds(policy, today) || len(r.Owes(b)) != 0 {
		t.Fatal("it does not hold")
	}
	if _, err := r.Correct(s.id(b), b, notice(), "wrong", today); !refused(err) {
		t.Errorf("corrected by another: %v", err)
	}
	if _, err := r.Challenge(s.id(a), a, "wrong"); !refused(err) {
		t.Errorf("challenged by its author: %v", err)
	}
	e, err := r.Challenge(s.id(u), u, "another person of that name")
	r = s.place(t, u, e, err)
	if r.Waiting() != 1 {
		t.Fatal("the challenge does not wait")
	}
	right := notice()
	right.Marks, right.Exercise = []registry.Mark{{9}}, true
	e, err = r.Correct(s.id(a), a, right, "other person", today)
	r = s.place(t, a, e, err)
	if r.Waiting() != 0 || r.Challenges[0].Answer != "corrected" || r.Notice.Marks[0] != (registry.Mark{9}) || r.Notice.Exercise {
		t.Errorf("%+v", r)
	}
	if len(r.Owes(a)) != 0 || len(r.Owes(b)) != 1 || len(r.Owes(u)) != 1 {
		t.Error("who owes what")
	}
	e, err = r.Acknowledge(b, r.Changes[0].Event)
	r = s.place(t, b, e, err)
	if len(r.Owes(b)) != 0 || len(r.Owes(u)) != 1 {
		t.Error("acknowledged, and still owed")
	}
	e, err = r.Challenge(s.id(u), u, "still")
	r = s.place(t, u, e, err)
	if r.Waiting() != 1 {
		t.Error("an earlier correction answered a later challenge")
	}
	again := registry.EventKey{Author: u, Event: r.Challenges[1].Event}
	if _, err := r.Uphold(s.id(b), b, again, "right"); !refused(err) {
		t.Errorf("upheld by another: %v", err)
	}
	e, err = r.Uphold(s.id(a), a, again, "fingerprints agree")
	r = s.place(t, a, e, err)
	if _, err := r.Uphold(s.id(a), a, again, "right"); !refused(err) {
		t.Errorf("upheld twice: %v", err)
	}
	if _, err := r.Uphold(s.id(a), a, registry.EventKey{Author: b}, "right"); !refused(err) {
		t.Errorf("upheld nothing: %v", err)
	}
	e, err = r.Lift(s.id(a), a, "acquitted on appeal", "High Court")
	r = s.place(t, a, e, err)
	if !r.Lifted || r.Holds(policy, today) || len(r.Owes(b)) != 1 {
		t.Errorf("%+v", r)
	}
	for name, err := range map[string]error{
		"corrected": second(r.Correct(s.id(a), a, notice(), "x", today)), "lifted": second(r.Lift(s.id(a), a, "x", "y")), "challenged": second(r.Challenge(s.id(b), b, "x")),
		"what is not here": second(registry.Fold(r.Key, nil).Lift(s.id(a), a, "x", "y")),
	} {
		if !refused(err) {
			t.Errorf("%s after it was lifted: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestHowLongANoticeHolds(t *testing.T) {
	_, r := begin(t)
	for _, c := range []struct {
		tier, ground, since string
		on                  string
		want                bool
	}{
		{"low", "convicted", "2011-03-02", "2026-03-01", true},
		{"low", "convicted", "2011-03-02", "2026-03-02", false},
		{"low", "convicted", "2012-02-29", "2027-02-28", true},
		{"low", "convicted", "2012-02-29", "2027-03-01", false},
		{"moderate", "convicted", "2011-03-02", "2036-03-01", true},
		{"moderate", "order", "2011-03-02", "2036-03-02", false},
		{"habitual", "convicted", "1950-01-01", "2100-01-01", true},
		{"habitual", "charged", "2025-01-01", "2026-01-01", false},
		{"habitual", "arrested", "2025-01-01", "2026-01-01", false},
	} {
		x := *r
		n := notice()
		n.Tier, n.Ground, n.Since = c.tier, c.ground, c.since
		x.Notice = &n
		on, _ := time.Parse(time.DateOnly, c.on)
		if got := x.Holds(registry.Section.Default(), on); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

func TestNoticesAreRefused(t *testing.T) {
	many := make([]registry.Mark, 65)
	for i := range many {
		many[i] = registry.Mark{byte(i)}
	}
	for name, change := range map[string]func(*registry.Notice){
		"nobody": func(n *registry.Notice) { n.Marks = nil }, "too many": func(n *registry.Notice) { n.Marks = many },
		"not sorted": func(n *registry.Notice) { n.Marks = []registry.Mark{{2}, {1}} }, "twice": func(n *registry.Notice) { n.Marks = []registry.Mark{{1}, {1}} },
		"tier": func(n *registry.Notice) { n.Tier = "worst" }, "ground": func(n *registry.Notice) { n.Ground = "gossip" }, "day": func(n *registry.Notice) { n.Since = "2020" },
		"tomorrow": func(n *registry.Notice) { n.Since = "2026-03-03" }, "authority": func(n *registry.Notice) { n.Authority = "" }, "reference": func(n *registry.Notice) { n.Reference = "a\nb" },
	} {
		n := notice()
		change(&n)
		if _, err := n.Decide(ledger.EventID{}, today); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	_, r := begin(t)
	for name, err := range map[string]error{
		"no reason": second(r.Correct(ledger.EventID{}, a, notice(), "", today)), "no reason to lift": second(r.Lift(ledger.EventID{}, a, "", "court")),
		"no authority": second(r.Lift(ledger.EventID{}, a, "x", "")), "challenged without a word": second(r.Challenge(ledger.EventID{}, b, "")),
	} {
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for name, change := range map[string]func(*registry.Policy){
		"no terms": func(p *registry.Policy) { p.Terms = nil }, "twice": func(p *registry.Policy) { p.Terms[1].Tier = "low" }, "tier": func(p *registry.Policy) { p.Terms[0].Tier = "x" },
		"centuries": func(p *registry.Policy) { p.Terms[0].Years = 1000 }, "grounds": func(p *registry.Policy) { p.Screened = []string{"gossip"} },
		"no time": func(p *registry.Policy) { p.AcknowledgeHours = 0 }, "no answer": func(p *registry.Policy) { p.AnswerHours = 1 << 30 },
		"no screening": func(p *registry.Policy) { p.PerHour = 0 }, "a flood": func(p *registry.Policy) { p.PerHour = 1 << 30 }, "at once": func(p *registry.Policy) { p.AtOnce = 61 },
	} {
		p := registry.Section.Default()
		change(p)
		if p.Validate() == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for name, change := range map[string]func(*registry.Screened){
		"purpose": func(s *registry.Screened) { s.Purpose = "curiosity" }, "authority": func(s *registry.Screened) { s.Authority = "" }, "by": func(s *registry.Screened) { s.By = "" },
		"reference": func(s *registry.Screened) { s.Reference = strings.Repeat("x", 129) },
	} {
		s := registry.Screened{By: "tk_1", Role: "screening", Purpose: "care", Authority: "law"}
		change(&s)
		if _, err := s.Event(ledger.EventID{}); err == nil {
			t.Errorf("a screening without a %s: taken", name)
		}
	}
}

func TestNamesHaveOneNormalForm(t *testing.T) {
	for _, same := range [][]string{
		{"José  da Silva", "DA SILVA, JOSE", "silva da josé", "Jose\u0301 da-Silva"},
		{"O'Neil Sean", "Sean ONEIL", "sean o’neil"},
		{"राम कुमार", "कुमार, राम"},
		{"Straße", "STRASSE"},
		{"ＡＢＣ", "abc"},
	} {
		for _, name := range same[1:] {
			if registry.NormalName(name) != registry.NormalName(same[0]) {
				t.Errorf("%q is %q, and %q is %q", same[0], registry.NormalName(same[0]), name, registry.NormalName(name))
			}
		}
	}
	for _, other := range [][2]string{{"राम", "रमा"}, {"Jon", "John"}, {"काल", "कल"}} {
		if registry.NormalName(other[0]) == registry.NormalName(other[1]) {
			t.Errorf("%q and %q are one", other[0], other[1])
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.String().Draw(rt, "name")
		if once := registry.NormalName(name); registry.NormalName(once) != once {
			rt.Fatalf("%q, then %q", once, registry.NormalName(once))
		}
	})
}

func TestMarksSayNothingAndAgree(t *testing.T) {
	who := registry.Identity{Names: []string{"Ram Kumar", "KUMAR RAM"}, Born: "1980-01-02", Documents: []registry.Document{{Kind: "passport", Country: "in", Number: "z-123 4567"}}}
	if err := who.Validate(); err != nil {
		t.Fatal(err)
	}
	marks := who.Marks(home)
	if len(marks) != 2 || !slices.IsSortedFunc(marks, func(a, b registry.Mark) int { return strings.Compare(a.String(), b.String()) }) {
		t.Fatalf("%v", marks)
	}
	other := registry.Identity{Names: []string{"ram kumar"}, Born: "1980-01-02"}.Marks(home)
	if !slices.Contains(marks, other[0]) {
		t.Error("the same person has another mark")
	}
	document := registry.Identity{Documents: []registry.Document{{Kind: "passport", Country: "IN", Number: "Z1234567"}}}.Marks(home)
	if !slices.Contains(marks, document[0]) {
		t.Error("the same document has another mark")
	}
	if abroad := who.Marks(far); slices.Contains(abroad, marks[0]) {
		t.Error("marks of two ledgers can be compared")
	}
	if born := (registry.Identity{Names: []string{"ram kumar"}, Born: "1980-02-01"}).Marks(home); slices.Contains(marks, born[0]) {
		t.Error("another day of birth has the same mark")
	}
}

func TestIdentitiesAreRefused(t *testing.T) {
	long := strings.Repeat("x", 201)
	for name, who := range map[string]registry.Identity{
		"nobody": {}, "a name alone": {Names: []string{"Ram"}}, "only a birth": {Born: "1980-01-02"}, "a year": {Names: []string{"Ram"}, Born: "1980"},
		"no letters": {Names: []string{"..."}, Born: "1980-01-02"}, "long": {Names: []string{long}, Born: "1980-01-02"}, "too many": {Names: make([]string, 9), Born: "1980-01-02"},
		"kind": {Documents: []registry.Document{{Kind: "diary", Country: "IN", Number: "1"}}}, "country": {Documents: []registry.Document{{Kind: "passport", Country: "India", Number: "1"}}},
		"number": {Documents: []registry.Document{{Kind: "passport", Country: "IN", Number: "--"}}}, "documents": {Documents: make([]registry.Document, 9)},
	} {
		if who.Validate() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// Any order of arrival and any interleaving of two ledgers gives the same notice.
func TestFoldsConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, _ := begin(rt)
		for range rapid.IntRange(0, 20).Draw(rt, "words") {
			by := rapid.SampledFrom([]ledger.AgencyID{a, a, b, u}).Draw(rt, "by")
			seen := s.events[:rapid.IntRange(1, len(s.events)).Draw(rt, "sees")] // a part only, as behind a cut border
			r := registry.Fold(s.events[0].Key(), seen)
			if e, err := decide(rt, r, s.id(by), by); err == nil {
				s.place(rt, by, e, nil)
			}
		}
		want := s.fold()
		if got := registry.Fold(want.Key, rapid.Permutation(append(s.events, s.events...)).Draw(rt, "order")); !reflect.DeepEqual(got, want) {
			rt.Fatalf("another order, another notice:\n%+v\n%+v", got, want)
		}
		ids := map[registry.EventKey]bool{}
		for _, p := range s.events {
			ids[registry.EventKey{Author: p.Author, Event: p.Event}] = true
		}
		if len(want.Lines) != len(ids) {
			rt.Fatal("a word is missing in the time line")
		}
	})
}

func decide(rt *rapid.T, r *registry.Record, id ledger.EventID, by ledger.AgencyID) (ledger.Event, error) {
	switch rapid.SampledFrom([]string{"correct", "challenge", "uphold", "acknowledge", "lift"}).Draw(rt, "word") {
	case "correct":
		n := notice()
		n.Marks = []registry.Mark{{id[0]}}
		return r.Correct(id, by, n, "x", today)
	case "challenge":
		return r.Challenge(id, by, "x")
	case "uphold":
		if len(r.Challenges) > 0 {
			return r.Uphold(id, by, rapid.SampledFrom(r.Challenges).Draw(rt, "challenge").EventKey, "x")
		}
	case "acknowledge":
		if owes := r.Owes(by); len(owes) > 0 {
			return r.Acknowledge(by, owes[0].Event)
		}
	case "lift":
		if rapid.IntRange(0, 5).Draw(rt, "lifts") == 5 {
			return r.Lift(id, by, "x", "y")
		}
	}
	return ledger.Event{}, noun.Refuse("nothing to do")
}

var types = []string{
	registry.TypeNoticed, registry.TypeCorrected, registry.TypeLifted, registry.TypeChallenged, registry.TypeUpheld, registry.TypeAcknowledged, registry.TypeScreened,
}

func codec(kind int) noun.Codec[registry.Fact] {
	if types[kind] == registry.TypeScreened {
		return registry.ScreeningCodec
	}
	return registry.Codec
}

// examples are one event of each type.
func examples(t failer) (out []ledger.Event) {
	k := registry.Key{Home: home, Author: a}
	for i, fact := range []registry.Fact{
		&registry.Noticed{Notice: notice()}, &registry.Corrected{Target: k, Notice: notice(), Reason: "x"}, &registry.Lifted{Target: k, Reason: "x", Authority: "y"},
		&registry.Challenged{Target: k, Reason: "x"}, &registry.Upheld{Target: k, Challenge: registry.EventKey{Author: u}, Reason: "x"}, &registry.Acknowledged{Target: k},
		&registry.Screened{By: "tk_1", Purpose: "care", Authority: "law"},
	} {
		e, err := codec(i).Encode(ledger.EventID{}, types[i], fact)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// What is in ledgers is read for decades: a change of these bytes is another version.
func TestEventsKeepTheirBytes(t *testing.T) {
	for i, want := range []string{
		"81878250010000000000000000000000000000005002000000000000000000000000000000636c6f7769636f6e7669637465646a323032302d30322d323965636f7572746731322f32303230f4",
		"8383781d696e2f616161616161616161616161616161616161616161616161616164696e2f615000000000000000000000000000000000878250010000000000000000000000000000005002000000000000000000000000000000636c6f7769636f6e7669637465646a323032302d30322d323965636f7572746731322f32303230f46178",
		"8383781d696e2f616161616161616161616161616161616161616161616161616164696e2f61500000000000000000000000000000000061786179",
		"8383781d696e2f616161616161616161616161616161616161616161616161616164696e2f615000000000000000000000000000000000006178",
		"8383781d696e2f616161616161616161616161616161616161616161616161616164696e2f6150000000000000000000000000000000008264756b2f7550000000000000000000000000000000006178",
		"8283781d696e2f616161616161616161616161616161616161616161616161616164696e2f6150000000000000000000000000000000005000000000000000000000000000000000",
		"8764746b5f31606463617265636c617760f4f4",
	} {
		if got := hex.EncodeToString(examples(t)[i].Rows); got != want {
			t.Errorf("%s: %s", types[i], got)
		}
	}
	if got := registry.Blind(home, "x").String(); got != "05cf17c441bda33c65023793d8834b74" {
		t.Errorf("a mark: %s", got)
	}
}

func FuzzDecode(f *testing.F) {
	for i, e := range examples(f) {
		f.Add(e.Rows, uint8(i))
	}
	f.Fuzz(func(t *testing.T, row []byte, kind uint8) {
		i := int(kind) % len(types)
		e := ledger.Event{Type: types[i], Version: 1, Shared: []byte{}, Width: uint32(len(row)), Rows: row}
		fact, err := codec(i).Decode(&e)
		if err == nil && string(ledger.Marshal(fact)) != string(row) {
			t.Fatal("it decodes and encodes to something else")
		}
	})
}

func BenchmarkBlind(b *testing.B) {
	for b.Loop() {
		registry.Blind(home, "person\x00kumar ram\x001980-01-02")
	}
}
