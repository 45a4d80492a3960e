package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"vigil/node/api"
)

// signInPage is what the sign-in, enrolment and first-run pages show.
type signInPage struct {
	Ways    api.Ways
	Passkey bool // somebody has just made one
	Name    string
	Next    string
	Refused *api.Refusal
}

// askToSignIn sends who is not signed in to the sign-in page, and back afterwards.
func (v *visit) askToSignIn() {
	// A browser that comes from another site, such as the agency's OpenID provider, does not send the session's cookie: it
	// is asked to come again from here.
	if v.r.Method == http.MethodGet && v.r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		v.render(http.StatusOK, "again", v.r.URL.RequestURI())
		return
	}
	to := "/sign-in"
	if v.r.Method == http.MethodGet && v.r.URL.Path != "/" {
		to += "?" + url.Values{"next": {v.r.URL.RequestURI()}}.Encode()
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
}

// refusals are why somebody comes back from the agency's OpenID provider without being signed in.
var refusals = map[string]*api.Refusal{
	"provider-refused": {Code: "provider-refused"},
	"provider-unknown": {Code: "provider-unknown"},
	"provider-away":    {Code: "provider-away"},
}

func (v *visit) signInForm() error {
	return v.showSignIn("signin", http.StatusOK, refusals[v.form("refused")])
}

func (v *visit) showSignIn(name string, status int, refused *api.Refusal) error {
	ways, err := v.api.SignInWays(v.ctx())
	if err != nil {
		return err
	}
	v.render(status, name, signInPage{Ways: ways, Passkey: v.form("made") == "passkey", Name: v.form("name"), Next: v.next(), Refused: refused})
	return nil
}

// again shows a form again with why it was refused.
func (v *visit) again(name string, err error) error {
	var refused *api.Refusal
	if !errors.As(err, &refused) {
		return err
	}
	return v.showSignIn(name, refused.Status, refused)
}

func (v *visit) signIn() error {
	if _, err := v.api.SignIn(v.ctx(), api.SignIn{Name: v.form("name"), Password: v.r.Form.Get("password"), Cookie: true}); err != nil {
		return v.again("signin", err)
	}
	return v.done("", v.next())
}

func (v *visit) signOut() error {
	if err := v.api.SignOut(v.ctx()); err != nil {
		v.keep("__Host-vigil", "", 0) // it was over already
	}
	v.keep(purposeCookie, "", 0)
	return v.done("signed-out", "/sign-in")
}

func (v *visit) enrolForm() error { return v.showSignIn("enrol", http.StatusOK, nil) }

// enrol sets a password by a code, and signs in with it.
func (v *visit) enrol() error {
	password := v.r.Form.Get("password")
	if password != v.r.Form.Get("repeated") {
		return v.showSignIn("enrol", http.StatusBadRequest, &api.Refusal{Status: http.StatusBadRequest, Code: "not-repeated"})
	}
	who, err := v.api.EnrolPassword(v.ctx(), api.Enrol{Code: v.form("code"), Password: password})
	if err == nil {
		_, err = v.api.SignIn(v.ctx(), api.SignIn{Name: who.Name, Password: password, Cookie: true})
	}
	if err != nil {
		return v.again("enrol", err)
	}
	return v.done("enrolled", "/")
}

func (v *visit) firstForm() error { return v.showSignIn("first", http.StatusOK, nil) }

// first adds the first person, who enrols next.
func (v *visit) first() error {
	u, err := v.api.AddFirstPerson(v.ctx(), api.FirstPerson{Code: v.form("code"), Name: v.form("name"), Display: v.form("display")})
	if err != nil {
		return v.again("first", err)
	}
	return v.done("", "/enrol#"+url.PathEscape(u.Code))
}

// setLook keeps how a reader wants to see the console; what the form leaves out stays.
func (v *visit) setLook() error {
	q := url.Values{"lang": {v.Look.Lang}, "theme": {v.Look.Theme}}
	if v.Look.Exercise {
		q.Set("exercise", "on")
	}
	for _, name := range []string{"lang", "theme", "exercise"} {
		if v.r.Form.Has(name) {
			q.Set(name, v.form(name))
		}
	}
	v.keep(lookCookie, q.Encode(), lookAge)
	return v.done("", v.next())
}

// setPurpose keeps why content is read; it goes into the access log with every read, until the browser is closed.
func (v *visit) setPurpose() error {
	purpose, caseNumber := v.form("purpose"), v.form("case")
	if !oneLine(purpose) || !oneLine(caseNumber) {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "form"}
	}
	v.keep(purposeCookie, url.Values{"purpose": {purpose}, "case": {caseNumber}}.Encode(), 12*time.Hour)
	if purpose+caseNumber == "" {
		return v.done("purpose-none", v.next())
	}
	return v.done("purpose", v.next())
}

// oneLine says whether a reason fits into a header of the API.
func oneLine(s string) bool {
	return len(s) <= maxWordBytes && !slices.ContainsFunc([]rune(s), func(r rune) bool { return r < ' ' })
}
