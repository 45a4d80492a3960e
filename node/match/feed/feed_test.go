package feed

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/ledger/alert"
)

// fake is a node that answers each connection with the next of its answers, and then with nothing until it is closed.
type fake struct {
	mu      sync.Mutex
	answers []func(w http.ResponseWriter, r *http.Request)
	asked   []string // queries
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.URL.RawQuery)
	var answer func(http.ResponseWriter, *http.Request)
	if len(f.answers) > 0 {
		answer, f.answers = f.answers[0], f.answers[1:]
	}
	f.mu.Unlock()
	if answer == nil {
		<-r.Context().Done()
		return
	}
	answer(w, r)
}

func lines(ls ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Join(ls, "\n")+"\n") }
}

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func value(n byte) string { return hex.EncodeToString(append(make([]byte, 15), n)) }

func add(number int, n byte) string {
	return fmt.Sprintf(`{"op":"add","number":%d,"signals":[{"alg":"md5","value":%q},{"alg":"of-tomorrow","value":"x"}]}`, number, value(n))
}

func next(cursor string) string { return fmt.Sprintf(`{"op":"next","cursor":%q}`, cursor) }

// follow runs a feed against answers until ok holds or it ends by itself.
func follow(t *testing.T, path string, ok func(f *Feed) bool, answers ...func(http.ResponseWriter, *http.Request)) (*Feed, *fake, error) {
	t.Helper()
	node := &fake{answers: answers}
	s := httptest.NewServer(node)
	defer s.Close()
	f, err := Open(Config{Client: s.Client(), URL: s.URL, Token: "t", Path: path, Key: [32]byte{1}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			stop()
			return f, node, err
		case <-deadline:
			t.Fatal("not in time")
		case <-tick.C:
		}
		if ok(f) {
			stop()
			return f, node, <-ended
		}
	}
}

func has(t *testing.T, f *Feed, n byte) bool {
	t.Helper()
	s, err := alert.ParseSignal("md5:" + value(n))
	if err != nil {
		t.Fatal(err)
	}
	ok, err := f.Index().Has(&s)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// What a page says is done when the page ends; a connection that breaks is taken up where the last page ended, and so
// is the next start.
func TestAFeedGoesOnWhereItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index")
	f, node, err := follow(t, path, func(f *Feed) bool { return f.InStep() },
		lines(add(1, 1), add(2, 2), next("one"), add(3, 3)), // breaks before the page ends
		status(http.StatusServiceUnavailable),
		lines(`{"op":"withdraw","number":2}`, add(4, 4), next("two"), next("two")),
	)
	if err != nil || !has(t, f, 1) || has(t, f, 2) || has(t, f, 3) || !has(t, f, 4) {
		t.Error(err)
	}
	if want := "follow=true|after=one&follow=true|after=one&follow=true"; !strings.HasPrefix(strings.Join(node.asked, "|"), want) {
		t.Errorf("asked %q", node.asked)
	}
	f, node, err = follow(t, path, func(f *Feed) bool { return f.InStep() }, lines(next("two")))
	if err != nil || !has(t, f, 4) || node.asked[0] != "after=two&follow=true" {
		t.Errorf("asked %q: %v", node.asked, err)
	}
}

// A node that has built its board anew is read from the beginning, and what it does not have is gone.
func TestAFeedBeginsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index")
	f, node, err := follow(t, path, func(f *Feed) bool { return f.InStep() },
		lines(add(1, 1), next("one")), status(http.StatusConflict), lines(add(1, 2), next("uno"), next("uno")))
	if err != nil || has(t, f, 1) || !has(t, f, 2) || node.asked[2] != "follow=true" {
		t.Errorf("asked %q: %v", node.asked, err)
	}
}

// A saved index that is damaged is not used, and said so by reading everything again.
func TestADamagedIndexIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index")
	if err := os.WriteFile(path, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, node, err := follow(t, path, func(f *Feed) bool { return f.InStep() }, lines(add(1, 1), next("one"), next("one")))
	if err != nil || !has(t, f, 1) || node.asked[0] != "follow=true" {
		t.Errorf("asked %q: %v", node.asked, err)
	}
	if _, err := Open(Config{URL: "no address"}); err == nil {
		t.Error("no address is taken")
	}
}

// What is not of the stream's form ends the feed with a word, and nothing of its page is done.
func TestRefusedLines(t *testing.T) {
	many := strings.Repeat(`{"op":"withdraw","number":1}`+"\n", maxGathered+1)
	for name, l := range map[string]string{
		"no JSON": "rubbish", "a list": "[]", "no op": `{}`, "another op": `{"op":"forget"}`, "a number below 0": `{"op":"withdraw","number":-1}`,
		"a number over the bound": `{"op":"withdraw","number":281474976710656}`, "a short value": `{"op":"add","number":2,"signals":[{"alg":"md5","value":"00"}]}`,
		"a quality over 100":    `{"op":"add","number":2,"signals":[{"alg":"pdq","value":"` + strings.Repeat("0f", 32) + `","quality":101}]}`,
		"a quality of an md5":   `{"op":"add","number":2,"signals":[{"alg":"md5","value":"` + value(9) + `","quality":1}]}` + "\n" + next("x"),
		"an endless line":       strings.Repeat("x", maxLineBytes+1),
		"an endless page":       many,
		"an endless cursor":     next(strings.Repeat("c", 5_000)),
		"a truncated last line": `{"op":"add"`,
	} {
		f, _, err := follow(t, filepath.Join(t.TempDir(), "index"), func(*Feed) bool { return false }, lines(add(1, 1), l))
		if !errors.Is(err, ErrLine) || has(t, f, 1) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := follow(t, filepath.Join(t.TempDir(), "index"), func(*Feed) bool { return false }, status(http.StatusForbidden))
	if !errors.Is(err, ErrRefused) {
		t.Errorf("refused: %v", err)
	}
}

// FuzzLine: whatever a node sends is taken or refused as a line.
func FuzzLine(f *testing.F) {
	for _, l := range []string{add(1, 1), next("one"), `{"op":"withdraw","number":7}`} {
		f.Add([]byte(l))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := Open(Config{URL: "https://node", Path: filepath.Join(t.TempDir(), "none"), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := x.line(b); err != nil && !errors.Is(err, ErrLine) {
			t.Error(err)
		}
	})
}
