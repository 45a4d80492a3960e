package report_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/report"
)

const (
	home = ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	far  = ledger.Origin("uk/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	a    = ledger.AgencyID("in/a")
	lab  = ledger.AgencyID("in/lab")
	u    = ledger.AgencyID("uk/u")
)

var (
	desk   = []ledger.AudienceName{"in/lab"}
	source = report.Source{Platform: "chat.example", Token: "0123456789abcdef"}
	now    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

type fataler interface{ Fatal(...any) }

// file is a synthetic one.
func file(seed byte) report.File {
	sum := sha256.Sum256([]byte{seed})
	return report.File{Prints: alert.File{Signals: []alert.Signal{{Algorithm: alert.MD5, Value: sum[:16]}}}}
}

func statement(files ...report.File) report.Statement {
	return report.Statement{Kind: report.Material, Reference: "r1", Files: files, About: []report.Pointer{{Role: report.Reported, Kind: report.Account, Value: "u-1"}}}
}

// story places events as they are decided.
type story struct {
	events []report.Placed
	next   uint64
}

func (s *story) place(t fataler, origin ledger.Origin, by ledger.AgencyID, e ledger.Event) report.Placed {
	s.next++
	p, err := report.Codec.Place(origin, ledger.Position{Index: s.next}, by, 0, &e)
	if err != nil {
		t.Fatal(err)
	}
	s.events = append(s.events, p)
	return p
}

func received(t fataler, s *story) report.Key {
	e, err := report.Submission{Event: ledger.EventIDFor(a, "report"), Source: source, Desk: desk, Statement: statement(file(1))}.Decide(now)
	if err != nil {
		t.Fatal(err)
	}
	p := s.place(t, home, a, e)
	return p.Key()
}

func origin(by ledger.AgencyID) ledger.Origin {
	if by == u {
		return far
	}
	return home
}

func refused(err error) bool {
	var r *noun.Refusal
	return errors.As(err, &r)
}

func TestTheDeskGoesItsWay(t *testing.T) {
	s := &story{}
	key := received(t, s)
	for i, x := range []struct {
		by      ledger.AgencyID
		m       report.Triaged
		refused bool
		state   report.State
		person  string
	}{
		{u, report.Triaged{Move: report.Claim, By: "u1"}, true, report.Waiting, ""},
		{lab, report.Triaged{Move: report.Release, By: "l1"}, true, report.Waiting, ""},
		{lab, report.Triaged{Move: report.Tell, By: "l1", Outcome: report.Known}, true, report.Waiting, ""},
		{lab, report.Triaged{Move: report.Reopen, By: "l1", Text: "x"}, true, report.Waiting, ""},
		{lab, report.Triaged{Move: report.Claim, By: "l1"}, false, report.Claimed, "l1"},
		{lab, report.Triaged{Move: report.Claim, By: "l2"}, true, report.Claimed, "l1"},
		{a, report.Triaged{Move: report.Claim, By: "a1"}, true, report.Claimed, "l1"},
		{lab, report.Triaged{Move: report.Conclude, By: "l2", Outcome: report.Known}, true, report.Claimed, "l1"},
		{a, report.Triaged{Move: report.Conclude, By: "l1", Outcome: report.Known}, true, report.Claimed, "l1"},
		{lab, report.Triaged{Move: report.Assign, By: "l2", To: "l3"}, false, report.Claimed, "l3"},
		{a, report.Triaged{Move: report.Assign, By: "a1", To: "a1"}, false, report.Claimed, "a1"},
		{lab, report.Triaged{Move: report.Release, By: "l1"}, true, report.Claimed, "a1"},
		{a, report.Triaged{Move: report.Release, By: "a2"}, false, report.Waiting, ""},
		{lab, report.Triaged{Move: report.Assign, By: "l1", To: "l2"}, false, report.Claimed, "l2"},
		{a, report.Triaged{Move: report.Release, By: "a1"}, false, report.Waiting, ""},
		{lab, report.Triaged{Move: report.Claim, By: "l1"}, false, report.Claimed, "l1"},
		{lab, report.Triaged{Move: report.Conclude, By: "l1", Outcome: report.Actioned, Alerts: []string{"al_0b", "al_0a"}}, false, report.Concluded, ""},
		{lab, report.Triaged{Move: report.Claim, By: "l1"}, true, report.Concluded, ""},
		{lab, report.Triaged{Move: report.Assign, By: "l1", To: "l2"}, true, report.Concluded, ""},
		{lab, report.Triaged{Move: report.Conclude, By: "l1", Outcome: report.Known}, true, report.Concluded, ""},
		{a, report.Triaged{Move: report.Tell, By: "a1", Outcome: report.ChildSafeguarded}, false, report.Concluded, ""},
		{a, report.Triaged{Move: report.Reopen, By: "a1", Text: "another child"}, false, report.Waiting, ""},
		{a, report.Triaged{Move: report.Conclude, By: "a1", Outcome: report.NothingFurther}, false, report.Concluded, ""},
	} {
		r := report.Fold(key, s.events)
		x.m.Step = r.Step
		e, err := r.DecideMove(ledger.EventIDFor(x.by, fmt.Sprint(i)), x.by, x.m)
		if (err != nil) != x.refused || err != nil && !refused(err) {
			t.Errorf("%d: %s by %s of %s: %v", i, x.m.Move, x.m.By, x.by, err)
		}
		if err == nil {
			s.place(t, origin(x.by), x.by, e)
		}
		if r := report.Fold(key, s.events); r.State != x.state || r.Person != x.person {
			t.Errorf("%d: %s by %s: %s, held by %q", i, x.m.Move, x.m.By, r.State, r.Person)
		}
	}
	r := report.Fold(key, s.events)
	if r.Outcome != report.NothingFurther || !reflect.DeepEqual(r.Alerts, []string{"al_0a", "al_0b"}) {
		t.Errorf("%s, %v", r.Outcome, r.Alerts)
	}
}

func TestAPlatformAmendsAndWithdraws(t *testing.T) {
	s := &story{}
	key := received(t, s)
	change := func(by ledger.AgencyID, platform string, revision uint64, files ...report.File) error {
		r := report.Fold(key, s.events)
		e, err := r.DecideAmend(ledger.EventIDFor(by, fmt.Sprint(s.next)), by, report.Amended{
			Revision: revision, Source: report.Source{Platform: platform, Token: "another"}, Statement: statement(files...),
		}, now)
		if err == nil {
			s.place(t, origin(by), by, e)
		}
		return err
	}
	conclude := func(revision uint64) error {
		r := report.Fold(key, s.events)
		e, err := r.DecideMove(ledger.EventIDFor(lab, fmt.Sprint(s.next)), lab, report.Triaged{Step: r.Step, Revision: revision, Move: report.Conclude, By: "l", Outcome: report.Known})
		if err == nil {
			s.place(t, home, lab, e)
		}
		return err
	}
	if err := change(a, "other.example", 0, file(2)); !refused(err) {
		t.Errorf("another platform: %v", err)
	}
	if err := change(lab, source.Platform, 0, file(2)); !refused(err) {
		t.Errorf("through another agency: %v", err)
	}
	if err := change(a, source.Platform, 1, file(2)); !refused(err) {
		t.Errorf("a revision that is not there: %v", err)
	}
	if err := conclude(0); err != nil {
		t.Fatal(err)
	}
	if err := change(a, source.Platform, 0, file(2), file(3)); err != nil {
		t.Fatal(err)
	}
	r := report.Fold(key, s.events)
	if r.Revision != 1 || len(r.Statement.Files) != 2 || len(r.Received.Statement.Files) != 1 || r.State != report.Waiting || !r.Again {
		t.Errorf("amended after it was concluded: %+v", r)
	}
	if err := conclude(0); !refused(err) {
		t.Errorf("concluded from what it was before: %v", err)
	}
	if err := conclude(1); err != nil {
		t.Fatal(err)
	}
	if r = report.Fold(key, s.events); r.State != report.Concluded || r.Again {
		t.Errorf("concluded again: %+v", r)
	}
	w := report.Withdrawn{Revision: 1, Source: source, Reason: "a mistake"}
	e, err := r.DecideWithdraw(ledger.EventIDFor(a, "w"), a, w)
	if err != nil {
		t.Fatal(err)
	}
	s.place(t, home, a, e)
	if r = report.Fold(key, s.events); !r.Withdrawn || r.State != report.Concluded || r.Revision != 2 {
		t.Errorf("withdrawn: %+v", r)
	}
	if err := change(a, source.Platform, 2, file(4)); !refused(err) {
		t.Errorf("amended after it was withdrawn: %v", err)
	}
	w.Revision = 2
	if _, err := r.DecideWithdraw(ledger.EventIDFor(a, "w2"), a, w); !refused(err) {
		t.Errorf("withdrawn twice: %v", err)
	}
	w.Reason = ""
	if _, err := report.Fold(key, s.events[:1]).DecideWithdraw(ledger.EventIDFor(a, "w3"), a, report.Withdrawn{Source: source}); !errors.Is(err, noun.ErrRequired) {
		t.Errorf("withdrawn without a reason: %v", err)
	}
}

func TestWhatIsNotAReport(t *testing.T) {
	ip := report.Pointer{Role: report.Reported, Kind: report.Address, Value: "2001:db8::1", Port: 443, Seen: report.MomentOf(now)}
	for name, c := range map[string]struct {
		change func(*report.Submission)
		want   error
	}{
		"good":                   {func(*report.Submission) {}, nil},
		"an ip with its port":    {func(c *report.Submission) { c.Statement.About = []report.Pointer{ip} }, nil},
		"nobody, but a file":     {func(c *report.Submission) { c.Statement.About = nil }, nil},
		"no file, but somebody":  {func(c *report.Submission) { c.Statement.Files = nil }, nil},
		"nothing":                {func(c *report.Submission) { c.Statement.Files, c.Statement.About = nil, nil }, report.ErrNothing},
		"no platform":            {func(c *report.Submission) { c.Source.Platform = "" }, report.ErrPlatform},
		"a platform in capitals": {func(c *report.Submission) { c.Source.Platform = "Chat" }, report.ErrPlatform},
		"a platform of dots":     {func(c *report.Submission) { c.Source.Platform = ".chat" }, report.ErrPlatform},
		"no token":               {func(c *report.Submission) { c.Source.Token = "" }, noun.ErrRequired},
		"a desk that is none":    {func(c *report.Submission) { c.Desk = []ledger.AudienceName{"lab"} }, ledger.ErrAudience},
		"unknown kind":           {func(c *report.Submission) { c.Statement.Kind = "gossip" }, noun.ErrUnknownName},
		"unknown priority":       {func(c *report.Submission) { c.Statement.Priority = []string{"soon"} }, noun.ErrUnknownName},
		"a reference too long":   {func(c *report.Submission) { c.Statement.Reference = strings.Repeat("r", report.MaxReference+1) }, noun.ErrTooLong},
		"a note with controls":   {func(c *report.Submission) { c.Statement.Note = "a\x00b" }, noun.ErrText},
		"a prior report's id":    {func(c *report.Submission) { c.Statement.Prior = []string{"al_00"} }, noun.ErrID},
		"a country":              {func(c *report.Submission) { c.Statement.Place.Country = "India" }, report.ErrCountry},
		"a region alone":         {func(c *report.Submission) { c.Statement.Place.Region = "Maharashtra" }, report.ErrCountry},
		"before 1990":            {func(c *report.Submission) { c.Statement.Occurred = report.Moment{At: 1} }, report.ErrMoment},
		"a zone of 15 hours":     {func(c *report.Submission) { c.Statement.Occurred = report.Moment{At: now.UnixMilli(), Zone: 900} }, report.ErrMoment},
		"tomorrow":               {func(c *report.Submission) { c.Statement.Occurred = report.MomentOf(now.Add(24 * time.Hour)) }, report.ErrFuture},
		"seen tomorrow": {func(c *report.Submission) {
			later := ip
			later.Seen = report.MomentOf(now.Add(time.Hour))
			c.Statement.About = []report.Pointer{later}
		}, report.ErrFuture},
		"uploaded tomorrow":     {func(c *report.Submission) { c.Statement.Files[0].Uploaded = report.MomentOf(now.Add(time.Hour)) }, report.ErrFuture},
		"too many pointers":     {func(c *report.Submission) { c.Statement.About = make([]report.Pointer, report.MaxPointers+1) }, noun.ErrCount},
		"a pointer of no role":  {func(c *report.Submission) { c.Statement.About[0].Role = "bystander" }, noun.ErrUnknownName},
		"a pointer to nothing":  {func(c *report.Submission) { c.Statement.About[0].Value = "" }, noun.ErrRequired},
		"not an e-mail":         {func(c *report.Submission) { c.Statement.About[0] = pointer(report.Email, "a@b@c") }, report.ErrPointer},
		"not a phone":           {func(c *report.Submission) { c.Statement.About[0] = pointer(report.Phone, "0123 456") }, report.ErrPointer},
		"not an ip":             {func(c *report.Submission) { c.Statement.About[0] = pointer(report.Address, "1.2.3") }, report.ErrPointer},
		"an ip in another form": {func(c *report.Submission) { c.Statement.About[0] = pointer(report.Address, "2001:DB8::1") }, report.ErrPointer},
		"material as an address": {func(c *report.Submission) {
			c.Statement.About[0] = pointer(report.Profile, "data:image/png;base64,iVBORw0KGgo=")
		}, report.ErrPointer},
		"a port of an account": {func(c *report.Submission) { c.Statement.About[0].Port = 1 }, report.ErrPort},
		"too many files":       {func(c *report.Submission) { c.Statement.Files = make([]report.File, report.MaxFiles+1) }, noun.ErrCount},
		"a file of nothing":    {func(c *report.Submission) { c.Statement.Files = []report.File{{}} }, noun.ErrRequired},
		"an empty file": {func(c *report.Submission) {
			c.Statement.Files[0].Prints.Signals[0].Value = bytes.Repeat([]byte{9}, 16)
		}, alert.ErrWorthless},
		"a hash cut short":  {func(c *report.Submission) { c.Statement.Files[0].Prints.Signals[0].Value = []byte{1} }, alert.ErrValueLength},
		"too many hashes":   {func(c *report.Submission) { c.Statement.Files[0].Prints.Signals = many(report.MaxFileSignals + 1) }, noun.ErrCount},
		"an unknown answer": {func(c *report.Submission) { c.Statement.Files[0].Viewed = "maybe" }, noun.ErrUnknownName},
		"public, perhaps":   {func(c *report.Submission) { c.Statement.Files[0].Public = "maybe" }, noun.ErrUnknownName},
		"an unknown medium": {func(c *report.Submission) { c.Statement.Files[0].Media = 99 }, noun.ErrUnknownValue},
		"made by what":      {func(c *report.Submission) { c.Statement.Files[0].AIGenerated = 99 }, noun.ErrUnknownValue},
		"an unknown label":  {func(c *report.Submission) { c.Statement.Files[0].Labels = []string{"bad"} }, noun.ErrUnknownName},
		"a class without scheme": {func(c *report.Submission) {
			c.Statement.Files[0].Classifications = []alert.Classification{{Value: "a1"}}
		}, noun.ErrText},
		"too much in all": {func(c *report.Submission) {
			c.Statement.Files = nil
			for i := range report.MaxFiles {
				f := file(byte(i))
				f.Prints.Signals, f.Reference = many(8), strings.Repeat("r", 100)
				c.Statement.Files = append(c.Statement.Files, f)
			}
		}, noun.ErrTooLong},
	} {
		s := report.Submission{Source: source, Desk: desk, Statement: statement(file(1))}
		c.change(&s)
		if _, err := s.Decide(now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func pointer(kind report.PointerKind, value string) report.Pointer {
	return report.Pointer{Role: report.Reported, Kind: kind, Value: value}
}

func many(n int) []alert.Signal {
	out := make([]alert.Signal, n)
	for i := range out {
		out[i] = alert.Signal{Algorithm: alert.SHA256, Value: append(bytes.Repeat([]byte{byte(i)}, 31), byte(i)+1)}
	}
	return out
}

func TestWhatIsNotAMove(t *testing.T) {
	s := &story{}
	r := report.Fold(received(t, s), s.events)
	for name, m := range map[string]report.Triaged{
		"unknown":                      {Move: "delete", By: "l"},
		"by nobody":                    {Move: report.Claim},
		"assigned to nobody":           {Move: report.Assign, By: "l"},
		"claimed for another":          {Move: report.Claim, By: "l", To: "m"},
		"concluded without an outcome": {Move: report.Conclude, By: "l"},
		"an unknown outcome":           {Move: report.Conclude, By: "l", Outcome: "fine"},
		"an outcome of a claim":        {Move: report.Claim, By: "l", Outcome: report.Known},
		"not an alert":                 {Move: report.Conclude, By: "l", Outcome: report.Known, Alerts: []string{"rf_00"}},
		"not a referral":               {Move: report.Conclude, By: "l", Outcome: report.Known, Referrals: []string{"al_00"}},
		"a stale view":                 {Move: report.Claim, By: "l", Step: 1},
	} {
		if _, err := r.DecideMove(ledger.EventID{}, lab, m); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := report.Fold(r.Key, nil).DecideMove(ledger.EventID{}, lab, report.Triaged{Move: report.Claim, By: "l"}); !refused(err) {
		t.Errorf("of what cannot be read: %v", err)
	}
}

func TestPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		p    report.Policy
		want error
	}{
		"good":               {report.Policy{Desk: []ledger.AudienceName{"in/lab", "in/@labs"}, Tell: []report.Outcome{report.Known}}, nil},
		"nothing":            {report.Policy{}, nil},
		"no audience":        {report.Policy{Desk: []ledger.AudienceName{"LAB"}}, ledger.ErrAudience},
		"the same twice":     {report.Policy{Desk: []ledger.AudienceName{"in/lab", "in/lab"}}, noun.ErrNotSorted},
		"too many":           {report.Policy{Desk: make([]ledger.AudienceName, 9)}, noun.ErrCount},
		"an unknown outcome": {report.Policy{Tell: []report.Outcome{"all"}}, noun.ErrUnknownName},
		"told twice":         {report.Policy{Tell: []report.Outcome{report.Known, report.Known}}, noun.ErrNotSorted},
	} {
		if err := c.p.Validate(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, _ := report.Section.In(ledger.Policy{})
	if p.Told(report.Known) != report.Known || p.Told(report.ChildSafeguarded) != "" {
		t.Error("the default tells what it should not, or does not tell what it should")
	}
}

// Any order of arrival, any interleaving of two ledgers, repeats and contradicting moves give the same report.
func TestFoldsConverge(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &story{}
		key := received(rt, s)
		for range rapid.IntRange(0, 14).Draw(rt, "events") {
			// Each agency sees a part only, so that what it decides may contradict what others did.
			r := report.Fold(key, s.events[:rapid.IntRange(1, len(s.events)).Draw(rt, "sees")])
			by := rapid.SampledFrom([]ledger.AgencyID{a, lab, u}).Draw(rt, "by")
			id := ledger.EventIDFor(by, fmt.Sprint(s.next))
			var e ledger.Event
			var err error
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				e, err = r.DecideAmend(id, by, report.Amended{Revision: r.Revision, Source: source, Statement: statement(file(byte(s.next)))}, now)
			case 1:
				e, err = r.DecideWithdraw(id, by, report.Withdrawn{Revision: r.Revision, Source: source, Reason: "x"})
			default:
				m := report.Triaged{Step: r.Step, Revision: r.Revision, Move: rapid.SampledFrom(report.Moves).Draw(rt, "move"), By: rapid.SampledFrom([]string{"p", "q"}).Draw(rt, "person"), Text: "x"}
				if m.Move == report.Conclude || m.Move == report.Tell {
					m.Outcome = rapid.SampledFrom(report.Outcomes).Draw(rt, "outcome")
				}
				if m.Move == report.Assign {
					m.To = "r"
				}
				e, err = r.DecideMove(id, by, m)
			}
			if err == nil {
				s.place(rt, origin(by), by, e)
			}
		}
		want := report.Fold(key, s.events)
		shuffled := rapid.Permutation(append(s.events, s.events...)).Draw(rt, "order")
		if got := report.Fold(key, shuffled); !reflect.DeepEqual(got, want) {
			rt.Fatalf("another order, another report:\n%+v\n%+v", got, want)
		}
		moves, changes := uint64(0), uint64(0)
		for _, l := range want.Lines {
			if _, ok := l.Fact.(*report.Triaged); ok && l.Effect == "" {
				moves++
			} else if _, founds := l.Fact.(*report.Received); !ok && !founds && l.Effect == "" {
				changes++
			}
		}
		if moves != want.Step || changes != want.Revision {
			rt.Fatalf("%d moves and %d changes took effect; step %d, revision %d", moves, changes, want.Step, want.Revision)
		}
	})
}

// Whoever writes past Decide writes what has no effect.
func TestLiesHaveNoEffect(t *testing.T) {
	other := report.Source{Platform: "other.example", Token: "t"}
	for name, c := range map[string]struct {
		by   ledger.AgencyID
		kind string
		fact func(k report.Key) report.Fact
		says string
	}{
		"another agency amends": {lab, report.TypeAmended, func(k report.Key) report.Fact {
			return &report.Amended{Target: k, Source: source, Statement: statement(file(9)).Normal()}
		}, "only the platform"},
		"another platform amends": {a, report.TypeAmended, func(k report.Key) report.Fact {
			return &report.Amended{Target: k, Source: other, Statement: statement(file(9)).Normal()}
		}, "only the platform"},
		"another platform withdraws": {a, report.TypeWithdrawn, func(k report.Key) report.Fact { return &report.Withdrawn{Target: k, Source: other, Reason: "x"} }, "only the platform"},
		"a stranger claims":          {u, report.TypeTriaged, func(k report.Key) report.Fact { return move(k, report.Claim) }, "not at the desk"},
		"a stranger concludes":       {u, report.TypeTriaged, func(k report.Key) report.Fact { return move(k, report.Conclude) }, "not at the desk"},
		"what waits is told of":      {lab, report.TypeTriaged, func(k report.Key) report.Fact { return move(k, report.Tell) }, "not concluded"},
	} {
		s := &story{}
		key := received(t, s)
		e, err := report.Codec.Encode(ledger.EventIDFor(c.by, "lie"), c.kind, c.fact(key))
		if err != nil {
			t.Fatal(name, err)
		}
		before := report.Fold(key, s.events)
		s.place(t, origin(c.by), c.by, e)
		after := report.Fold(key, s.events)
		effect, _ := after.EffectOf(c.by, e.ID)
		before.Lines, after.Lines = nil, nil
		if !reflect.DeepEqual(before, after) || !strings.Contains(effect, c.says) {
			t.Errorf("%s: %q, %+v", name, effect, after)
		}
	}
}

func move(k report.Key, m report.Move) *report.Triaged {
	out := &report.Triaged{Target: k, Move: m, By: "x", Alerts: []string{}, Referrals: []string{}}
	if m != report.Claim {
		out.Outcome = report.Known
	}
	return out
}

func TestTwoClaimsHaveOneHolder(t *testing.T) {
	s := &story{}
	key := received(t, s)
	r := report.Fold(key, s.events)
	for _, x := range []struct {
		by     ledger.AgencyID
		person string
	}{{lab, "first"}, {a, "second"}, {lab, "third"}} {
		e, err := r.DecideMove(ledger.EventIDFor(x.by, x.person), x.by, report.Triaged{Move: report.Claim, By: x.person})
		if err != nil {
			t.Fatal(err)
		}
		s.place(t, home, x.by, e)
	}
	got := report.Fold(key, s.events)
	if got.Holder != lab || got.Person != "first" || got.Step != 1 {
		t.Errorf("%s of %s at step %d", got.Person, got.Holder, got.Step)
	}
	for person, want := range map[string]bool{"first": true, "third": false} {
		if effect, found := got.EffectOf(lab, ledger.EventIDFor(lab, person)); !found || (effect == "") != want {
			t.Errorf("%s: %q, %v", person, effect, found)
		}
	}
	if _, found := got.EffectOf(lab, ledger.EventIDFor(lab, "nobody")); found {
		t.Error("an event that was never written")
	}
}

func TestMomentsKeepTheirZone(t *testing.T) {
	at, err := time.Parse(time.RFC3339, "2026-02-28T14:05:00+05:30")
	if err != nil {
		t.Fatal(err)
	}
	if got := report.MomentOf(at).Time().Format(time.RFC3339); got != "2026-02-28T14:05:00+05:30" {
		t.Error(got)
	}
	if got := report.MomentOf(at.UTC()).Time().Format(time.RFC3339); got != "2026-02-28T08:35:00Z" {
		t.Error(got)
	}
	if (report.Moment{}).Stated() || !report.MomentOf(at).Stated() {
		t.Error("a moment that was not stated, or one that was")
	}
}

func FuzzDecode(f *testing.F) {
	s := &story{}
	key := received(f, s)
	r := report.Fold(key, s.events)
	types := []string{report.TypeReceived, report.TypeAmended, report.TypeWithdrawn, report.TypeTriaged}
	for i, fact := range []report.Fact{
		r.Received, &report.Amended{Target: key, Source: source, Statement: *r.Statement}, &report.Withdrawn{Target: key, Source: source, Reason: "x"},
		&report.Triaged{Target: key, Move: report.Claim, By: "l", Alerts: []string{}, Referrals: []string{}},
	} {
		f.Add(ledger.Marshal(fact), uint8(i))
	}
	f.Fuzz(func(t *testing.T, row []byte, kind uint8) {
		e := ledger.Event{Type: types[int(kind)%len(types)], Version: 1, Shared: []byte{}, Width: uint32(len(row)), Rows: row}
		fact, err := report.Codec.Decode(&e)
		if err == nil && string(ledger.Marshal(fact)) != string(row) {
			t.Fatal("it decodes and encodes to something else")
		}
	})
}
