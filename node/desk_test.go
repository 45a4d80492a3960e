package node_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
	"vigil/node/author"
	"vigil/test/nodetest"
)

func TestTheDeskTriages(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	chat, _ := named(t, r, api.RolePlatform, "chat.example")
	asha, _ := named(t, r, api.RoleLab, "asha")
	ravi, _ := named(t, r, api.RoleAnalyst, "ravi")
	auditor, _ := named(t, r, api.RoleAuditor, "auditor")
	submit := func(key string, r api.SubmitReport) string {
		t.Helper()
		w, err := chat.SubmitReport(ctx, key, r)
		if err != nil {
			t.Fatal(err)
		}
		return w.ID
	}
	plain := submit("plain", submission(1, asIs))
	same := submit("same", submission(1, func(r *api.SubmitReport) { r.Reference = "another" }))
	risk := submit("risk", submission(2, func(r *api.SubmitReport) { r.Priority = []string{"sextortion", "child-at-immediate-risk"} }))
	drill := submit("drill", submission(3, func(r *api.SubmitReport) { r.Exercise = true }))
	known, err := ravi.Raise(ctx, "", api.RaiseAlert{Signals: md5(1)})
	if err != nil {
		t.Fatal(err)
	}

	t.Run("the queue says why", func(t *testing.T) {
		q, err := asha.Queue(ctx, "", false, 0)
		if err != nil || q.Waiting != 2 || len(q.Places) != 2 || q.Next != "" {
			t.Fatalf("%+v %v", q, err)
		}
		if _, metrics := overSocket(t, c, "").do("GET", "/metrics", ""); !strings.Contains(string(metrics), "\nvigil_report_waiting 3\n") { // copies count, a drill does not
			t.Error("the metric of reports that wait is another")
		}
		first, second := q.Places[0], q.Places[1]
		sum := 0
		for _, p := range first.Parts {
			sum += p.Points
		}
		if first.Report.ID != risk || first.Score != sum || first.Parts[0].Name != "child-at-immediate-risk" || first.Parts[0].Why == "" {
			t.Errorf("%+v", first)
		}
		if second.Report.ID != plain || !slices.Equal(second.Copies, []string{same}) || second.Count != 2 || len(second.Hits) != 1 || second.Hits[0].Alert != known.ID || second.Hits[0].Standing != "asserted" {
			t.Errorf("%+v", second)
		}
		page, err := auditor.Queue(ctx, "", false, 1)
		if err != nil || len(page.Places) != 1 || page.Next == "" {
			t.Fatalf("%+v %v", page, err)
		}
		if page, err = auditor.Queue(ctx, page.Next, false, 1); err != nil || len(page.Places) != 1 || page.Places[0].Report.ID != plain || page.Next != "" {
			t.Errorf("%+v %v", page, err)
		}
		if _, err := asha.Queue(ctx, "nonsense", false, 0); status(err) != http.StatusBadRequest {
			t.Errorf("a cursor of nothing: %v", err)
		}
		if q, err := asha.Queue(ctx, "", true, 0); err != nil || len(q.Places) != 1 || q.Places[0].Report.ID != drill || !q.Places[0].Report.Exercise {
			t.Errorf("drills: %+v %v", q, err)
		}
		x, err := asha.Report(ctx, plain)
		if err != nil || !slices.Equal(x.Desk.Same, []string{same}) || len(x.Desk.Hits) != 1 || !slices.Equal(x.Desk.Moves, []string{"claim", "assign", "conclude"}) || !slices.Equal(x.Desk.Audience, []string{"in/ncrb"}) {
			t.Errorf("%+v %v", x.Desk, err)
		}
	})

	t.Run("one of many that claim at once gets it", func(t *testing.T) {
		var all sync.WaitGroup
		got := make([]error, 8)
		for i := range got {
			c, _ := named(t, r, api.RoleLab, fmt.Sprint("person ", i))
			all.Go(func() { _, got[i] = c.TriageReport(ctx, "", risk, api.TriageReport{Move: "claim"}) })
		}
		all.Wait()
		won := -1
		for i, err := range got {
			switch {
			case err == nil && won >= 0:
				t.Fatalf("%d and %d have it", won, i)
			case err == nil:
				won = i
			case status(err) != http.StatusConflict:
				t.Errorf("%d: %v", i, err)
			}
		}
		x, err := asha.Report(ctx, risk)
		if err != nil || won < 0 || x.Desk.Person != fmt.Sprint("person ", won) || x.Desk.Step != 1 {
			t.Fatalf("%d won: %+v %v", won, x.Desk, err)
		}
		if q, err := asha.Queue(ctx, "", false, 0); err != nil || q.Waiting != 1 {
			t.Errorf("what is claimed waits: %+v %v", q, err)
		}
		list, err := asha.Reports(ctx, api.ReportQuery{State: "claimed", Person: x.Desk.Person})
		if err != nil || len(list.Reports) != 1 || list.Reports[0].ID != risk {
			t.Errorf("%+v %v", list, err)
		}
	})

	t.Run("moves are refused with the reason", func(t *testing.T) {
		step, revision := uint64(0), uint64(7)
		for name, c := range map[string]struct {
			id   string
			m    api.TriageReport
			want int
			says string
		}{
			"claimed by another":       {risk, api.TriageReport{Move: "claim"}, 409, "person"},
			"concluded by another":     {risk, api.TriageReport{Move: "conclude", Outcome: "known"}, 409, "person"},
			"a stale view":             {risk, api.TriageReport{Move: "release", Step: &step}, 409, "step 0"},
			"another revision":         {plain, api.TriageReport{Move: "conclude", Outcome: "known", Revision: &revision}, 409, "revision 7"},
			"without an outcome":       {plain, api.TriageReport{Move: "conclude"}, 400, "outcome"},
			"assigned to nobody":       {plain, api.TriageReport{Move: "assign"}, 400, "to"},
			"reopened though it waits": {plain, api.TriageReport{Move: "reopen", Text: "x"}, 409, "waiting"},
			"not an alert":             {plain, api.TriageReport{Move: "conclude", Outcome: "known", Alerts: []string{"x"}}, 400, "alerts"},
			"one of two is held":       {plain, api.TriageReport{Move: "claim", Also: []string{risk}}, 409, risk},
			"casework with a drill":    {plain, api.TriageReport{Move: "claim", Also: []string{drill}}, 400, "exercise"},
			"one of two is not there":  {plain, api.TriageReport{Move: "claim", Also: []string{"rp_00000000"}}, 404, ""},
			"what is not there":        {"rp_00000000", api.TriageReport{Move: "claim"}, 404, ""},
		} {
			_, err := asha.TriageReport(ctx, "", c.id, c.m)
			if status(err) != c.want || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := auditor.TriageReport(ctx, "", plain, api.TriageReport{Move: "claim"}); status(err) != http.StatusForbidden {
			t.Errorf("the auditor: %v", err)
		}
		if x, err := asha.Report(ctx, plain); err != nil || x.Desk.Step != 0 {
			t.Errorf("something was moved: %+v %v", x.Desk, err)
		}
	})

	t.Run("several at once, and again", func(t *testing.T) {
		m := api.TriageReport{Move: "claim", Also: []string{same, plain}}
		got, err := asha.TriageReport(ctx, "both", plain, m)
		if err != nil || !slices.Equal(got.Reports, []string{plain, same}) || len(got.Writes) != 2 || got.Writes[0].Index != got.Writes[1].Index || got.Repeated {
			t.Fatalf("%+v %v", got, err)
		}
		if again, err := asha.TriageReport(ctx, "both", plain, m); err != nil || !again.Repeated || again.Writes[0].Index != got.Writes[0].Index {
			t.Errorf("a retry: %+v %v", again, err)
		}
		if _, err := asha.TriageReport(ctx, "both", plain, api.TriageReport{Move: "claim", Text: "another"}); status(err) != http.StatusConflict {
			t.Errorf("the key for something else: %v", err)
		}
		if _, err := asha.TriageReport(ctx, "", plain, api.TriageReport{Move: "assign", To: "ravi"}); err != nil {
			t.Fatal(err)
		}
		if _, err := ravi.TriageReport(ctx, "", plain, api.TriageReport{Move: "conclude", Outcome: "known", Alerts: []string{known.ID}}); err != nil {
			t.Fatal(err)
		}
		x, err := asha.Report(ctx, plain)
		if err != nil || x.Desk.State != "concluded" || x.Outcome != "known" || !slices.Equal(x.Desk.Alerts, []string{known.ID}) || len(x.Timeline) != 4 {
			t.Errorf("%+v %v", x, err)
		}
	})
}

func unchanged(*node.Node) error { return nil }

// together holds writes until so many have been decided, so that none of them knew of another.
type together struct {
	api.Author
	armed *atomic.Bool
	wait  *sync.WaitGroup
}

func (a together) Submit(ctx context.Context, audience []ledger.AudienceName, events []ledger.Event) (author.Receipt, error) {
	if a.armed.Load() {
		a.wait.Done()
		a.wait.Wait()
	}
	return a.Author.Submit(ctx, audience, events)
}

func TestClaimsDecidedTogetherHaveOneHolder(t *testing.T) {
	var armed atomic.Bool
	var wait sync.WaitGroup
	r, _, _, submit := deskOf(t, func(n *node.Node) error {
		return n.WriteThrough(func(a api.Author) api.Author { return together{a, &armed, &wait} })
	})
	id := submit("one", 1)
	people := make([]*api.Client, 3)
	for i := range people {
		people[i], _ = named(t, r, api.RoleLab, fmt.Sprint("person ", i))
	}
	wait.Add(len(people))
	armed.Store(true)
	var all sync.WaitGroup
	got := make([]error, len(people))
	for i, c := range people {
		all.Go(func() { _, got[i] = c.TriageReport(t.Context(), "", id, api.TriageReport{Move: "claim"}) })
	}
	all.Wait()
	armed.Store(false)
	x, err := people[0].Report(t.Context(), id)
	if err != nil || len(x.Timeline) != 4 || x.Desk.Step != 1 {
		t.Fatalf("%+v %v", x, err)
	}
	for i, err := range got {
		var refusal *api.Refusal
		lost := errors.As(err, &refusal) && refusal.Status == http.StatusConflict && strings.Contains(refusal.Detail, "stale view")
		if won := x.Desk.Person == fmt.Sprint("person ", i); won != (err == nil) || !won && !lost {
			t.Errorf("person %d, while %s holds it: %v", i, x.Desk.Person, err)
		}
	}
}

// deskOf is what an escalation needs around it.
func deskOf(t *testing.T, change func(*node.Node) error) (r *nodetest.Running, chat, lab *api.Client, submit func(key string, files ...byte) string) {
	c := nodetest.Found(t)
	n, err := node.Open(c, nodetest.Quiet)
	if err == nil {
		err = change(n)
	}
	if err != nil {
		t.Fatal(err)
	}
	r = nodetest.Serve(t, c, n)
	nodetest.Until(t, "ready", func() bool { s, err := r.Operator.Status(t.Context()); return err == nil && s.Ready })
	chat, _ = named(t, r, api.RolePlatform, "chat.example")
	lab, _ = named(t, r, api.RoleLab, "asha")
	return r, chat, lab, func(key string, files ...byte) string {
		t.Helper()
		w, err := chat.SubmitReport(t.Context(), key, submission(0, func(r *api.SubmitReport) {
			r.Files, r.Priority, r.Exercise = nil, []string{"sextortion"}, strings.HasPrefix(key, "drill")
			for _, f := range files {
				r.Files = append(r.Files, api.ReportFile{Signals: md5(f), Media: "image", AIGenerated: "fully", Classifications: []api.Classification{{Scheme: "ncmec", Value: "a2"}}})
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		return w.ID
	}
}

func TestOneActionRaisesAlertsAndConcludes(t *testing.T) {
	_, chat, lab, submit := deskOf(t, unchanged)
	ctx := t.Context()
	known, err := lab.Raise(ctx, "", api.RaiseAlert{Signals: md5(1)})
	if err != nil {
		t.Fatal(err)
	}
	id, same := submit("one", 1, 2, 3), submit("two", 1, 2, 3)
	body := api.EscalateReport{Alert: &api.EscalateAlert{AlertFacts: api.AlertFacts{Title: "from chat"}}, Also: []string{same}, Text: "seen"}
	got, err := lab.EscalateReport(ctx, "e1", id, body)
	if err != nil || len(got.Alerts) != 2 || len(got.Reports) != 2 || len(got.Writes) != 7 || !slices.Equal(got.Sighted, []string{known.ID}) || got.Repeated {
		t.Fatalf("%+v %v", got, err)
	}
	if a, err := lab.Alert(ctx, known.ID); err != nil || len(a.Sightings) != 1 || a.Sightings[0].Setting != "platform" || a.Sightings[0].Count != 2 {
		t.Errorf("whoever raised it hears nothing: %+v %v", a.Sightings, err)
	}
	for _, x := range got.Alerts {
		a, err := lab.Alert(ctx, x)
		if err != nil || a.Title != "from chat" || a.Basis != "platform-report" || a.Source != "chat.example case 0" || a.Urgency != "priority" || a.Media != "image" || a.AIGenerated != "fully" ||
			len(a.Classifications) != 1 || a.Classifications[0].Value != "a2" || a.Exercise {
			t.Errorf("%+v %v", a, err)
		}
	}
	for _, x := range []string{id, same} {
		want := slices.Sorted(slices.Values(append([]string{known.ID}, got.Alerts...)))
		if r, err := lab.Report(ctx, x); err != nil || r.Desk.State != "concluded" || r.Outcome != "actioned" || !slices.Equal(r.Desk.Alerts, want) || r.Desk.Step != 2 {
			t.Errorf("%s: %+v %v", x, r.Desk, err)
		}
		if r, err := chat.Report(ctx, x); err != nil || r.Outcome != "actioned" {
			t.Errorf("%s: %+v %v", x, r, err)
		}
	}
	again, err := lab.EscalateReport(ctx, "e1", id, body)
	if err != nil || !again.Repeated || !slices.Equal(again.Alerts, got.Alerts) {
		t.Errorf("a retry: %+v %v", again, err)
	}
	page, err := lab.Alerts(ctx, api.ListQuery{})
	if err != nil || len(page.Alerts) != 3 {
		t.Errorf("%d alerts, %v", len(page.Alerts), err)
	}
	if _, err := lab.EscalateReport(ctx, "e2", id, body); status(err) != http.StatusConflict {
		t.Errorf("concluded already: %v", err)
	}
	drill := submit("drill", 9)
	if got, err = lab.EscalateReport(ctx, "e3", drill, api.EscalateReport{Alert: &api.EscalateAlert{}}); err != nil || len(got.Alerts) != 1 {
		t.Fatalf("%+v %v", got, err)
	}
	if a, err := lab.Alert(ctx, got.Alerts[0]); err != nil || !a.Exercise {
		t.Errorf("a drill's alert is casework: %+v %v", a, err)
	}
}

func TestEscalationsAreRefusedWhole(t *testing.T) {
	r, _, lab, submit := deskOf(t, unchanged)
	ctx := t.Context()
	other, _ := named(t, r, api.RoleLab, "ravi")
	id, held, drill := submit("one", 1, 2), submit("two", 3), submit("drill", 4)
	if _, err := other.TriageReport(ctx, "", held, api.TriageReport{Move: "claim"}); err != nil {
		t.Fatal(err)
	}
	alerts := func(change func(*api.EscalateAlert)) *api.EscalateAlert {
		a := &api.EscalateAlert{}
		change(a)
		return a
	}
	revision := uint64(3)
	before, err := r.Operator.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id   string
		body api.EscalateReport
		want int
		says string
	}{
		"held by another":            {held, api.EscalateReport{}, 409, "ravi"},
		"one of two is held":         {id, api.EscalateReport{Also: []string{held}}, 409, held},
		"nothing at all":             {id, api.EscalateReport{}, 409, "outcome"},
		"a stale view":               {id, api.EscalateReport{Revision: &revision}, 409, "revision 3"},
		"casework with a drill":      {id, api.EscalateReport{Also: []string{drill}}, 400, "exercise"},
		"a drill's alert":            {id, api.EscalateReport{Alert: alerts(func(a *api.EscalateAlert) { a.Exercise = true })}, 400, "exercise"},
		"a file that is not there":   {id, api.EscalateReport{Alert: alerts(func(a *api.EscalateAlert) { a.Files = []int{2} })}, 400, "files"},
		"an unknown audience":        {id, api.EscalateReport{Alert: alerts(func(a *api.EscalateAlert) { a.Audience = []string{"in/@nobody"} })}, 409, "in/@nobody"},
		"an alert for a stranger":    {id, api.EscalateReport{Alert: alerts(func(a *api.EscalateAlert) { a.Audience = []string{"uk/*"} })}, 409, "uk/*"},
		"a malformed classification": {id, api.EscalateReport{Alert: alerts(func(a *api.EscalateAlert) { a.Classifications = []api.Classification{{Scheme: "ncmec"}} })}, 400, "classifications"},
		"a referral to itself":       {id, api.EscalateReport{Alert: alerts(func(*api.EscalateAlert) {}), Referrals: []api.OpenReferral{{Kind: "investigation", To: "in/ncrb", Title: "t"}}}, 409, "another agency"},
		"a referral to a stranger":   {id, api.EscalateReport{Alert: alerts(func(*api.EscalateAlert) {}), Referrals: []api.OpenReferral{{Kind: "investigation", To: "in/nobody", Title: "t"}}}, 409, "in/nobody"},
		"a drill's referral":         {id, api.EscalateReport{Referrals: []api.OpenReferral{{Kind: "investigation", To: "in/x", Title: "t", Exercise: true}}}, 400, "exercise"},
		"text with controls":         {id, api.EscalateReport{Text: "a\x00b"}, 400, "text"},
		"what is not there":          {"rp_00000000", api.EscalateReport{}, 404, ""},
	} {
		_, err := lab.EscalateReport(ctx, name, c.id, c.body)
		if status(err) != c.want || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := lab.EscalateReport(ctx, "", id, api.EscalateReport{}); status(err) != http.StatusBadRequest {
		t.Errorf("without a key: %v", err)
	}
	after, err := r.Operator.Status(ctx)
	if err != nil || after.Ledgers[0].Size != before.Ledgers[0].Size {
		t.Errorf("%d entries became %d: %v", before.Ledgers[0].Size, after.Ledgers[0].Size, err)
	}
	if _, err := lab.Raise(ctx, "", api.RaiseAlert{Signals: md5(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Raise(ctx, "", api.RaiseAlert{Signals: md5(2)}); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.EscalateReport(ctx, "k", id, api.EscalateReport{Alert: &api.EscalateAlert{}}); status(err) != http.StatusConflict {
		t.Errorf("every file is known: %v", err)
	}
	if got, err := lab.EscalateReport(ctx, "k", id, api.EscalateReport{Outcome: "known"}); err != nil || len(got.Alerts) != 0 {
		t.Errorf("%+v %v", got, err)
	}
}

// limited lets so many writes through; of the others nobody knows whether they are committed.
type limited struct {
	api.Author
	left *atomic.Int64
}

func (l limited) Submit(ctx context.Context, audience []ledger.AudienceName, events []ledger.Event) (author.Receipt, error) {
	if l.left.Add(-1) < 0 {
		return author.Receipt{}, author.ErrUnknown
	}
	return l.Author.Submit(ctx, audience, events)
}

// A leader that is lost between two stages leaves what is done in the ledger; the same request again finishes.
func TestAnInterruptedEscalationIsFinishedByAskingAgain(t *testing.T) {
	var left atomic.Int64 // writes that go through
	left.Store(1 << 40)
	_, _, lab, submit := deskOf(t, func(n *node.Node) error {
		return n.WriteThrough(func(a api.Author) api.Author { return limited{a, &left} })
	})
	ctx := t.Context()
	id := submit("one", 1, 2)
	body := api.EscalateReport{Alert: &api.EscalateAlert{}, Outcome: "actioned"}
	for stage, done := range []string{"claim of " + id, "alert on file 0, alert on file 1"} {
		left.Store(1) // the claim, then the alerts
		_, err := lab.EscalateReport(ctx, "key", id, body)
		var refusal *api.Refusal
		if !errors.As(err, &refusal) || refusal.Status != http.StatusServiceUnavailable || refusal.Code != "unfinished" || refusal.RetryAfter == 0 {
			t.Fatalf("stage %d: %v", stage, err)
		}
		if !strings.HasPrefix(refusal.Detail, "done: "+done+"; ") || !strings.Contains(refusal.Detail, "not done: ") {
			t.Errorf("stage %d: %s", stage, refusal.Detail)
		}
		if x, err := lab.Report(ctx, id); err != nil || x.Desk.State != "claimed" || x.Desk.Person != "asha" {
			t.Errorf("stage %d: %+v %v", stage, x.Desk, err)
		}
	}
	left.Store(1)
	got, err := lab.EscalateReport(ctx, "key", id, body)
	if err != nil || len(got.Alerts) != 2 || got.Repeated {
		t.Fatalf("%+v %v", got, err)
	}
	page, err := lab.Alerts(ctx, api.ListQuery{})
	if err != nil || len(page.Alerts) != 2 {
		t.Errorf("%d alerts, %v", len(page.Alerts), err)
	}
	if x, err := lab.Report(ctx, id); err != nil || x.Desk.State != "concluded" || x.Desk.Step != 2 {
		t.Errorf("%+v %v", x.Desk, err)
	}
}
