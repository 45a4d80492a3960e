package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vigil/cmd/network"
	"vigil/node/api"
)

const benchPassword = "a password of the bench"

// runConsole measures the pages: what they weigh, how long the node takes for each beside the answer they are made of, what
// open ones cost it, and how soon a reader at one node sees what was acknowledged at another.
func runConsole(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("console", flag.ContinueOnError)
	rows := f.Int("rows", 50_000, "alerts")
	list := f.Int("list", 100, "alerts that are raised, and titled, together")
	open := f.Int("open", 200, "consoles that are open at once")
	times := f.Int("times", 60, "how often each page is asked for")
	nodes := nodesFlag(f, "in/a,in/b,in/c")
	if err := f.Parse(args); err != nil {
		return err
	}
	n, err := startNetwork(ctx, *nodes)
	if err != nil {
		return err
	}
	defer n.close()
	x, writer := n.Node(n.Order()[0]), n.Node(n.Order()[len(n.Order())-1])
	if err := raiseMany(ctx, x, *rows, *list); err != nil {
		return err
	}
	if err := n.Settled(ctx, "in"); err != nil {
		return err
	}
	r, err := newReader(ctx, x)
	if err != nil {
		return err
	}
	t := &table{title: fmt.Sprintf("The console over %d alerts at one of the nodes of %s", *rows, *nodes)}
	t.row("page", "median", "9 in 10 within", "of the plain answer", "over the wire", "with all it loads")
	if err := r.pages(ctx, t, x, *times); err != nil {
		return err
	}
	t.note("the plain answer is GET /v1/alerts?limit=50 over the same connection; both are read to the end and are in the access log before they leave")
	before, err := residentMiB(x.Process())
	if err != nil {
		return err
	}
	streams, err := r.openMany(ctx, *open)
	if err != nil {
		return err
	}
	after, err := residentMiB(x.Process())
	if err != nil {
		return err
	}
	t.note("%d open consoles, each with its page made and its stream followed: %.0f MiB more of resident memory (%.0f before)", *open, after-before, before)
	if err := r.interactive(ctx, t, []string{"/", "/alerts", "/look-up", "/reports", "/referrals", "/network", "/figures", "/governance"}, *times/10+1); err != nil {
		return err
	}
	seen, err := r.seen(ctx, writer, streams[0])
	if err != nil {
		return err
	}
	t.note("acknowledged at %s until the page that shows it is at the reader of %s: median %s, 9 in 10 within %s", writer.Agency, x.Agency, at(seen, 0.5).Round(time.Millisecond), at(seen, 0.9).Round(time.Millisecond))
	t.print()
	return nil
}

// mostAtOnce is the most that one request takes.
const mostAtOnce = 5_000

// raiseMany raises lists of so many rows. One title in a thousand has the same last word.
func raiseMany(ctx context.Context, x *network.Node, rows, list int) error {
	var work errgroup.Group
	work.SetLimit(16)
	for done := 0; done < rows; done += list {
		l := api.RaiseList{AlertFacts: api.AlertFacts{Title: fmt.Sprintf("List %d of batch b%03d", done/list, done/list%1000)}}
		for range min(list, rows-done) {
			l.Rows = append(l.Rows, network.RandomSignals())
		}
		work.Go(func() error {
			for {
				_, err := x.Work.RaiseList(ctx, fmt.Sprintf("bench-%d", done), l)
				var p *api.Refusal
				if !errors.As(err, &p) || p.Status < http.StatusInternalServerError { // "not yet", after ten seconds
					return err
				}
			}
		})
	}
	return work.Wait()
}

// reader is somebody signed in.
type reader struct {
	http *http.Client
	base string
}

func newReader(ctx context.Context, x *network.Node) (*reader, error) {
	u, err := x.Operator.AddUser(ctx, api.NewUser{Name: "reader", Roles: []string{api.RoleAnalyst, api.RoleCoordinator}})
	if err != nil {
		return nil, err
	}
	if _, err := x.Operator.EnrolPassword(ctx, api.Enrol{Code: u.Code, Password: benchPassword}); err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	pinned := func(s tls.ConnectionState) error {
		if got := sha256.Sum256(s.PeerCertificates[0].Raw); hex.EncodeToString(got[:]) != x.Pin {
			return errors.New("not the node's certificate")
		}
		return nil
	}
	r := &reader{base: "https://" + x.Config.API.Listen, http: &http.Client{Jar: jar, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, VerifyConnection: pinned}, DisableCompression: true, MaxIdleConnsPerHost: 8,
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+"/sign-in", strings.NewReader(url.Values{"name": {"reader"}, "password": {benchPassword}}.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.Request.URL.Path != "/" {
		return nil, fmt.Errorf("signing in ended at %s", answer.Request.URL.Path)
	}
	return r, nil
}

// get asks for a path as browsers do and returns the body as it came over the wire.
func (r *reader) get(ctx context.Context, path string) (packed []byte, zipped bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path, nil)
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	answer, err := r.http.Do(req)
	if err != nil {
		return nil, false, err
	}
	defer answer.Body.Close()
	if packed, err = io.ReadAll(answer.Body); err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, answer.Status)
	}
	return packed, answer.Header.Get("Content-Encoding") == "gzip", err
}

