package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axe is the accessibility checker, vendored for tests alone.
//
//go:embed testdata/axe.min.js
var axe string

// waitTime bounds every wait for a page.
const waitTime = 20 * time.Second

// tab is a browser's tab with the console in it.
type tab struct {
	ctx  context.Context
	base string
	said *complaints
}

// to goes to a page and waits until its script has run.
func (b *tab) to(t *testing.T, path string) {
	t.Helper()
	b.do(t, chromedp.Navigate(b.base+path))
}

func (b *tab) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, waitTime)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// eval runs an expression in the page, waiting for a promise.
func eval[T any](t *testing.T, b *tab, js string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, waitTime)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	return v
}

// until waits for a condition in the page, through navigations.
func (b *tab) until(t *testing.T, what, js string) {
	t.Helper()
	deadline, tick := time.Now().Add(waitTime), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+js+")"))
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
			t.Fatalf("not in time: %s (%v)\n%s", what, err, text)
		}
		<-tick.C
	}
}

// fill sets a form's fields by name and sends it with the button of the form.
func (b *tab) fill(t *testing.T, form string, fields map[string]string) {
	t.Helper()
	values, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	b.until(t, "the form is there", fmt.Sprintf(`document.readyState === 'complete' && document.querySelector(%q)`, form))
	eval[bool](t, b, fmt.Sprintf(`(() => { const f = document.querySelector(%q), v = %s;
		for (const [name, value] of Object.entries(v)) { const x = f.elements[name]; x.value = value; x.dispatchEvent(new Event('input', { bubbles: true })); }
		f.requestSubmit(); return true; })()`, form, values))
}

// text is what the page says.
func (b *tab) text(t *testing.T) string {
	t.Helper()
	return eval[string](t, b, "document.body.innerText")
}

// look sets language, colours and size.
func (b *tab) look(t *testing.T, l look) {
	t.Helper()
	eval[bool](t, b, fmt.Sprintf(`fetch('/look', { method: 'POST', body: new URLSearchParams({ lang: %q, theme: %q, next: '/sign-in' }) }).then(a => a.ok)`, l.lang, l.theme))
	switch {
	case l.phone && l.lang == "en": // the narrowest that WCAG asks of a page, 1.4.10
		b.do(t, chromedp.EmulateViewport(320, 844, chromedp.EmulateMobile, chromedp.EmulateTouch))
	case l.phone:
		b.do(t, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch))
	default:
		b.do(t, chromedp.EmulateViewport(1280, 720))
	}
}

// inZone has the browser stand in a time zone; "" is the machine's.
func (b *tab) inZone(t *testing.T, zone string) {
	t.Helper()
	b.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: zone})
		return err
	}))
}

type look struct {
	lang, theme string
	phone       bool
}

func (l look) String() string {
	size := "desk"
	if l.phone {
		size = "phone"
	}
	return l.lang + "-" + l.theme + "-" + size
}

type violation struct {
	ID     string `json:"id"`
	Impact string `json:"impact"`
	Help   string `json:"help"`
	Nodes  []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// aside names what on a phone has to be scrolled sideways to be read; what is typed or printed by machines may.
const aside = `innerWidth > 500 ? '' : [...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(e).overflowX) && !e.matches('textarea,pre,input,select'))
	.map(e => location.pathname + ' ' + e.className + ' ' + (e.getAttribute('aria-label') ?? '') + ' by ' + (e.scrollWidth - e.clientWidth)).join(', ')`

// accessible fails on anything that axe calls serious or critical, and where the page is wider than the screen.
func (b *tab) accessible(t *testing.T) {
	t.Helper()
	if !eval[bool](t, b, "Boolean(window.axe)") {
		eval[bool](t, b, axe+"\n;true")
	}
	found := eval[[]violation](t, b, `axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(r => r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => ({html: n.html, failureSummary: n.failureSummary}))})))`)
	for _, v := range found {
		if v.Impact == "serious" || v.Impact == "critical" {
			t.Errorf("axe: %s (%s): %s\n%s\n%s", v.ID, v.Impact, v.Help, v.Nodes[0].HTML, v.Nodes[0].Summary)
		}
	}
	if wide := eval[int](t, b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide > 0 {
		t.Errorf("the page is %d pixels wider than the screen", wide)
	}
	if aside := eval[string](t, b, aside); aside != "" {
		t.Errorf("on a phone this scrolls sideways: %s", aside)
	}
}

// most is what a page may weigh over the wire with everything that it loads.
const most = 100 << 10

// light fails where a page weighs more, whatever of it the browser had kept.
func (b *tab) light(t *testing.T) {
	t.Helper()
	sizes := eval[[]int](t, b, `[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map(e => e.encodedBodySize)`)
	all := 0
	for _, n := range sizes {
		all += n
	}
	if all > most || len(sizes) < 4 {
		t.Errorf("the page loads %d bytes in %d answers, and may load %d", all, len(sizes), most)
	}
}

// shot keeps a picture of the whole page in a folder that git ignores.
func (b *tab) shot(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, waitTime)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("..", ".cache", "screens")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, "/", "_")+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}
