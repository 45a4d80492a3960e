package browser

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	network "vigil/cmd/network"
	"vigil/cmd/network/ports"
	"vigil/node/api"
	"vigil/node/hashing/pdq"
	"vigil/test/nodetest"
)

const (
	password   = "correct horse battery staple"
	tealSHA256 = "3b1f6b0c2d5e4f708192a3b4c5d6e7f80918273645546372819aabbccddeeff0"
	tealMD5    = "7d3c5b2a1908f6e5d4c3b2a190807f6e"
)

// TestConsole is one node and one browser for everything that people do at the console.
func TestConsole(t *testing.T) {
	config, link, idp := nodetest.Found(t), toAPI(t), newProvider(t, "subject-7")
	config.API.Listen = link.to
	config.API.URL = "https://console.test" + link.Address()[strings.LastIndex(link.Address(), ":"):]
	config.OpenID.Issuer, config.OpenID.ClientID, config.OpenID.SecretFile = idp.URL, "vigil", config.PassphraseFile
	n := nodetest.Run(t, config)
	ctx, c := open(t, config.API.URL, idp.URL)
	b := &tab{ctx: ctx, base: config.API.URL, said: c}
	b.do(t, chromedp.EmulateViewport(1280, 720))
	work := n.As(t, api.RoleLab)

	b.firstPerson(t, n)
	for _, step := range []struct {
		name string
		do   func(*testing.T, *tab, *api.Client)
	}{
		{"raise", raises},
		{"search", searches},
		{"proof", proves},
		{"hashes", hashesAsGo},
		{"drop", looksUpByFile},
		{"live", staysCurrent},
		{"markup", showsText},
		{"keys", usesKeys},
		{"zone", inTheReadersZone},
		{"leaderless", saysHowOld},
		{"exercise", seesExercises},
		{"retract", takesBack},
	} {
		t.Run(step.name, func(t *testing.T) { step.do(t, b, work); c.check(t) })
	}
	t.Run("forgery", func(t *testing.T) { refusesOthers(t, n) })
	t.Run("triage", func(t *testing.T) { triages(t, b, work, n); c.check(t) })
	t.Run("watch", func(t *testing.T) { watches(t, b, work); c.check(t) })
	t.Run("figures", func(t *testing.T) { counts(t, b); c.check(t) })
	t.Run("auditor", func(t *testing.T) { audits(t, b, n); c.check(t) })
	t.Run("roles", func(t *testing.T) { inEveryRole(t, b, n); c.check(t) })
	t.Run("passkey", func(t *testing.T) { byPasskey(t, b, n); c.check(t) })
	t.Run("provider", func(t *testing.T) { byProvider(t, b, n, idp); c.check(t) })
	t.Run("network", func(t *testing.T) { seesTheNetwork(t, b); c.check(t) })
	t.Run("two", func(t *testing.T) { takesTwo(t, b, work, n); c.check(t) })
	t.Run("purpose", func(t *testing.T) { saysWhy(t, b, work, n); c.check(t) })
	t.Run("cut", func(t *testing.T) { resumes(t, b, work, link.Link) })
	t.Run("looks", func(t *testing.T) { looks(t, b) })
	t.Run("sign-out", signsOut(b))
}

// way is the way from browser to node, which can be cut.
type way struct {
	*network.Link
	to string
}

