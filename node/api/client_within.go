package api

import (
	"bytes"
	"io"
	"net/http"
)

// Within returns a client that asks h in this process for whoever sent r: with the cookies of r, from where r came. Cookies
// that answers set are set on w. So a page that is made from answers obeys what every other client does.
func Within(h http.Handler, w http.ResponseWriter, r *http.Request) *Client {
	return &Client{http: &http.Client{Transport: inProcess{h, w, r}}, base: "http://" + r.Host}
}

// About returns a client that says why it reads and for which case.
func (c *Client) About(purpose, caseNumber string) *Client {
	x := *c
	x.purpose, x.caseNumber = purpose, caseNumber
	return &x
}

// Stated returns a request that says why it reads and for which case, as r has it, or else as given.
func Stated(r *http.Request, purpose, caseNumber string) *http.Request {
	if purpose == "" && caseNumber == "" || r.Header.Get(headerPurpose) != "" || r.Header.Get(headerCase) != "" {
		return r
	}
	out := *r
	out.Header = r.Header.Clone()
	out.Header.Set(headerPurpose, purpose)
	out.Header.Set(headerCase, caseNumber)
	return &out
}

type inProcess struct {
	h http.Handler
	w http.ResponseWriter
	r *http.Request
}

// headersOfSender say who sent a request and from which page.
var headersOfSender = []string{"Cookie", "Origin", "Sec-Fetch-Site", "User-Agent"}

// RoundTrip implements http.RoundTripper.
func (t inProcess) RoundTrip(ask *http.Request) (*http.Response, error) {
	in := ask.Clone(ask.Context())
	in.Host, in.RemoteAddr, in.TLS, in.RequestURI = t.r.Host, t.r.RemoteAddr, t.r.TLS, ask.URL.RequestURI()
	for _, name := range headersOfSender {
		if v := t.r.Header.Values(name); len(v) > 0 {
			in.Header[name] = v
		}
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	out := &kept{header: http.Header{}, status: http.StatusOK}
	t.h.ServeHTTP(out, in)
	for _, c := range out.header.Values("Set-Cookie") {
		t.w.Header().Add("Set-Cookie", c)
	}
	return &http.Response{
		Status: http.StatusText(out.status), StatusCode: out.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: out.header, Body: io.NopCloser(&out.body), ContentLength: int64(out.body.Len()), Request: ask,
	}, nil
}

// kept is an answer in memory.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(b []byte) (int, error) { return k.body.Write(b) }
