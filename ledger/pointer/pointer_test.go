package pointer_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/pointer"
)

func TestOneFormOfAPointer(t *testing.T) {
	for _, c := range []struct {
		kind  pointer.Kind
		forms []string
		want  string
	}{
		{pointer.Account, []string{"Instagram:Some.Body", "instagram: @some.body", " ＩＮＳＴＡＧＲＡＭ:some.body "}, "instagram:some.body"},
		{pointer.Account, []string{"x:straße99", "X:STRASSE99"}, "x:strasse99"},
		{pointer.Account, []string{"x:\u13dc\u13a1abc", "x:\uabac\uab71abc"}, "x:\uabac\uab71abc"}, // capitals and small letters of Cherokee
		{pointer.Email, []string{"A.B+c@Example.ORG", "a.b+c@example.org."}, "a.b+c@example.org"},
		{pointer.Phone, []string{"+91 98765 43210", "+91-98765-43210", "+91(98765)43210", "＋９１９８７６５４３２１０"}, "+919876543210"},
		{pointer.Device, []string{"490154203237518", "49-015420-323751-8"}, "490154203237518"},
		{pointer.Device, []string{"AA:BB:CC:00:11:22", "aabb.cc00.1122"}, "aabbcc001122"},
		{pointer.Wallet, []string{"0x52908400098527886E0F7030069857D2E4169EE7"}, "0x52908400098527886e0f7030069857d2e4169ee7"},
		{pointer.Wallet, []string{"BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ"}, "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"},
		{pointer.Wallet, []string{"1BoatSLRHtKNngkdXEeobR76b53LETtpyT"}, "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"},
		{pointer.Address, []string{"203.0.114.7@2026-11-26T10:59:59Z", "::ffff:203.0.114.7@2026-11-26t16:01:00+05:30"}, "203.0.114.7@2026-11-26T10:00:00Z"},
		{pointer.Address, []string{"2a02:1:2:3:4:5:6:7@2026-11-26T10:00:00Z", "2a02:1:2:3::9@2026-11-26T10:30:00Z"}, "2a02:1:2:3::@2026-11-26T10:00:00Z"},
	} {
		for _, form := range c.forms {
			got, err := pointer.Normal(c.kind, form)
			if err != nil || got != c.want {
				t.Errorf("%s %q: %q %v", c.kind, form, got, err)
			}
			if again, err := pointer.Normal(c.kind, got); err != nil || again != got {
				t.Errorf("the normal form of %q is %q: %v", got, again, err)
			}
		}
	}
}

func TestWhatIsNoPointer(t *testing.T) {
	for _, c := range []struct {
		kind  pointer.Kind
		value string
		want  error
	}{
		{pointer.Account, "x:abc", pointer.ErrTooShort},
		{pointer.Account, "somebody", pointer.ErrAccount},
		{pointer.Account, "x:some\x86body", noun.ErrText},
		{pointer.Account, ":somebody", pointer.ErrAccount},
		{pointer.Account, "x:some body", pointer.ErrAccount},
		{pointer.Email, "a@b", pointer.ErrEmail},
		{pointer.Email, "@example.org", pointer.ErrEmail},
		{pointer.Email, "a@b@example.org", pointer.ErrEmail},
		{pointer.Phone, "98765 43210", pointer.ErrPhone},
		{pointer.Phone, "+1234567", pointer.ErrTooShort},
		{pointer.Phone, "+0123456789", pointer.ErrPhone},
		{pointer.Phone, "+1234567890123456", pointer.ErrPhone},
		{pointer.Device, "490154203237519", pointer.ErrDevice},
		{pointer.Device, "12345", pointer.ErrDevice},
		{pointer.Wallet, "short", pointer.ErrWallet},
		{pointer.Wallet, strings.Repeat("a b", 10), pointer.ErrWallet},
		{pointer.Address, "203.0.114.7", pointer.ErrAddress},
		{pointer.Address, "192.168.0.1@2026-11-26T10:00:00Z", pointer.ErrAddress},
		{pointer.Address, "127.0.0.1@2026-11-26T10:00:00Z", pointer.ErrAddress},
		{pointer.Address, "203.0.114.7@yesterday", pointer.ErrAddress},
		{"shoe", "size 9", noun.ErrUnknownName},
		{pointer.Email, "", noun.ErrRequired},
		{pointer.Email, "a\u202eb@example.org", noun.ErrText},
		{pointer.Account, "x:" + strings.Repeat("a", 400), noun.ErrTooLong},
	} {
		if got, err := pointer.Normal(c.kind, c.value); !errors.Is(err, c.want) {
			t.Errorf("%s %q: %q %v", c.kind, c.value, got, err)
		}
	}
	if err := (&pointer.Held{Kind: pointer.Email, Value: "A@example.org"}).Validate(); !errors.Is(err, pointer.ErrNotNormal) {
		t.Errorf("another form: %v", err)
	}
}

func FuzzNormalIsOneForm(f *testing.F) {
	f.Add("phone", "+91 98765 43210")
	f.Add("account", "X:ẞome")
	f.Add("ip", "203.0.114.7@2026-11-26T10:59:59Z")
	f.Fuzz(func(t *testing.T, kind, value string) {
		got, err := pointer.Normal(pointer.Kind(kind), value)
		if err != nil {
			return
		}
		if again, err := pointer.Normal(pointer.Kind(kind), got); err != nil || again != got {
			t.Fatalf("%q is %q is %q: %v", value, got, again, err)
		}
	})
}