// toAPI makes a way to a port on which nobody listens yet, so that a node can be told under which name it is reached.
func toAPI(t *testing.T) way {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	w := way{to: "127.0.0.1:" + strconv.Itoa(port)}
	if w.Link, err = network.NewLink(w.to); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// firstPerson follows the link that 'vigil serve' prints, sets a password and is signed in.
func (b *tab) firstPerson(t *testing.T, n *nodetest.Running) {
	_, link, ok := strings.Cut(n.Node.FirstLink(t.Context()), "/first#")
	if !ok {
		t.Fatal("there is no first link")
	}
	b.to(t, "/first#"+link)
	b.until(t, "the code is taken from the address", `document.querySelector('[name=code]').value && location.hash === ''`)
	b.accessible(t)
	b.shot(t, "first-en-system-desk")
	b.fill(t, "form[action='/first']", map[string]string{"name": "asha", "display": "Asha Rao"})
	b.until(t, "the enrolment page has the code", `location.pathname === '/enrol' && document.querySelector('[name=code]').value`)
	b.fill(t, "form[action='/enrol']", map[string]string{"password": password, "repeated": password})
	b.until(t, "signed in", `location.pathname === '/' && document.querySelector('.who').innerText === 'Asha Rao'`)
	if again := n.Node.FirstLink(t.Context()); again != "" {
		t.Error("there is a person, and still a first link")
	}
}

func raises(t *testing.T, b *tab, _ *api.Client) {
	b.to(t, "/alerts/new")
	b.accessible(t)
	if checked := eval[string](t, b, `document.querySelector('[name=audience]:checked').value`); checked != "in/*" {
		t.Errorf("the audience proposed is %q", checked)
	}
	b.said.allow("status of 400") // of the next form
	b.fill(t, "form[action='/alerts/new']", map[string]string{"signals": "not a hash"})
	b.until(t, "the refusal says what to do", `document.querySelector('.note.bad[role=alert]')`)
	b.fill(t, "form[action='/alerts/new']", map[string]string{"signals": tealSHA256 + " md5:" + tealMD5, "title": "Operation Teal", "urgency": "child-at-immediate-risk", "scheme": "inhope-ucs", "value": "csam"})
	b.until(t, "the alert is shown", `location.pathname.startsWith('/alerts/al_') && document.querySelector('h1').innerText === 'Operation Teal'`)
	text := b.text(t)
	for _, want := range []string{tealMD5, "Child at immediate risk", "inhope-ucs", "Raised", "The alert is in the ledger", "in/*"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func searches(t *testing.T, b *tab, _ *api.Client) {
	for _, q := range []string{"Teal", tealMD5, "sha256:" + tealSHA256} {
		b.to(t, "/alerts")
		b.fill(t, "form[role=search]", map[string]string{"q": q})
		b.until(t, "found by "+q, `location.search && document.querySelectorAll('[data-row]').length === 1 && document.querySelector('[data-row] a').innerText === 'Operation Teal'`)
	}
	b.to(t, "/alerts?q=nothing-is-called-so")
	b.until(t, "the next step where nothing is found", `document.querySelector('.empty a[href="/alerts"]')`)
}

func proves(t *testing.T, b *tab, _ *api.Client) {
	b.to(t, "/alerts")
	b.do(t, chromedp.Click(chromedp.CSS("[data-row] a")))
	b.until(t, "sealed, live", `document.querySelector('#alert-live .tag.good')?.innerText && [...document.querySelectorAll('#alert-live .tag')].some(x => x.innerText.includes('Sealed'))`)
	b.do(t, chromedp.Click(chromedp.CSS("#proof button")))
	b.until(t, "the proof holds", `document.querySelector('#proof-result').dataset.state === 'good'`)
	if s := eval[string](t, b, `document.querySelector('#proof-signers').innerText`); s != "in/ncrb" {
		t.Errorf("signed by %q", s)
	}
	b.shot(t, "proof")
	// The same check with any byte of it changed.
	bad := eval[[]bool](t, b, `import(document.querySelector('script[src*="/proof."]').src).then(async m => {
		const real = window.fetch, box = document.querySelector('#proof'), out = [];
		const lie = change => { window.fetch = async (p, ...x) => { const a = await real(p, ...x); if (!p.includes('/proofs/')) return a; const j = await a.json(); change(j); return new Response(JSON.stringify(j)); }; };
		const flip = s => { const b = Uint8Array.from(atob(s), c => c.charCodeAt(0)); b[b.length - 1] ^= 1; return btoa(String.fromCharCode(...b)); };
		for (const change of [j => { j.leaf = flip(j.leaf); }, j => { j.index++; }, j => { j.path.push(flip(j.leaf)); }, j => { j.path = j.path.map(flip); if (!j.path.length) j.leaf = flip(j.leaf); },
			j => { const l = j.checkpoint.split('\n'); l[2] = flip(l[2]); j.checkpoint = l.join('\n'); }, j => { j.checkpoint = j.checkpoint.split('\n').filter(l => !l.startsWith('— in/')).join('\n'); },
			j => { j.checkpoint = j.checkpoint.replace(/^(— in\/\S+ )(\S+)/m, (_, n, s) => n + flip(s)); }]) {
			lie(change);
			const r = await m.check(box.dataset.ledger, Number(box.dataset.index)).catch(() => ({}));
			out.push(Boolean(r.ledger && r.path && r.quorum));
		}
		window.fetch = real;
		return out; })`)
	for i, held := range bad {
		if held {
			t.Errorf("the proof holds with change %d", i)
		}
	}
}

// hashesAsGo compares what the browser computes with what Go does.
func hashesAsGo(t *testing.T, b *tab, _ *api.Client) {
	b.to(t, "/look-up")
	module := eval[string](t, b, `document.querySelector('#drop').dataset.worker`)
	for _, size := range []int{0, 1, 55, 56, 63, 64, 65, 1000, 70_000} {
		data := make([]byte, size)
		_, _ = rand.Read(data) // never fails
		md, sh, s2 := md5.Sum(data), sha1.Sum(data), sha256.Sum256(data)
		want := hex.EncodeToString(md[:]) + " " + hex.EncodeToString(sh[:]) + " " + hex.EncodeToString(s2[:])
		got := eval[string](t, b, fmt.Sprintf(`import(%q).then(m => { const d = m.digests(), b = Uint8Array.from(atob(%q), c => c.charCodeAt(0));
			for (const x of Object.values(d)) for (let i = 0; i < b.length; i += 37) x.update(b.subarray(i, i + 37));
			return d.md5.hex() + ' ' + d.sha1.hex() + ' ' + d.sha256.hex(); })`, module, base64.StdEncoding.EncodeToString(data)))
		if got != want {
			t.Errorf("%d bytes: %s, not %s", size, got, want)
		}
	}
	for _, size := range [][2]int{{64, 64}, {5, 5}, {65, 64}, {128, 127}, {200, 333}, {641, 480}} {
		luma := make([]byte, size[0]*size[1])
		_, _ = rand.Read(luma) // never fails
		h, err := pdq.New(size[0], size[1])
		if err != nil {
			t.Fatal(err)
		}
		row := make([]float32, size[0])
		for y := range size[1] {
			for x := range row {
				row[x] = float32(luma[y*size[0]+x])
			}
			h.Row(row)
		}
		sum := h.Sum()
		want := fmt.Sprintf("%s %d", sum.Hash(), sum.Quality)
		got := eval[string](t, b, fmt.Sprintf(`import(%q).then(m => { const r = m.pdq(Float32Array.from(atob(%q), c => c.charCodeAt(0)), %d, %d); return r.hash + ' ' + r.quality; })`,
			module, base64.StdEncoding.EncodeToString(luma), size[0], size[1]))
		if got != want {
			t.Errorf("%v: %s, not %s", size, got, want)
		}
	}
}

// picture is a lossless image of random blocks, and its PDQ as Go has it.
func picture(t *testing.T) (file []byte, hash string) {
	t.Helper()
	const side = 96
	img, noise := image.NewRGBA(image.Rect(0, 0, side, side)), make([]byte, side*side)
	_, _ = rand.Read(noise) // never fails
	h, err := pdq.New(side, side)
	if err != nil {
		t.Fatal(err)
	}
	row := make([]float32, side)
	for y := range side {
		for x := range side {
			c := color.RGBA{noise[(y/8)*12+x/8], noise[1000+(y/6)*16+x/6], noise[3000+(y/12)*8+x/12], 255}
			img.SetRGBA(x, y, c)
			row[x] = pdq.Of(c.R, c.G, c.B)
		}
		h.Row(row)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), h.Sum().Hash().String()
}

// looksUpByFile drops a file that is known by its PDQ alone, and one that nobody knows. Neither file nor name is sent.
func looksUpByFile(t *testing.T, b *tab, work *api.Client) {
	file, hash := picture(t)
	if _, err := work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: "Known by its looks"}, Signals: []api.Signal{{Algorithm: "pdq", Value: hash}}}); err != nil {
		t.Fatal(err)
	}
	b.to(t, "/look-up")
	b.until(t, "the script is there", `document.querySelector('#drop')`)
	eval[bool](t, b, fmt.Sprintf(`(() => { const dt = new DataTransfer(), b = Uint8Array.from(atob(%q), c => c.charCodeAt(0));
		window.sent = []; const real = window.fetch; window.fetch = (u, o) => { if (o?.body) window.sent.push(u + ' ' + o.body); return real(u, o); };
		dt.items.add(new File([b], 'exhibit-seven.png', { type: 'image/png' })); dt.items.add(new File(['nothing'], 'plain.txt', { type: 'text/plain' }));
		document.querySelector('#drop').dispatchEvent(new DragEvent('drop', { dataTransfer: dt, bubbles: true, cancelable: true })); return true; })()`, base64.StdEncoding.EncodeToString(file)))
	b.until(t, "the file is known", `document.querySelector('.result.hit')?.innerText.includes('exhibit-seven.png') && document.querySelector('.result.none')?.innerText.includes('plain.txt')`)
	b.until(t, "by its PDQ", `document.querySelector('.result.hit').innerText.includes('Known by its looks')`)
	b.accessible(t)
	b.shot(t, "lookup-found")
	sent := eval[[]string](t, b, "window.sent")
	if len(sent) == 0 {
		t.Error("what was sent was not seen")
	}
	for _, s := range sent {
		if strings.Contains(s, "exhibit") || !strings.HasPrefix(s, "/look-up ") {
			t.Errorf("sent: %s", s)
		}
	}
}

