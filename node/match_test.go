package node_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vigil/ledger/alert"
	"vigil/node"
	"vigil/node/api"
	"vigil/node/match/feed"
	"vigil/test/nodetest"
)

// pdqOf is a fingerprint of 256 bits with the first n of them changed.
func pdqOf(seed byte, n int) string {
	v := bytes.Repeat([]byte{seed, seed ^ 0x5a, 3 * seed}, 11)[:32]
	for bit := range n {
		v[bit/8] ^= 1 << (bit % 8)
	}
	return hex.EncodeToString(v)
}

func asked(algorithm, value string) []api.Fingerprint {
	return []api.Fingerprint{{Algorithm: algorithm, Value: value}}
}

// raised raises an alert, again while the node says that time mends it.
func raised(t testing.TB, c *api.Client, a api.RaiseAlert) (w api.Written) {
	t.Helper()
	key := rand.Text()
	nodetest.Until(t, "an alert is raised", func() bool {
		var err error
		if w, err = c.Raise(context.Background(), key, a); err != nil && status(err) != http.StatusServiceUnavailable {
			t.Fatal(err)
		}
		return err == nil
	})
	return w
}

// matched asks for one row, where the index is in step.
func matched(t testing.TB, c *api.Client, q api.Match) api.MatchResult {
	t.Helper()
	a, err := c.Match(t.Context(), q)
	if err != nil || len(a.Results) != len(q.Rows) {
		t.Fatalf("%+v %v", a, err)
	}
	return a.Results[0]
}

// untilMatched waits until a row has a verdict.
func untilMatched(t testing.TB, c *api.Client, row []api.Fingerprint, verdict string) (r api.MatchResult) {
	t.Helper()
	nodetest.Until(t, "a verdict: "+verdict, func() bool {
		a, err := c.Match(context.Background(), api.Match{Rows: [][]api.Fingerprint{row}})
		if err == nil {
			r = a.Results[0]
		}
		return err == nil && r.Verdict == verdict
	})
	return r
}

