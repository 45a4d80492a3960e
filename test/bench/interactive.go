package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// slowdown is how much slower the browser's processor is made: an old machine of an office.
const slowdown = 4

// interactive measures, in a real browser that is slowed down and keeps nothing, how long a page takes from being asked for until
// all of it is there and its scripts have run. Nothing is measured where there is no browser.
func (r *reader) interactive(ctx context.Context, t *table, paths []string, times int) error {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.note("no browser is here: how soon pages can be used was not measured")
		return nil
	}
	dir, err := os.MkdirTemp("", "vigil-bench-browser-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := chromedp.NewExecAllocator(ctx, append(
		chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("no-proxy-server", true), chromedp.WindowSize(1280, 720), chromedp.UserDataDir(dir),
	)...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		return fmt.Errorf("the browser: %w", err)
	}
	if err := r.slow(ctx); err != nil {
		return err
	}
	var worst time.Duration
	where := ""
	for _, path := range paths {
		var all []time.Duration
		for range times {
			took, err := r.usable(ctx, path)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			all = append(all, took)
		}
		if m := at(all, 0.5); m > worst {
			worst, where = m, path
		}
	}
	t.note("in a browser with nothing kept and a processor %d times slower, the slowest of %d pages can be used after %s (median, %s)", slowdown, len(paths), worst.Round(time.Millisecond), where)
	return nil
}

// slow signs the browser in with the reader's session, and makes it slow and forgetful.
func (r *reader) slow(ctx context.Context) error {
	base, err := url.Parse(r.base)
	if err != nil {
		return err
	}
	target := chromedp.FromContext(ctx).Target
	secure := true
	for _, c := range r.http.Jar.Cookies(base) {
		if _, err := cdp.Call(ctx, target, network.SetCookie, network.SetCookieParams{Name: c.Name, Value: c.Value, URL: r.base + "/", Path: "/", Secure: &secure}); err != nil {
			return err
		}
	}
	if _, err := cdp.Call(ctx, target, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true}); err != nil {
		return err
	}
	_, err = cdp.Call(ctx, target, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: slowdown})
	return err
}

// usable opens a page and returns when its last script had run, by the browser's own clock.
func (r *reader) usable(ctx context.Context, path string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(r.base+path)); err != nil {
		return 0, err
	}
	for tick := time.Tick(20 * time.Millisecond); ; {
		said, err := chromedp.Run(ctx, chromedp.Evaluate[[]float64](`(() => { const n = performance.getEntriesByType('navigation')[0]; return [location.pathname === '/sign-in' ? 1 : 0, n.loadEventEnd]; })()`))
		switch {
		case err != nil:
			return 0, err
		case said[0] == 1:
			return 0, errors.New("the browser is not signed in")
		case slices.Max(said) > 0:
			return time.Duration(said[1] * float64(time.Millisecond)), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick:
		}
	}
}