// staysCurrent raises an alert elsewhere while somebody types: it is on screen, and what was typed, focus and scroll stay.
func staysCurrent(t *testing.T, b *tab, work *api.Client) {
	for range 12 {
		if _, err := work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: "Another"}, Signals: network.RandomSignals()}); err != nil {
			t.Fatal(err)
		}
	}
	b.to(t, "/alerts")
	b.until(t, "following", `document.querySelector('#live').dataset.state === 'stateLive'`)
	eval[bool](t, b, `(() => { const s = document.querySelector('#search'); s.focus(); s.value = 'half a wor'; const tick = document.querySelectorAll('[data-row] input')[3]; tick.click(); window.ticked = tick.id; s.focus(); scrollTo(0, 200); return true; })()`)
	if _, err := work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: "Just now"}, Signals: network.RandomSignals()}); err != nil {
		t.Fatal(err)
	}
	b.until(t, "on screen without a reload", `document.querySelector('#alerts-live').innerText.includes('Just now')`)
	kept := eval[[]bool](t, b, `[document.activeElement.id === 'search', document.querySelector('#search').value === 'half a wor', document.getElementById(window.ticked).checked, Math.abs(scrollY - 200) < 100, document.querySelector('#bulk').dataset.ticked === '1']`)
	for i, ok := range kept {
		if !ok {
			t.Errorf("focus, text, tick, scroll, count: %d was lost: %v", i, kept)
		}
	}
}

