// Package feed keeps an index in a platform's own process in step with a node, so that a platform matches at its own
// upload path and no fingerprint of a harmless file leaves it. It speaks GET /v1/signals and nothing else: what a hit
// means, and whom to ask, POST /v1/match answers, where the node's access log bears witness. It knows no node's insides.
package feed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"vigil/node/match"
)

const (
	maxLineBytes    = 1 << 20
	maxProblemBytes = 64 << 10
	maxGathered     = 4_096 // lines before the node must say "next"
	saveAfter       = 10 * time.Minute
	retryFirst      = 200 * time.Millisecond
	retryMost       = 30 * time.Second
)

// Errors of a feed.
var (
	// ErrRefused says that the node does not let us: the token, or its role.
	ErrRefused = errors.New("feed: the node refuses")
	// ErrLine says that what the node sent is not the stream's form.
	ErrLine = errors.New("feed: a line of the stream is not of its form")
)

// errStale says that the node knows nothing of our cursor: everything is read again.
var errStale = errors.New("feed: the node has built its board anew")

// Config names what a Feed works with; every field but Exercise is required.
type Config struct {
	// Client trusts the node, and does not end answers by a time-out.
	Client *http.Client
	// URL is https and a host; Token is of the role platform.
	URL, Token string
	// Path is the file that the index is saved in, sealed under Key; the next start goes on from there.
	Path string
	Key  [32]byte
	// Exercise follows exercises instead of casework.
	Exercise bool
	Log      *slog.Logger
}

// Feed is safe for concurrent use by many readers; Run is its one writer.
type Feed struct {
	cfg     Config
	index   atomic.Pointer[match.Index]
	inStep  atomic.Bool
	cursor  string // what the index holds; Run's
	saved   time.Time
	gone    []match.Ref    // gathered
	changes []match.Change // gathered
}

// Open opens the saved index, or an empty one.
func Open(cfg Config) (*Feed, error) {
	if u, err := url.Parse(cfg.URL); err != nil || u.Host == "" {
		return nil, fmt.Errorf("feed: %q is no address", cfg.URL)
	}
	f := &Feed{cfg: cfg, saved: time.Now()}
	x, cursor, err := match.OpenFile(cfg.Path, cfg.Key)
	switch {
	case err == nil:
		f.cursor = string(cursor)
	case errors.Is(err, match.ErrSaved):
		cfg.Log.Warn("the saved index cannot be used; everything is read from the node again", "error", err)
		x = match.New()
	case errors.Is(err, os.ErrNotExist):
		x = match.New()
	default:
		return nil, err
	}
	f.index.Store(x)
	return f, nil
}

// Index returns the index to search. It may be another one after the node has begun anew.
func (f *Feed) Index() *match.Index { return f.index.Load() }

// InStep says whether everything the node had was read at least once since the start.
func (f *Feed) InStep() bool { return f.inStep.Load() }

// Run follows the node until ctx ends, and saves then and now and again. It returns an error only where trying again is
// of no use.
func (f *Feed) Run(ctx context.Context) error {
	for wait := retryFirst; ctx.Err() == nil; wait = min(2*wait, retryMost) {
		before := f.cursor
		err := f.round(ctx)
		switch {
		case errors.Is(err, ErrRefused), errors.Is(err, ErrLine):
			return errors.Join(err, f.save())
		case errors.Is(err, errStale):
			f.cfg.Log.Warn("the node has built its board anew; everything is read again")
			f.index.Store(match.New())
			f.cursor = ""
			f.inStep.Store(false)
			continue
		}
		if f.cursor != before {
			wait = retryFirst
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return f.save()
}

// round follows one connection, while the index merges in the background.
func (f *Feed) round(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	merged := make(chan error, 1)
	go func() { merged <- f.Index().Run(ctx) }()
	defer func() { stop(); <-merged }()
	resp, err := f.connect(ctx)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f.gone, f.changes = nil, nil // of a connection that broke
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		if err := f.line(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%w: it is over %d bytes", ErrLine, maxLineBytes)
	}
	return lines.Err()
}

func (f *Feed) connect(ctx context.Context) (*http.Response, error) {
	q := url.Values{"follow": {"true"}}
	if f.cursor != "" {
		q.Set("after", f.cursor)
	}
	if f.cfg.Exercise {
		q.Set("exercise", "true")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.cfg.URL+"/v1/signals?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+f.cfg.Token)
	resp, err := f.cfg.Client.Do(req)
	if err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblemBytes))
	switch {
	case resp.StatusCode == http.StatusConflict:
		return nil, errStale
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		return nil, fmt.Errorf("%w: %s: %.500q", ErrRefused, resp.Status, said)
	}
	return nil, fmt.Errorf("feed: %s", resp.Status)
}
