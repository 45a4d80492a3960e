package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ErrServer says that a server address or pin cannot be used.
var ErrServer = errors.New("api: server address")

// Refusal is an RFC 9457 problem as the client got it.
type Refusal struct {
	Status int           `json:"status"`
	Type   string        `json:"type,omitempty"`
	Title  string        `json:"title"`
	Detail string        `json:"detail,omitempty"`
	Code   string        `json:"code,omitempty"`
	Hint   string        `json:"hint,omitempty"`
	Errors []FieldReason `json:"errors,omitempty"`
	// RetryAfter is how long to wait before the same request may succeed; 0 where it will not.
	RetryAfter time.Duration `json:"-"`
}

// FieldReason names one field and what is wrong with it.
type FieldReason struct {
	Message  string `json:"message"`
	Location string `json:"location,omitempty"`
}

// Error gives the detail, or the title where there is none, and each field.
func (r *Refusal) Error() string {
	text := r.Detail
	if text == "" {
		text = r.Title
	}
	for _, f := range r.Errors {
		text += fmt.Sprintf("; %s: %s", f.Location, f.Message)
	}
	return text
}

// Target says which node to speak to and as whom.
type Target struct {
	// Server is unix:///path/to/vigil.sock or https://host:port.
	Server string
	// Token is the bearer token; none on the socket.
	Token string
	// Pin is the SHA-256 of the server's certificate, 64 hex digits, for a node with its own certificate. Without
	// it the system's authorities, or those in CA, decide.
	Pin string
	CA  *x509.CertPool
	// Purpose and Case say why content is read; they go into the node's access log.
	Purpose, Case string
	// Consent names the request to which a second person has agreed.
	Consent string
}

// Client speaks to one node. It is safe for concurrent use.
type Client struct {
	http  *http.Client
	base  string
	token string

	purpose, caseNumber, consent string
}

// NewClient checks the target; it connects with the first request.
func NewClient(t Target) (*Client, error) {
	if path, ok := strings.CutPrefix(t.Server, "unix://"); ok {
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
		return t.client("http://vigil", &http.Transport{DialContext: dial}), nil
	}
	u, err := url.Parse(t.Server)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%w: %q; it is unix:///path or https://host:port", ErrServer, t.Server)
	}
	config, err := tlsConfig(t)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 256}
	return t.client("https://"+u.Host, transport), nil
}

// client follows no redirect: what is asked for, and the token, go to the target alone.
func (t Target) client(base string, transport *http.Transport) *Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{http: &http.Client{Transport: transport, CheckRedirect: stay}, base: base, token: t.Token, purpose: t.Purpose, caseNumber: t.Case, consent: t.Consent}
}

func tlsConfig(t Target) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: t.CA}
	if t.Pin == "" {
		return config, nil
	}
	pin, err := hex.DecodeString(t.Pin)
	if err != nil || len(pin) != sha256.Size {
		return nil, fmt.Errorf("%w: the pin is the SHA-256 of the server's certificate, 64 hex digits", ErrServer)
	}
	config.InsecureSkipVerify = true // the pin below is stricter than any authority
	config.VerifyConnection = func(s tls.ConnectionState) error {
		got := sha256.Sum256(s.PeerCertificates[0].Raw)
		if !bytes.Equal(got[:], pin) {
			return errors.New("the server's certificate is not the pinned one")
		}
		return nil
	}
	return config, nil
}

// With returns a client that says why it reads and names the request to which a second person has agreed.
func (c *Client) With(purpose, consent string) *Client {
	x := *c
	x.purpose, x.consent = purpose, consent
	return &x
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

type call struct {
	method, path string
	query        url.Values
	body         any
	key          string // Idempotency-Key
}

func (c *Client) do(ctx context.Context, k call) (*http.Response, error) {
	var body io.Reader
	if k.body != nil {
		b, err := json.Marshal(k.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	target := c.base + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, k.method, target, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, text := range map[string]string{headerPurpose: c.purpose, headerCase: c.caseNumber, headerConsent: c.consent} {
		if text != "" {
			req.Header.Set(name, text)
		}
	}
	if k.key != "" {
		req.Header.Set("Idempotency-Key", k.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusAccepted && resp.Header.Get(headerConsent) != "" {
		defer resp.Body.Close()
		return nil, readWaiting(resp)
	}
	if resp.StatusCode >= http.StatusMultipleChoices { // redirects, too: see Target.client
		defer resp.Body.Close()
		return nil, readRefusal(resp)
	}
	return resp, nil
}

func readRefusal(resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblemBytes))
	r := &Refusal{}
	if json.Unmarshal(b, r) != nil || r.Title == "" {
		r.Title = http.StatusText(resp.StatusCode)
	}
	r.Status = resp.StatusCode
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		r.RetryAfter = time.Duration(s) * time.Second
	}
	return r
}

// readWaiting is the answer to an operation that takes a second person: nothing has happened yet.
func readWaiting(resp *http.Response) error {
	var c Consent
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxProblemBytes)).Decode(&c); err != nil {
		return err
	}
	return &Refusal{
		Status: resp.StatusCode, Title: "waits for a second person", Code: "consent-needed",
		Detail: "nothing has happened yet: it takes a second person, who is asked by " + c.ID,
		Hint:   "they run: vigil consent grant " + c.ID + "; then repeat the command with --consent " + c.ID,
	}
}

// ask makes a call and decodes its JSON answer.
func ask[T any](ctx context.Context, c *Client, k call) (T, error) {
	var out T
	resp, err := c.do(ctx, k)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return out, nil
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, maxAnswerBytes)).Decode(&out)
	return out, err
}

func (c *Client) bytes(ctx context.Context, k call) ([]byte, error) {
	resp, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
}
