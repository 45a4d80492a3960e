package browser

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"vigil/node/api"
	"vigil/test/nodetest"
)

// byPasskey has somebody enrol a passkey by a code and sign in with it, on a device that DevTools plays.
func byPasskey(t *testing.T, b *tab, n *nodetest.Running) {
	u, err := n.As(t, api.RoleCoordinator).AddUser(t.Context(), api.NewUser{Name: "meera", Display: "Meera", Roles: []string{api.RoleAnalyst}})
	if err != nil {
		t.Fatal(err)
	}
	b.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		return err
	}))
	b.signOut(t)
	b.to(t, "/enrol#"+u.Code)
	b.until(t, "the code is in the form", `document.querySelector('[name=code]').value && location.hash === '' && document.querySelector('#passkey-new:enabled')`)
	b.accessible(t)
	b.shot(t, "enrol")
	b.do(t, chromedp.Click(chromedp.CSS("#passkey-new")))
	b.until(t, "enrolled", `location.pathname === '/sign-in' && document.querySelector('#passkey-in:enabled')`)
	b.do(t, chromedp.Click(chromedp.CSS("#passkey-in")))
	b.until(t, "signed in by it", `location.pathname === '/' && document.querySelector('.who').innerText === 'Meera'`)
	// A code is used once, and the page says so.
	b.signOut(t)
	b.said.allow("status of 401")
	b.to(t, "/enrol#"+u.Code)
	b.until(t, "the code is in the form", `document.querySelector('[name=code]').value && document.querySelector('#passkey-new:enabled')`)
	b.do(t, chromedp.Click(chromedp.CSS("#passkey-new")))
	b.until(t, "refused, with why", `!document.querySelector('#passkey-problem').hidden && document.querySelector('#passkey-problem').innerText.includes('the code is wrong, was used, or is over')`)
	b.accessible(t)
	b.signsIn(t, "asha", "Asha Rao")
}

// byProvider has somebody whom the agency's OpenID provider knows sign in there and come back, and somebody unknown be told.
func byProvider(t *testing.T, b *tab, n *nodetest.Running, p *provider) {
	visit := func() {
		b.signOut(t)
		b.do(t, chromedp.Click(chromedp.CSS(`a[href="/v1/session/provider"]`)))
		b.until(t, "at the provider", fmt.Sprintf(`location.href.startsWith(%q) && document.querySelector('#me')`, p.URL))
		b.do(t, chromedp.Click(chromedp.CSS("#me")))
	}
	visit()
	b.until(t, "refused, as nobody here", `location.pathname === '/sign-in' && document.querySelector('.note.bad[role=alert]')`)
	b.accessible(t)
	b.shot(t, "provider-refused")
	u, err := n.As(t, api.RoleCoordinator).AddUser(t.Context(), api.NewUser{Name: "kabir", Display: "Kabir", Roles: []string{api.RoleAnalyst}, Subject: p.URL + " " + p.subject})
	if err != nil {
		t.Fatal(err)
	}
	b.signsIn(t, "asha", "Asha Rao")
	visit()
	b.until(t, "signed in by the provider", `location.pathname === '/' && document.querySelector('.who')?.innerText === 'Kabir'`)
	if _, err := n.As(t, api.RoleCoordinator).RemoveUser(t.Context(), u.ID, api.RemoveUser{Reason: "left"}); err != nil {
		t.Fatal(err)
	}
	b.to(t, "/alerts")
	b.until(t, "who was removed is out", `location.pathname === '/sign-in'`)
	b.signsIn(t, "asha", "Asha Rao")
}

// signOut signs out whoever is signed in.
func (b *tab) signOut(t *testing.T) {
	t.Helper()
	b.to(t, "/")
	b.fill(t, "form[action='/sign-out']", map[string]string{})
	b.until(t, "signed out", `location.pathname === '/sign-in'`)
}

// signsIn signs somebody in by name and password.
func (b *tab) signsIn(t *testing.T, name, shown string) {
	t.Helper()
	b.to(t, "/sign-in")
	b.fill(t, "form[action='/sign-in']", map[string]string{"name": name, "password": password})
	b.until(t, "signed in", fmt.Sprintf(`location.pathname === '/' && document.querySelector('.who').innerText === %q`, shown))
}

// signIn signs out whoever is signed in, and somebody else in.
func (b *tab) signIn(t *testing.T, name, shown string) {
	t.Helper()
	b.signOut(t)
	b.signsIn(t, name, shown)
}
