package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Status returns the node at a glance.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, call{method: http.MethodGet, path: "/v1/status"})
}

// Policy returns what the jurisdiction agreed on.
func (c *Client) Policy(ctx context.Context) (Policy, error) {
	return ask[Policy](ctx, c, call{method: http.MethodGet, path: "/v1/policy"})
}

// ProposePolicy proposes another policy; what p leaves out stays as it is.
func (c *Client) ProposePolicy(ctx context.Context, p Policy) (Written, error) {
	p.Version, p.Newer = 0, nil
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/policy", body: p})
}

// Raise commits one alert. The same key gives the first answer again.
func (c *Client) Raise(ctx context.Context, key string, a RaiseAlert) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/alerts", body: a, key: key})
}

// RaiseList commits up to 10,000 alerts that share everything but their signals.
func (c *Client) RaiseList(ctx context.Context, key string, l RaiseList) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/alerts/batch", body: l, key: key})
}

// ListQuery filters and pages alerts; zero values do not filter.
type ListQuery struct {
	Standing, Actionable, Class, Series, Author, Urgency, Text, Sort, Cursor string

	Exercise bool
	Limit    int
}

func (q ListQuery) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"standing": q.Standing, "actionable": q.Actionable, "class": q.Class, "series": q.Series, "author": q.Author, "urgency": q.Urgency, "q": q.Text, "sort": q.Sort, "cursor": q.Cursor,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Exercise {
		v.Set("exercise", "true")
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// Alerts returns one page.
func (c *Client) Alerts(ctx context.Context, q ListQuery) (AlertPage, error) {
	return ask[AlertPage](ctx, c, call{method: http.MethodGet, path: "/v1/alerts", query: q.values()})
}

// Alert returns one alert with its time line; a unique prefix of at least 8 digits will do.
func (c *Client) Alert(ctx context.Context, id string) (Alert, error) {
	return ask[Alert](ctx, c, call{method: http.MethodGet, path: "/v1/alerts/" + url.PathEscape(id)})
}

// Assess commits this agency's assessment of another's alert.
func (c *Client) Assess(ctx context.Context, key, id string, a Assess) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/alerts/" + url.PathEscape(id) + "/assessments", body: a, key: key})
}

// Retract takes this agency's alert back.
func (c *Client) Retract(ctx context.Context, key, id string, r Retract) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/alerts/" + url.PathEscape(id) + "/retraction", body: r, key: key})
}

// Bundle returns the evidence bundle of an alert.
func (c *Client) Bundle(ctx context.Context, id string) ([]byte, error) {
	return c.bytes(ctx, call{method: http.MethodGet, path: "/v1/alerts/" + url.PathEscape(id) + "/bundle"})
}

// LookUp answers which alerts carry each signal, exactly.
func (c *Client) LookUp(ctx context.Context, q LookUp) (LookUpAnswer, error) {
	return ask[LookUpAnswer](ctx, c, call{method: http.MethodPost, path: "/v1/lookup", body: q})
}

// Agencies returns the roster with open proposals.
func (c *Client) Agencies(ctx context.Context) (Agencies, error) {
	return ask[Agencies](ctx, c, call{method: http.MethodGet, path: "/v1/agencies"})
}

// Invite makes an invitation for one agency.
func (c *Client) Invite(ctx context.Context, i Invite) (Invitation, error) {
	return ask[Invitation](ctx, c, call{method: http.MethodPost, path: "/v1/invitations", body: i})
}

// Approve approves an open proposal by its id.
func (c *Client) Approve(ctx context.Context, proposal string) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/proposals/" + url.PathEscape(proposal) + "/approval"})
}

// Withdraw takes this agency's own open proposal back.
func (c *Client) Withdraw(ctx context.Context, proposal string) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodDelete, path: "/v1/proposals/" + url.PathEscape(proposal)})
}

// SetAudience proposes who is in an audience.
func (c *Client) SetAudience(ctx context.Context, a SetAudience) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/audiences", body: a})
}

// Grant proposes to open an audience's past to an agency.
func (c *Client) Grant(ctx context.Context, g Grant) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/grants", body: g})
}

// Remove proposes that an agency leaves.
func (c *Client) Remove(ctx context.Context, r Removal) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/removals", body: r})
}

// RaiseFormat proposes a higher format of the ledger.
func (c *Client) RaiseFormat(ctx context.Context, f Format) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/format", body: f})
}

// RotateKey makes this agency's next key and proposes it.
func (c *Client) RotateKey(ctx context.Context) (Rotation, error) {
	return ask[Rotation](ctx, c, call{method: http.MethodPost, path: "/v1/keys"})
}

// Keys lists this agency's keys, without secrets.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	return ask[[]Key](ctx, c, call{method: http.MethodGet, path: "/v1/keys"})
}

// Partners returns the linked jurisdictions.
func (c *Client) Partners(ctx context.Context) ([]PartnerStatus, error) {
	return ask[[]PartnerStatus](ctx, c, call{method: http.MethodGet, path: "/v1/partners"})
}