// showsText has markup in what others wrote stay text.
func showsText(t *testing.T, b *tab, work *api.Client) {
	evil := `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`
	w, err := work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: evil, Notes: evil, Source: evil, Series: "javascript:alert(1)"}, Signals: network.RandomSignals()})
	if err != nil {
		t.Fatal(err)
	}
	b.to(t, "/alerts/"+w.ID)
	if got := eval[string](t, b, "document.querySelector('h1').innerText"); got != evil {
		t.Errorf("the title is shown as %q", got)
	}
	b.to(t, "/alerts")
	if eval[bool](t, b, "document.title === 'owned' || Boolean(document.querySelector('main img, main script'))") {
		t.Error("markup became markup")
	}
	refused := eval[[]bool](t, b, `(() => { const tries = [() => { document.body.insertAdjacentHTML('beforeend', '<b>x</b>'); }, () => { const s = document.createElement('script'); s.text = 'window.ran = true'; document.body.append(s); }];
		return tries.map(f => { try { f(); return Boolean(window.ran) === false && f === tries[1]; } catch { return true; } }); })()`)
	for i, r := range refused {
		if !r {
			t.Errorf("try %d of injection was not refused", i)
		}
	}
	// The debugger may evaluate text; what runs later may not.
	if eval[bool](t, b, `new Promise(r => setTimeout(() => { try { eval('1'); r(true); } catch { r(false); } }, 0))`) {
		t.Error("text was run as a script")
	}
	b.said.clear() // what the policy refused is on the console: it was asked for
}

