package api

import (
	"context"
	"net/http"
	"net/url"
)

// Release releases what this agency wrote to further audiences, or proposes to release another's.
func (c *Client) Release(ctx context.Context, r Release) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/ledger/releases", body: r})
}

// Releases returns what was released late of a ledger, ours when origin is empty, and a page of what was asked for.
func (c *Client) Releases(ctx context.Context, origin string, before int64, limit int) (Releases, error) {
	return ask[Releases](ctx, c, call{method: http.MethodGet, path: "/v1/ledger/releases", query: paged(false, before, limit, "origin", origin)})
}

// AskRelease asks that an entry be released. The same key gives the first answer again.
func (c *Client) AskRelease(ctx context.Context, key string, a AskRelease) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/ledger/asks", body: a, key: key})
}

// DeclineAsk declines to release what was asked for.
func (c *Client) DeclineAsk(ctx context.Context, key, id, reason string) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/ledger/asks/" + url.PathEscape(id) + "/refusal", body: DeclineAsk{reason}, key: key})
}

// Expunge deletes what this agency wrote everywhere, by an order, or proposes to delete another's.
func (c *Client) Expunge(ctx context.Context, x Expunge) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/ledger/expungements", body: x})
}

// Expungements returns a page of what was expunged.
func (c *Client) Expungements(ctx context.Context, before int64, limit int) (ExpungementPage, error) {
	return ask[ExpungementPage](ctx, c, call{method: http.MethodGet, path: "/v1/ledger/expungements", query: paged(false, before, limit)})
}
