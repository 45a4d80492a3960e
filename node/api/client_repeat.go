package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

// Repeated is what an operation answered to which a second person had agreed: what it is about, and what is shown once.
type Repeated struct {
	ID     string `json:"id"`
	Code   string `json:"code"`
	Secret string `json:"secret"`
}

// Repeat does what a second person has agreed to, exactly as it was asked for. A request of which an older node's consent shows
// the beginning only cannot be read from there: it is asked for again as it was at first.
func (c *Client) Repeat(ctx context.Context, x Consent) (Repeated, error) {
	tooLong := &Refusal{Status: http.StatusConflict, Code: "too-long", Title: http.StatusText(http.StatusConflict), Detail: "the request is too long to be repeated from what was kept of it", Hint: "do it again as at first, naming consent " + x.ID}
	method, rest, _ := strings.Cut(x.Operation, " ")
	path, text, _ := strings.Cut(rest, " ")
	k := call{method: method, path: path}
	if text != "" {
		if !json.Valid([]byte(text)) {
			return Repeated{}, tooLong
		}
		k.body = json.RawMessage(text)
	}
	return ask[Repeated](ctx, c.With(c.purpose, x.ID), k)
}
