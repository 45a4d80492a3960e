package notify

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/subscription"
	"vigil/node/board"
)

// memory is a board of changes and subscriptions that a test makes.
type memory struct {
	mu      sync.Mutex
	subs    []board.Subscription
	changes []board.Change
	told    map[noun.Key]uint64
	of      map[string]int
	known   map[string]bool // subscription and object
	changed chan struct{}
}

func newMemory() *memory {
	return &memory{told: map[noun.Key]uint64{}, of: map[string]int{}, known: map[string]bool{}, changed: make(chan struct{})}
}

func (m *memory) change(kind, object string, exercise bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes = append(m.changes, board.Change{Sequence: uint64(len(m.changes) + 1), Kind: kind, Object: object, Origin: "in/a", Index: uint64(len(m.changes)), At: time.Unix(1e9, 0).UTC(), Exercise: exercise})
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *memory) subscribe(o subscription.Opened) noun.Key {
	k := noun.Key{Home: "in/a", Author: "in/a", Event: ledger.EventIDFor("in/a", o.Name)}
	s := &subscription.Subscription{Key: k, Opened: &o, State: subscription.Open, Secret: o.Secret}
	m.mu.Lock()
	m.subs = append(m.subs, board.Subscription{Key: k, Object: s})
	m.mu.Unlock()
	m.change("subscription.opened", k.ID(subscription.IDs), false)
	return k
}

func (m *memory) pause(_ context.Context, f *subscription.Paused) error {
	m.mu.Lock()
	for i := range m.subs {
		if m.subs[i].Key == f.Target {
			x := *m.subs[i].Object
			x.State, x.Reason = subscription.Stopped, f.Reason
			m.subs[i].Object = &x
		}
	}
	m.mu.Unlock()
	m.change("subscription.paused", f.Target.ID(subscription.IDs), false)
	return nil
}

func (m *memory) state(k noun.Key) (subscription.State, string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.subs {
		if s.Key == k {
			return s.Object.State, s.Object.Reason
		}
	}
	return "", ""
}

func (m *memory) Subscriptions(context.Context) ([]board.Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.subs), nil
}

func (m *memory) Changes(_ context.Context, after uint64, limit int) ([]board.Change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rest := m.changes[min(int(after), len(m.changes)):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (m *memory) LastChange() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.changes))
}

