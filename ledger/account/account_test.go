package account_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/account"
	"vigil/ledger/noun"
)

const home = ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")

var key = noun.Key{Home: home, Author: "in/a", Event: ledger.EventID{9}}

func place(codec noun.Codec[noun.Fact], index uint64, kind string, f noun.Fact) noun.Placed[noun.Fact] {
	id := ledger.EventIDFor("in/a", fmt.Sprint(index))
	if _, refers := f.About(); !refers {
		id = key.Event
	}
	e, err := codec.Encode(id, kind, f)
	if err != nil {
		panic(err)
	}
	p, err := codec.Place(home, ledger.Position{Index: index}, "in/a", 0, &e)
	if err != nil {
		panic(err)
	}
	return p
}

func code(n int) [32]byte { return account.HashCode(fmt.Sprint("code", n)) }

func TestAPersonIsOneInAnyOrderOfArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := []noun.Placed[noun.Fact]{place(account.UserCodec, 0, account.TypeAdded, &account.Added{Name: "asha", Roles: []string{account.Analyst}, Code: account.Code{Hash: code(0), Until: 1}})}
		n := rapid.IntRange(0, 12).Draw(t, "events")
		for i := 1; i <= n; i++ {
			c := rapid.IntRange(0, 3).Draw(t, "code")
			var f noun.Fact
			kind := rapid.SampledFrom([]string{account.TypeInvited, account.TypeChanged, account.TypeEnrolled, account.TypeWithdrawn, account.TypeRemoved}).Draw(t, "kind")
			switch kind {
			case account.TypeInvited:
				f = &account.Invited{Target: key, Code: account.Code{Hash: code(c)}}
			case account.TypeChanged:
				f = &account.Changed{Target: key, Roles: []string{account.Roles[c]}}
			case account.TypeEnrolled:
				f = &account.Enrolled{Target: key, Code: code(c), Credential: account.Credential{Kind: account.Passkey, ID: []byte{byte(i % 3), 1}, Data: []byte{1}}}
			case account.TypeWithdrawn:
				f = &account.Withdrawn{Target: key, Kind: account.Passkey, ID: []byte{byte(i % 3), 1}}
			case account.TypeRemoved:
				f = &account.Removed{Target: key, Reason: "left"}
			}
			events = append(events, place(account.UserCodec, uint64(i), kind, f))
		}
		want := account.FoldUser(key, events)
		got := account.FoldUser(key, rapid.Permutation(append(events, events...)).Draw(t, "order"))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v\n%+v", got, want)
		}
		if want.Removed && (len(want.Credentials) > 0 || want.Code != account.Code{}) {
			t.Fatal("removed, and can sign in")
		}
	})
}

func TestACodeIsUsedOnce(t *testing.T) {
	enrol := func(i uint64, n int, id byte) noun.Placed[noun.Fact] {
		return place(account.UserCodec, i, account.TypeEnrolled, &account.Enrolled{Target: key, Code: code(n), Credential: account.Credential{Kind: account.Passkey, ID: []byte{id}, Data: []byte{1}}})
	}
	added := place(account.UserCodec, 0, account.TypeAdded, &account.Added{Name: "asha", Roles: []string{account.Analyst}, Code: account.Code{Hash: code(0)}})
	invited := place(account.UserCodec, 3, account.TypeInvited, &account.Invited{Target: key, Code: account.Code{Hash: code(1)}})
	for name, c := range map[string]struct {
		events []noun.Placed[noun.Fact]
		want   int
	}{
		"once":               {[]noun.Placed[noun.Fact]{added, enrol(1, 0, 1)}, 1},
		"twice":              {[]noun.Placed[noun.Fact]{added, enrol(1, 0, 1), enrol(2, 0, 2)}, 1},
		"another's":          {[]noun.Placed[noun.Fact]{added, enrol(1, 7, 1)}, 0},
		"ended by another":   {[]noun.Placed[noun.Fact]{added, invited, enrol(4, 0, 1)}, 0},
		"the one after that": {[]noun.Placed[noun.Fact]{added, invited, enrol(4, 1, 1)}, 1},
	} {
		if u := account.FoldUser(key, c.events); len(u.Credentials) != c.want {
			t.Errorf("%s: %d ways to sign in", name, len(u.Credentials))
		}
	}
}

