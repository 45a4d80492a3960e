package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// SignIn begins a session by name and password; its secret goes into Target.Token.
func (c *Client) SignIn(ctx context.Context, s SignIn) (Session, error) {
	return ask[Session](ctx, c, call{method: http.MethodPost, path: "/v1/session", body: s})
}

// WhoAmI returns who this client asks as.
func (c *Client) WhoAmI(ctx context.Context) (Session, error) {
	return ask[Session](ctx, c, call{method: http.MethodGet, path: "/v1/session"})
}

// SignOut ends this client's session.
func (c *Client) SignOut(ctx context.Context) error {
	_, err := ask[none](ctx, c, call{method: http.MethodDelete, path: "/v1/session"})
	return err
}

// EnrolPassword sets a password by an enrolment code.
func (c *Client) EnrolPassword(ctx context.Context, e Enrol) (Session, error) {
	return ask[Session](ctx, c, call{method: http.MethodPost, path: "/v1/enrolment/password", body: e})
}

// CodeOwner returns whose an enrolment code is.
func (c *Client) CodeOwner(ctx context.Context, code string) (Session, error) {
	return ask[Session](ctx, c, call{method: http.MethodPost, path: "/v1/enrolment", body: Enrol{Code: code}})
}

// AddUser adds a person; the code in the answer is shown this once.
func (c *Client) AddUser(ctx context.Context, u NewUser) (User, error) {
	return ask[User](ctx, c, call{method: http.MethodPost, path: "/v1/users", body: u})
}

// Users lists people, the removed ones too.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	return ask[[]User](ctx, c, call{method: http.MethodGet, path: "/v1/users"})
}

// User returns one person.
func (c *Client) User(ctx context.Context, id string) (User, error) {
	return ask[User](ctx, c, call{method: http.MethodGet, path: "/v1/users/" + url.PathEscape(id)})
}

// ChangeUser changes how a person is shown, or their roles.
func (c *Client) ChangeUser(ctx context.Context, id string, u ChangeUser) (User, error) {
	return ask[User](ctx, c, call{method: http.MethodPost, path: "/v1/users/" + url.PathEscape(id) + "/change", body: u})
}

// InviteUser gives a person another code to enrol by.
func (c *Client) InviteUser(ctx context.Context, id string, i InviteUser) (User, error) {
	return ask[User](ctx, c, call{method: http.MethodPost, path: "/v1/users/" + url.PathEscape(id) + "/invitation", body: i})
}

// RemoveUser removes a person; their sessions end at once.
func (c *Client) RemoveUser(ctx context.Context, id string, r RemoveUser) (User, error) {
	return ask[User](ctx, c, call{method: http.MethodPost, path: "/v1/users/" + url.PathEscape(id) + "/removal", body: r})
}

// Consents returns a page of what a second person is asked to agree to; state is waiting, granted or refused.
func (c *Client) Consents(ctx context.Context, state string, before int64) (ConsentPage, error) {
	q := url.Values{}
	if state != "" {
		q.Set("state", state)
	}
	if before > 0 {
		q.Set("before", strconv.FormatInt(before, 10))
	}
	return ask[ConsentPage](ctx, c, call{method: http.MethodGet, path: "/v1/consents", query: q})
}

// AnswerConsent agrees as the second person, or does not.
func (c *Client) AnswerConsent(ctx context.Context, id string, a AnswerConsent) (Consent, error) {
	return ask[Consent](ctx, c, call{method: http.MethodPost, path: "/v1/consents/" + url.PathEscape(id) + "/answer", body: a})
}

// SignInWays returns in which ways people can sign in, beside name and password.
func (c *Client) SignInWays(ctx context.Context) (Ways, error) {
	return ask[Ways](ctx, c, call{method: http.MethodGet, path: "/v1/session/ways"})
}

// AddFirstPerson adds the first person by the code that 'vigil serve' printed.
func (c *Client) AddFirstPerson(ctx context.Context, p FirstPerson) (User, error) {
	return ask[User](ctx, c, call{method: http.MethodPost, path: "/v1/first-person", body: p})
}
