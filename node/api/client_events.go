package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Events calls each with every change after the one of an id, in order, and goes on live until ctx ends or the server
// refuses. A broken connection is resumed where it broke. OldestEvent begins with the oldest change, LatestEvent with the
// next.
func (c *Client) Events(ctx context.Context, after string, each func(Change) error) error {
	for wait := eventRetryFirst; ; {
		last, err := c.follow(ctx, after, each)
		if last != after {
			after, wait = last, eventRetryFirst
		}
		var stop *stopError
		var refusal *Refusal
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &stop):
			return stop.err
		case errors.As(err, &refusal) && refusal.RetryAfter == 0:
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
			wait = min(2*wait, eventRetryMost)
		}
	}
}

// Ids that no change has: before the oldest, and after the newest.
const (
	OldestEvent = "0"
	LatestEvent = ""
)

// stopError carries the caller's own error out of the resuming loop.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

// follow reads one connection's events and returns the id of the last it handed on.
func (c *Client) follow(ctx context.Context, after string, each func(Change) error) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/events", nil)
	if err != nil {
		return after, err
	}
	req.Header.Set("Accept", "text/event-stream")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if after != LatestEvent {
		req.Header.Set("Last-Event-ID", after)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return after, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return after, readRefusal(resp)
	}
	in := bufio.NewScanner(resp.Body)
	in.Buffer(make([]byte, 4096), maxEventBytes)
	for id := after; in.Scan(); {
		if next, ok := strings.CutPrefix(in.Text(), "id: "); ok {
			id = next
		}
		data, ok := strings.CutPrefix(in.Text(), "data: ")
		if !ok {
			continue // comments, and names that the data repeats
		}
		var change Change
		if err := json.Unmarshal([]byte(data), &change); err != nil {
			return after, err
		}
		if err := each(change); err != nil {
			return after, &stopError{err}
		}
		after = id
	}
	return after, in.Err()
}
