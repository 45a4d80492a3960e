package console

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"vigil/node/api"
)

// visit is one request for a page, by whoever looks. Its exported fields and methods are for templates.
type visit struct {
	console *Console
	w       http.ResponseWriter
	r       *http.Request
	page    page
	api     *api.Client
	people  map[string]string // names by id, once they were asked for

	Me   *api.Session // nil for who is not signed in
	Node nodeStatus
	Look look
}

// nodeStatus is the node as the API shows it.
type nodeStatus struct{ api.Status }

// OwnLedger is the origin of the reader's own ledger.
func (s nodeStatus) OwnLedger() string {
	for _, l := range s.Ledgers {
		if l.Own {
			return l.Origin
		}
	}
	return ""
}

// look is how somebody wants to see the console, and whether they see exercises instead of casework.
type look struct {
	Lang, Theme string
	Exercise    bool
}

// Every is how often, in seconds, a page that follows changes looks whether there is a leader.
func (look) Every() int { return int(lookEvery.Seconds()) }

const (
	lookCookie    = "__Host-vigil-look"
	purposeCookie = "__Host-vigil-purpose"
	flashCookie   = "__Host-vigil-said"
)

// themes a reader can choose; the first follows the system.
var themes = []string{"system", "light", "dark"}

func (c *Console) visit(w http.ResponseWriter, r *http.Request, p page) *visit {
	v := &visit{console: c, w: w, r: r, page: p, Look: lookOf(r)}
	v.api = api.Within(c.cfg.API, w, r)
	if purpose, caseNumber := purposeOf(r); purpose != "" || caseNumber != "" {
		v.api = v.api.About(purpose, caseNumber)
	}
	return v
}

// lookOf reads what a reader chose, or what their browser asks for.
func lookOf(r *http.Request) look {
	_, i, _ := tonguesOffered.Match(preferred(r)...)
	out := look{Lang: tongues[i].Code, Theme: themes[0]}
	c, err := r.Cookie(lookCookie)
	if err != nil {
		return out
	}
	q, err := url.ParseQuery(c.Value)
	if err != nil {
		return out
	}
	if slices.ContainsFunc(tongues, func(t tongue) bool { return t.Code == q.Get("lang") }) {
		out.Lang = q.Get("lang")
	}
	if slices.Contains(themes, q.Get("theme")) {
		out.Theme = q.Get("theme")
	}
	out.Exercise = q.Get("exercise") == "on"
	return out
}

func preferred(r *http.Request) []language.Tag {
	tags, _, _ := language.ParseAcceptLanguage(r.Header.Get("Accept-Language")) // nonsense asks for nothing
	return tags
}

func purposeOf(r *http.Request) (purpose, caseNumber string) {
	c, err := r.Cookie(purposeCookie)
	if err != nil {
		return "", ""
	}
	q, _ := url.ParseQuery(c.Value)
	return q.Get("purpose"), q.Get("case")
}

// keep sets a cookie of ours: for this host, over https, out of the reach of scripts.
func (v *visit) keep(name, value string, age time.Duration) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(age.Seconds())}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// enter asks the API who looks and how the node is.
func (v *visit) enter() error {
	me, err := v.api.WhoAmI(v.ctx())
	if err != nil {
		return err
	}
	v.Me = &me
	v.Node.Status, err = v.api.Status(v.ctx())
	return err
}

func (v *visit) ctx() context.Context { return v.r.Context() }

func (v *visit) pages() *rendering { return v.console.pages[v.Look.Lang] }

func (v *visit) words() *words { return v.pages().words }

// may says whether who looks has one of the roles.
func (v *visit) may(roles ...string) bool {
	return v.Me != nil && slices.ContainsFunc(v.Me.Roles, func(r string) bool { return slices.Contains(roles, r) })
}

// form returns a field of the form without space around it.
func (v *visit) form(name string) string { return strings.TrimSpace(v.r.Form.Get(name)) }

// key is the idempotency key of a form: made when it was shown, so that sending it twice writes once.
func (v *visit) key() string { return v.form("key") }

// Key makes the idempotency key of a form.
func (v *visit) Key() string { return rand.Text() }

