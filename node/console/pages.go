package console

import (
	"net/http"
	"strings"

	"vigil/node/api"
)

// page is one route of the console. Those with an icon stand in the navigation.
type page struct {
	name  string // of the template and of its words
	route string // method and path
	icon  string
	Key   string   // typed after g it goes there
	roles []string // who finds it in the navigation; the API decides what is answered
	live  string   // beginnings of the kinds of changes that it shows
	open  bool     // also for who is not signed in
	serve func(*visit) error
}

// Roles that pages are for, as the API has them.
var (
	readers     = []string{api.RoleAnalyst, api.RoleLab, api.RoleAuditor}
	writers     = []string{api.RoleAnalyst, api.RoleLab}
	figureRoles = []string{api.RoleAnalyst, api.RoleLab, api.RoleLiaison, api.RoleCoordinator, api.RoleAuditor}

	followers = []string{api.RoleAnalyst, api.RoleLab, api.RoleAuditor, api.RoleLiaison, api.RoleSupport}
)

// polled is for pages that show what no change of the board tells of: they look for news by themselves.
const polled = "-"

// pages are all routes. A page is a line here, a function, a template of its name and its words in every language.
var pages = []page{
	{name: "now", route: "GET /{$}", icon: "bell", Key: "n", live: "alert. report. referral. watch. recall.", serve: (*visit).now},
	{name: "alerts", route: "GET /alerts", icon: "list", Key: "a", roles: readers, live: "alert. benign.", serve: (*visit).alerts},
	{name: "alerts", route: "POST /alerts", serve: (*visit).bulk},
	{name: "raise", route: "GET /alerts/new", serve: (*visit).raiseForm},
	{name: "raise", route: "POST /alerts/new", serve: (*visit).raise},
	{name: "alert", route: "GET /alerts/{id}", live: "alert. benign. recall.", serve: (*visit).alert},
	{name: "alert", route: "POST /alerts/{id}/assessment", serve: (*visit).assess},
	{name: "alert", route: "POST /alerts/{id}/sighting", serve: (*visit).sight},
	{name: "alert", route: "POST /alerts/{id}/retraction", serve: (*visit).retract},
	{name: "lookup", route: "GET /look-up", icon: "search", Key: "l", roles: readers, serve: (*visit).lookUpForm},
	{name: "lookup", route: "POST /look-up", serve: (*visit).lookUp},
	{name: "reports", route: "GET /reports", icon: "files", Key: "r", roles: readers, live: "report. alert.", serve: (*visit).queue},
	{name: "report", route: "GET /reports/{id}", live: "report. alert.", serve: (*visit).report},
	{name: "report", route: "POST /reports/{id}/triage", serve: (*visit).triage},
	{name: "report", route: "POST /reports/{id}/escalation", serve: (*visit).escalate},
	{name: "referrals", route: "GET /referrals", icon: "send", Key: "e", roles: referralRoles, live: "referral.", serve: (*visit).referrals},
	{name: "refer", route: "GET /referrals/new", serve: (*visit).referForm},
	{name: "refer", route: "POST /referrals/new", serve: (*visit).refer},
	{name: "referral", route: "GET /referrals/{id}", live: "referral.", serve: (*visit).referral},
	{name: "referral", route: "POST /referrals/{id}/moves", serve: (*visit).moveReferral},
	{name: "referral", route: "POST /referrals/{id}/tasks", serve: (*visit).giveTask},
	{name: "referral", route: "POST /referrals/{id}/tasks/{task}", serve: (*visit).endTask},
	{name: "referral", route: "POST /referrals/{id}/links", serve: (*visit).linkReferral},
	{name: "referral", route: "POST /referrals/{id}/wish", serve: (*visit).wish},
	{name: "watch", route: "GET /watch", icon: "eye", Key: "t", roles: readers, live: "watch. alert.", serve: (*visit).watch},
	{name: "watch", route: "POST /watch", serve: (*visit).addWatched},
	{name: "watch", route: "POST /watch/hits", serve: (*visit).handleHits},
	{name: "watchlist", route: "GET /watch/{id}", live: "watch.", serve: (*visit).watchList},
	{name: "watchlist", route: "POST /watch/{id}/removal", serve: (*visit).removeWatched},
	{name: "figures", route: "GET /figures", icon: "chart-column", Key: "f", roles: figureRoles, serve: (*visit).figures},
	{name: "access", route: "GET /access", icon: "clipboard-list", Key: "o", roles: []string{api.RoleAuditor}, serve: (*visit).access},
	{name: "access", route: "POST /access", serve: (*visit).verifyAccess},
	{name: "network", route: "GET /network", icon: "network", Key: "w", roles: governing, live: polled, serve: (*visit).network},
	{name: "governance", route: "GET /governance", icon: "scale", Key: "v", roles: governing, live: polled, serve: (*visit).governance},
	{name: "governance", route: "POST /governance/proposals/{id}/approval", serve: (*visit).approve},
	{name: "governance", route: "POST /governance/proposals/{id}/withdrawal", serve: (*visit).withdraw},
	{name: "governance", route: "POST /governance/consents/{id}", serve: (*visit).consent},
	{name: "governance", route: "POST /governance/consents/{id}/doing", serve: (*visit).repeat},
	{name: "governance", route: "POST /governance/invitations", serve: (*visit).invite},
	{name: "governance", route: "POST /governance/removals", serve: (*visit).removeAgency},
	{name: "governance", route: "POST /governance/partners", serve: (*visit).link},
	{name: "governance", route: "POST /governance/audiences", serve: (*visit).audience},
	{name: "governance", route: "POST /governance/keys", serve: (*visit).rotate},
	{name: "governance", route: "POST /governance/policy", serve: (*visit).proposePolicy},
	{name: "settings", route: "GET /settings", icon: "settings", Key: "s", serve: (*visit).settings},
	{name: "settings", route: "POST /settings/users", serve: (*visit).addUser},
	{name: "settings", route: "POST /settings/users/{id}/roles", serve: (*visit).changeUser},
	{name: "settings", route: "POST /settings/users/{id}/code", serve: (*visit).inviteUser},
	{name: "settings", route: "POST /settings/users/{id}/removal", serve: (*visit).removeUser},
	{name: "settings", route: "POST /settings/tokens", serve: (*visit).createToken},
	{name: "settings", route: "POST /settings/tokens/{id}/revocation", serve: (*visit).revokeToken},
	{name: "settings", route: "POST /settings/subscriptions", serve: (*visit).subscribe},
	{name: "settings", route: "POST /settings/subscriptions/{id}", serve: (*visit).turn},

	{name: "signin", route: "GET /sign-in", open: true, serve: (*visit).signInForm},
	{name: "signin", route: "POST /sign-in", open: true, serve: (*visit).signIn},
	{name: "signin", route: "POST /sign-out", open: true, serve: (*visit).signOut},
	{name: "enrol", route: "GET /enrol", open: true, serve: (*visit).enrolForm},
	{name: "enrol", route: "POST /enrol", open: true, serve: (*visit).enrol},
	{name: "first", route: "GET /first", open: true, serve: (*visit).firstForm},
	{name: "first", route: "POST /first", open: true, serve: (*visit).first},
	{name: "look", route: "POST /look", open: true, serve: (*visit).setLook},
	{name: "purpose", route: "POST /purpose", serve: (*visit).setPurpose},
	{name: "components", route: "GET /components", serve: (*visit).components},
}

// Name of the page, for templates.
func (p page) Name() string { return p.name }

// Icon of the page in the navigation.
func (p page) Icon() string { return p.icon }

// Path of the page.
func (p page) Path() string {
	_, path, _ := strings.Cut(p.route, " ")
	return strings.TrimSuffix(path, "{$}")
}

// back is the page to go back to from an answer to a form.
func (p page) back() string {
	for _, q := range pages {
		if q.name == p.name && strings.HasPrefix(q.route, http.MethodGet) && !strings.Contains(q.Path(), "{") {
			return q.Path()
		}
	}
	return "/"
}

// components shows every token and component: what pages are made of.
func (v *visit) components() error {
	v.render(http.StatusOK, "components", nil)
	return nil
}
