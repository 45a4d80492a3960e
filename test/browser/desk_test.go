package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	network "vigil/cmd/network"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// triages claims a platform's report that arrives while the queue is on screen, and raises an alert of it.
func triages(t *testing.T, b *tab, work *api.Client, n *nodetest.Running) {
	b.to(t, "/reports")
	b.until(t, "following", `document.querySelector('#live').dataset.state === 'stateLive'`)
	known, looks := network.RandomSignals(), [2]string{network.RandomSignals()[1].Value}
	const digits = "0123456789abcdef"
	looks[1] = looks[0][:63] + digits[strings.IndexByte(digits, looks[0][63])^1:][:1] // one bit apart
	for _, signals := range [][]api.Signal{known, {{Algorithm: "pdq", Value: looks[0]}}} {
		if _, err := work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: "Known before"}, Signals: signals}); err != nil {
			t.Fatal(err)
		}
	}
	said := api.SubmitReport{ReportStatement: api.ReportStatement{
		Kind: "abuse-material", Priority: []string{"child-at-immediate-risk"}, Files: []api.ReportFile{
			{Signals: network.RandomSignals(), Viewed: "yes"}, {Signals: known}, {Signals: []api.Signal{{Algorithm: "pdq", Value: looks[1]}}},
		},
	}}
	platform := n.As(t, api.RolePlatform)
	w, err := platform.SubmitReport(t.Context(), "browser-triage-1", said)
	if err != nil {
		t.Fatal(err)
	}
	again, err := platform.SubmitReport(t.Context(), "browser-triage-2", said)
	if err != nil {
		t.Fatal(err)
	}
	b.until(t, "the report is in the queue, live, with the reasons", fmt.Sprintf(`document.querySelector('[data-row] a[href="/reports/%s"]') && document.querySelectorAll('[data-row] details li').length`, w.ID))
	b.until(t, "what is known is told from what looks alike, and the copy is named", `document.querySelectorAll('[data-row]').length === 1 && ['1 known', '1 looks alike', '2 reports with these files'].every(x => document.querySelector('[data-row]').innerText.includes(x))`)
	b.accessible(t)
	b.shot(t, "queue")
	b.to(t, "/reports/"+w.ID)
	b.accessible(t)
	b.fill(t, "form[action$='/triage']", map[string]string{"move": "claim"})
	b.until(t, "claimed", `document.querySelector('main > .note.good')`)
	if r, err := work.Report(t.Context(), w.ID); err != nil || r.Desk.State != "claimed" {
		t.Fatalf("%+v, %v: not claimed", r.Desk, err)
	}
	if also := eval[[]string](t, b, `[...document.querySelectorAll('#do-escalate [name=also]:checked')].map(x => x.value)`); len(also) != 1 || also[0] != again.ID {
		t.Errorf("concluded with it, as proposed: %v", also)
	}
	eval[bool](t, b, "document.querySelector('#do-escalate').open = true")
	b.accessible(t)
	b.shot(t, "escalation")
	b.fill(t, "form[action$='/escalation']", map[string]string{"title": "From a report", "urgency": "priority"})
	b.until(t, "concluded, with the alert", `document.querySelector('#report-live .facts a[href^="/alerts/"]')`)
	b.accessible(t)
	b.shot(t, "report")
	r, err := work.Report(t.Context(), w.ID)
	if err != nil || r.Desk.State != "concluded" || len(r.Desk.Alerts) < 2 {
		t.Fatalf("%+v, %v: not concluded with what was raised and what was known", r.Desk, err)
	}
	raised := slices.ContainsFunc(r.Desk.Alerts, func(id string) bool {
		a, err := work.Alert(t.Context(), id)
		return err == nil && a.Title == "From a report"
	})
	if !raised {
		t.Errorf("%v: no alert was raised", r.Desk.Alerts)
	}
	if r, err := work.Report(t.Context(), again.ID); err != nil || r.Desk.State != "concluded" {
		t.Errorf("%+v, %v: the copy waits", r.Desk, err)
	}
}

// watches puts a pasted hash on a list; an alert with it is a hit on screen at once, and is handled.
func watches(t *testing.T, b *tab, work *api.Client) {
	signals := network.RandomSignals()
	b.to(t, "/watch")
	b.fill(t, "#do-watch form", map[string]string{"case": "FIR 7/2026", "hashes": signals[0].Algorithm + ":" + signals[0].Value})
	b.until(t, "the list is shown", `location.pathname.startsWith('/watch/wl_') && document.querySelector('h1').innerText === 'FIR 7/2026'`)
	b.accessible(t)
	b.to(t, "/watch")
	b.until(t, "following", `document.querySelector('#live').dataset.state === 'stateLive'`)
	if _, err := work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: "It is watched"}, Signals: signals}); err != nil {
		t.Fatal(err)
	}
	b.until(t, "a hit, live", `document.querySelector('[data-row]')?.innerText.includes('It is watched')`)
	b.accessible(t)
	b.shot(t, "hit")
	b.do(t, chromedp.Click(chromedp.CSS("[data-row] input")))
	b.fill(t, "#bulk", map[string]string{"what": "done", "note": "the file is in evidence"})
	b.until(t, "handled", `document.querySelector('main > .note.good') && !document.querySelector('[data-row]')`)
	hits, err := work.WatchHits(t.Context(), api.HitQuery{State: "done"})
	if err != nil || len(hits.Hits) != 1 || hits.Hits[0].Case != "FIR 7/2026" {
		t.Errorf("%+v, %v: the hit that was handled", hits.Hits, err)
	}
}

// counts chooses by what figures are counted, and then another thing that is not counted by that.
func counts(t *testing.T, b *tab) {
	b.to(t, "/figures?of=alerts&by=standing")
	b.until(t, "a chart with the table behind it", `document.querySelectorAll('.chart rect').length && document.querySelectorAll('.chart rect').length === document.querySelectorAll('tbody tr').length`)
	b.until(t, "in words", `[...document.querySelectorAll('tbody td')].some(x => x.innerText === 'Asserted')`)
	b.accessible(t)
	b.shot(t, "figures")
	b.fill(t, "form[action='/figures']", map[string]string{"of": "reports"})
	b.until(t, "reports by time, as they have no standing", `location.search.includes('of=reports') && document.querySelector('select[name=by]').value === 'time' && document.querySelectorAll('.chart rect').length === 1`)
}

// audits has an auditor, who has no other role, find what was read and have the log verified.
func audits(t *testing.T, b *tab, n *nodetest.Running) {
	u, err := n.As(t, api.RoleCoordinator).AddUser(t.Context(), api.NewUser{Name: "vera", Display: "Vera", Roles: []string{api.RoleAuditor}})
	if err != nil {
		t.Fatal(err)
	}
	enrolled(t, n, u.Code, "vera")
	b.signIn(t, "vera", "Vera")
	b.to(t, "/access")
	b.fill(t, "form[role=search]", map[string]string{"verb": "figures.show"})
	b.until(t, "what was read", `location.search && document.querySelectorAll('tbody tr').length >= 2 && [...document.querySelectorAll('tbody tr')].every(x => x.innerText.includes('figures.show'))`)
	for _, l := range []look{{"hi", "dark", true}, {"en", "light", false}} {
		b.look(t, l)
		b.to(t, "/access")
		b.accessible(t)
		b.shot(t, l.String()+"-access")
	}
	b.do(t, chromedp.Click(chromedp.CSS("form[method=post][action='/access'] button")))
	b.until(t, "the log is what was written", `document.querySelector('.note.good[role=status]')`)
	b.signIn(t, "asha", "Asha Rao")
}