func TestNearCopiesAreFound(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	ctx := t.Context()
	analyst, platform := r.As(t, api.RoleAnalyst), r.As(t, api.RolePlatform)
	raise := func(a api.RaiseAlert) api.Written { return raised(t, analyst, a) }
	facts := api.AlertFacts{Urgency: "priority", Classifications: []api.Classification{{Scheme: "interpol-baseline", Value: "baseline"}}, Handling: &api.Handling{TLP: "amber"}}
	w := raise(api.RaiseAlert{AlertFacts: facts, Signals: []api.Signal{{Algorithm: "pdq", Value: pdqOf(9, 0)}, {Algorithm: "md5", Value: strings.Repeat("1a", 15) + "00"}}})
	raise(api.RaiseAlert{AlertFacts: api.AlertFacts{Exercise: true}, Signals: []api.Signal{{Algorithm: "pdq", Value: pdqOf(9, 1)}}})
	poor := 10
	raise(api.RaiseAlert{Signals: []api.Signal{{Algorithm: "pdq", Value: pdqOf(77, 0), Quality: &poor}}})

	hit := untilMatched(t, analyst, asked("pdq", strings.ToUpper(pdqOf(9, 31))), api.MatchHit)
	if len(hit.Hits) != 1 || hit.Hits[0].Distance != 31 || hit.Hits[0].Algorithm != "pdq" {
		t.Fatalf("%+v", hit)
	}
	if a := hit.Hits[0].Alert; a.ID != w.ID || a.Author != "in/ncrb" || a.Standing != "asserted" || a.Handling.TLP != "amber" || a.Classifications[0].Value != "baseline" {
		t.Errorf("%+v", a)
	}
	number := func(n int) *int { return &n }
	for name, x := range map[string]struct {
		q       api.Match
		verdict string
	}{
		"too far":              {api.Match{Rows: [][]api.Fingerprint{asked("pdq", pdqOf(9, 32))}}, api.MatchNone},
		"a wider radius":       {api.Match{Rows: [][]api.Fingerprint{asked("pdq", pdqOf(9, 40))}, Radius: number(40)}, api.MatchHit},
		"radius 0":             {api.Match{Rows: [][]api.Fingerprint{asked("pdq", pdqOf(9, 1))}, Radius: number(0)}, api.MatchNone},
		"exercises":            {api.Match{Rows: [][]api.Fingerprint{asked("pdq", pdqOf(9, 1))}, Radius: number(0), Exercise: true}, api.MatchHit},
		"exactly":              {api.Match{Rows: [][]api.Fingerprint{asked("md5", strings.Repeat("1A", 15)+"00")}}, api.MatchHit},
		"poor ones":            {api.Match{Rows: [][]api.Fingerprint{asked("pdq", pdqOf(77, 3))}}, api.MatchNone},
		"poor ones, asked for": {api.Match{Rows: [][]api.Fingerprint{asked("pdq", pdqOf(77, 3))}, Poor: true}, api.MatchHit},
		"a poor picture":       {api.Match{Rows: [][]api.Fingerprint{{{Algorithm: "pdq", Value: pdqOf(9, 3), Quality: &poor}}}}, api.MatchNone},
		"a poor one, the same": {api.Match{Rows: [][]api.Fingerprint{{{Algorithm: "pdq", Value: pdqOf(77, 0), Quality: &poor}}}}, api.MatchHit},
	} {
		if got := matched(t, analyst, x.q); got.Verdict != x.verdict {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := matched(t, platform, api.Match{Rows: [][]api.Fingerprint{asked("pdq", pdqOf(9, 5))}}); got.Verdict != api.MatchHit {
		t.Errorf("a platform: %+v", got)
	}

	page, err := r.As(t, api.RoleAuditor).Access(ctx, api.AccessQuery{Verb: "alert.match", Object: w.ID, Limit: 1})
	if err != nil || len(page.Records) != 1 || page.Records[0].Count != 1 {
		t.Errorf("%+v %v", page, err)
	}
	if _, err := analyst.Retract(ctx, "", w.ID, api.Retract{Reason: "wrong"}); err != nil {
		t.Fatal(err)
	}
	if got := matched(t, analyst, api.Match{Rows: [][]api.Fingerprint{asked("pdq", pdqOf(9, 5))}}); got.Verdict != api.MatchNone {
		t.Errorf("retracted, and found: %+v", got)
	}
	s, err := alert.ParseSignal("pdq:" + pdqOf(9, 0))
	if err != nil {
		t.Fatal(err)
	}
	nodetest.Until(t, "it is not in the index either", func() bool { return !r.Node.Filed(s) })
}

// TestTheLongestFingerprintsAreFoundToo: TMK's are 1,024 bytes, which are compared for identity, in hex or base64.
func TestTheLongestFingerprintsAreFoundToo(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	analyst := r.As(t, api.RoleAnalyst)
	v := bytes.Repeat([]byte{1, 2, 3, 4}, 256)
	w := raised(t, analyst, api.RaiseAlert{Signals: []api.Signal{{Algorithm: "tmk", Value: hex.EncodeToString(v)}}})
	hit := untilMatched(t, analyst, asked("tmk", base64.StdEncoding.EncodeToString(v)), api.MatchHit)
	if len(hit.Hits) != 1 || hit.Hits[0].Alert.ID != w.ID {
		t.Errorf("%+v", hit)
	}
	if a, err := analyst.LookUp(t.Context(), api.LookUp{Signals: []api.Signal{{Algorithm: "tmk", Value: hex.EncodeToString(v)}}}); err != nil || len(a.Results) != 1 || len(a.Results[0].Alerts) != 1 {
		t.Errorf("%+v %v", a, err)
	}
	v[1023]++
	if got := matched(t, analyst, api.Match{Rows: [][]api.Fingerprint{asked("tmk", hex.EncodeToString(v))}}); got.Verdict != api.MatchNone {
		t.Errorf("another: %+v", got)
	}
}

// Every bad row gets a word, and the others their answers.
func TestBadRowsAreRefusedAlone(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	analyst := r.As(t, api.RoleAnalyst)
	good := asked("pdq", pdqOf(5, 0))
	raised(t, analyst, api.RaiseAlert{Signals: []api.Signal{{Algorithm: "pdq", Value: pdqOf(5, 0)}}})
	untilMatched(t, analyst, good, api.MatchHit)
	high, low := 101, -1
	bad := map[string][]api.Fingerprint{
		"no fingerprint":       {},
		"an unknown algorithm": asked("crc32", "00"),
		"a short value":        asked("pdq", pdqOf(5, 0)[:62]),
		"a long value":         asked("pdq", pdqOf(5, 0)+"00"),
		"no hexadecimal":       asked("md5", strings.Repeat("zz", 16)),
		"rubbish":              asked("\x00\x1b", "\u202e"),
		"quality over 100":     {{Algorithm: "pdq", Value: pdqOf(5, 0), Quality: &high}},
		"quality under 0":      {{Algorithm: "pdq", Value: pdqOf(5, 0), Quality: &low}},
		"quality of an md5":    {{Algorithm: "md5", Value: strings.Repeat("1b", 16), Quality: new(int)}},
	}
	q := api.Match{Rows: [][]api.Fingerprint{good}}
	for _, row := range bad {
		q.Rows = append(q.Rows, row)
	}
	q.Rows = append(q.Rows, good)
	a, err := analyst.Match(t.Context(), q)
	if err != nil || a.Hits != 2 || a.Refused != len(bad) {
		t.Fatalf("%d hits, %d refused: %v", a.Hits, a.Refused, err)
	}
	for i, x := range a.Results {
		first, last := i == 0, i == len(a.Results)-1
		if x.Row != i || (first || last) != (x.Verdict == api.MatchHit) || !first && !last && (x.Verdict != api.MatchRefused || x.Error == "") {
			t.Errorf("row %d: %+v", i, x)
		}
	}
	over, under := 64, -1
	for name, q := range map[string]api.Match{
		"no rows":         {},
		"too many rows":   {Rows: slices.Repeat([][]api.Fingerprint{good}, 1_001)},
		"radius over":     {Rows: [][]api.Fingerprint{good}, Radius: &over},
		"radius under":    {Rows: [][]api.Fingerprint{good}, Radius: &under},
		"limit over":      {Rows: [][]api.Fingerprint{good}, Limit: 101},
		"limit under":     {Rows: [][]api.Fingerprint{good}, Limit: -1},
		"an endless name": {Rows: [][]api.Fingerprint{asked(strings.Repeat("x", 33), "00")}},
	} {
		if _, err := analyst.Match(t.Context(), q); status(err) < 400 || status(err) >= 500 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A film is found by its frames.
func TestFilmsAreFound(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	analyst := r.As(t, api.RoleAnalyst)
	var film []api.Signal
	for i := range 10 {
		film = append(film, api.Signal{Algorithm: "vpdq-frame", Value: pdqOf(byte(20+7*i), 0)})
	}
	raised(t, analyst, api.RaiseAlert{Signals: film})
	var cut []api.Fingerprint
	for i := range 5 {
		cut = append(cut, api.Fingerprint{Algorithm: "vpdq-frame", Value: pdqOf(byte(20+7*i), 4)})
	}
	hit := untilMatched(t, analyst, cut, api.MatchHit)
	if f := hit.Hits[0].Frames; f == nil || f.Queried != 100 || f.Stored != 50 {
		t.Errorf("%+v", hit.Hits[0])
	}
	for i := range cut[:2] {
		cut[i].Value = pdqOf(byte(200+9*i), 0)
	}
	if got := matched(t, analyst, api.Match{Rows: [][]api.Fingerprint{cut}}); got.Verdict != api.MatchNone {
		t.Errorf("three frames of five: %+v", got)
	}
}

// log keeps what a node says.
func startLogged(t *testing.T, c node.Config) (*nodetest.Running, *strings.Builder) {
	t.Helper()
	said := &strings.Builder{}
	n, err := node.Open(c, slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	return nodetest.Serve(t, c, n), said
}

// A start goes on from the saved index, and makes it anew where it is damaged, missing, or beside another board.
func TestIndexComesBack(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	analyst := r.As(t, api.RoleAnalyst)
	first := asked("pdq", pdqOf(5, 9))
	raised(t, analyst, api.RaiseAlert{Signals: []api.Signal{{Algorithm: "pdq", Value: pdqOf(5, 0)}}})
	untilMatched(t, analyst, first, api.MatchHit)
	r.Stop()
	index, board := filepath.Join(c.Dir, "match", "index"), filepath.Join(c.Dir, "board")
	whole, err := os.ReadFile(index)
	if err != nil || bytes.Contains(whole, []byte{5, 5 ^ 0x5a, 15, 5, 5 ^ 0x5a, 15}) {
		t.Fatal(len(whole), err)
	}
	for name, x := range map[string]struct {
		change func() error
		warns  bool
	}{
		"as it was":    {func() error { return nil }, false},
		"no index":     {func() error { return os.Remove(index) }, false},
		"damaged":      {func() error { return os.WriteFile(index, append(whole[:40:40], whole[41:]...), 0o600) }, true},
		"empty":        {func() error { return os.WriteFile(index, nil, 0o600) }, true},
		"no board":     {func() error { return os.RemoveAll(board) }, true},
		"an older one": {func() error { return os.WriteFile(index, whole, 0o600) }, true},
	} {
		if err := x.change(); err != nil {
			t.Fatal(name, err)
		}
		r, said := startLogged(t, c)
		untilMatched(t, r.As(t, api.RoleAnalyst), first, api.MatchHit)
		_, err := os.Stat(index)
		r.Stop()
		if x.warns && name != "an older one" && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: what cannot be used is left: %v", name, err)
		}
		if warned := strings.Contains(said.String(), "index cannot be used"); warned != x.warns && name != "an older one" {
			t.Errorf("%s: warned %v: %s", name, warned, said)
		}
	}
}

// following is a platform that follows a node.
func following(t testing.TB, r *nodetest.Running) feed.Config {
	target := r.Target(t, api.RolePlatform)
	return feed.Config{
		Client: nodetest.HTTP(t, r.Addresses.Pin), URL: target.Server, Token: target.Token, Path: filepath.Join(t.TempDir(), "index"), Log: nodetest.Quiet,
	}
}

// followed runs a feed until it is in step, and then until stop.
func followed(t testing.TB, cfg feed.Config) (f *feed.Feed, stop func()) {
	t.Helper()
	f, err := feed.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	nodetest.Until(t, "in step", f.InStep)
	return f, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

// holds says which of some fingerprints a platform has.
func holds(t testing.TB, f *feed.Feed, seeds ...byte) string {
	t.Helper()
	var out []byte
	for _, seed := range seeds {
		s, err := alert.ParseSignal("pdq:" + pdqOf(seed, 0))
		if err != nil {
			t.Fatal(err)
		}
		if has, err := f.Index().Has(&s); err != nil {
			t.Fatal(err)
		} else if has {
			out = append(out, seed)
		}
	}
	return string(out)
}

func plain(seed byte) api.RaiseAlert {
	return api.RaiseAlert{Signals: []api.Signal{{Algorithm: "pdq", Value: pdqOf(seed, 0)}}}
}

// A platform's own index follows a node: additions and withdrawals, live and after a pause, casework or exercises, and
// nothing that may not leave.
func TestPlatformsFollow(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	ctx := t.Context()
	analyst := r.As(t, api.RoleAnalyst)
	early, stays := raised(t, analyst, plain('a')), raised(t, analyst, plain('b'))
	drill, strict := plain('c'), plain('d')
	drill.Exercise, strict.Handling = true, &api.Handling{TLP: "amber+strict"}
	raised(t, analyst, drill)
	raised(t, analyst, strict)
	retract := func(w api.Written) {
		t.Helper()
		if _, err := analyst.Retract(ctx, "", w.ID, api.Retract{Reason: "wrong"}); err != nil {
			t.Fatal(err)
		}
	}

	cfg := following(t, r)
	f, stop := followed(t, cfg)
	if got := holds(t, f, 'a', 'b', 'c', 'd'); got != "ab" {
		t.Errorf("from the beginning: %q", got)
	}
	kept, err := r.As(t, api.RoleAuditor).Access(ctx, api.AccessQuery{Verb: "alert.hand-on"})
	if err != nil || len(kept.Records) != 1 || kept.Records[0].Count != 1 || kept.Records[0].Outcome != "refused" {
		t.Errorf("%+v %v", kept, err)
	}
	raised(t, analyst, plain('e'))
	retract(early)
	nodetest.Until(t, "an addition and a withdrawal", func() bool { return holds(t, f, 'a', 'b', 'e') == "be" })
	stop()

	retract(stays)
	f, stop = followed(t, cfg)
	if got := holds(t, f, 'a', 'b', 'c', 'd', 'e'); got != "e" {
		t.Errorf("after a pause: %q", got)
	}
	stop()
	cfg.Path, cfg.Exercise = filepath.Join(t.TempDir(), "index"), true
	f, stop = followed(t, cfg)
	if got := holds(t, f, 'a', 'b', 'c', 'd', 'e'); got != "c" {
		t.Errorf("exercises: %q", got)
	}
	stop()
}

// Where a node has built its board anew, a platform begins anew with it.
func TestPlatformsBeginAnew(t *testing.T) {
	c := nodetest.Found(t)
	r := nodetest.Run(t, c)
	analyst := r.As(t, api.RoleAnalyst)
	wrong := raised(t, analyst, plain('a'))
	raised(t, analyst, plain('b'))
	cfg := following(t, r)
	_, stop := followed(t, cfg)
	stop()
	if _, err := analyst.Retract(t.Context(), "", wrong.ID, api.Retract{Reason: "wrong"}); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	if err := os.RemoveAll(filepath.Join(c.Dir, "board")); err != nil {
		t.Fatal(err)
	}
	r = nodetest.Run(t, c)
	cfg.URL, cfg.Client = "https://"+r.Addresses.API, nodetest.HTTP(t, r.Addresses.Pin)
	f, stop := followed(t, cfg)
	if got := holds(t, f, 'a', 'b'); got != "b" {
		t.Errorf("%q", got)
	}
	stop()
}

func TestRefusedFollowers(t *testing.T) {
	r := nodetest.Run(t, nodetest.Found(t))
	cfg := following(t, r)
	for query, want := range map[string]int{
		"after=xx": http.StatusBadRequest, "follow=maybe": http.StatusBadRequest, "exercise=2": http.StatusBadRequest,
		"after=" + strings.Repeat("A", 44): http.StatusConflict, "": http.StatusOK,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, cfg.URL+"/v1/signals?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+cfg.Token)
		resp, err := cfg.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: %d, want %d", query, resp.StatusCode, want)
		}
	}
	cfg.Token = "wrong"
	f, err := feed.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Run(t.Context()); !errors.Is(err, feed.ErrRefused) {
		t.Errorf("a wrong token: %v", err)
	}
}
