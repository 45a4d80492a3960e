package report_test

import (
	"encoding/hex"
	"errors"
	"testing"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/report"
)

// examples are one event of each type.
func examples(t testing.TB) []ledger.Event {
	t.Helper()
	key := report.Key{Home: home, Author: a, Event: ledger.EventID{1}}
	s := statement(file(1))
	s.Priority, s.Occurred = []string{report.Sextortion}, report.Moment{At: 1772345100000, Zone: 330}
	s.Files[0].Classifications = []alert.Classification{{Scheme: "ncmec", Value: "a1"}}
	s = s.Normal()
	var out []ledger.Event
	for _, x := range []struct {
		kind string
		fact report.Fact
	}{
		{report.TypeReceived, &report.Received{Source: source, Desk: desk, Statement: s, Exercise: true}},
		{report.TypeAmended, &report.Amended{Target: key, Revision: 1, Source: source, Statement: s, Reason: "r"}},
		{report.TypeWithdrawn, &report.Withdrawn{Target: key, Revision: 2, Source: source, Reason: "r"}},
		{report.TypeTriaged, &report.Triaged{Target: key, Step: 3, Revision: 2, Move: report.Conclude, By: "l", Outcome: report.Known, Text: "t", Alerts: []string{"al_0a"}, Referrals: []string{"rf_0b"}}},
	} {
		e, err := report.Codec.Encode(ledger.EventID{2}, x.kind, x.fact)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func TestEventsKeepTheirBytes(t *testing.T) {
	for i, want := range []string{
		"84826c636861742e6578616d706c6570303132333435363738396162636465668166696e2f6c6162896272316e61627573652d6d6174657269616c816a736578746f7274696f6e821b0000019ca80006e019014a8260608186687265706f72746564676163636f756e7463752d316000820000818a6082818301504bf5122f344554c53bde2ebb8cd2b7e30000000060608200008186656e636d65636062613160600080f46080f5",
		"8583781d696e2f616161616161616161616161616161616161616161616161616164696e2f61500100000000000000000000000000000001826c636861742e6578616d706c657030313233343536373839616263646566896272316e61627573652d6d6174657269616c816a736578746f7274696f6e821b0000019ca80006e019014a8260608186687265706f72746564676163636f756e7463752d316000820000818a6082818301504bf5122f344554c53bde2ebb8cd2b7e30000000060608200008186656e636d65636062613160600080f460806172",
		"8483781d696e2f616161616161616161616161616161616161616161616161616164696e2f61500100000000000000000000000000000002826c636861742e6578616d706c6570303132333435363738396162636465666172",
		"8a83781d696e2f616161616161616161616161616161616161616161616161616164696e2f615001000000000000000000000000000000030268636f6e636c756465616c60656b6e6f776e61748165616c5f3061816572665f3062",
	} {
		e := examples(t)[i]
		if got := hex.EncodeToString(e.Rows); got != want {
			t.Errorf("%s:\n%s\npinned\n%s", e.Type, got, want)
		}
	}
}

func TestWhatDoesNotDecode(t *testing.T) {
	for _, e := range examples(t) {
		for name, c := range map[string]struct {
			change func(*ledger.Event)
			want   error
		}{
			"as it is":       {func(*ledger.Event) {}, nil},
			"of version 2":   {func(e *ledger.Event) { e.Version = 2 }, noun.ErrNewer},
			"of version 0":   {func(e *ledger.Event) { e.Version = 0 }, noun.ErrMalformed},
			"of a new type":  {func(e *ledger.Event) { e.Type = "report.forwarded" }, noun.ErrNewer},
			"a byte more":    {func(e *ledger.Event) { e.Rows = append(e.Rows, 0); e.Width++ }, noun.ErrMalformed},
			"a byte less":    {func(e *ledger.Event) { e.Rows = e.Rows[:len(e.Rows)-1]; e.Width-- }, noun.ErrMalformed},
			"a shared part":  {func(e *ledger.Event) { e.Shared = []byte{0xf6} }, noun.ErrMalformed},
			"a field more":   {func(e *ledger.Event) { e.Rows[0]++; e.Rows = append(e.Rows, 0xf6); e.Width++ }, noun.ErrMalformed},
			"of a null list": {func(e *ledger.Event) { e.Rows = []byte{0xf6}; e.Width = 1 }, noun.ErrMalformed},
		} {
			x := e
			x.Rows = append([]byte{}, e.Rows...)
			c.change(&x)
			if _, err := report.Codec.Decode(&x); !errors.Is(err, c.want) {
				t.Errorf("%s %s: %v", e.Type, name, err)
			}
		}
	}
}

// BenchmarkFold folds decoded reports of six events.
func BenchmarkFold(b *testing.B) {
	s := &story{}
	key := received(b, s)
	for _, m := range []report.Triaged{
		{Move: report.Claim, By: "l"}, {Move: report.Assign, By: "l", To: "m"}, {Move: report.Conclude, By: "m", Outcome: report.Known}, {Move: report.Tell, By: "m", Outcome: report.ChildSafeguarded},
	} {
		r := report.Fold(key, s.events)
		m.Step = r.Step
		e, err := r.DecideMove(ledger.EventIDFor(lab, m.Move), lab, m)
		if err != nil {
			b.Fatal(err)
		}
		s.place(b, home, lab, e)
	}
	r := report.Fold(key, s.events)
	e, err := r.DecideAmend(ledger.EventIDFor(a, "amend"), a, report.Amended{Source: source, Statement: statement(file(2))}, now)
	if err != nil {
		b.Fatal(err)
	}
	s.place(b, home, a, e)
	for b.Loop() {
		report.Fold(key, s.events)
	}
	b.ReportMetric(float64(len(s.events)*b.N)/b.Elapsed().Seconds(), "events/s")
}
