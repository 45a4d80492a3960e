package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	network "vigil/cmd/network"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// enrolled enrols somebody by a code and signs them in, outside the browser.
func enrolled(t *testing.T, n *nodetest.Running, code, name string) *api.Client {
	t.Helper()
	target := api.Target{Server: "https://" + n.Addresses.API, Pin: n.Addresses.Pin}
	stranger, err := api.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.EnrolPassword(t.Context(), api.Enrol{Code: code, Password: password}); err != nil {
		t.Fatal(err)
	}
	s, err := stranger.SignIn(t.Context(), api.SignIn{Name: name, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	target.Token = s.Secret
	c, err := api.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// setsUp adds a person, a token and a subscription at the settings page, and returns the person's client.
func setsUp(t *testing.T, b *tab, n *nodetest.Running) *api.Client {
	b.to(t, "/settings")
	eval[bool](t, b, `(() => { const d = document.querySelector('#do-user'); d.open = true; d.querySelector('[value=analyst]').checked = true; return true; })()`)
	b.fill(t, "#do-user form", map[string]string{"name": "ravi", "display": "Ravi Iyer"})
	b.until(t, "the code is shown once", `document.querySelector('#once')`)
	b.accessible(t)
	b.shot(t, "once")
	ravi := enrolled(t, n, eval[string](t, b, `document.querySelector('#once').innerText`), "ravi")
	b.to(t, "/settings")
	b.until(t, "the person is there", `document.querySelector('#settings-live').innerText.includes('Ravi Iyer')`)
	b.fill(t, "#do-token form", map[string]string{"name": "importer", "role": "lab"})
	b.until(t, "the token is shown once", `document.querySelector('#once')?.innerText.startsWith('vigil_')`)
	b.to(t, "/settings")
	b.do(t, chromedp.Click(chromedp.CSS(`summary[aria-label="Revoke importer"]`)))
	b.accessible(t)
	b.shot(t, "revoke")
	b.fill(t, "details[open] > form[action$='/revocation']", map[string]string{"reason": "the machine was sold"})
	b.until(t, "revoked, and the page says so", `document.querySelector('main > .note.good')?.innerText.includes('importer is revoked') && !document.querySelector('summary[aria-label="Revoke importer"]')`)
	log, err := n.As(t, api.RoleAuditor).Access(t.Context(), api.AccessQuery{Verb: "token.revoke"})
	if err != nil || len(log.Records) != 1 || log.Records[0].Purpose != "the machine was sold" {
		t.Errorf("%+v, %v: an auditor does not find why", log.Records, err)
	}
	b.fill(t, "#do-sub form", map[string]string{"name": "desk", "channel": "webhook", "to": "https://hooks.example/vigil"})
	b.until(t, "its secret is shown once", `document.querySelector('#once')?.innerText.startsWith('whsec_')`)
	b.to(t, "/settings")
	b.do(t, chromedp.Click(chromedp.CSS(`button[value=pause]`)))
	b.until(t, "paused, and the page says so", `document.querySelector('button[value=resume]') && document.querySelector('main > .note.good')?.innerText.startsWith('desk is told nothing')`)
	return ravi
}

// access proposes another text of the policy's section on access, which is in force at once where there is one agency.
func (b *tab) access(t *testing.T, text string) {
	t.Helper()
	b.to(t, "/governance")
	b.fill(t, "#policy-access form", map[string]string{"text": text})
	b.until(t, "proposed", `document.querySelector('main > .note.good')`)
}

const openAccess = `{"purpose":[],"case":[],"four_eyes":[],"session_hours":12,"idle_minutes":60}`

// takesTwo takes an alert back where the policy wants a second person: nothing happens until they agree.
func takesTwo(t *testing.T, b *tab, work *api.Client, n *nodetest.Running) {
	ravi := setsUp(t, b, n)
	b.access(t, strings.Replace(openAccess, `"four_eyes":[]`, `"four_eyes":["retract"]`, 1))
	w, err := work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: "For two"}, Signals: network.RandomSignals()})
	if err != nil {
		t.Fatal(err)
	}
	b.to(t, "/alerts/"+w.ID)
	b.fill(t, "form[action$='/retraction']", map[string]string{"reason": "two of us think so"})
	b.until(t, "a second person is asked", `document.querySelector('h1').innerText === 'A second person is asked'`)
	b.accessible(t)
	if a, err := work.Alert(t.Context(), w.ID); err != nil || a.Standing == "retracted" {
		t.Fatalf("%v, %v: taken back by one", a.Standing, err)
	}
	waiting, err := ravi.Consents(t.Context(), "waiting", 0)
	if err != nil || len(waiting.Consents) != 1 {
		t.Fatal(waiting, err)
	}
	if _, err := ravi.AnswerConsent(t.Context(), waiting.Consents[0].ID, api.AnswerConsent{Grant: true}); err != nil {
		t.Fatal(err)
	}
	b.to(t, "/governance")
	b.accessible(t)
	b.shot(t, "granted")
	b.do(t, chromedp.Click(chromedp.CSS("form[action$='/doing'] button")))
	b.until(t, "done", `location.pathname === '/governance' && document.querySelector('main > .note.good')`)
	if a, err := work.Alert(t.Context(), w.ID); err != nil || a.Standing != "retracted" {
		t.Errorf("%v, %v: not taken back although both agree", a.Standing, err)
	}
	b.until(t, "the page says that it is done, and offers it no more", `document.querySelector('#consents-live .note.good')?.innerText.includes('It has been done') && !document.querySelector("form[action$='/doing']")`)
	b.accessible(t)
	b.shot(t, "done")
	bulkForTwo(t, b, work, ravi)
	b.access(t, openAccess)
}

