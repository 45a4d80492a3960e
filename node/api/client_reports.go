package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

const reportsPath = "/v1/reports/"

func reportPathOf(id, rest string) string { return reportsPath + url.PathEscape(id) + rest }

func draftPathOf(id, rest string) string { return "/v1/drafts/" + url.PathEscape(id) + rest }

// SubmitReport reports to the agency; the same key gives the first answer again.
func (c *Client) SubmitReport(ctx context.Context, key string, r SubmitReport) (ReportWritten, error) {
	return ask[ReportWritten](ctx, c, call{method: http.MethodPost, path: "/v1/reports", body: r, key: key})
}

// OpenDraft begins a report.
func (c *Client) OpenDraft(ctx context.Context, key string, r SubmitReport) (ReportDraft, error) {
	return ask[ReportDraft](ctx, c, call{method: http.MethodPost, path: "/v1/drafts", body: r, key: key})
}

// Drafts lists what this platform has begun.
func (c *Client) Drafts(ctx context.Context) ([]ReportDraft, error) {
	return ask[[]ReportDraft](ctx, c, call{method: http.MethodGet, path: "/v1/drafts"})
}

// Draft returns one draft.
func (c *Client) Draft(ctx context.Context, id string) (ReportDraft, error) {
	return ask[ReportDraft](ctx, c, call{method: http.MethodGet, path: draftPathOf(id, "")})
}

// AddFile adds a file's details to a draft.
func (c *Client) AddFile(ctx context.Context, id string, f ReportFile) (ReportDraft, error) {
	return ask[ReportDraft](ctx, c, call{method: http.MethodPost, path: draftPathOf(id, "/files"), body: f})
}

// FinishDraft reports what was drafted.
func (c *Client) FinishDraft(ctx context.Context, id string) (ReportWritten, error) {
	return ask[ReportWritten](ctx, c, call{method: http.MethodPost, path: draftPathOf(id, "/finish")})
}

// RemoveDraft ends a draft without reporting.
func (c *Client) RemoveDraft(ctx context.Context, id string) error {
	_, err := ask[struct{}](ctx, c, call{method: http.MethodDelete, path: draftPathOf(id, "")})
	return err
}

// ReportQuery filters and pages reports; zero values do not filter.
type ReportQuery struct {
	State, Platform, Person string
	Exercise                bool
	Before                  int64
	Limit                   int
}

// Reports returns one page of reports.
func (c *Client) Reports(ctx context.Context, q ReportQuery) (ReportPage, error) {
	v := values(map[string]string{"state": q.State, "platform": q.Platform, "person": q.Person}, q.Exercise, q.Limit)
	if q.Before > 0 {
		v.Set("before", strconv.FormatInt(q.Before, 10))
	}
	return ask[ReportPage](ctx, c, call{method: http.MethodGet, path: "/v1/reports", query: v})
}

func values(text map[string]string, exercise bool, limit int) url.Values {
	v := url.Values{}
	for name, value := range text {
		if value != "" {
			v.Set(name, value)
		}
	}
	if exercise {
		v.Set("exercise", "true")
	}
	if limit > 0 {
		v.Set("limit", strconv.Itoa(limit))
	}
	return v
}

// Report returns one report.
func (c *Client) Report(ctx context.Context, id string) (Report, error) {
	return ask[Report](ctx, c, call{method: http.MethodGet, path: reportPathOf(id, "")})
}

// ReportBundle returns the evidence bundle of a report at a revision.
func (c *Client) ReportBundle(ctx context.Context, id string, revision uint64) ([]byte, error) {
	return c.bytes(ctx, call{method: http.MethodGet, path: reportPathOf(id, "/bundle"), query: url.Values{"revision": {strconv.FormatUint(revision, 10)}}})
}

// AmendReport puts another statement in place of what was said.
func (c *Client) AmendReport(ctx context.Context, key, id string, a AmendReport) (ReportWritten, error) {
	return ask[ReportWritten](ctx, c, call{method: http.MethodPost, path: reportPathOf(id, "/amendments"), body: a, key: key})
}

// WithdrawReport takes a report back.
func (c *Client) WithdrawReport(ctx context.Context, key, id string, w WithdrawReport) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: reportPathOf(id, "/withdrawal"), body: w, key: key})
}

// Platforms returns how useful what platforms reported was.
func (c *Client) Platforms(ctx context.Context, platform string, exercise bool) ([]Platform, error) {
	return ask[[]Platform](ctx, c, call{method: http.MethodGet, path: "/v1/platforms", query: values(map[string]string{"platform": platform}, exercise, 0)})
}

// Queue returns one page of what waits for the desk.
func (c *Client) Queue(ctx context.Context, cursor string, exercise bool, limit int) (Queue, error) {
	return ask[Queue](ctx, c, call{method: http.MethodGet, path: "/v1/queue", query: values(map[string]string{"cursor": cursor}, exercise, limit)})
}

// TriageReport makes a move of the desk.
func (c *Client) TriageReport(ctx context.Context, key, id string, t TriageReport) (Escalated, error) {
	return ask[Escalated](ctx, c, call{method: http.MethodPost, path: reportPathOf(id, "/triage"), body: t, key: key})
}

// EscalateReport raises alerts, opens referrals and concludes.
func (c *Client) EscalateReport(ctx context.Context, key, id string, e EscalateReport) (Escalated, error) {
	return ask[Escalated](ctx, c, call{method: http.MethodPost, path: reportPathOf(id, "/escalation"), body: e, key: key})
}