func (m *memory) WaitChange(ctx context.Context, after uint64) error {
	for {
		m.mu.Lock()
		done, changed := uint64(len(m.changes)) > after, m.changed
		m.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (m *memory) ToldUpTo(_ context.Context, k noun.Key) (uint64, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.told[k]
	return n, ok, nil
}

func (m *memory) SetTold(_ context.Context, k noun.Key, seq uint64, objects []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told[k] = max(m.told[k], seq)
	for _, o := range objects {
		m.of[o]++
		m.known[k.Event.String()+o] = true
	}
	return nil
}

func (m *memory) WasTold(_ context.Context, k noun.Key, object string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[k.Event.String()+object], nil
}

func (m *memory) toldUpTo(k noun.Key) uint64 {
	n, _, _ := m.ToldUpTo(context.Background(), k)
	return n
}

// received is what a receiver got.
type received struct {
	header http.Header
	body   string
}

type receiver struct {
	*httptest.Server
	got    chan received
	answer func(n int) int
}

func newReceiver(t *testing.T, answer func(n int) int) *receiver {
	t.Helper()
	r := &receiver{got: make(chan received, 1000), answer: answer}
	n := 0
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		r.got <- received{q.Header, string(b)}
		n++
		w.WriteHeader(r.answer(n))
	}))
	t.Cleanup(r.Close)
	return r
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func run(t *testing.T, m *memory, r *httptest.Server, allow []netip.Prefix) *Teller {
	t.Helper()
	roots := x509.NewCertPool()
	if r != nil {
		roots.AddCert(r.Certificate())
	}
	teller := New(Config{Board: m, URL: "https://vigil.example", Allow: allow, Roots: roots, Pause: m.pause, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- teller.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return teller
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.Now().Add(20*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-tick.C
	}
}

func hook(name, to string, kinds ...string) subscription.Opened {
	return subscription.Opened{Name: name, Channel: subscription.Webhook, To: to, Kinds: kinds, Secret: [32]byte{7}}
}

func TestAWebhookIsSignedThinAndInOrder(t *testing.T) {
	m, r := newMemory(), newReceiver(t, func(int) int { return 204 })
	m.change("alert.raised", "al_before", false)
	k := m.subscribe(hook("desk", r.URL+"/vigil", "alert."))
	run(t, m, r.Server, loopback)
	until(t, "begun", func() bool { return m.toldUpTo(k) > 0 })
	m.change("alert.raised", "al_1", false)
	m.change("referral.opened", "rf_1", false)
	m.change("alert.raised", "al_drill", true)
	m.change("alert.retracted", "al_1", false)
	until(t, "told", func() bool { return m.toldUpTo(k) == m.LastChange() })
	if len(r.got) != 2 {
		t.Fatalf("%d messages", len(r.got))
	}
	first, second := <-r.got, <-r.got
	var body struct {
		Type string
		Data map[string]any
	}
	if err := json.Unmarshal([]byte(first.body), &body); err != nil || body.Type != "alert.raised" || body.Data["id"] != "al_1" || body.Data["url"] != "https://vigil.example/v1/alerts/al_1" || len(body.Data) > 5 {
		t.Errorf("%s %v", first.body, err)
	}
	if !strings.Contains(second.body, "alert.retracted") || first.header.Get("webhook-id") == second.header.Get("webhook-id") {
		t.Errorf("%+v", second)
	}
	verify(t, first, [32]byte{7})
	if m.of["al_1"] != 2 || m.of["rf_1"] != 0 {
		t.Errorf("told of %v", m.of)
	}
}

func TestWhoWasToldOfAnAlertIsToldThatItWasTakenBack(t *testing.T) {
	m, r := newMemory(), newReceiver(t, func(int) int { return 204 })
	k := m.subscribe(hook("desk", r.URL+"/vigil", "alert.raised"))
	run(t, m, r.Server, loopback)
	until(t, "begun", func() bool { return m.toldUpTo(k) > 0 })
	m.change("alert.raised", "al_1", false)
	m.change("alert.assessed", "al_1", false)
	m.change("alert.retracted", "al_1", false)
	m.change("alert.retracted", "al_unknown", false)
	until(t, "told", func() bool { return m.toldUpTo(k) == m.LastChange() })
	if len(r.got) != 2 {
		t.Fatalf("%d messages", len(r.got))
	}
	if <-r.got; !strings.Contains((<-r.got).body, "alert.retracted") {
		t.Error("not told that it was taken back")
	}

	o := subscription.Opened{Name: "digest", Channel: subscription.Mail, To: "desk@example.org", Kinds: []string{"alert.raised"}, Every: 60}
	d, err := New(Config{Board: m, Log: slog.New(slog.DiscardHandler)}).gather(t.Context(), &subscription.Subscription{Opened: &o}, 0)
	if err != nil || d.count != 2 || d.kinds["alert.retracted"] != 1 {
		t.Errorf("%+v %v", d, err)
	}
}

// verify checks both signatures as a receiver would, by nothing but the two keys it was given.
func verify(t *testing.T, r received, secret [32]byte) {
	t.Helper()
	whsec, whpk := Keys(secret)
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(whsec, "whsec_"))
	public, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(whpk, "whpk_"))
	signed := []byte(r.header.Get("webhook-id") + "." + r.header.Get("webhook-timestamp") + "." + r.body)
	mac := hmac.New(sha256.New, key)
	mac.Write(signed)
	good := 0
	for _, s := range strings.Fields(r.header.Get("webhook-signature")) {
		version, text, _ := strings.Cut(s, ",")
		b, err := base64.StdEncoding.DecodeString(text)
		if err == nil && (version == "v1" && hmac.Equal(b, mac.Sum(nil)) || version == "v1a" && ed25519.Verify(public, signed, b)) {
			good++
		}
	}
	if good != 2 {
		t.Errorf("%d of 2 signatures hold: %s", good, r.header.Get("webhook-signature"))
	}
}

func TestTheSecretBeforeSignsForADay(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for name, c := range map[string]struct {
		s    subscription.Subscription
		want int
	}{
		"one":            {subscription.Subscription{Secret: [32]byte{1}}, 2},
		"two":            {subscription.Subscription{Secret: [32]byte{1}, Before: [32]byte{2}, Rekeyed: now.Add(-time.Hour).UnixMilli()}, 4},
		"two, after all": {subscription.Subscription{Secret: [32]byte{1}, Before: [32]byte{2}, Rekeyed: now.Add(-25 * time.Hour).UnixMilli()}, 2},
	} {
		if got := len(strings.Fields(signatures(&c.s, "id", now, nil))); got != c.want {
			t.Errorf("%s: %d signatures", name, got)
		}
	}
}

func TestAReceiverThatIsGoneIsPausedAndAnotherIsNotKept(t *testing.T) {
	m := newMemory()
	gone, good := newReceiver(t, func(int) int { return http.StatusGone }), newReceiver(t, func(int) int { return 200 })

	a, b := m.subscribe(hook("gone", gone.URL)), m.subscribe(hook("good", good.URL))
	run(t, m, gone.Server, loopback)
	until(t, "begun", func() bool { return m.toldUpTo(a) > 0 && m.toldUpTo(b) > 0 })
	m.change("alert.raised", "al_1", false)
	until(t, "paused", func() bool { s, why := m.state(a); return s == subscription.Stopped && strings.Contains(why, "410") })
	until(t, "told", func() bool { return m.toldUpTo(b) == m.LastChange() })
	if m.of["al_1"] != 1 {
		t.Errorf("told of %v", m.of)
	}
}