func TestWhatIsNoAccount(t *testing.T) {
	good := account.Added{Name: "asha.rao-2", Roles: []string{account.Analyst, account.Lab}}
	for name, c := range map[string]struct {
		change func(*account.Added)
		want   error
	}{
		"good":              {func(*account.Added) {}, nil},
		"no name":           {func(a *account.Added) { a.Name = "" }, account.ErrName},
		"upper case":        {func(a *account.Added) { a.Name = "Asha" }, account.ErrName},
		"long name":         {func(a *account.Added) { a.Name = strings.Repeat("a", 65) }, account.ErrName},
		"display":           {func(a *account.Added) { a.Display = "a\u202eb" }, noun.ErrText},
		"no role":           {func(a *account.Added) { a.Roles = []string{} }, noun.ErrRequired},
		"unknown role":      {func(a *account.Added) { a.Roles = []string{"king"} }, noun.ErrUnknownName},
		"not sorted":        {func(a *account.Added) { a.Roles = []string{account.Lab, account.Analyst} }, noun.ErrNotSorted},
		"auditor too":       {func(a *account.Added) { a.Roles = []string{account.Analyst, account.Auditor} }, account.ErrAuditorAlone},
		"operator too":      {func(a *account.Added) { a.Roles = []string{account.Analyst, account.Operator} }, account.ErrOperatorContent},
		"operator may both": {func(a *account.Added) { a.Roles = []string{account.Coordinator, account.Operator} }, nil},
	} {
		a := good
		c.change(&a)
		if _, err := account.UserCodec.Encode(ledger.EventID{}, account.TypeAdded, &a); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTwoPeople(t *testing.T) {
	asked := place(account.ConsentCodec, 0, account.TypeAsked, &account.Asked{Act: account.ActRetract, Operation: "POST x", Digest: [32]byte{1}, By: "us_a"})
	answer := func(i uint64, grant bool, by string) noun.Placed[noun.Fact] {
		return place(account.ConsentCodec, i, account.TypeAnswered, &account.Answered{Target: key, Grant: grant, By: by, Reason: "r", Until: 100})
	}
	for name, c := range map[string]struct {
		answers []noun.Placed[noun.Fact]
		state   account.RequestState
		by      string
		digest  byte
		now     int64
		permits bool
	}{
		"waiting":           {nil, account.Waiting, "us_a", 1, 1, false},
		"by who asked":      {[]noun.Placed[noun.Fact]{answer(1, true, "us_a")}, account.Waiting, "us_a", 1, 1, false},
		"granted":           {[]noun.Placed[noun.Fact]{answer(1, true, "us_b")}, account.Granted, "us_a", 1, 100, true},
		"the first counts":  {[]noun.Placed[noun.Fact]{answer(1, false, "us_b"), answer(2, true, "us_c")}, account.Refused, "us_a", 1, 1, false},
		"another does it":   {[]noun.Placed[noun.Fact]{answer(1, true, "us_b")}, account.Granted, "us_b", 1, 1, false},
		"another operation": {[]noun.Placed[noun.Fact]{answer(1, true, "us_b")}, account.Granted, "us_a", 2, 1, false},
		"too late":          {[]noun.Placed[noun.Fact]{answer(1, true, "us_b")}, account.Granted, "us_a", 1, 101, false},
	} {
		for _, events := range [][]noun.Placed[noun.Fact]{append([]noun.Placed[noun.Fact]{asked}, c.answers...), append(append([]noun.Placed[noun.Fact]{}, c.answers...), asked)} {
			r := account.FoldRequest(key, events)
			if r.State != c.state {
				t.Errorf("%s: %s", name, r.State)
			}
			if err := r.Permits(c.by, [32]byte{c.digest}, c.now); (err == nil) != c.permits {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for kind, fact := range map[string]noun.Fact{
		account.TypeAdded: &account.Added{Name: "a", Roles: []string{account.Lab}}, account.TypeEnrolled: &account.Enrolled{Target: key, Credential: account.Credential{Kind: account.Passkey, ID: []byte{1}, Data: []byte{1}}},
		account.TypeRemoved: &account.Removed{Target: key, Reason: "r"},
	} {
		e, err := account.UserCodec.Encode(ledger.EventID{}, kind, fact)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(kind, e.Rows)
	}
	f.Fuzz(func(t *testing.T, kind string, row []byte) {
		e := ledger.Event{Type: kind, Version: 1, Shared: []byte{}, Width: uint32(len(row)), Rows: row}
		for _, c := range []noun.Codec[noun.Fact]{account.UserCodec, account.TokenCodec, account.ConsentCodec} {
			if fact, err := c.Decode(&e); err == nil && string(ledger.Marshal(fact)) != string(row) {
				t.Fatal("it decodes and encodes to something else")
			}
		}
	})
}
