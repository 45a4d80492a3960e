package api

import (
	"context"
	"net/http"
	"net/url"
)

// Recall says who held an alert that was taken back, and who has answered.
func (c *Client) Recall(ctx context.Context, id string) (Recall, error) {
	return ask[Recall](ctx, c, call{method: http.MethodGet, path: "/v1/alerts/" + url.PathEscape(id) + "/recall"})
}

// RecallQuery filters and pages recalls; zero values do not filter.
type RecallQuery struct {
	Author   string
	Exercise bool
	Before   int64
	Limit    int
}

// Recalls returns one page.
func (c *Client) Recalls(ctx context.Context, q RecallQuery) (RecallPage, error) {
	return ask[RecallPage](ctx, c, call{method: http.MethodGet, path: "/v1/recalls", query: paged(q.Exercise, q.Before, q.Limit, "author", q.Author)})
}

// BeginExport begins to hand alerts out.
func (c *Client) BeginExport(ctx context.Context, key string, b BeginExport) (Export, error) {
	return ask[Export](ctx, c, call{method: http.MethodPost, path: "/v1/exports", body: b, key: key})
}

// ExportAlerts returns the next alerts of an export.
func (c *Client) ExportAlerts(ctx context.Context, id string, m ExportMore) (ExportAlerts, error) {
	return ask[ExportAlerts](ctx, c, call{method: http.MethodPost, path: "/v1/exports/" + url.PathEscape(id) + "/alerts", body: m})
}

// ExportWithdrawals returns what earlier exports carried and is withdrawn.
func (c *Client) ExportWithdrawals(ctx context.Context, id string, m ExportMore) (ExportWithdrawals, error) {
	return ask[ExportWithdrawals](ctx, c, call{method: http.MethodPost, path: "/v1/exports/" + url.PathEscape(id) + "/withdrawals", body: m})
}

// Exports returns one page of what left this agency.
func (c *Client) Exports(ctx context.Context, exercise bool, before int64, limit int) (ExportPage, error) {
	return ask[ExportPage](ctx, c, call{method: http.MethodGet, path: "/v1/exports", query: paged(exercise, before, limit)})
}