// May is may for templates.
func (v *visit) May(roles ...string) bool { return v.may(roles...) }

// Writes says whether who looks raises and assesses.
func (v *visit) Writes() bool { return v.may(writers...) }

// Own says whether an agency is the reader's own.
func (v *visit) Own(agency string) bool { return v.Me != nil && agency == v.Me.Agency }

// Tongue is the language of the page.
func (v *visit) Tongue() tongue { return v.words().tongue }

// Tongues are all languages.
func (v *visit) Tongues() []tongue { return tongues }

// Themes are those a reader can choose.
func (v *visit) Themes() []string { return themes }

// Here is the address of the page, to come back to.
func (v *visit) Here() string {
	if v.r.Method != http.MethodGet {
		return v.page.back()
	}
	return v.r.URL.RequestURI()
}

// Name is the page's name; its place in the navigation, too.
func (v *visit) Name() string { return v.page.name }

// Live says which changes the page shows: beginnings of their kinds, separated by spaces.
func (v *visit) Live() string {
	if v.Me == nil || v.r.Method != http.MethodGet {
		return ""
	}
	return v.page.live
}

// Poll is how often, in seconds, a page looks for news itself; 0 where it follows the event stream.
func (v *visit) Poll() int {
	if v.page.live == polled {
		return int(lookEvery.Seconds())
	}
	if v.may(followers...) {
		return 0
	}
	return int(pollEvery.Seconds())
}

// Purpose is why the reader says they read.
func (v *visit) Purpose() map[string]string {
	p, c := purposeOf(v.r)
	return map[string]string{"Purpose": p, "Case": c}
}

// Nav are the pages that who looks can open.
func (v *visit) Nav() []page {
	var out []page
	for _, p := range pages {
		if p.icon != "" && (p.roles == nil || v.may(p.roles...)) {
			out = append(out, p)
		}
	}
	return out
}

// Flash is what the last action came to; it is shown once.
func (v *visit) Flash() string {
	c, err := v.r.Cookie(flashCookie)
	if err != nil {
		return ""
	}
	key, of, _ := strings.Cut(c.Value, ":")
	if of, err = url.QueryUnescape(of); err != nil {
		return ""
	}
	said, err := v.said(key, of)
	if err != nil {
		return "" // not a key of ours
	}
	v.keep(flashCookie, "", 0)
	return said
}

// said are the words for what an action came to: of what it was taken on, which is a name, or a number of things.
func (v *visit) said(key, of string) (string, error) {
	if count, err := strconv.Atoi(of); err == nil {
		if said, err := v.words().n("said."+key, count, "Name", of); err == nil {
			return said, nil // otherwise it is a name that looks like a number
		}
	}
	return v.words().t("said."+key, "Name", of)
}

// done says what an action came to and goes to a page. What it was taken on, where that is to be said, is a name or a number.
func (v *visit) done(said, to string, of ...string) error {
	if said != "" {
		v.keep(flashCookie, said+":"+url.QueryEscape(strings.Join(of, ", ")), time.Minute)
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// sent is a field of a form that was sent.
type sent struct{ Name, Value string }

// secrets are the fields that no page shows again.
var secrets = []string{"password", "repeated", "code"}

// Sent is what the form had that this visit is an answer to, in the order of names: where the node could not do it, the same
// is sent again, under the same key.
func (v *visit) Sent() (out []sent) {
	for _, name := range sortedKeys(v.r.PostForm) {
		if slices.Contains(secrets, name) {
			continue
		}
		for _, value := range v.r.PostForm[name] {
			out = append(out, sent{name, value})
		}
	}
	return out
}

// Written is what of it somebody has written at length.
func (v *visit) Written() []sent {
	return slices.DeleteFunc(v.Sent(), func(s sent) bool { return s.Name == "key" || s.Name == "next" || len(s.Value) < longText })
}

// Asked is the path of the request.
func (v *visit) Asked() string { return v.r.URL.Path }

// next is where a form wants to go back to: a page of this console.
func (v *visit) next() string {
	to := v.form("next")
	u, err := url.Parse(to)
	if err != nil || len(to) > maxNextBytes || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\n\r") {
		return "/"
	}
	return to
}