// Marks of one tag by two agencies have nothing in common, tags of two sets neither.
func TestWhatIsShownTellsNothing(t *testing.T) {
	set, other := pointer.SetOf([]pointer.KeyOf{{Agency: "in/a", Key: [32]byte{1}}, {Agency: "in/b"}}), pointer.SetOf([]pointer.KeyOf{{Agency: "in/a", Key: [32]byte{2}}, {Agency: "in/b"}})
	answers := [][]byte{make([]byte, 64), make([]byte, 64)}
	tag := pointer.TagOf(set, answers)
	if set == other || tag == pointer.TagOf(other, answers) || pointer.MarkOf(tag, "in/a") == pointer.MarkOf(tag, "in/b") {
		t.Error("equal where nothing must be")
	}
	if set != pointer.SetOf([]pointer.KeyOf{{Agency: "in/b"}, {Agency: "in/a", Key: [32]byte{1}}}) {
		t.Error("the order in which evaluators are named makes another set")
	}
	if string(pointer.Input(pointer.Phone, "x", false)) == string(pointer.Input(pointer.Phone, "x", true)) {
		t.Error("an exercise meets casework")
	}
}

func TestEvaluators(t *testing.T) {
	roster := []ledger.AgencyID{"in/d", "in/a", "in/c", "in/b"}
	for name, c := range map[string]struct {
		named, roster, want []ledger.AgencyID
	}{
		"the first three that joined": {nil, roster, []ledger.AgencyID{"in/a", "in/c", "in/d"}},
		"those named":                 {[]ledger.AgencyID{"in/a", "in/b", "in/c"}, roster, []ledger.AgencyID{"in/a", "in/b", "in/c"}},
		"one of them has left":        {[]ledger.AgencyID{"in/a", "in/b", "in/x"}, roster, nil},
		"too few":                     {nil, roster[:2], nil},
	} {
		p := &pointer.Policy{Evaluators: c.named, PerDay: 1}
		if got := p.In(c.roster); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, p := range map[string]pointer.Policy{"two": {Evaluators: []ledger.AgencyID{"in/a", "in/b"}, PerDay: 1}, "twice": {Evaluators: []ledger.AgencyID{"in/a", "in/a", "in/b"}, PerDay: 1}, "no bound": {}} {
		if p.Validate() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestFoldsConverge(t *testing.T) {
	const home = ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	key := noun.Key{Home: home, Author: "in/a", Event: ledger.EventIDFor("in/a", "0")}
	place := func(i uint64, by ledger.AgencyID, codec noun.Codec[noun.Fact], kind string, f noun.Fact) noun.Placed[noun.Fact] {
		id := ledger.EventIDFor(by, string(rune('0'+i)))
		if _, refers := f.About(); !refers {
			id = key.Event
		}
		e, err := codec.Encode(id, kind, f)
		if err != nil {
			t.Fatal(err)
		}
		p, err := codec.Place(home, ledger.Position{Index: i}, by, 0, &e)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	held := []noun.Placed[noun.Fact]{
		place(0, "in/a", pointer.HeldCodec, pointer.TypeHeld, &pointer.Held{Kind: pointer.Phone, Value: "+919876543210"}),
		place(1, "in/a", pointer.HeldCodec, pointer.TypeBlinded, &pointer.Blinded{Target: key, Set: pointer.Set{1}, Tag: pointer.Tag{1}}),
		place(2, "in/a", pointer.HeldCodec, pointer.TypeBlinded, &pointer.Blinded{Target: key, Set: pointer.Set{1}, Tag: pointer.Tag{2}}),
		place(3, "in/a", pointer.HeldCodec, pointer.TypeBlinded, &pointer.Blinded{Target: key, Set: pointer.Set{2}, Tag: pointer.Tag{3}}),
		place(4, "in/a", pointer.HeldCodec, pointer.TypeDropped, &pointer.Dropped{Target: key}),
	}
	shown := []noun.Placed[noun.Fact]{
		place(0, "in/a", pointer.MarkCodec, pointer.TypeMarked, &pointer.Marked{Mark: pointer.Mark{1}}),
		place(1, "in/b", pointer.MarkCodec, pointer.TypeUnmarked, &pointer.Unmarked{Target: key}),
	}
	wantHeld, wantShown := pointer.FoldHeld(key, held), pointer.FoldMark(key, shown)
	if !wantHeld.Dropped || wantHeld.Tags[pointer.Set{1}] != (pointer.Tag{1}) || wantShown.Lifted {
		t.Errorf("%+v %+v", wantHeld, wantShown)
	}
	rapid.Check(t, func(t *rapid.T) {
		if got := pointer.FoldHeld(key, rapid.Permutation(append(held, held...)).Draw(t, "held")); !reflect.DeepEqual(got, wantHeld) {
			t.Fatalf("%+v", got)
		}
		if got := pointer.FoldMark(key, rapid.Permutation(append(shown, shown...)).Draw(t, "shown")); !reflect.DeepEqual(got, wantShown) {
			t.Fatalf("%+v", got)
		}
	})
}

func FuzzDecode(f *testing.F) {
	e, err := pointer.HeldCodec.Encode(ledger.EventID{}, pointer.TypeHeld, &pointer.Held{Kind: pointer.Email, Value: "a@example.org"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pointer.TypeHeld, e.Rows)
	f.Add(pointer.TypeMarked, ledger.Marshal(&pointer.Marked{}))
	f.Fuzz(func(t *testing.T, kind string, row []byte) {
		e := ledger.Event{Type: kind, Version: 1, Shared: []byte{}, Width: uint32(len(row)), Rows: row}
		for _, c := range []noun.Codec[noun.Fact]{pointer.HeldCodec, pointer.MarkCodec, pointer.EvalCodec} {
			if fact, err := c.Decode(&e); err == nil && string(ledger.Marshal(fact)) != string(row) {
				t.Fatal("it decodes and encodes to something else")
			}
		}
	})
}