// bulkForTwo takes an alert back from the list, where a second person does not agree: nothing happens, and who asked reads why.
func bulkForTwo(t *testing.T, b *tab, work, ravi *api.Client) {
	w, err := work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: "Stays"}, Signals: network.RandomSignals()})
	if err != nil {
		t.Fatal(err)
	}
	b.to(t, "/alerts?q=Stays")
	b.do(t, chromedp.Click(chromedp.CSS("[data-row] input")))
	b.fill(t, "#bulk", map[string]string{"act": "retract", "reason": "not sure"})
	b.until(t, "a second person is asked", `document.body.innerText.includes('second person')`)
	b.accessible(t)
	b.shot(t, "bulk-two")
	waiting, err := ravi.Consents(t.Context(), "waiting", 0)
	if err != nil || len(waiting.Consents) != 1 {
		t.Fatal(waiting, err)
	}
	if _, err := ravi.AnswerConsent(t.Context(), waiting.Consents[0].ID, api.AnswerConsent{Reason: "it is the right file"}); err != nil {
		t.Fatal(err)
	}
	b.to(t, "/governance")
	b.until(t, "why they do not agree", `document.querySelector('#consents-live .note.warn')?.innerText.includes('it is the right file')`)
	if a, err := work.Alert(t.Context(), w.ID); err != nil || a.Standing == "retracted" {
		t.Errorf("%v, %v: taken back although one does not agree", a.Standing, err)
	}
}

// saysWhy reads where the policy wants to know why: the page asks, and what is said is in the access log.
func saysWhy(t *testing.T, b *tab, work *api.Client, n *nodetest.Running) {
	b.said.allow("status of 400")
	b.access(t, strings.Replace(openAccess, `"purpose":[]`, `"purpose":["analyst"]`, 1))
	b.to(t, "/alerts")
	b.accessible(t)
	b.fill(t, "form.sheet[action='/purpose']", map[string]string{"purpose": "a browser's test"})
	b.until(t, "the page that was asked for, followed", `location.pathname === '/alerts' && document.querySelector('#live')?.dataset.state === 'stateLive'`)
	if _, err := work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: "Read for a reason"}, Signals: network.RandomSignals()}); err != nil {
		t.Fatal(err)
	}
	b.until(t, "live, for the same reason", `document.querySelector('#alerts-live').innerText.includes('Read for a reason')`)
	page, err := n.As(t, api.RoleAuditor).Access(t.Context(), api.AccessQuery{Verb: "alert.list", Limit: 5})
	if err != nil || len(page.Records) == 0 || page.Records[0].Purpose != "a browser's test" {
		t.Errorf("%+v, %v", page.Records, err)
	}
	b.access(t, openAccess)
	b.fill(t, ".foot form[action='/purpose']", map[string]string{"purpose": ""})
	b.until(t, "forgotten", `document.querySelector('main > .note.good')?.innerText.startsWith('Nothing is said any more')`)
}

// seesTheNetwork checks that the page says what the status says.
func seesTheNetwork(t *testing.T, b *tab) {
	b.to(t, "/network")
	text := b.text(t)
	for _, want := range []string{"in/ncrb", "★ leads", "in/*"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if n := eval[int](t, b, `document.querySelectorAll('.map svg.wide .node').length`); n != 1 {
		t.Errorf("%d nodes are drawn", n)
	}
}
