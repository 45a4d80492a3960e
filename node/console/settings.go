package console

import (
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

func (v *visit) onSettings(said string, err error) error {
	if err != nil {
		return err
	}
	return v.done(said, "/settings")
}

// withCode shows the code by which a person enrols, once, with the address to do it at.
func (v *visit) withCode(u api.User, err error) error {
	if err != nil {
		return err
	}
	v.render(http.StatusOK, "once", once{Kind: "code", Text: u.Code, Link: "https://" + v.r.Host + "/enrol#" + u.Code, Back: "/settings"})
	return nil
}

func (v *visit) addUser() error {
	return v.withCode(v.api.AddUser(v.ctx(), api.NewUser{Name: v.form("name"), Display: v.form("display"), Roles: v.r.Form["role"], Subject: v.form("subject")}))
}

func (v *visit) changeUser() error {
	_, err := v.api.ChangeUser(v.ctx(), v.r.PathValue("id"), api.ChangeUser{Roles: v.r.Form["role"]})
	return v.onSettings("kept", err)
}

func (v *visit) inviteUser() error {
	return v.withCode(v.api.InviteUser(v.ctx(), v.r.PathValue("id"), api.InviteUser{Reset: v.form("reset") != ""}))
}

func (v *visit) removeUser() error {
	_, err := v.api.RemoveUser(v.ctx(), v.r.PathValue("id"), api.RemoveUser{Reason: v.form("reason")})
	return v.onSettings("removed", err)
}

func (v *visit) createToken() error {
	days, _ := strconv.Atoi(v.form("days")) // nonsense is zero, which is the usual
	t, err := v.api.CreateToken(v.ctx(), api.NewToken{Name: v.form("name"), Role: v.form("role"), Days: days})
	if err != nil {
		return err
	}
	v.render(http.StatusOK, "once", once{Kind: "token", Text: t.Secret, Back: "/settings"})
	return nil
}

func (v *visit) revokeToken() error {
	return v.onSettings("revoked", v.api.RevokeToken(v.ctx(), v.r.PathValue("id")))
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
		v.render(http.StatusOK, "once", once{Kind: "secret", Text: s.Secret, Back: "/settings"})
		return nil
	}
	return v.onSettings("kept", nil)
}

// turn pauses, resumes or closes a subscription.
func (v *visit) turn() error {
	what := v.form("turn")
	if !slices.Contains([]string{"pause", "resume", "close"}, what) {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "form"}
	}
	_, err := v.api.TurnSubscription(v.ctx(), v.r.PathValue("id"), what)
	return v.onSettings("kept", err)
}
