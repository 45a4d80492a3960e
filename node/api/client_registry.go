package api

import (
	"context"
	"net/http"
	"net/url"
)

// GiveNotice gives notice of a person. The same key gives the first answer again.
func (c *Client) GiveNotice(ctx context.Context, key string, n GiveNotice) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/registry/notices", body: n, key: key})
}

func (c *Client) onNotice(ctx context.Context, key, id, what string, body any) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/registry/notices/" + url.PathEscape(id) + what, body: body, key: key})
}

// CorrectNotice puts another notice in the place of one of ours.
func (c *Client) CorrectNotice(ctx context.Context, key, id string, n CorrectNotice) (Written, error) {
	return c.onNotice(ctx, key, id, "/corrections", n)
}

// LiftNotice ends one of ours.
func (c *Client) LiftNotice(ctx context.Context, key, id string, l LiftNotice) (Written, error) {
	return c.onNotice(ctx, key, id, "/lifting", l)
}

// ChallengeNotice says that another agency's notice is wrong.
func (c *Client) ChallengeNotice(ctx context.Context, key, id string, n ChallengeNotice) (Written, error) {
	return c.onNotice(ctx, key, id, "/challenges", n)
}

// UpholdNotice answers a challenge.
func (c *Client) UpholdNotice(ctx context.Context, key, id, challenge string, u UpholdNotice) (Written, error) {
	return c.onNotice(ctx, key, id, "/challenges/"+url.PathEscape(challenge), u)
}

// NoticeQuery filters and pages notices; zero values do not filter.
type NoticeQuery struct {
	Author, State string
	Challenged    bool
	Exercise      bool
	Before        int64
	Limit         int
}

// Notices returns one page.
func (c *Client) Notices(ctx context.Context, q NoticeQuery) (NoticePage, error) {
	v := paged(q.Exercise, q.Before, q.Limit, "author", q.Author, "state", q.State)
	if q.Challenged {
		v.Set("challenged", "true")
	}
	return ask[NoticePage](ctx, c, call{method: http.MethodGet, path: "/v1/registry/notices", query: v})
}

// Notice returns one notice, and who no longer goes by what was changed.
func (c *Client) Notice(ctx context.Context, id string) (Notice, error) {
	return ask[Notice](ctx, c, call{method: http.MethodGet, path: "/v1/registry/notices/" + url.PathEscape(id)})
}

// Screen asks whether there is something to be looked up in the registry.
func (c *Client) Screen(ctx context.Context, s Screen) (Screened, error) {
	return ask[Screened](ctx, c, call{method: http.MethodPost, path: "/v1/registry/screenings", body: s})
}

// Screenings returns one page of who screened.
func (c *Client) Screenings(ctx context.Context, by string, exercise bool, before int64, limit int) (ScreeningPage, error) {
	return ask[ScreeningPage](ctx, c, call{method: http.MethodGet, path: "/v1/registry/screenings", query: paged(exercise, before, limit, "by", by)})
}
