package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// AddWatched watches for files. The same key gives the first answer again.
func (c *Client) AddWatched(ctx context.Context, key string, a AddWatched) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/watch-lists", body: a, key: key})
}

// WatchQuery filters and pages watch lists; zero values do not filter.
type WatchQuery struct {
	Case     string
	Exercise bool
	Before   int64
	Limit    int
}

// WatchLists returns one page.
func (c *Client) WatchLists(ctx context.Context, q WatchQuery) (WatchListPage, error) {
	return ask[WatchListPage](ctx, c, call{method: http.MethodGet, path: "/v1/watch-lists", query: paged(q.Exercise, q.Before, q.Limit, "case", q.Case)})
}

// paged makes the query of a page; pairs are names and values, of which the empty ones are left out.
func paged(exercise bool, before int64, limit int, pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	if exercise {
		v.Set("exercise", "true")
	}
	if before > 0 {
		v.Set("before", strconv.FormatInt(before, 10))
	}
	if limit > 0 {
		v.Set("limit", strconv.Itoa(limit))
	}
	return v
}

// WatchList returns one list with the files from a row on.
func (c *Client) WatchList(ctx context.Context, id string, from, limit int) (WatchListFiles, error) {
	q := paged(false, 0, limit, "from", strconv.Itoa(from))
	return ask[WatchListFiles](ctx, c, call{method: http.MethodGet, path: "/v1/watch-lists/" + url.PathEscape(id), query: q})
}

// RemoveWatched ends the watch for files.
func (c *Client) RemoveWatched(ctx context.Context, key string, r RemoveWatched) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/watch-lists/removals", body: r, key: key})
}

// HitQuery filters and pages hits; zero values do not filter.
type HitQuery struct {
	State, List string
	Exercise    bool
	Before      int64
	Limit       int
}

// WatchHits returns one page.
func (c *Client) WatchHits(ctx context.Context, q HitQuery) (WatchHitPage, error) {
	return ask[WatchHitPage](ctx, c, call{method: http.MethodGet, path: "/v1/watch-hits", query: paged(q.Exercise, q.Before, q.Limit, "state", q.State, "list", q.List)})
}

// WatchHit returns one hit and what was done about it.
func (c *Client) WatchHit(ctx context.Context, id string) (WatchHit, error) {
	return ask[WatchHit](ctx, c, call{method: http.MethodGet, path: "/v1/watch-hits/" + url.PathEscape(id)})
}

// HandleHits says what was done about hits.
func (c *Client) HandleHits(ctx context.Context, key string, h HandleHits) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/watch-hits/handling", body: h, key: key})
}
