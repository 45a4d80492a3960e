package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"vigil/node/api"
	"vigil/node/interop"
	"vigil/node/interop/row"
)

const (
	importChunk    = 5_000
	importTries    = 30
	importParallel = 16
	maxBadShown    = 50
	importFormat   = "VICS 1.2, 1.3 or 2.0 JSON, ICSE or other CSV, or one hash a line"
)

// imported is what became of a file.
type imported struct {
	File      string  `json:"file"`
	Format    string  `json:"format"`
	Rows      uint64  `json:"rows"`
	Accepted  int     `json:"accepted"`
	Refused   int     `json:"refused"`
	Skipped   int     `json:"skipped"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
}

func alertImport(o *options) *cobra.Command {
	var facts api.AlertFacts
	var audience []string
	var after uint64
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Raise an alert for every row of a hash set (" + importFormat + ")", Args: cobra.ExactArgs(1),
		Long: "Raise an alert for every row of a hash set. What could be imagery or a path is not read. The same file imported again writes\n" +
			"nothing twice, so an interrupted import is resumed by running it again; --after skips what is known to be done. Where rows\n" +
			"were refused, it ends with 17.",
	}
	factFlags(cmd, &facts, &audience)
	cmd.Flags().Uint64Var(&after, "after", 0, "go on after this row")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := o.client()
		if err != nil {
			return err
		}
		im, err := alertImporter(o, c, facts, audience)
		if err != nil {
			return err
		}
		im.after = after
		return o.importFile(cmd, args[0], im)
	}
	return cmd
}

// alertImporter raises alerts: rows that share everything but their hashes become one list.
func alertImporter(o *options, c *api.Client, facts api.AlertFacts, audience []string) (*importer, error) {
	base, err := api.DetailsOf(facts)
	if err != nil {
		return nil, err
	}
	salt, err := json.Marshal([]any{facts, audience})
	if err != nil {
		return nil, err
	}
	return &importer{o: o, salt: string(salt), batches: func(chunk []interop.Row) []batch {
		var out []batch
		for _, b := range interop.Batches(base, chunk) {
			list := api.RaiseList{AlertFacts: api.FactsOf(b.Details), Audience: audience, Rows: signalsOf(b.Rows)}
			out = append(out, batch{b.Rows, func(ctx context.Context, key string) (api.Written, error) { return c.RaiseList(ctx, key, list) }})
		}
		return out
	}}, nil
}

// importFile imports a file and says what became of it.
func (o *options) importFile(cmd *cobra.Command, path string, im *importer) error {
	out, err := im.file(cmd.Context(), path)
	if out.Rows > 0 {
		if e := o.out.value(out, func() {
			o.out.fields("file", out.File, "format", out.Format, "rows", num(out.Rows), "accepted", fmt.Sprint(out.Accepted), "refused", fmt.Sprint(out.Refused), "not pertinent", fmt.Sprint(out.Skipped), "took", fmt.Sprintf("%.1f s, %.0f rows/s", out.Seconds, out.PerSecond))
		}); e != nil {
			return e
		}
	}
	if err != nil && out.Rows > 0 {
		o.out.note("resume with: %s %s --after %d", cmd.CommandPath(), path, im.done)
	}
	if err == nil && out.Refused > 0 {
		return &resultError{text: fmt.Sprintf("%d of %d rows were refused; why, is said above", out.Refused, out.Rows), code: exitPartial}
	}
	return err
}

func signalsOf(rows []interop.Row) [][]api.Signal {
	out := make([][]api.Signal, len(rows))
	for i, r := range rows {
		out[i] = api.SignalsOf(r.File)
	}
	return out
}

// batch is rows that become one request.
type batch struct {
	rows []interop.Row
	send func(ctx context.Context, key string) (api.Written, error)
}

type importer struct {
	o       *options
	after   uint64
	salt    string // of the key, beside the file's content
	batches func(chunk []interop.Row) []batch

	key  string // of the file's content and the salt
	done uint64 // rows committed or refused for good
	out  imported
}

func (im *importer) file(ctx context.Context, path string) (imported, error) {
	f, err := os.Open(path)
	if err != nil {
		return im.out, err
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return im.out, err
	}
	fmt.Fprint(sum, im.salt)
	im.key = hex.EncodeToString(sum.Sum(nil)[:16])
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return im.out, err
	}
	bar := newProgress(im.o.out, "importing")
	defer bar.end()
	counted := &countingReader{r: f}
	source, format, err := interop.Detect(counted, path)
	if err != nil {
		return im.out, &usageError{text: err.Error(), hint: "it takes " + importFormat}
	}
	im.out.File, im.out.Format = path, string(format)
	if err := row.Skip(source, im.after); err != nil {
		return im.out, err
	}
	im.done = im.after
	started := time.Now()
	err = im.rows(ctx, source, func() { bar.set(uint64(counted.n), uint64(size)) })
	im.out.Seconds = time.Since(started).Seconds()
	im.out.PerSecond = float64(im.out.Accepted) / max(im.out.Seconds, 0.001)
	return im.out, err
}

func (im *importer) rows(ctx context.Context, source interop.Source, progress func()) error {
	var chunk []interop.Row
	for {
		r, err := source.Next()
		var bad *interop.Error
		switch {
		case errors.Is(err, io.EOF):
			return im.commit(ctx, chunk)
		case errors.As(err, &bad):
			im.bad(bad.Line, err)
			continue
		case err != nil:
			return errors.Join(im.commit(ctx, chunk), err)
		}
		im.out.Rows++
		if r.Pertinence == row.NotPertinent {
			im.out.Skipped++
			continue
		}
		if chunk = append(chunk, r); len(chunk) == importChunk {
			if err := im.commit(ctx, chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
			progress()
		}
	}
}

func (im *importer) bad(line uint64, err error) {
	im.out.Refused++
	im.out.Rows++
	if im.out.Refused <= maxBadShown {
		im.o.out.note("line %d: %s", line, err)
	}
}

// commit writes a chunk. The key of each request is made of the file and the rows, so that the same rows are never
// written twice.
func (im *importer) commit(ctx context.Context, chunk []interop.Row) error {
	if len(chunk) == 0 {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(importParallel) // the node seals what waits for one audience as one entry
	var mu sync.Mutex
	for _, b := range im.batches(chunk) {
		group.Go(func() error {
			key := fmt.Sprintf("import-%s-%d-%d", im.key, b.rows[0].Number, b.rows[len(b.rows)-1].Number)
			w, err := im.send(ctx, key, b)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			im.out.Accepted += w.Accepted
			for _, v := range w.Rows {
				im.out.Rows-- // counted when it was read
				im.bad(b.rows[v.Row].Line, errors.New(v.Error))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	im.done = chunk[len(chunk)-1].Number
	return nil
}

// send asks again while the node says that time mends it.
func (im *importer) send(ctx context.Context, key string, b batch) (api.Written, error) {
	for try := 1; ; try++ {
		w, err := b.send(ctx, key)
		var refusal *api.Refusal
		if err == nil || !errors.As(err, &refusal) || refusal.RetryAfter == 0 || try == importTries {
			return w, err
		}
		select {
		case <-ctx.Done():
			return w, ctx.Err()
		case <-time.After(refusal.RetryAfter):
		}
	}
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}