func usesKeys(t *testing.T, b *tab, _ *api.Client) {
	b.to(t, "/alerts")
	b.until(t, "ready", `document.querySelector('#live').dataset.state === 'stateLive'`)
	press := func(keys string) { b.do(t, chromedp.KeyEvent(keys)) }
	press("j")
	press("j")
	b.until(t, "the second row has the focus", `document.querySelectorAll('[data-row]')[1].contains(document.activeElement)`)
	press("x")
	b.until(t, "it is ticked", `document.querySelectorAll('[data-row] input')[1].checked && document.querySelector('#bulk').dataset.ticked === '1'`)
	press("b")
	b.until(t, "what is to be done with it has the focus", `document.activeElement.matches('#bulk select')`)
	eval[bool](t, b, "document.activeElement.blur() || true")
	press("?")
	b.until(t, "the keys are shown", `document.querySelector('#keys').open`)
	b.accessible(t)
	press("\x1b")
	b.until(t, "and closed", `!document.querySelector('#keys').open`)
	press("/")
	b.until(t, "the search has the focus", `document.activeElement.id === 'search'`)
	eval[bool](t, b, "document.activeElement.blur() || true")
	eval[bool](t, b, `document.querySelector('[data-row] a').click() || true`)
	b.until(t, "an alert", `location.pathname.startsWith('/alerts/al_') && document.readyState === 'complete'`)
	press("a")
	b.until(t, "what can be done unfolds", `document.activeElement.matches('.actions details[open] > summary')`)
	press("v")
	b.until(t, "the proof is checked", `document.querySelector('#proof-result').dataset.state`)
	press("u")
	b.until(t, "back at the list", `location.pathname === '/alerts' && document.readyState === 'complete'`)
	press("g")
	press("l")
	b.until(t, "look up", `location.pathname === '/look-up'`)
}

// refusesOthers sends what another site's page could have a reader's browser send.
func refusesOthers(t *testing.T, n *nodetest.Running) {
	client := nodetest.HTTP(t, n.Addresses.Pin)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	send := func(path, fetchSite string, form url.Values, cookies ...*http.Cookie) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+n.Addresses.API+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", fetchSite)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer
	}
	in := send("/sign-in", "same-origin", url.Values{"name": {"asha"}, "password": {password}})
	if in.StatusCode != http.StatusSeeOther || len(in.Cookies()) != 1 {
		t.Fatalf("signing in: %d, %v", in.StatusCode, in.Cookies())
	}
	session := in.Cookies()[0]
	if session.Name != "__Host-vigil" || !session.Secure || !session.HttpOnly || session.SameSite != http.SameSiteStrictMode || session.Path != "/" {
		t.Errorf("the session's cookie is %v", session)
	}
	raise := url.Values{"signals": {tealSHA256}, "title": {"forged"}}
	if got := send("/alerts/new", "cross-site", raise, session); got.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form was answered with %d", got.StatusCode)
	}
	if got := send("/alerts/new", "same-origin", raise); got.Header.Get("Location") != "/sign-in" {
		t.Errorf("a form without a session was answered with %d", got.StatusCode)
	}
	for _, next := range []string{"//evil.example", "https://evil.example", "/\\evil.example"} {
		if got := send("/sign-in", "same-origin", url.Values{"name": {"asha"}, "password": {password}, "next": {next}}); got.Header.Get("Location") != "/" {
			t.Errorf("%s: sent on to %q", next, got.Header.Get("Location"))
		}
	}
	if got := send("/sign-out", "same-origin", nil, session); got.StatusCode != http.StatusSeeOther {
		t.Errorf("signing out: %d", got.StatusCode)
	}
	if got := send("/alerts/new", "same-origin", raise, session); got.Header.Get("Location") != "/sign-in" {
		t.Errorf("a session that was ended was answered with %d", got.StatusCode)
	}
	page, err := n.As(t, api.RoleLab).Alerts(t.Context(), api.ListQuery{Text: "forged"})
	if err != nil || len(page.Alerts) != 0 {
		t.Errorf("%d forged alerts, %v", len(page.Alerts), err)
	}
}

