package browser

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	network "vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
)

// picturesIn is where the pictures of the README go; they need seven nodes, and are taken by hand:
//
//	go test ./test/browser -run Pictures -args -pictures $PWD/node/console/pictures
var picturesIn = flag.String("pictures", "", "directory to which the pictures of the README are written; none are taken without it")

// mostOfPicture is what a picture may weigh.
const mostOfPicture = 200 << 10

// TestPictures takes the pictures that README.md shows, of an invented network with invented cases. Hashes are random.
func TestPictures(t *testing.T) {
	if *picturesIn == "" {
		return
	}
	n := jurisdictions(t, "in/ncrb", "in/mh-cyber", "in/ka-cyber", "in/forensic-lab", "uk/nca", "uk/met", "uk/iwf")
	home := n.Node("in/ncrb")
	series := invents(t, n)
	ctx, c := open(t, named(home))
	b := &tab{ctx: ctx, base: named(home), said: c}
	b.inZone(t, "Asia/Kolkata")
	b.person(t, home, "asha", "Asha Rao")
	b.look(t, look{lang: "en", theme: "light"})

	b.to(t, "/")
	b.until(t, "all of it is there", `document.querySelectorAll('#now-live [data-row]').length >= 12 && document.querySelectorAll('.tile.priority').length === 1`)
	b.picture(t, "now")
	b.to(t, "/network")
	b.until(t, "every node is heard and in step", `document.querySelector('.note.good') && document.querySelectorAll('.map .wide .node:not(.away)').length === 7`)
	b.picture(t, "network")
	b.to(t, "/alerts/"+series)
	b.until(t, "sealed", `[...document.querySelectorAll('#alert-live .tag')].some(x => x.innerText.includes('Sealed'))`)
	b.do(t, chromedp.Click(chromedp.CSS("#proof button")))
	b.until(t, "the proof holds", `document.querySelector('#proof-result').dataset.state === 'good'`)
	eval[bool](t, b, `(document.querySelector('#proof').scrollIntoView({ block: 'end' }), true)`)
	b.picture(t, "proof")
	c.check(t)
}

// picture writes what is in sight for the README.
func (b *tab) picture(t *testing.T, name string) {
	t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if len(png) > mostOfPicture {
		t.Errorf("%s has %d bytes, more than %d", name, len(png), mostOfPicture)
	}
	if err := os.WriteFile(filepath.Join(*picturesIn, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// platform is a client of a platform that reports.
func platform(t *testing.T, x *network.Node, name string) *api.Client {
	t.Helper()
	token, err := x.Operator.CreateToken(t.Context(), api.NewToken{Name: name, Role: api.RolePlatform})
	if err != nil {
		t.Fatal(err)
	}
	c, err := api.NewClient(api.Target{Server: "https://" + x.Config.API.Listen, Pin: x.Pin, Token: token.Secret})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// invents writes a day's work of several agencies, and returns the id of an alert that two of them stand for.
func invents(t *testing.T, n *network.Network) (series string) {
	t.Helper()
	desk := map[ledger.AgencyID]*api.Client{}
	for _, id := range n.Order() {
		c, err := n.Node(id).As(t.Context(), api.RoleAnalyst)
		if err != nil {
			t.Fatal(err)
		}
		desk[id] = c
	}
	must := func(w api.Written, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return w.ID
	}
	exhibit := network.RandomSignals()
	watch := api.AddWatched{Rows: [][]api.Signal{exhibit[:1], network.RandomSignals()[:1]}}
	watch.Case, watch.Note = "FIR 214/2026", "Two exhibits, Delhi"
	must(desk["in/ncrb"].AddWatched(t.Context(), "watch", watch))
	both := []string{"in/*", "uk/*"}
	for _, x := range []struct {
		by      ledger.AgencyID
		facts   api.AlertFacts
		signals []api.Signal
	}{
		{"uk/iwf", api.AlertFacts{Title: "Hotline list 48/2026, entry 7", Basis: "partner-list", Media: "image"}, nil},
		{"in/ka-cyber", api.AlertFacts{Title: "Operation Cauvery: exhibit 12", Basis: "investigation", Media: "video", Source: "CR 88/2026"}, nil},
		{"uk/met", api.AlertFacts{Title: "Series Lantern, third file", Basis: "examined", Media: "image", Series: "Lantern"}, exhibit},
		{"in/mh-cyber", api.AlertFacts{Title: "Operation Monsoon: livestream of this morning", Urgency: "child-at-immediate-risk", Basis: "investigation", Media: "video", Victim: "unidentified", Source: "Pune CR 301/2026"}, nil},
		{"uk/nca", api.AlertFacts{Title: "Series Harbour, new variant", Urgency: "priority", Basis: "examined", Media: "image", Victim: "unidentified", Series: "Harbour", Source: "NCA-26-1187"}, nil},
	} {
		signals := x.signals
		if signals == nil {
			signals = network.RandomSignals()
		}
		a := api.RaiseAlert{AlertFacts: x.facts, Signals: signals, Audience: both}
		a.Handling = &api.Handling{TLP: "amber"}
		if x.facts.Series == "Harbour" {
			a.Classifications = []api.Classification{{Scheme: "inhope-ucs", Value: "csam"}}
		}
		id := must(desk[x.by].Raise(t.Context(), "", a))
		if x.facts.Series == "Harbour" {
			series = id
		}
	}
	if err := n.Settled(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	must(desk["in/forensic-lab"].Assess(t.Context(), "assess", series, api.Assess{Verdict: "confirms", Basis: "examined", Source: "FSL 26/4410"}))
	must(desk["in/mh-cyber"].OpenReferral(t.Context(), "refer", api.OpenReferral{
		Kind: "investigation", To: "in/ncrb", Urgency: "priority", Title: "Which service holds the account?", Text: "The account was named by two platforms.",
	}))
	must(desk["in/ka-cyber"].OpenReferral(t.Context(), "inform", api.OpenReferral{Kind: "information", To: "in/ncrb", Title: "Numbers for the quarterly review"}))
	for _, name := range []string{"chat.example", "video.example"} {
		if _, err := platform(t, n.Node("in/ncrb"), name).SubmitReport(t.Context(), "picture-"+name, api.SubmitReport{ReportStatement: api.ReportStatement{
			Kind: "abuse-material", Files: []api.ReportFile{{Signals: network.RandomSignals(), Media: "image", Viewed: "yes"}, {Signals: network.RandomSignals(), Media: "image"}},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	must(n.Node("in/mh-cyber").Operator.SetAudience(t.Context(), api.SetAudience{Name: "in/@states", Members: []string{"in/mh-cyber", "in/ka-cyber"}}))
	if err := n.Settled(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	return series
}
