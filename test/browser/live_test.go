package browser

import (
	"testing"

	network "vigil/cmd/network"
	"vigil/node/api"
)

// inTheReadersZone shows times as the reader's clock does, and in UTC on hover.
func inTheReadersZone(t *testing.T, b *tab, _ *api.Client) {
	b.inZone(t, "Asia/Kolkata")
	b.to(t, "/alerts")
	b.until(t, "every time", `document.querySelectorAll('time').length > 5 && [...document.querySelectorAll('time')].every(x => / \+05:30$/.test(x.innerText) && / UTC$/.test(x.title) && Math.abs(Date.parse(x.title.replace(' UTC', 'Z').replace(' ', 'T')) - Date.parse(x.getAttribute('datetime'))) < 1000)`)
	b.inZone(t, "")
}

// saysHowOld has the node lose its leader, as far as the page is told: it asks for itself again, and says since when.
func saysHowOld(t *testing.T, b *tab, _ *api.Client) {
	b.to(t, "/alerts")
	b.until(t, "following", `document.readyState === 'complete' && document.querySelector('#live').dataset.state === 'stateLive'`)
	eval[bool](t, b, `(() => { const real = window.fetch, note = '<div class="note warn" id="old"></div>';
		window.fetch = async (u, o) => { const a = await real(u, o); if (u === '/v1/status') return new Response(JSON.stringify({ ...await a.json(), leader: window.back ? 'in/ncrb' : '' }));
			return o?.headers?.['Vigil-Live'] && !window.back ? new Response((await a.text()).replace('<section id="alerts-live" data-live>', '$&' + note)) : a; };
		return true; })()`)
	b.until(t, "what the page says of it is on screen", `document.querySelector('#alerts-live #old')`)
	eval[bool](t, b, `window.back = true`)
	b.until(t, "and gone when there is a leader", `!document.querySelector('#old')`)
}

// resumes cuts the browser off, raises an alert meanwhile and mends: the page says so, and shows the alert afterwards.
func resumes(t *testing.T, b *tab, work *api.Client, link *network.Link) {
	b.to(t, "/")
	b.until(t, "following", `document.querySelector('#live').dataset.state === 'stateLive'`)
	b.said.pause(true)
	link.Cut(true)
	b.until(t, "the page says that it is cut off, and how old it is", `!document.querySelector('#lost').hidden && /ago$/.test(document.querySelector('#lost-age').innerText) && document.querySelector('#live').dataset.state === 'stateLost'`)
	b.accessible(t)
	b.shot(t, "lost")
	if _, err := work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: "While you were away"}, Signals: network.RandomSignals()}); err != nil {
		t.Fatal(err)
	}
	link.Cut(false)
	b.until(t, "what happened meanwhile is there", `document.querySelector('#lost').hidden && document.querySelector('#now-live').innerText.includes('While you were away')`)
	b.said.pause(false)
}

// seesExercises looks at exercises: the banner stays in sight however far one scrolls, and casework is not among them.
func seesExercises(t *testing.T, b *tab, work *api.Client) {
	if _, err := work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: "Only an exercise", Exercise: true}, Signals: network.RandomSignals()}); err != nil {
		t.Fatal(err)
	}
	b.to(t, "/")
	b.fill(t, ".foot form[action='/look']", map[string]string{})
	b.until(t, "exercises", `document.body.dataset.exercise === 'on' && document.body.innerText.includes('Only an exercise')`)
	b.to(t, "/components")
	banner := eval[bool](t, b, `(scrollTo(0, 600), scrollY > 300 && (r => r.top >= 0 && r.bottom <= innerHeight && r.width > innerWidth * .9)(document.querySelector('body > .exercise').getBoundingClientRect()))`)
	b.to(t, "/alerts")
	b.accessible(t)
	b.shot(t, "exercise")
	if only := eval[bool](t, b, `document.querySelectorAll('[data-row]').length === 1`); !banner || !only {
		t.Errorf("the banner is in sight: %v; exercises alone: %v", banner, only)
	}
	b.fill(t, ".foot form[action='/look']", map[string]string{})
	b.until(t, "casework again", `document.body.dataset.exercise === '' && !document.body.innerText.includes('Only an exercise')`)
}
