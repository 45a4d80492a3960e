package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Events calls each with every change after the sequence, in order, and goes on live until ctx ends or the server
// refuses. A broken connection is resumed where it broke. seq 0 begins with the oldest change, LatestEvent with the
// next.
func (c *Client) Events(ctx context.Context, seq uint64, each func(Change) error) error {
	for wait := eventRetryFirst; ; {
		last, err := c.follow(ctx, seq, each)
		if last != seq {
			seq, wait = last, eventRetryFirst
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

// LatestEvent, as a sequence, begins with the next change.
const LatestEvent = ^uint64(0)

// stopError carries the caller's own error out of the resuming loop.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

// follow reads one connection's events and returns the last sequence it handed on.
func (c *Client) follow(ctx context.Context, seq uint64, each func(Change) error) (uint64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/events", nil)
	if err != nil {
		return seq, err
	}
	req.Header.Set("Accept", "text/event-stream")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if seq != LatestEvent {
		req.Header.Set("Last-Event-ID", strconv.FormatUint(seq, 10))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return seq, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return seq, readRefusal(resp)
	}
	in := bufio.NewScanner(resp.Body)
	in.Buffer(make([]byte, 4096), maxEventBytes)
	for in.Scan() {
		data, ok := strings.CutPrefix(in.Text(), "data: ")
		if !ok {
			continue // comments, ids and names repeat what the data says
		}
		var change Change
		if err := json.Unmarshal([]byte(data), &change); err != nil {
			return seq, err
		}
		if err := each(change); err != nil {
			return seq, &stopError{err}
		}
		seq = change.Sequence
	}
	return seq, in.Err()
}
