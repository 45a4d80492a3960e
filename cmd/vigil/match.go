package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/ledger/alert"
	"vigil/node/api"
	"vigil/node/hashing"
	"vigil/node/hashing/pdq"
	"vigil/node/interop"
	"vigil/node/interop/row"
)

const matchLong = `Ask which alerts carry what is the same as, or near to, files or hashes. Files are hashed on this machine, as by
'vigil hash'; nothing leaves it but hashes, and only to the node. A directory is asked for with everything in it; "-" is
a file on standard input; an argument such as pdq:… or sha256:… is a hash. --hashes reads a hash set (` + importFormat + `), "-" from standard input.

A PDQ matches within 31 of 256 bits, or --radius. Printed is what was found, with who to ask; --all prints the rest too.
Every look-up is in the node's access log.

Exit 0: an alert that is acted on was found. 3: none was. 17: none was, and something was left out, so there may be one.`

const (
	matchBatch = 200 // files in one request
	matchWait  = 2 * time.Second
	matchTries = 30
)

func matchCommand(o *options) *cobra.Command {
	var options hashing.Options
	var hashes []string
	var watch string
	radius := -1
	m := &matchRun{o: o}
	cmd := &cobra.Command{Use: "match [FILE…|DIR|HASH|-]", Short: "Has anybody seen these files? Near copies are found too", Long: matchLong}
	f := cmd.Flags()
	f.StringArrayVar(&hashes, "hashes", nil, "hash set to ask for; - is standard input")
	f.StringVar(&watch, "watch", "", "directory to look at until interrupted: each new file is asked for once it is whole")
	f.IntVar(&radius, "radius", -1, "bits of 256 that may differ, 0 to 63 (default 31)")
	f.IntVar(&m.q.Limit, "limit", 0, "alerts for each file, the nearest, at most 100 (default 10)")
	f.BoolVar(&m.q.Exercise, "exercise", false, "exercises instead of casework")
	f.BoolVar(&m.q.Poor, "poor", false, "look among stored PDQ of low quality too, which match too much")
	f.BoolVar(&m.dihedral, "dihedral", false, "look for images turned and mirrored too")
	f.BoolVar(&m.all, "all", false, "print what was not found too")
	f.BoolVar(&options.Follow, "follow", false, "follow symbolic links in directories")
	f.IntVar(&options.Parallel, "parallel", 0, "files at a time (default: one a core)")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if len(args) == 0 && len(hashes) == 0 && watch == "" {
			return &usageError{text: "nothing to ask for", hint: "name files, directories or hashes, or --hashes FILE, or --watch DIR"}
		}
		named := slices.Concat(args, hashes)
		if first := slices.Index(named, "-"); first >= 0 && slices.Contains(named[first+1:], "-") {
			return &usageError{text: `"-" is standard input, and is read once`, hint: "a file of that name is ./-"}
		}
		if cmd.Flags().Changed("radius") {
			if radius < 0 || radius > 63 {
				return &usageError{text: fmt.Sprintf("a radius of %d", radius), hint: "--radius is 0 to 63 bits"}
			}
			m.q.Radius = &radius
		}
		if m.c, err = o.client(); err != nil {
			return err
		}
		if m.h, err = newHasher(options); err != nil {
			return err
		}
		defer m.h.Close()
		return m.run(cmd.Context(), args, hashes, watch)
	}
	return cmd
}

// matchRun asks for files as they are hashed, and prints the answers.
type matchRun struct {
	o             *options
	c             *api.Client
	h             *hashing.Hasher
	q             api.Match
	dihedral, all bool

	names []string // of the rows in q
	files hashing.Summary
	sum   matchSummary
}

// matchSummary counts what was asked for.
type matchSummary struct {
	Asked   int    `json:"asked"`
	Hits    int    `json:"hits"`    // with an alert that is acted on
	Barred  int    `json:"barred"`  // with alerts that are not acted on only
	Refused int    `json:"refused"` // bad hashes and lines
	LeftOut uint64 `json:"left_out"`
}

func (m *matchRun) run(ctx context.Context, args, hashes []string, watch string) error {
	if !m.o.json {
		m.o.out.row([]string{"VERDICT", "ASKED", "MATCHED", "DISTANCE", "ALERT", "STANDING", "BARRED", "CLASS", "URGENCY", "ASK", "HANDLING"}, []int{7})
	}
	var paths []string
	for _, a := range args {
		if row, ok := hashArgument(a); ok {
			if err := m.add(ctx, a, row); err != nil {
				return err
			}
			continue
		}
		paths = append(paths, a)
	}
	for _, path := range hashes {
		if err := m.list(ctx, path); err != nil {
			return err
		}
	}
	if len(paths) > 0 {
		if err := eachFile(ctx, m.h, paths, func(it hashing.Item) error { return m.item(ctx, it) }); err != nil {
			return err
		}
	}
	if err := m.ask(ctx); err != nil {
		return err
	}
	if watch != "" {
		if err := m.watch(ctx, watch); err != nil {
			return err
		}
	}
	return m.end()
}

// hashArgument reads alg:value; what is a file is one.
func hashArgument(a string) ([]api.Fingerprint, bool) {
	name, value, ok := strings.Cut(a, ":")
	if _, err := alert.ParseAlgorithm(name); !ok || err != nil {
		return nil, false
	}
	if _, err := os.Lstat(a); err == nil {
		return nil, false
	}
	return []api.Fingerprint{{Algorithm: strings.ToLower(name), Value: value}}, true
}

