package export_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/export"
	"vigil/ledger/noun"
)

const (
	home = ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	far  = ledger.Origin("uk/aaaaaaaaaaaaaaaaaaaaaaaaaa")
)

var target = export.Key{Home: home, Author: "in/a", Event: ledger.EventID{9}}

func id(o ledger.Origin, by ledger.AgencyID, event byte, row uint32) alert.ID {
	return alert.ID{Key: alert.Key{Home: o, Author: by, Event: ledger.EventID{event}}, Row: row}
}

func samples(t testing.TB) []ledger.Event {
	t.Helper()
	begun, err := (&export.Begun{Format: "csv", Since: &target, By: "token", Purpose: "court", Case: "2024/117"}).Encode(ledger.EventID{1})
	if err != nil {
		t.Fatal(err)
	}
	all := export.Pack(target, []export.Said{{id(home, "in/b", 1, 8), export.Included}, {id(home, "in/b", 1, 7), export.Included}, {id(home, "in/b", 1, 9), export.Withdrawn}})
	carried, err := all[0].Encode(ledger.EventID{2})
	if err != nil || len(all) != 1 {
		t.Fatal(err)
	}
	return []ledger.Event{begun, carried}
}

// The bytes are stored for ever: another encoding is another version.
func TestEventsRoundTripAndTheirBytesArePinned(t *testing.T) {
	all := samples(t)
	for _, e := range all {
		fact, err := export.Decode(&e)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := fact.Encode(e.ID); err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%s: encodes to something else: %v", e.Type, err)
		}
	}
	event := "01" + strings.Repeat("00", 15)
	if got, want := hex.EncodeToString(all[1].Rows), "01"+event+"0000000700000008"+"02"+event+"0000000900000009"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	key := "83781d" + hex.EncodeToString([]byte(home)) + "64" + hex.EncodeToString([]byte("in/a")) + "5009" + strings.Repeat("00", 15)
	if got, want := hex.EncodeToString(all[0].Rows), "8663637376"+key+"65"+hex.EncodeToString([]byte("token"))+"65"+hex.EncodeToString([]byte("court"))+"68"+hex.EncodeToString([]byte("2024/117"))+"f4"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	all := samples(t)
	begun := func(b export.Begun) func(*ledger.Event) {
		return func(e *ledger.Event) { e.Rows = ledger.Marshal(&b); e.Width = uint32(len(e.Rows)) }
	}
	for name, c := range map[string]struct {
		of     int
		change func(*ledger.Event)
		want   error
	}{
		"unknown type":  {0, func(e *ledger.Event) { e.Type = "export.other" }, noun.ErrNewer},
		"version 2":     {0, func(e *ledger.Event) { e.Version = 2 }, noun.ErrNewer},
		"version 0":     {1, func(e *ledger.Event) { e.Version = 0 }, noun.ErrMalformed},
		"shared":        {0, func(e *ledger.Event) { e.Shared = []byte{0xf6} }, noun.ErrMalformed},
		"no format":     {0, begun(export.Begun{}), noun.ErrRequired},
		"a dirty case":  {0, begun(export.Begun{Format: "csv", Case: "a\n"}), noun.ErrText},
		"since nothing": {0, begun(export.Begun{Format: "csv", Since: &export.Key{}}), ledger.ErrOrigin},
		"no target":     {1, func(e *ledger.Event) { e.Shared = ledger.Marshal([]any{export.Key{}, home, "in/b"}) }, ledger.ErrOrigin},
		"no author":     {1, func(e *ledger.Event) { e.Shared = ledger.Marshal([]any{target, home, "b"}) }, ledger.ErrAgencyID},
		"nothing":       {1, func(e *ledger.Event) { e.Rows = nil }, noun.ErrCount},
		"half a run":    {1, func(e *ledger.Event) { e.Rows = e.Rows[:30] }, noun.ErrMalformed},
		"unknown word":  {1, func(e *ledger.Event) { e.Rows[0] = 3 }, noun.ErrUnknownValue},
		"backwards":     {1, func(e *ledger.Event) { e.Rows[20] = 9 }, alert.ErrNoSuchRow},
		"over the rows": {1, func(e *ledger.Event) { e.Rows[48] = 0x30 }, alert.ErrNoSuchRow},
		"overlapping":   {1, func(e *ledger.Event) { e.Rows[45] = 8 }, noun.ErrNotSorted},
		"unsorted":      {1, func(e *ledger.Event) { e.Rows[1] = 2 }, noun.ErrNotSorted},
	} {
		e := all[c.of]
		e.Shared, e.Rows = bytes.Clone(e.Shared), bytes.Clone(e.Rows)
		c.change(&e)
		if _, err := export.Decode(&e); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// What is packed says exactly what was asked for, whatever the order.
func TestPackingSaysNoMoreAndNoLess(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		said := map[alert.ID]export.What{}
		for range rapid.IntRange(1, 60).Draw(rt, "alerts") {
			a := id(rapid.SampledFrom([]ledger.Origin{home, far}).Draw(rt, "home"), rapid.SampledFrom([]ledger.AgencyID{"in/a", "in/b"}).Draw(rt, "author"), rapid.SampledFrom([]byte{1, 2}).Draw(rt, "event"), rapid.Uint32Range(0, 9).Draw(rt, "row"))
			said[a] = rapid.SampledFrom([]export.What{export.Included, export.Withdrawn}).Draw(rt, "what")
		}
		var list []export.Said
		for a, w := range said {
			list = append(list, export.Said{Alert: a, What: w})
		}
		packed := export.Pack(target, list)
		if again := export.Pack(target, rapid.Permutation(list).Draw(rt, "order")); !reflect.DeepEqual(again, packed) {
			rt.Fatal("another order, another record")
		}
		for _, c := range packed {
			if err := c.Validate(); err != nil {
				rt.Fatal(err)
			}
			for _, r := range c.Runs {
				for row := r.First; row <= r.Last; row++ {
					a := alert.ID{Key: alert.Key{Home: c.Home, Author: c.Author, Event: r.Alert}, Row: row}
					if said[a] != r.What {
						rt.Fatalf("%s: %d", a, r.What)
					}
					delete(said, a)
				}
			}
		}
		if len(said) > 0 {
			rt.Fatalf("%d are missing", len(said))
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, e := range samples(f) {
		f.Add(e.Type, e.Shared, uint16(e.Width), e.Rows)
	}
	f.Fuzz(func(t *testing.T, kind string, shared []byte, width uint16, rows []byte) {
		e := ledger.Event{Type: kind, Version: 1, Shared: shared, Width: uint32(width), Rows: rows}
		fact, err := export.Decode(&e)
		if err != nil {
			return
		}
		again, err := fact.Encode(e.ID)
		if err != nil || !bytes.Equal(again.Shared, shared) || !bytes.Equal(again.Rows, rows) {
			t.Fatal("it decodes and encodes to something else")
		}
	})
}
