package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	network "vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// jurisdictions runs agencies of two linked jurisdictions, in and uk, as processes.
func jurisdictions(t *testing.T, agencies ...ledger.AgencyID) *network.Network {
	t.Helper()
	n := nodetest.Network(t, nodetest.Built(t, nodetest.Vigil))
	for _, id := range agencies {
		if err := n.Add(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Connect(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	return n
}

// named is where people reach a node: a host of its own, because cookies do not tell ports apart.
func named(x *network.Node) string {
	return "https://" + string(x.Agency.Jurisdiction()) + ".test" + x.Config.API.Listen[strings.LastIndex(x.Config.API.Listen, ":"):]
}

// person adds an analyst at a node and signs them in.
func (b *tab) person(t *testing.T, x *network.Node, name, shown string) {
	t.Helper()
	u, err := x.Operator.AddUser(t.Context(), api.NewUser{Name: name, Display: shown, Roles: []string{api.RoleAnalyst, api.RoleCoordinator}})
	if err == nil {
		_, err = x.Operator.EnrolPassword(t.Context(), api.Enrol{Code: u.Code, Password: password})
	}
	if err != nil {
		t.Fatal(err)
	}
	b.do(t, chromedp.EmulateViewport(1280, 720))
	b.signsIn(t, name, shown)
}

// TestTwoJurisdictions is two readers, each at their own node: what one refers the other accepts abroad. Then a node is
// killed while somebody works at it.
func TestTwoJurisdictions(t *testing.T) {
	n := jurisdictions(t, "in/a", "uk/x")
	home, away := n.Node("in/a"), n.Node("uk/x")
	bases := []string{named(home), named(away)}
	ctx, c := open(t, bases...)
	asha := &tab{ctx: ctx, base: bases[0], said: c}
	asha.person(t, home, "asha", "Asha Rao")
	second, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	c.hear(second, bases...)
	john := &tab{ctx: second, base: bases[1], said: c}
	john.person(t, away, "john", "John Smith")

	t.Run("refer", func(t *testing.T) { acceptedAbroad(t, asha, john); c.check(t) })
	t.Run("support", func(t *testing.T) { supported(t, asha, john); c.check(t) })
	t.Run("killed", func(t *testing.T) { goesOn(t, asha, home, away) })
}

// acceptedAbroad opens a referral, which somebody abroad sees arrive, accepts, and gets a task on.
func acceptedAbroad(t *testing.T, asha, john *tab) {
	john.to(t, "/referrals?view=board")
	john.until(t, "following", `document.querySelector('#live').dataset.state === 'stateLive'`)
	asha.to(t, "/referrals/new")
	asha.fill(t, "form.sheet", map[string]string{"to": "uk/x", "title": "Find the account", "text": "Two accounts of one person", "urgency": "priority"})
	asha.until(t, "opened", `location.pathname.startsWith('/referrals/rf_') && document.querySelector('h1').innerText === 'Find the account'`)
	john.until(t, "it arrives abroad, live", `document.querySelector('.board section[aria-labelledby=state-open]')?.innerText.includes('Find the account')`)
	john.accessible(t)
	john.shot(t, "board")
	john.do(t, chromedp.Click(chromedp.CSS("[data-row] a")))
	john.fill(t, "#move", map[string]string{"move": "accept", "text": "we know them"})
	john.until(t, "accepted", `document.querySelector('main > .note.good')`)
	for _, b := range []*tab{john, asha} {
		b.until(t, "handed over, live on both sides", `[...document.querySelectorAll('#referral-live .tags .tag')].some(x => x.innerText === 'accepted') && document.querySelector('#referral-live .facts').innerText.includes('uk/x')`)
	}
	eval[bool](t, asha, `document.querySelector('#do-task').open = true`)
	asha.fill(t, "#do-task form", map[string]string{"to": "uk/x", "text": "Ask the service"})
	john.until(t, "the task is there, live", `document.querySelector('#referral-live form[action*="/tasks/"]')`)
	john.accessible(t)
	john.shot(t, "referral")
	john.do(t, chromedp.SetValue(chromedp.CSS(`form[action*="/tasks/"] input[name=text]`), "asked"), chromedp.Click(chromedp.CSS(`button[value=done]`)))
	asha.until(t, "and done, live", `document.querySelector('#referral-live').innerText.includes('asked')`)
	john.to(t, "/referrals?view=board")
	john.until(t, "in its column", `document.querySelector('.board section[aria-labelledby=state-accepted]').innerText.includes('Find the account')`)
	for _, l := range []look{{"hi", "dark", true}, {"en", "light", false}} {
		john.look(t, l)
		john.to(t, "/referrals?view=board")
		john.accessible(t)
		john.shot(t, l.String()+"-board")
	}
}

// supported refers a victim to a support body, which records their wish.
func supported(t *testing.T, asha, john *tab) {
	asha.to(t, "/referrals/new?kind=victim-support")
	asha.accessible(t)
	asha.shot(t, "support-new")
	eval[bool](t, asha, `document.querySelector('[name=needs][value=counselling]').checked = true`)
	asha.fill(t, "form.sheet", map[string]string{"to": "uk/x", "reference": "S-7", "age": "12-15", "language": "hi"})
	asha.until(t, "opened", `location.pathname.startsWith('/referrals/rf_') && document.body.innerText.includes('S-7')`)
	path := eval[string](t, asha, "location.pathname")
	john.to(t, "/referrals")
	john.until(t, "it arrives", fmt.Sprintf(`document.querySelector('[data-row] a[href=%q]')`, path))
	john.to(t, path)
	eval[bool](t, john, `document.querySelector('#do-wish').open = true`)
	john.fill(t, "#do-wish form", map[string]string{"choice": "through-body"})
	john.until(t, "recorded", `document.querySelector('main > .note.good')`)
	asha.until(t, "the wish is known, live", `document.querySelector('#referral-live').innerText.includes('wants to hear, through the support body')`)
	asha.accessible(t)
	asha.shot(t, "support")
}

// goesOn kills the node under a page and starts it again: the page says that it is cut off and how old it is, then goes on
// from where it was, as if nothing had happened: same session, focus, scroll, what is typed and ticked, and nothing left out.
func goesOn(t *testing.T, b *tab, home, away *network.Node) {
	raise := func(x *network.Node, title string) {
		t.Helper()
		if _, err := x.Work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: title}, Signals: network.RandomSignals(), Audience: []string{"in/*", "uk/*"}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 12 {
		raise(home, "Before")
	}
	b.to(t, "/alerts")
	b.until(t, "following", `document.querySelector('#live').dataset.state === 'stateLive' && document.querySelectorAll('[data-row]').length === 12`)
	eval[bool](t, b, `(() => { const tick = document.querySelectorAll('[data-row] input')[3]; tick.click(); window.ticked = tick.id; const s = document.querySelector('#search'); s.focus(); s.value = 'half a wor'; scrollTo(0, 200); return true; })()`)
	b.said.pause(true)
	home.Kill()
	b.until(t, "cut off, and how old what is shown is", `!document.querySelector('#lost').hidden && Number(document.querySelector('#lost-age').dataset.seconds) >= 1 && /^1 second ago|[0-9]+ seconds ago$/.test(document.querySelector('#lost-age').innerText) && document.querySelector('#live').dataset.state === 'stateLost'`)
	b.shot(t, "killed")
	for range 3 {
		raise(away, "Meanwhile abroad")
	}
	if err := home.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.until(t, "it goes on, with all that happened meanwhile", `document.querySelector('#lost').hidden && document.querySelector('#live').dataset.state === 'stateLive' && [...document.querySelectorAll('[data-row] a')].filter(x => x.innerText === 'Meanwhile abroad').length === 3`)
	b.said.pause(false)
	kept := eval[[]bool](t, b, `[document.activeElement.id === 'search', document.querySelector('#search').value === 'half a wor', document.getElementById(window.ticked)?.checked, document.querySelector('#bulk').dataset.ticked === '1', scrollY > 100]`)
	for i, ok := range kept {
		if !ok {
			t.Errorf("focus, text, tick, count, scroll: %d was lost: %v", i, kept)
		}
	}
	b.shot(t, "resumed")
	b.said.check(t)
}