func TestWebhooksGoToPublicAddressesOnly(t *testing.T) {
	m, r := newMemory(), newReceiver(t, func(int) int { return 200 })
	k := m.subscribe(hook("inside", r.URL))
	run(t, m, r.Server, nil)
	until(t, "begun", func() bool { return m.toldUpTo(k) > 0 })
	m.change("alert.raised", "al_1", false)
	until(t, "paused", func() bool {
		s, why := m.state(k)
		return s == subscription.Stopped && strings.Contains(why, "not public")
	})
	if len(r.got) > 0 {
		t.Error("it was spoken to")
	}
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "127.0.0.1": false, "10.1.2.3": false, "172.20.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "::1": false, "fe80::1": false, "fd00::1": false, "::ffff:10.0.0.1": false, "224.0.0.1": false, "64:ff9b::a00:1": false,
		"2002:a00:1::": false, "255.255.255.255": false,
	} {
		if got := mayGoTo(netip.MustParseAddr(address), nil); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	inside := newReceiver(t, func(int) int { return 200 })
	redirects := httptest.NewTLSServer(http.RedirectHandler(inside.URL, http.StatusTemporaryRedirect))
	t.Cleanup(redirects.Close)
	roots := x509.NewCertPool()
	roots.AddCert(redirects.Certificate())
	teller := New(Config{Board: newMemory(), Allow: loopback, Roots: roots, Log: slog.New(slog.DiscardHandler)})
	o := hook("x", redirects.URL)
	if err := teller.post(t.Context(), &subscription.Subscription{Opened: &o}, board.Change{}); err == nil || len(inside.got) > 0 {
		t.Errorf("%v, %d", err, len(inside.got))
	}
}

func TestTriesAreFewAndFar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		teller := New(Config{Board: m, Pause: m.pause, Log: slog.New(slog.DiscardHandler)})
		k := m.subscribe(hook("x", "https://hooks.example"))
		s := m.subs[0].Object
		tries, began := 0, time.Now()
		err := teller.deliver(t.Context(), s, func(context.Context) error { tries++; return errors.New("no answer") })
		if state, why := m.state(k); !errors.Is(err, errPaused) || state != subscription.Stopped || !strings.Contains(why, "three days") {
			t.Errorf("%v, %s %s", err, state, why)
		}
		if d := time.Since(began); tries != len(retries)+1 || d < 75*time.Hour || d > 84*time.Hour {
			t.Errorf("%d tries in %s", tries, d)
		}
		tries, began = 0, time.Now()
		err = teller.deliver(t.Context(), s, func(context.Context) error {
			if tries++; tries < 3 {
				return &refusal{status: 429, after: time.Hour}
			}
			return nil
		})
		if d := time.Since(began); err != nil || tries != 3 || d < 2*time.Hour {
			t.Errorf("%v, %d tries in %s", err, tries, d)
		}
	})
}

// A relay that takes one mail, over TLS, and says what it was.
func relay(t *testing.T, certificate tls.Certificate) (port int, mails <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	out := make(chan string, 4)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go smtp(c, certificate, out)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, out
}

func smtp(c net.Conn, certificate tls.Certificate, out chan<- string) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(c)
	say := func(s string) { fmt.Fprintf(c, "%s\r\n", s) }
	say("220 relay")
	secure := false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch word := strings.ToUpper(strings.Fields(line + " x")[0]); {
		case word == "EHLO" && !secure:
			say("250-relay\r\n250 STARTTLS")
		case word == "EHLO":
			say("250 relay")
		case word == "STARTTLS":
			say("220 go")
			c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}})
			r, secure = bufio.NewReader(c), true
		case word == "DATA":
			say("354 go")
			var b strings.Builder
			for line != ".\r\n" {
				if line, err = r.ReadString('\n'); err != nil {
					return
				}
				b.WriteString(line)
			}
			out <- b.String()
			say("250 taken")
		case word == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func TestADigestSaysNumbersAndIDs(t *testing.T) {
	r := newReceiver(t, func(int) int { return 200 })
	port, mails := relay(t, r.TLS.Certificates[0])
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	m := newMemory()
	teller := New(Config{Board: m, URL: "https://vigil.example", Roots: roots, Mail: &Mail{Host: "127.0.0.1", Port: port, From: "vigil@example.org"}, Pause: m.pause, Log: slog.New(slog.DiscardHandler)})
	o := subscription.Opened{Name: "desk", Channel: subscription.Mail, To: "desk@example.org", Kinds: []string{}, Every: 60}
	s := &subscription.Subscription{Opened: &o}
	for i := range 60 {
		m.change("alert.raised", fmt.Sprintf("al_%d", i), false)
	}
	m.change("alert.retracted", "al_0", false)
	m.change("alert.raised", "al_drill", true)
	d, err := teller.gather(t.Context(), s, 0)
	if err != nil || d.count != 61 || d.last != 62 {
		t.Fatalf("%+v %v", d, err)
	}
	if err := teller.send(t.Context(), s, d); err != nil {
		t.Fatal(err)
	}
	got := <-mails
	for _, want := range []string{"To: <desk@example.org>", "61 changes", "60  alert.raised", "1  alert.retracted", "https://vigil.example/v1/alerts/al_0", "and 10 more"} {
		if !strings.Contains(strings.ReplaceAll(got, "=\r\n", ""), want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "al_drill") {
		t.Error("an exercise was told of")
	}
}