// item asks for a hashed file. One that could not be read, or not in every way, is named.
func (m *matchRun) item(ctx context.Context, it hashing.Item) error {
	m.files.Add(it)
	name := hashing.Visible(it.Path)
	if why := hashing.Word(it.Err) + hashing.Word(it.Refused); why != "" {
		m.o.out.note("%s: %s", name, why)
	}
	if it.Err != nil {
		return nil
	}
	var row []api.Fingerprint
	for _, s := range it.Signals() {
		row = append(row, fingerprintOf(s))
	}
	if m.dihedral && it.Image != nil {
		for form := pdq.Rotate90; form < pdq.Forms; form++ {
			q := it.Image.Quality
			row = append(row, api.Fingerprint{Algorithm: alert.PDQ.String(), Value: it.Image.Forms[form].String(), Quality: &q})
		}
	}
	return m.add(ctx, name, row)
}

func fingerprintOf(s alert.Signal) api.Fingerprint {
	f := api.Fingerprint{Algorithm: s.Algorithm.String(), Value: s.Text()}
	if q, ok := s.Quality.Value(); ok {
		f.Quality = &q
	}
	return f
}

// list asks for every row of a hash set. A bad line is named and the rest goes on.
func (m *matchRun) list(ctx context.Context, path string) error {
	in, err := openInput(path)
	if err != nil {
		return err
	}
	defer in.Close()
	source, _, err := interop.Detect(in, path)
	if err != nil {
		return &usageError{text: hashing.Visible(path) + ": " + err.Error(), hint: "it takes " + importFormat}
	}
	for {
		r, err := source.Next()
		var bad *interop.Error
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			if m.sum.Refused++; m.sum.Refused <= maxBadShown {
				m.o.out.note("%s: line %d: %s", hashing.Visible(path), bad.Line, err)
			}
			continue
		case err != nil:
			return err
		}
		if err := m.add(ctx, fmt.Sprintf("%s:%d", hashing.Visible(path), r.Line), rowFingerprints(r)); err != nil {
			return err
		}
	}
}

func rowFingerprints(r row.Row) []api.Fingerprint {
	out := make([]api.Fingerprint, len(r.File.Signals))
	for i, s := range r.File.Signals {
		out[i] = fingerprintOf(s)
	}
	return out
}

// add gathers a row and asks when there are enough.
func (m *matchRun) add(ctx context.Context, name string, row []api.Fingerprint) error {
	m.names, m.q.Rows = append(m.names, name), append(m.q.Rows, row)
	if len(m.names) < matchBatch {
		return nil
	}
	return m.ask(ctx)
}

// ask asks for what was gathered, again while the node says that time mends it.
func (m *matchRun) ask(ctx context.Context) error {
	if len(m.names) == 0 {
		return nil
	}
	for try := 1; ; try++ {
		a, err := m.c.Match(ctx, m.q)
		var refusal *api.Refusal
		if err == nil {
			err = m.answered(a)
			m.names, m.q.Rows = m.names[:0], m.q.Rows[:0]
			return err
		}
		if !errors.As(err, &refusal) || refusal.RetryAfter == 0 || try == matchTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(refusal.RetryAfter):
		}
	}
}

// matchLine is one row's answer as programs read it.
type matchLine struct {
	Asked string `json:"asked"`
	api.MatchResult
}

func (m *matchRun) answered(a api.MatchAnswer) error {
	for i, r := range a.Results {
		m.sum.Asked++
		switch r.Verdict {
		case api.MatchHit:
			m.sum.Hits++
		case api.MatchBarred:
			m.sum.Barred++
		case api.MatchRefused:
			if m.sum.Refused++; m.sum.Refused <= maxBadShown {
				m.o.out.note("%s: %s", m.names[i], r.Error)
			}
		}
		if r.Verdict == api.MatchNone && !m.all {
			continue
		}
		if m.o.json {
			if err := m.o.out.line(matchLine{m.names[i], r}, ""); err != nil {
				return err
			}
			continue
		}
		m.rows(m.names[i], r)
	}
	return nil
}

func (m *matchRun) rows(name string, r api.MatchResult) {
	if len(r.Hits) == 0 {
		m.o.out.row([]string{r.Verdict, name, "", "", "", "", "", "", "", "", ""}, []int{7})
	}
	for _, h := range r.Hits {
		distance := fmt.Sprint(h.Distance)
		if h.Frames != nil {
			distance = fmt.Sprintf("%.0f%%/%.0f%%", h.Frames.Queried, h.Frames.Stored)
		}
		var classes []string
		for _, c := range h.Alert.Classifications {
			classes = append(classes, c.Scheme+":"+c.Value)
		}
		m.o.out.row([]string{
			r.Verdict, name, h.Algorithm, distance, h.Alert.ID, h.Alert.Standing, h.Alert.Barred, strings.Join(classes, " "), h.Alert.Urgency, h.Alert.Author, handling(h.Alert.Handling),
		}, []int{7})
	}
}

// end prints the summary and decides the exit code.
func (m *matchRun) end() error {
	m.sum.LeftOut = m.files.LeftOut()
	m.o.out.note("asked: %d, hits: %d, barred: %d, refused: %d, left out: %d", m.sum.Asked, m.sum.Hits, m.sum.Barred, m.sum.Refused, m.sum.LeftOut)
	if m.o.json {
		if err := m.o.out.line(struct {
			Summary matchSummary `json:"summary"`
		}{m.sum}, ""); err != nil {
			return err
		}
	}
	switch {
	case m.sum.Hits > 0:
		return nil
	case m.sum.Refused > 0 || m.sum.LeftOut > 0:
		return &resultError{text: "nothing was found, but some of it could not be asked for; each is named above", code: exitPartial}
	case m.sum.Barred > 0:
		return &resultError{text: "no alert that is acted on carries it", code: exitNotFound}
	}
	return &resultError{text: "no alert carries it", code: exitNotFound}
}