// text is a page unpacked.
func (r *reader) text(ctx context.Context, path string) (page string, wire int, err error) {
	packed, zipped, err := r.get(ctx, path)
	if err != nil || !zipped {
		return string(packed), len(packed), err
	}
	z, err := gzip.NewReader(strings.NewReader(string(packed)))
	if err != nil {
		return "", 0, err
	}
	b, err := io.ReadAll(z)
	return string(b), len(packed), err
}

var loads = regexp.MustCompile(`"(/static/[a-z0-9.]+)`)

// weight is what a browser with nothing kept gets for a page.
func (r *reader) weight(ctx context.Context, path string) (page, all int, err error) {
	text, page, err := r.text(ctx, path)
	if err != nil {
		return 0, 0, err
	}
	all, seen := page, map[string]bool{}
	for _, m := range loads.FindAllStringSubmatch(text, -1) {
		if seen[m[1]] {
			continue
		}
		seen[m[1]] = true
		b, _, err := r.get(ctx, m[1])
		if err != nil {
			return 0, 0, err
		}
		all += len(b)
	}
	return page, all, nil
}

func (r *reader) timed(ctx context.Context, path string, times int) ([]time.Duration, error) {
	var all []time.Duration
	for range times {
		began := time.Now()
		if _, _, err := r.get(ctx, path); err != nil {
			return nil, err
		}
		all = append(all, time.Since(began))
	}
	return all, nil
}

func (r *reader) pages(ctx context.Context, t *table, x *network.Node, times int) error {
	plain, err := r.timed(ctx, "/v1/alerts?limit=50", times)
	if err != nil {
		return err
	}
	some, err := x.Work.Alerts(ctx, api.ListQuery{Limit: 1})
	if err != nil {
		return err
	}
	for _, path := range []string{
		"/", "/alerts", "/alerts?q=List", "/alerts?q=b007", "/alerts?q=nowhere", "/alerts?q=Li", "/alerts?q=List+of+b0", "/alerts?q=List&sort=urgency", "/alerts?q=List&standing=asserted&sort=oldest",
		"/alerts?author=in%2Fa&sort=urgency", "/alerts?standing=disputed", "/alerts/" + some.Alerts[0].ID, "/look-up", "/reports", "/referrals", "/watch", "/network", "/figures", "/governance", "/settings",
	} {
		all, err := r.timed(ctx, path, times)
		if err != nil {
			return err
		}
		page, whole, err := r.weight(ctx, path)
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(path, "al_")
		t.row(name, at(all, 0.5).Round(100*time.Microsecond), at(all, 0.9).Round(100*time.Microsecond), fmt.Sprintf("%.1f times", float64(at(all, 0.5))/float64(at(plain, 0.5))),
			fmt.Sprintf("%.1f KiB", float64(page)/1024), fmt.Sprintf("%.1f KiB", float64(whole)/1024))
	}
	return nil
}

// openMany opens consoles: a page, and the stream that its script follows.
func (r *reader) openMany(ctx context.Context, n int) ([]*bufio.Scanner, error) {
	var out []*bufio.Scanner
	for range n {
		if _, _, err := r.get(ctx, "/"); err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+"/v1/events", nil)
		if err != nil {
			return nil, err
		}
		answer, err := r.http.Do(req) // its body is read until the network is stopped
		if err != nil {
			return nil, err
		}
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the stream: %s", answer.Status)
		}
		out = append(out, bufio.NewScanner(answer.Body))
	}
	return out, nil
}

// seen raises alerts at a node and measures, from each acknowledgement, until the reader's page shows it: the stream tells,
// the page is asked for again.
func (r *reader) seen(ctx context.Context, writer *network.Node, stream *bufio.Scanner) ([]time.Duration, error) {
	var all []time.Duration
	for i := range 30 {
		title := fmt.Sprintf("Seen %d", i)
		if _, err := writer.Work.Raise(ctx, "", api.RaiseAlert{AlertFacts: api.AlertFacts{Title: title}, Signals: network.RandomSignals()}); err != nil {
			return nil, err
		}
		began := time.Now()
		for stream.Scan() && !strings.HasPrefix(stream.Text(), "event: alert.") {
		}
		for {
			text, _, err := r.text(ctx, "/")
			if err != nil {
				return nil, err
			}
			if strings.Contains(text, title+"<") {
				break
			}
		}
		all = append(all, time.Since(began))
	}
	return all, nil
}
