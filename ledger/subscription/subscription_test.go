package subscription_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/subscription"
)

var hook = subscription.Opened{Name: "desk", Channel: subscription.Webhook, To: "https://hooks.example/vigil", Kinds: []string{"alert."}, Secret: [32]byte{1}}

func TestWhatIsNoSubscription(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*subscription.Opened)
		want   error
	}{
		"good":           {func(*subscription.Opened) {}, nil},
		"no name":        {func(o *subscription.Opened) { o.Name = "" }, noun.ErrRequired},
		"channel":        {func(o *subscription.Opened) { o.Channel = "pigeon" }, noun.ErrUnknownName},
		"http":           {func(o *subscription.Opened) { o.To = "http://hooks.example/" }, subscription.ErrURL},
		"a password":     {func(o *subscription.Opened) { o.To = "https://u:p@hooks.example/" }, subscription.ErrURL},
		"a fragment":     {func(o *subscription.Opened) { o.To = "https://hooks.example/#x" }, subscription.ErrURL},
		"no host":        {func(o *subscription.Opened) { o.To = "https:///x" }, subscription.ErrURL},
		"a kind":         {func(o *subscription.Opened) { o.Kinds = []string{"Alert"} }, subscription.ErrKind},
		"kinds twice":    {func(o *subscription.Opened) { o.Kinds = []string{"a.", "a."} }, noun.ErrNotSorted},
		"urgency":        {func(o *subscription.Opened) { o.Urgency = 3 }, noun.ErrUnknownValue},
		"hook, every":    {func(o *subscription.Opened) { o.Every = 60 }, noun.ErrUnknownValue},
		"hook, unsigned": {func(o *subscription.Opened) { o.Secret = [32]byte{} }, noun.ErrRequired},
		"mail":           {func(o *subscription.Opened) { *o = mail("desk@example.org", 60) }, nil},
		"mail, never":    {func(o *subscription.Opened) { *o = mail("desk@example.org", 0) }, noun.ErrCount},
		"two mailboxes":  {func(o *subscription.Opened) { *o = mail("a@example.org,b@example.org", 60) }, subscription.ErrMail},
		"a header":       {func(o *subscription.Opened) { *o = mail("a@example.org\r\nBcc: b@example.org", 60) }, subscription.ErrMail},
	} {
		o := hook
		c.change(&o)
		if _, err := subscription.Codec.Encode(ledger.EventID{}, subscription.TypeOpened, &o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func mail(to string, every uint64) subscription.Opened {
	return subscription.Opened{Name: "desk", Channel: subscription.Mail, To: to, Kinds: []string{}, Every: every}
}

func TestWhatIsTold(t *testing.T) {
	for _, c := range []struct {
		kinds    []string
		urgency  uint64
		exercise bool
		change   subscription.Change
		want     bool
	}{
		{nil, 0, false, subscription.Change{Kind: "alert.raised"}, true},
		{[]string{"alert."}, 0, false, subscription.Change{Kind: "alert.retracted"}, true},
		{[]string{"alert.raised"}, 0, false, subscription.Change{Kind: "alert.retracted"}, false},
		{[]string{"referral."}, 0, false, subscription.Change{Kind: "alert.raised"}, false},
		{nil, 1, false, subscription.Change{Kind: "alert.raised"}, false},
		{nil, 1, false, subscription.Change{Kind: "alert.raised", Urgency: 2}, true},
		{nil, 0, false, subscription.Change{Kind: "alert.raised", Exercise: true}, false},
		{nil, 0, true, subscription.Change{Kind: "alert.raised", Exercise: true}, true},
		{nil, 0, false, subscription.Change{Kind: "user.added"}, false},
		{nil, 0, false, subscription.Change{Kind: "subscription.opened"}, false},
	} {
		o := subscription.Opened{Kinds: c.kinds, Urgency: c.urgency, Exercise: c.exercise}
		if got := o.Wants(c.change); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestFoldsConverge(t *testing.T) {
	const home = ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	key := noun.Key{Home: home, Author: "in/a", Event: ledger.EventIDFor("in/a", "0")}
	place := func(i int, kind string, f noun.Fact) noun.Placed[noun.Fact] {
		e, err := subscription.Codec.Encode(ledger.EventIDFor("in/a", fmt.Sprint(i)), kind, f)
		if err != nil {
			t.Fatal(err)
		}
		p, err := subscription.Codec.Place(home, ledger.Position{Index: uint64(i)}, "in/a", int64(i), &e)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	rapid.Check(t, func(t *rapid.T) {
		events := []noun.Placed[noun.Fact]{place(0, subscription.TypeOpened, &hook)}
		closed := false
		for i := range rapid.IntRange(0, 8).Draw(t, "events") {
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				events = append(events, place(i+1, subscription.TypeRekeyed, &subscription.Rekeyed{Target: key, Secret: [32]byte{byte(i + 2)}}))
			case 1:
				events = append(events, place(i+1, subscription.TypePaused, &subscription.Paused{Target: key, Reason: "gone"}))
			case 2:
				events = append(events, place(i+1, subscription.TypeResumed, &subscription.Resumed{Target: key}))
			case 3:
				closed = true
				events = append(events, place(i+1, subscription.TypeClosed, &subscription.Closed{Target: key}))
			}
		}
		want := subscription.Fold(key, events)
		if got := subscription.Fold(key, rapid.Permutation(append(events, events...)).Draw(t, "order")); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v\n%+v", got, want)
		}
		if closed != (want.State == subscription.Ended) {
			t.Fatal("what was closed opened again")
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(subscription.TypeOpened, ledger.Marshal(&hook))
	f.Fuzz(func(t *testing.T, kind string, row []byte) {
		e := ledger.Event{Type: kind, Version: 1, Shared: []byte{}, Width: uint32(len(row)), Rows: row}
		if fact, err := subscription.Codec.Decode(&e); err == nil && string(ledger.Marshal(fact)) != string(row) {
			t.Fatal("it decodes and encodes to something else")
		}
	})
}
