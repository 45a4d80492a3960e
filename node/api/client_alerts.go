package api

import (
	"context"
	"net/http"
	"net/url"
)

// Sight tells whoever raised an alert that its file was met.
func (c *Client) Sight(ctx context.Context, key, id string, x SightAlert) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/alerts/" + url.PathEscape(id) + "/sightings", body: x, key: key})
}

// LinkAlerts says whether two alerts belong together.
func (c *Client) LinkAlerts(ctx context.Context, key, id string, x LinkAlert) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/alerts/" + url.PathEscape(id) + "/links", body: x, key: key})
}
