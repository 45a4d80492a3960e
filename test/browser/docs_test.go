// Package browser looks at the node's pages as their readers do: in Chromium, with everything but the node out of reach.
package browser

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"vigil/test/nodetest"
)

// complaints are what a page asked for elsewhere, failed to load or threw.
type complaints struct {
	mu      sync.Mutex
	list    []string // guarded by mu
	allowed []string // guarded by mu; parts of what is expected
	paused  bool     // guarded by mu
}

func (c *complaints) add(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.paused && !slices.ContainsFunc(c.allowed, func(a string) bool { return strings.Contains(s, a) }) {
		c.list = append(c.list, s)
	}
}

// allow passes over what contains a text from now on.
func (c *complaints) allow(part string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.allowed = append(c.allowed, part)
}

// pause passes over everything, while the node cannot be reached on purpose.
func (c *complaints) pause(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = on
}

func (c *complaints) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = nil
}

func (c *complaints) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.list {
		t.Error(s)
	}
	c.list = nil
}

// open starts a browser that reaches nothing but this machine, which every name under test is, and returns its context. A
// page that asks for anything that begins with none of the bases is complained of.
func open(t *testing.T, bases ...string) (context.Context, *complaints) {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing; ./test/run installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1 , MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"), chromedp.WindowSize(1280, 720), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 9*time.Minute)
	t.Cleanup(cancel)
	c := &complaints{}
	c.hear(ctx, bases...)
	return ctx, c
}

// hear listens to a tab.
func (c *complaints) hear(ctx context.Context, bases ...string) {
	chromedp.Listen(ctx, func(e any) {
		switch e := e.(type) {
		case *network.EventRequestWillBeSent:
			known := func(base string) bool { return strings.HasPrefix(e.Request.URL, base) }
			if !slices.ContainsFunc(bases, known) && !known("data:image/svg+xml") { // as the browser draws its own controls: the policy refuses a page's
				c.add("asked for " + e.Request.URL)
			}
		case *network.EventLoadingFailed:
			if !e.Canceled { // as a stream is by the next page
				c.add("failed to load: " + e.ErrorText)
			}
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
				c.add("the browser says: " + e.Entry.Text + " " + e.Entry.URL)
			}
		case *runtime.EventConsoleAPICalled:
			if e.Type == "error" {
				c.add("an error on the console")
			}
		case *runtime.EventExceptionThrown:
			c.add("script error: " + e.ExceptionDetails.Text + exception(e.ExceptionDetails))
		}
	})
}

func exception(d *runtime.ExceptionDetails) string {
	if d.Exception == nil {
		return ""
	}
	return " " + d.Exception.Description
}

func TestTheDescriptionOfTheAPIIsReadable(t *testing.T) {
	n := nodetest.Run(t, nodetest.Found(t))
	base := "https://" + n.Addresses.API
	ctx, c := open(t, base)
	if err := chromedp.Do(ctx, chromedp.Navigate(base+"/docs")); err != nil {
		t.Fatal(err)
	}
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Vigil API", "/v1/alerts/batch", "/v1/lookup", "analyst", "Idempotency-Key"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	styled, err := chromedp.Run(ctx, chromedp.Evaluate[string](`getComputedStyle(document.querySelector("table")).borderCollapse`))
	if err != nil || styled != "collapse" {
		t.Errorf("its style is not applied: %q, %v", styled, err)
	}
	c.check(t)
}