// takesBack takes an alert back, with a reason.
func takesBack(t *testing.T, b *tab, work *api.Client) {
	w, err := work.Raise(t.Context(), "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: "A mistake"}, Signals: network.RandomSignals()})
	if err != nil {
		t.Fatal(err)
	}
	b.to(t, "/alerts/"+w.ID)
	eval[bool](t, b, "document.querySelector('#do-retract').open = true")
	b.fill(t, "form[action$='/retraction']", map[string]string{"reason": "the wrong file"})
	b.until(t, "it is taken back", `document.querySelector('.tag.retracted') && document.body.innerText.includes('the wrong file')`)
	b.accessible(t)
	b.shot(t, "retracted")
}

// pages are what is looked at in every language, colour and size.
var pages = []string{"/", "/alerts", "/alerts/new", "/look-up", "/reports", "/referrals", "/referrals/new", "/watch", "/figures", "/network", "/governance", "/settings", "/components", "/alerts/al_0000000000000000"}

func looks(t *testing.T, b *tab) {
	b.to(t, "/alerts?q=Teal")
	alert := eval[string](t, b, "document.querySelector('[data-row] a').getAttribute('href')")
	b.said.allow("status of 404") // of the page that is not there
	for _, l := range []look{{"en", "light", false}, {"hi", "dark", true}, {"hi", "light", false}, {"en", "dark", true}, {"en", "dark", false}, {"hi", "light", true}} {
		t.Run(l.String(), func(t *testing.T) {
			b.look(t, l)
			for _, p := range append(pages, alert) {
				b.to(t, p)
				if got := eval[string](t, b, "document.documentElement.lang + '-' + document.documentElement.dataset.theme"); got != l.lang+"-"+l.theme {
					t.Fatalf("%s is shown as %s", p, got)
				}
				b.accessible(t)
				b.light(t)
				name := strings.Trim(p, "/")
				if p == alert {
					name = "alert"
				}
				b.shot(t, l.String()+"-"+name)
			}
			b.said.check(t)
		})
	}
	b.look(t, look{"en", "light", false})
}

func signsOut(b *tab) func(*testing.T) {
	return func(t *testing.T) {
		b.to(t, "/")
		b.fill(t, "form[action='/sign-out']", map[string]string{})
		b.until(t, "signed out", `location.pathname === '/sign-in' && document.querySelector('.note.good')`)
		for _, l := range []look{{"hi", "dark", true}, {"en", "light", false}} {
			b.look(t, l)
			b.to(t, "/sign-in?next=%2Falerts")
			b.accessible(t)
			b.shot(t, l.String()+"-sign-in")
		}
		b.said.allow("status of 401")
		b.fill(t, "form[action='/sign-in']", map[string]string{"name": "asha", "password": "wrong"})
		b.until(t, "refused with what to do", `document.querySelector('.note.bad[role=alert]')`)
		b.fill(t, "form[action='/sign-in']", map[string]string{"name": "asha", "password": password})
		b.until(t, "back where they wanted to go", `location.pathname === '/alerts'`)
		b.said.check(t)
	}
}
