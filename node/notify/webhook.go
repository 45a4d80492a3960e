package notify

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vigil/ledger/subscription"
	"vigil/node/board"
)

// message is the body of a webhook: ids, never content.
type message struct {
	Type      string    `json:"type"` // the event's type, such as alert.raised
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		ID       string `json:"id"` // of the alert, referral, report …
		URL      string `json:"url,omitempty"`
		Ledger   string `json:"ledger,omitempty"`
		Index    uint64 `json:"index"`
		Exercise bool   `json:"exercise,omitempty"`
	} `json:"data"`
}

// messageID is the same for the same change told to the same subscription, after a restart too.
func messageID(s *subscription.Subscription, c board.Change) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%s\x00%s", s.Key.Event, c.Origin, c.Index, c.Kind, c.Object))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// places are where what an id names is found.
var places = map[string]string{"al_": "alerts", "rf_": "referrals", "rp_": "reports", "pt_": "pointers", "wh_": "hits"}

// addressOf is where an object is found; empty where that is not known.
func addressOf(url, id string) string {
	place := places[id[:min(3, len(id))]]
	if url == "" || place == "" {
		return ""
	}
	return strings.TrimSuffix(url, "/") + "/v1/" + place + "/" + id
}

// post tells a webhook of one change.
func (t *Teller) post(ctx context.Context, s *subscription.Subscription, c board.Change) error {
	m := message{Type: c.Kind, Timestamp: c.At}
	m.Data.ID, m.Data.Ledger, m.Data.Index, m.Data.Exercise = c.Object, string(c.Origin), c.Index, c.Exercise
	m.Data.URL = addressOf(t.cfg.URL, c.Object)
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	id, now := messageID(s, c), time.Now()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Opened.To, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "vigil")
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("webhook-signature", signatures(s, id, now, body))
	res, err := t.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswerBytes)) // what it says is not looked at
	if res.StatusCode/100 == 2 {
		return nil
	}
	out := &refusal{status: res.StatusCode}
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 {
		out.after = time.Duration(min(n, int(maxRetryAfter/time.Second))) * time.Second
	}
	return out
}

// Keys are what a receiver checks signatures with: the HMAC secret, whsec_…, and the Ed25519 public key, whpk_….
func Keys(secret [32]byte) (hmacSecret, publicKey string) {
	public := signer(secret).Public().(ed25519.PublicKey)
	return "whsec_" + base64.StdEncoding.EncodeToString(secret[:]), "whpk_" + base64.StdEncoding.EncodeToString(public)
}

func signer(secret [32]byte) ed25519.PrivateKey {
	seed, err := hkdf.Key(sha256.New, secret[:], nil, "vigil webhook v1a", ed25519.SeedSize)
	if err != nil {
		panic(err) // 32 bytes are within HKDF's bound
	}
	return ed25519.NewKeyFromSeed(seed)
}

// signatures are those of Standard Webhooks, v1 (HMAC-SHA256) and v1a (Ed25519), by the secret in force and for a day by the
// one before.
func signatures(s *subscription.Subscription, id string, now time.Time, body []byte) string {
	signed := fmt.Appendf(nil, "%s.%d.%s", id, now.Unix(), body)
	secrets := [][32]byte{s.Secret}
	if s.Before != ([32]byte{}) && now.Sub(time.UnixMilli(s.Rekeyed)) < secretOverlap {
		secrets = append(secrets, s.Before)
	}
	var out []string
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret[:])
		mac.Write(signed)
		out = append(out, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), "v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(signer(secret), signed)))
	}
	return strings.Join(out, " ")
}

// newClient speaks HTTPS to public addresses and those allowed, follows no redirect and uses no proxy. The address is
// checked when it is dialled, so that a name that resolves to another one by then gains nothing.
func newClient(allow []netip.Prefix, roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: answerTime, Control: func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil || !mayGoTo(a.Addr(), allow) {
			return errForbidden
		}
		return nil
	}}
	return &http.Client{
		Timeout: answerTime,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: 32 << 10, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("a webhook that redirects is not followed")
		},
	}
}

// nat64 and the like carry other addresses inside; shared is carriers' own.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("0.0.0.0/8"),
}

func mayGoTo(a netip.Addr, allow []netip.Prefix) bool {
	a = a.Unmap()
	for _, p := range allow {
		if p.Contains(a) {
			return true
		}
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return a.IsGlobalUnicast() && !a.IsPrivate()
}