// Card returns our own partner card.
func (c *Client) Card(ctx context.Context) (Card, error) {
	return ask[Card](ctx, c, call{method: http.MethodGet, path: "/v1/partners/card"})
}

// Link proposes to link the jurisdiction of a partner card.
func (c *Client) Link(ctx context.Context, l Link) (Written, error) {
	return ask[Written](ctx, c, call{method: http.MethodPost, path: "/v1/partners", body: l})
}

// CreateToken makes an API token; its secret is in this answer only.
func (c *Client) CreateToken(ctx context.Context, t NewToken) (Token, error) {
	return ask[Token](ctx, c, call{method: http.MethodPost, path: "/v1/tokens", body: t})
}

// Tokens lists tokens without secrets.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	return ask[[]Token](ctx, c, call{method: http.MethodGet, path: "/v1/tokens"})
}

// RevokeToken ends a token at once.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	_, err := ask[struct{}](ctx, c, call{method: http.MethodDelete, path: "/v1/tokens/" + url.PathEscape(id)})
	return err
}

// Entry shows one entry; an empty origin is our own ledger.
func (c *Client) Entry(ctx context.Context, origin string, index uint64) (Entry, error) {
	q := url.Values{}
	if origin != "" {
		q.Set("origin", origin)
	}
	return ask[Entry](ctx, c, call{method: http.MethodGet, path: "/v1/ledger/entries/" + strconv.FormatUint(index, 10), query: q})
}

// Proof returns the inclusion proof of one entry in the newest checkpoint; an empty origin is our own ledger.
func (c *Client) Proof(ctx context.Context, origin string, index uint64) (Proof, error) {
	return ask[Proof](ctx, c, call{method: http.MethodGet, path: "/v1/ledger/proofs/" + strconv.FormatUint(index, 10), query: paged(false, 0, 0, "origin", origin)})
}

// Checkpoint returns the newest signed checkpoint of a ledger, a C2SP signed note.
func (c *Client) Checkpoint(ctx context.Context, origin string) ([]byte, error) {
	q := url.Values{}
	if origin != "" {
		q.Set("origin", origin)
	}
	return c.bytes(ctx, call{method: http.MethodGet, path: "/v1/ledger/checkpoint", query: q})
}

// Trust returns the trust file for vigil-verify.
func (c *Client) Trust(ctx context.Context) ([]byte, error) {
	return c.bytes(ctx, call{method: http.MethodGet, path: "/v1/ledger/trust"})
}

// Verify re-checks every leaf, signature and cosignature on the node's disk and tells of the progress.
func (c *Client) Verify(ctx context.Context, line func(VerifyLine)) error {
	resp, err := c.do(ctx, call{method: http.MethodPost, path: "/v1/ledger/verify"})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	for in.Scan() {
		var l VerifyLine
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return err
		}
		line(l)
	}
	return in.Err()
}

// Scrub has the node read everything on its disk and mend what it can, and tells of the progress.
func (c *Client) Scrub(ctx context.Context, resume bool, line func(ScrubLine)) error {
	q := url.Values{}
	if resume {
		q.Set("resume", "true")
	}
	resp, err := c.do(ctx, call{method: http.MethodPost, path: "/v1/ledger/scrub", query: q})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	for in.Scan() {
		var l ScrubLine
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return err
		}
		line(l)
	}
	return in.Err()
}

// Backup writes a backup of the node's ledger to w, sealed to its agency; of what came after another one, whose header is given.
func (c *Client) Backup(ctx context.Context, base []byte, w io.Writer) error {
	var header any
	if len(base) > 0 {
		header = json.RawMessage(base)
	}
	resp, err := c.do(ctx, call{method: http.MethodPost, path: "/v1/backup", body: header})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// AccessQuery filters the access log; zero values do not.
type AccessQuery struct {
	Actor, Verb, Object, Case string
	From, To                  time.Time
	Before                    uint64
	Limit                     int
}

// Access returns one page of the access log, newest first.
func (c *Client) Access(ctx context.Context, q AccessQuery) (AccessPage, error) {
	v := url.Values{}
	for name, text := range map[string]string{"actor": q.Actor, "verb": q.Verb, "object": q.Object, "case": q.Case} {
		if text != "" {
			v.Set(name, text)
		}
	}
	for name, at := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !at.IsZero() {
			v.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if q.Before > 0 {
		v.Set("before", strconv.FormatUint(q.Before, 10))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return ask[AccessPage](ctx, c, call{method: http.MethodGet, path: "/v1/access", query: v})
}

// VerifyAccess has the node check its access log against the disk and the ledger.
func (c *Client) VerifyAccess(ctx context.Context) (AccessReport, error) {
	return ask[AccessReport](ctx, c, call{method: http.MethodPost, path: "/v1/access/verify"})
}

// Match answers which alerts carry what is the same as, or near to, each file.
func (c *Client) Match(ctx context.Context, q Match) (MatchAnswer, error) {
	return ask[MatchAnswer](ctx, c, call{method: http.MethodPost, path: "/v1/match", body: q})
}
