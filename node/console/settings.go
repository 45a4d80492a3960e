package console

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"vigil/node/api"
)

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// settingsPage is who may use this node, and who is told of changes.
type settingsPage struct {
	Users         []api.User
	Tokens        []api.Token
	Subscriptions []api.Subscription
	Roles         []string
	Secure        string // address of the page to enrol at
}

var keepers = []string{api.RoleCoordinator, api.RoleOperator}

// roles that people and tokens can have, in the order in which they are offered.
var roles = []string{
	api.RoleAnalyst, api.RoleLab, api.RoleLiaison, api.RoleCoordinator, api.RoleSupport, api.RolePlatform, api.RoleScreening, api.RoleAuditor, api.RoleOperator,
}

func (v *visit) settings() error {
	p := settingsPage{Roles: roles}
	if v.may(keepers...) {
		var err error
		if p.Users, err = v.api.Users(v.ctx()); err != nil {
			return err
		}
		if p.Tokens, err = v.api.Tokens(v.ctx()); err != nil {
			return err
		}
		if p.Subscriptions, err = v.api.Subscriptions(v.ctx()); err != nil {
			return err
		}
	}
	v.render(http.StatusOK, "settings", p)
	return nil
}

// onSettings goes back to the page after an act on what has a name.
func (v *visit) onSettings(said, name string, err error) error {
	if err != nil {
		return err
	}
	return v.done(said, "/settings", name)
}

// nameOf is how a person is shown.
func nameOf(u api.User) string { return cmp.Or(u.Display, u.Name) }

// Person is how somebody of this agency is called, for readers who may list people; everybody else reads the id that the
// access log has.
func (v *visit) Person(id string) string {
	if v.people == nil && v.may(keepers...) {
		v.people = map[string]string{}
		all, err := v.api.Users(v.ctx())
		if err != nil {
			v.console.cfg.Log.Warn("people are shown by their ids", "error", err)
		}
		for _, u := range all {
			v.people[u.ID] = nameOf(u)
		}
	}
	return cmp.Or(v.people[id], short(id))
}

// because returns a client whose request says why: acts whose own words have no place for a reason have it in the access
// log, and a second person sees it. A reason is required.
func (v *visit) because() (*api.Client, error) {
	reason := v.form("reason")
	if reason == "" {
		return nil, &api.Refusal{Status: http.StatusBadRequest, Code: "reason"}
	}
	if !oneLine(reason) {
		return nil, &api.Refusal{Status: http.StatusBadRequest, Code: "form"}
	}
	_, caseNumber := purposeOf(v.r)
	return v.api.About(reason, caseNumber), nil
}

// withCode shows the code by which a person enrols, once, with the address to do it at.
func (v *visit) withCode(said string, u api.User, err error) error {
	if err != nil {
		return err
	}
	return v.once(said, nameOf(u), once{Kind: "code", Text: u.Code, Link: "https://" + v.r.Host + "/enrol#" + u.Code, Back: "/settings"})
}

func (v *visit) addUser() error {
	u, err := v.api.AddUser(v.ctx(), api.NewUser{Name: v.form("name"), Display: v.form("display"), Roles: v.r.Form["role"], Subject: v.form("subject")})
	return v.withCode("user-added", u, err)
}

func (v *visit) changeUser() error {
	u, err := v.api.ChangeUser(v.ctx(), v.r.PathValue("id"), api.ChangeUser{Roles: v.r.Form["role"]})
	return v.onSettings("user-changed", nameOf(u), err)
}

// inviteUser makes another code. Ending all that a person signed in by until now needs a reason.
func (v *visit) inviteUser() error {
	client, said := v.api, "user-invited"
	if v.form("reset") != "" {
		var err error
		if client, err = v.because(); err != nil {
			return err
		}
		said = "user-reset"
	}
	u, err := client.InviteUser(v.ctx(), v.r.PathValue("id"), api.InviteUser{Reset: v.form("reset") != ""})
	return v.withCode(said, u, err)
}

func (v *visit) removeUser() error {
	u, err := v.api.RemoveUser(v.ctx(), v.r.PathValue("id"), api.RemoveUser{Reason: v.form("reason")})
	return v.onSettings("user-removed", nameOf(u), err)
}

func (v *visit) createToken() error {
	days, _ := strconv.Atoi(v.form("days")) // nonsense is zero, which is the usual
	t, err := v.api.CreateToken(v.ctx(), api.NewToken{Name: v.form("name"), Role: v.form("role"), Days: days})
	if err != nil {
		return err
	}
	return v.once("token-made", t.Name, once{Kind: "token", Text: t.Secret, Back: "/settings"})
}

func (v *visit) revokeToken() error {
	client, err := v.because()
	if err != nil {
		return err
	}
	return v.onSettings("token-revoked", v.form("name"), client.RevokeToken(v.ctx(), v.r.PathValue("id")))
}

func (v *visit) subscribe() error {
	minutes, _ := strconv.ParseUint(v.form("minutes"), 10, 32) // nonsense is zero, which is the usual
	s, err := v.api.OpenSubscription(v.ctx(), api.OpenSubscription{
		Name: v.form("name"), Channel: v.form("channel"), To: v.form("to"), Kinds: fields(v.form("kinds")), Urgency: v.form("urgency"), Minutes: minutes,
	})
	if err != nil {
		return err
	}
	if s.Secret != "" {
		return v.once("subscribed", s.Name, once{Kind: "secret", Text: s.Secret, Back: "/settings"})
	}
	return v.onSettings("subscribed", s.Name, nil)
}

// turn pauses, resumes or closes a subscription.
func (v *visit) turn() error {
	client, what := v.api, v.form("turn")
	said, known := map[string]string{"pause": "sub-paused", "resume": "sub-resumed", "close": "sub-closed"}[what]
	if !known {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "form"}
	}
	if what == "close" {
		var err error
		if client, err = v.because(); err != nil {
			return err
		}
	}
	s, err := client.TurnSubscription(v.ctx(), v.r.PathValue("id"), what)
	return v.onSettings(said, s.Name, err)
}
