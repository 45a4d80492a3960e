package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Sight tells whoever raised an alert that its file was met.
func (c *Client) Sight(ctx context.Context, key, id string, x SightAlert) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/alerts/" + url.PathEscape(id) + "/sightings", body: x, key: key})
}

// LinkAlerts says whether two alerts belong together.
func (c *Client) LinkAlerts(ctx context.Context, key, id string, x LinkAlert) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/alerts/" + url.PathEscape(id) + "/links", body: x, key: key})
}

// DeclareBenign says that signals are benign.
func (c *Client) DeclareBenign(ctx context.Context, key string, x DeclareBenign) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/benign", body: x, key: key})
}

// LiftBenign takes a declaration back.
func (c *Client) LiftBenign(ctx context.Context, key, id string, x LiftBenign) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/benign/" + url.PathEscape(id) + "/lift", body: x, key: key})
}

// BenignQuery pages the known-benign list.
type BenignQuery struct {
	Exercise bool
	Before   int64
	Limit    int
}

// Benigns returns one page of the known-benign list.
func (c *Client) Benigns(ctx context.Context, q BenignQuery) (BenignPage, error) {
	v := url.Values{}
	if q.Exercise {
		v.Set("exercise", "true")
	}
	if q.Before > 0 {
		v.Set("before", strconv.FormatInt(q.Before, 10))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return ask[BenignPage](ctx, c, call{method: http.MethodGet, path: "/v1/benign", query: v})
}

// Benign returns one declaration with its time line.
func (c *Client) Benign(ctx context.Context, id string) (Benign, error) {
	return ask[Benign](ctx, c, call{method: http.MethodGet, path: "/v1/benign/" + url.PathEscape(id)})
}

// Floods returns what members raised beyond their allowances.
func (c *Client) Floods(ctx context.Context, exercise bool) (Floods, error) {
	v := url.Values{}
	if exercise {
		v.Set("exercise", "true")
	}
	return ask[Floods](ctx, c, call{method: http.MethodGet, path: "/v1/floods", query: v})
}

// ReleaseFlood says that what another agency raised was looked at.
func (c *Client) ReleaseFlood(ctx context.Context, key string, x ReleaseFlood) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/floods/release", body: x, key: key})
}
