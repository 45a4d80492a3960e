package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// OpenReferral asks another agency to act. The same key gives the first answer again.
func (c *Client) OpenReferral(ctx context.Context, key string, r OpenReferral) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/referrals", body: r, key: key})
}

func (c *Client) onReferral(ctx context.Context, key, id, what string, body any) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/referrals/" + url.PathEscape(id) + what, body: body, key: key})
}

// MoveReferral moves a referral on.
func (c *Client) MoveReferral(ctx context.Context, key, id string, m MoveReferral) (Written, error) {
	return c.onReferral(ctx, key, id, "/moves", m)
}

// LinkReferral names further alerts and reports.
func (c *Client) LinkReferral(ctx context.Context, key, id string, l LinkReferral) (Written, error) {
	return c.onReferral(ctx, key, id, "/links", l)
}

// GiveTask gives a task on a referral.
func (c *Client) GiveTask(ctx context.Context, key, id string, t GiveTask) (Written, error) {
	return c.onReferral(ctx, key, id, "/tasks", t)
}

// EndTask says that a task is done, or drops it.
func (c *Client) EndTask(ctx context.Context, key, id, task string, e EndTask) (Written, error) {
	return c.onReferral(ctx, key, id, "/tasks/"+url.PathEscape(task), e)
}

// RecordWish records a victim's wish.
func (c *Client) RecordWish(ctx context.Context, key, id string, w Wish) (Written, error) {
	return c.onReferral(ctx, key, id, "/wish", w)
}

// Referral returns one referral with its deadlines, tasks and time line.
func (c *Client) Referral(ctx context.Context, id string) (Referral, error) {
	return ask[Referral](ctx, c, call{method: http.MethodGet, path: "/v1/referrals/" + url.PathEscape(id)})
}

// ReferralQuery filters and pages referrals; zero values do not filter.
type ReferralQuery struct {
	State, Kind, Holder, Agency, Sort, Cursor string
	Overdue                                   bool
	DueBefore                                 time.Time
	Exercise                                  bool
	Limit                                     int
}

// Referrals returns one page.
func (c *Client) Referrals(ctx context.Context, q ReferralQuery) (ReferralPage, error) {
	v := paged(q.Exercise, 0, q.Limit, "state", q.State, "kind", q.Kind, "holder", q.Holder, "agency", q.Agency, "sort", q.Sort, "cursor", q.Cursor)
	if q.Overdue {
		v.Set("overdue", "true")
	}
	if !q.DueBefore.IsZero() {
		v.Set("due_before", q.DueBefore.UTC().Format(time.RFC3339))
	}
	return ask[ReferralPage](ctx, c, call{method: http.MethodGet, path: "/v1/referrals", query: v})
}
