package noun_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/noun"
)

const home = ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")

type said struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
	Text   string
}

func (s *said) Validate() error         { return noun.At("text", noun.Words(s.Text, 16)) }
func (s *said) About() (noun.Key, bool) { return s.Target, s.Target.Home != "" }
func fresh() *said                      { return &said{} }
func placed(o ledger.Origin, index uint64, by ledger.AgencyID, id, text string) noun.Placed[*said] {
	e, err := codec.Encode(ledger.EventIDFor(by, id), "x.said", &said{Text: text})
	if err != nil {
		panic(err)
	}
	p, err := codec.Place(o, ledger.Position{Index: index}, by, 0, &e)
	if err != nil {
		panic(err)
	}
	return p
}

var codec = noun.Codec[*said]{Fresh: map[string]func() *said{"x.said": fresh}}

func TestCanonicalOrderIsOneForAnyOrderOfArrival(t *testing.T) {
	var events []noun.Placed[*said]
	for i, o := range []ledger.Origin{home, "aa/aaaaaaaaaaaaaaaaaaaaaaaaaa", "zz/aaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		for n := range 4 {
			events = append(events, placed(o, uint64(n), "in/a", fmt.Sprint(i*n), "t"))
		}
	}
	want, repeated := noun.Canonical(home, events)
	if len(want)+len(repeated) != len(events) || want[0].Origin != home || want[len(want)-1].Origin != "zz/aaaaaaaaaaaaaaaaaaaaaaaaaa" {
		t.Fatalf("%d and %d of %d", len(want), len(repeated), len(events))
	}
	used := map[ledger.EventID]bool{}
	for _, p := range want {
		if used[p.Event] {
			t.Errorf("an event id stands twice: %x", p.Event)
		}
		used[p.Event] = true
	}
	rapid.Check(t, func(t *rapid.T) {
		got, again := noun.Canonical(home, rapid.Permutation(append(events, events...)).Draw(t, "order"))
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(again, repeated) {
			t.Fatal("another order of arrival, another canonical order")
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	good, err := codec.Encode(ledger.EventID{}, "x.said", &said{Text: "t"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*ledger.Event)
		want   error
	}{
		"good":         {func(*ledger.Event) {}, nil},
		"unknown type": {func(e *ledger.Event) { e.Type = "x.other" }, noun.ErrNewer},
		"version 2":    {func(e *ledger.Event) { e.Version = 2 }, noun.ErrNewer},
		"version 0":    {func(e *ledger.Event) { e.Version = 0 }, noun.ErrMalformed},
		"shared":       {func(e *ledger.Event) { e.Shared = []byte{0xf6} }, noun.ErrMalformed},
		"two rows":     {func(e *ledger.Event) { e.Width /= 2; e.Rows = e.Rows[:2*e.Width] }, noun.ErrMalformed},
		"trailing":     {func(e *ledger.Event) { e.Rows = append(e.Rows, 0); e.Width++ }, noun.ErrMalformed},
		"not valid": {func(e *ledger.Event) {
			e.Rows = ledger.Marshal(&said{Text: strings.Repeat("t", 17)})
			e.Width = uint32(len(e.Rows))
		}, noun.ErrTooLong},
	} {
		e := good
		e.Rows = append([]byte{}, good.Rows...)
		c.change(&e)
		if _, err := codec.Decode(&e); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		text string
		line error
	}{{"", nil}, {"a b", nil}, {" a", noun.ErrText}, {"a\n", noun.ErrText}, {"a\nb", noun.ErrText}, {"a\u202eb", noun.ErrText}, {"\xff", noun.ErrText}, {"seventeen letters", noun.ErrTooLong}} {
		if err := noun.Line(c.text, 16); !errors.Is(err, c.line) {
			t.Errorf("%q: %v", c.text, err)
		}
	}
	if err := noun.Words("", 9); !errors.Is(err, noun.ErrRequired) {
		t.Error(err)
	}
	if err := noun.SortedSet("x", []string{"a", "a"}, 9, func(string) error { return nil }); !errors.Is(err, noun.ErrNotSorted) {
		t.Error(err)
	}
	if err := noun.SortedSet("x", noun.Set([]string{"b", "a", "b"}), 2, func(string) error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestPrefixes(t *testing.T) {
	for text, want := range map[string]string{"rf_0aF1": "0af1", "0af1": "0af1", "rf_0a": "", "al_0af1": "", "rf_" + strings.Repeat("0", 33): ""} {
		if got, err := noun.ParsePrefix("rf_", text); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}
