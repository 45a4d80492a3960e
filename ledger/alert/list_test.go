package alert

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/noun"
)

func declare(t testing.TB, c Declare) ledger.Event {
	t.Helper()
	if c.Signals == nil {
		c.Signals = []Signal{signal(SHA1, 2), signal(MD5, 1)}
	}
	e, err := c.Decide("in/ncrb", rules(2))
	return must(t, e, err)
}

func benignPlaced(t testing.TB, o ledger.Origin, index uint64, by ledger.AgencyID, e ledger.Event) noun.Placed[noun.Fact] {
	t.Helper()
	p, err := BenignCodec.Place(o, ledger.Position{Index: index}, by, 0, &e)
	return must(t, p, err)
}

func TestDeclareRefuses(t *testing.T) {
	many := make([]Signal, MaxBenign+1)
	for i := range many {
		many[i] = signal(MD5, 1)
		many[i].Value[1], many[i].Value[2] = byte(i), byte(i>>8)
	}
	rated := signal(PDQ, 1)
	rated.Quality = 5
	for name, c := range map[string]struct {
		by   ledger.AgencyID
		c    Declare
		want error
	}{
		"a logo":        {"in/ncrb", Declare{Signals: []Signal{signal(SHA1, 2), signal(MD5, 1), signal(MD5, 1)}, Reason: "r"}, nil},
		"no right":      {"uk/nca", Declare{Signals: []Signal{signal(MD5, 1)}, Reason: "r"}, &noun.Refusal{}},
		"no reason":     {"in/ncrb", Declare{Signals: []Signal{signal(MD5, 1)}}, noun.ErrRequired},
		"long reason":   {"in/ncrb", Declare{Signals: []Signal{signal(MD5, 1)}, Reason: strings.Repeat("r", MaxReasonBytes+1)}, noun.ErrTooLong},
		"nothing":       {"in/ncrb", Declare{Reason: "r"}, noun.ErrCount},
		"too many":      {"in/ncrb", Declare{Signals: many, Reason: "r"}, noun.ErrCount},
		"no such hash":  {"in/ncrb", Declare{Signals: []Signal{{Algorithm: 99, Value: []byte{1}}}, Reason: "r"}, noun.ErrUnknownValue},
		"a short one":   {"in/ncrb", Declare{Signals: []Signal{{Algorithm: MD5, Value: []byte{1}}}, Reason: "r"}, ErrValueLength},
		"with quality":  {"in/ncrb", Declare{Signals: []Signal{rated}, Reason: "r"}, ErrQuality},
		"over an event": {"in/ncrb", Declare{Signals: tmk(70), Reason: "r"}, noun.ErrTooLong},
	} {
		e, err := c.c.Decide(c.by, rules(2))
		if _, refused := errors.AsType[*noun.Refusal](err); !errors.Is(err, c.want) && !(refused && c.want != nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err != nil {
			continue
		}
		fact, err := BenignCodec.Decode(&e)
		if d, ok := fact.(*Declared); err != nil || !ok || len(d.Signals) != 2 || d.Signals[0].Algorithm != MD5 {
			t.Errorf("%s: %+v, %v", name, fact, err)
		}
	}
}

func TestWhoseWordOnBenignSignalsCounts(t *testing.T) {
	e := declare(t, Declare{Event: eventID(1), Reason: "r"})
	k := Key{Home: originIN, Author: "in/ncrb", Event: eventID(1)}
	lift := func(o ledger.Origin, by ledger.AgencyID, id byte, exercise bool) noun.Placed[noun.Fact] {
		l, err := BenignCodec.Encode(eventID(id), TypeLifted, &Lifted{Target: k, Reason: "r", Exercise: exercise})
		return benignPlaced(t, o, uint64(id), by, must(t, l, err))
	}
	abroad := rules(2)
	abroad.Home = "uk"
	named := rules(2)
	named.benign = []ledger.AgencyID{"in/mh"}
	for name, c := range map[string]struct {
		rules  Rules
		lifted []noun.Placed[noun.Fact]
		want   bool
	}{
		"at home":                 {rules(2), nil, true},
		"abroad":                  {abroad, nil, false},
		"where others are named":  {named, nil, false},
		"lifted by its author":    {rules(2), []noun.Placed[noun.Fact]{lift(originIN, "in/ncrb", 5, false)}, false},
		"lifted by another":       {rules(2), []noun.Placed[noun.Fact]{lift(originIN, "in/mh", 5, false)}, false},
		"lifted without right":    {rules(2), []noun.Placed[noun.Fact]{lift(originUK, "uk/nca", 5, false)}, true},
		"lifted in an exercise":   {rules(2), []noun.Placed[noun.Fact]{lift(originIN, "in/mh", 5, true)}, true},
		"lifted before it is due": {rules(2), []noun.Placed[noun.Fact]{lift(originIN, "in/mh", 0, false)}, false},
	} {
		b := FoldBenign(k, append(c.lifted, benignPlaced(t, originIN, 3, "in/ncrb", e)))
		if b.InForce(c.rules) != c.want {
			t.Errorf("%s: in force %v", name, !c.want)
		}
		_, err := b.DecideLift(eventID(9), "in/mh", c.rules, "r")
		lifted := c.rules.MayDeclareBenign("in/ncrb") && !c.want
		if _, refused := errors.AsType[*noun.Refusal](err); refused != (lifted || !c.rules.MayDeclareBenign("in/mh")) {
			t.Errorf("%s: lifting it is answered with %v", name, err)
		}
	}
	orphan := FoldBenign(k, []noun.Placed[noun.Fact]{lift(originIN, "in/mh", 5, false)})
	if _, err := orphan.DecideLift(eventID(9), "in/ncrb", rules(2), "r"); err == nil || orphan.InForce(rules(2)) {
		t.Error("lifted, and it cannot be read")
	}
	if _, err := FoldBenign(k, []noun.Placed[noun.Fact]{benignPlaced(t, originIN, 3, "in/ncrb", e)}).DecideLift(eventID(9), "in/ncrb", rules(2), ""); !errors.Is(err, noun.ErrRequired) {
		t.Error(err)
	}
}

func TestReleasesDecide(t *testing.T) {
	good := LetGo{Event: eventID(1), Released: Released{Ledger: originIN, Author: "in/ncrb", From: 5, To: 9, Reason: "r"}, Held: 2}
	for name, c := range map[string]struct {
		by     ledger.AgencyID
		change func(*LetGo)
		field  string
	}{
		"another agency": {"in/mh", func(*LetGo) {}, ""},
		"from abroad":    {"uk/nca", func(*LetGo) {}, ""},
		"its own":        {"in/ncrb", func(*LetGo) {}, "refused"},
		"nothing held":   {"in/mh", func(c *LetGo) { c.Held = 0 }, "refused"},
		"backwards":      {"in/mh", func(c *LetGo) { c.Released.To = 5 }, "to"},
		"all there is":   {"in/mh", func(c *LetGo) { c.Released.To = 6 + maxReleased }, "to"},
		"no ledger":      {"in/mh", func(c *LetGo) { c.Released.Ledger = "in" }, "ledger.home"},
		"no agency":      {"in/mh", func(c *LetGo) { c.Released.Author = "" }, "ledger.author"},
		"no reason":      {"in/mh", func(c *LetGo) { c.Released.Reason = "" }, "reason"},
	} {
		x := good
		c.change(&x)
		e, err := x.Decide(c.by)
		field, _ := errors.AsType[*noun.FieldError](err)
		_, refused := errors.AsType[*noun.Refusal](err)
		if refused != (c.field == "refused") || !refused && (field == nil) != (c.field == "") || field != nil && field.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		p, err := FloodCodec.Place(originUK, ledger.Position{}, c.by, 0, &e)
		if r := FoldRelease(p.Key(), []noun.Placed[noun.Fact]{p, p}); err != nil || !r.Counts() || r.Released.To != 9 {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
	own := &Release{Key: Key{Author: "in/ncrb"}, Released: &good.Released}
	if own.Counts() || (&Release{}).Counts() {
		t.Error("an agency releases what it raised itself")
	}
}

func TestAllowances(t *testing.T) {
	f := Flood{Window: 10, Recent: 4, Factor: 3, Signals: 100, Novel: 50}
	for name, c := range map[string]struct {
		own, all Share
		members  int
		want     Share
	}{
		"nobody yet":                 {Share{}, Share{}, 0, Share{100, 50}},
		"little":                     {Share{40, 40}, Share{80, 80}, 2, Share{100, 50}},
		"three times its own share":  {Share{400, 200}, Share{400, 200}, 1, Share{300, 150}},
		"a newcomer, as others do":   {Share{}, Share{2_000, 800}, 2, Share{750, 300}},
		"more than others":           {Share{4_000, 0}, Share{4_400, 0}, 2, Share{3_000, 50}},
		"less than others":           {Share{10, 10}, Share{4_010, 4_010}, 2, Share{1_503, 1_503}},
		"as much as can be, unhurt":  {Share{1 << 43, 1 << 43}, Share{1 << 43, 1 << 43}, 1, Share{3 << 41, 3 << 41}},
		"nobody, and something, odd": {Share{}, Share{400, 400}, 0, Share{300, 300}},
	} {
		if got := f.Allowance(c.own, c.all, c.members); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if f.WindowOf(9) != 0 || f.WindowOf(10) != 1 || (Flood{}).WindowOf(7) != 7 {
		t.Error("windows")
	}
	used, allowed := Share{90, 10}, Share{100, 50}
	if (Share{10, 40}).Over(used, allowed) || !(Share{11, 0}).Over(used, allowed) || !(Share{1, 41}).Over(used, allowed) {
		t.Error("over is beyond, in either")
	}
}

// What one member raises changes nothing for what another may, but for the better.
func TestOthersAreNotAffected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string) uint64 { return rapid.Uint64Range(0, 1<<30).Draw(t, name) }
		f := Flood{Window: 1, Recent: rapid.Uint64Range(1, maxRecent).Draw(t, "recent"), Factor: rapid.Uint64Range(1, maxFactor).Draw(t, "factor"), Signals: n("floor") + 1, Novel: n("novel floor") + 1}
		own, others, flood := Share{n("own"), n("novel")}, Share{n("others"), n("others novel")}, Share{n("flood"), n("flood novel")}
		members := rapid.IntRange(2, 40).Draw(t, "members")
		before := f.Allowance(own, own.Add(others), members)
		after := f.Allowance(own, own.Add(others).Add(flood), members)
		if after.Signals < before.Signals || after.Novel < before.Novel {
			t.Fatalf("%+v, after another's flood %+v", before, after)
		}
	})
}

func FuzzBenign(f *testing.F) {
	e := declare(f, Declare{Event: eventID(1), Reason: "r"})
	f.Add(TypeDeclared, e.Rows)
	l, _ := BenignCodec.Encode(eventID(2), TypeLifted, &Lifted{Target: target(1), Reason: "r"})
	f.Add(TypeLifted, l.Rows)
	r, _ := FloodCodec.Encode(eventID(3), TypeReleased, &Released{Ledger: originIN, Author: "in/ncrb", To: 3, Reason: "r"})
	f.Add(TypeReleased, r.Rows)
	f.Fuzz(func(t *testing.T, kind string, rows []byte) {
		for _, codec := range []noun.Codec[noun.Fact]{BenignCodec, FloodCodec} {
			e := ledger.Event{ID: eventID(1), Type: kind, Version: 1, Shared: []byte{}, Width: uint32(len(rows)), Rows: rows}
			fact, err := codec.Decode(&e)
			if err != nil {
				continue
			}
			if again, err := codec.Encode(e.ID, kind, fact); err != nil || string(again.Rows) != string(rows) {
				t.Fatalf("accepted, and encodes to something else: %v", err)
			}
		}
	})
}
