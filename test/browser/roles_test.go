package browser

import (
	"strings"
	"testing"

	"vigil/node/api"
	"vigil/test/nodetest"
)

// inEveryRole signs somebody in who has one role alone, for each that no other step has, and opens every page that they find:
// none of them is refused, and each is fit for everybody.
func inEveryRole(t *testing.T, b *tab, n *nodetest.Running) {
	coordinator := n.As(t, api.RoleCoordinator)
	for _, role := range []string{api.RoleOperator, api.RoleLiaison, api.RoleSupport, api.RoleCoordinator} {
		u, err := coordinator.AddUser(t.Context(), api.NewUser{Name: role + "-alone", Display: "Only " + role, Roles: []string{role}})
		if err != nil {
			t.Fatal(err)
		}
		enrolled(t, n, u.Code, role+"-alone")
		b.signIn(t, role+"-alone", "Only "+role)
		found := eval[string](t, b, `[...document.querySelectorAll('nav.side a')].map(a => a.getAttribute('href')).join(' ')`)
		for _, path := range strings.Fields(found) {
			b.to(t, path)
			if !eval[bool](t, b, `Boolean(document.querySelector('main h1')) && !document.querySelector('main [role=alert]')`) {
				t.Errorf("%s finds %s, and is refused", role, path)
			}
			b.accessible(t)
		}
		b.shot(t, "role-"+role)
	}
	b.signIn(t, "asha", "Asha Rao")
}
