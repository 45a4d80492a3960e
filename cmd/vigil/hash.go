package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"vigil/node/hashing"
	"vigil/node/hashing/pdq"
	"vigil/node/interop/hashlist"
	"vigil/node/interop/row"
)

const hashWorker = "hash-worker"

const hashLong = `Compute MD5, SHA-1, SHA-256 and, of images and films, PDQ, on this machine. Nothing leaves it: this command opens no
connection, and what it prints are hashes. A directory is hashed with everything in it; "-" is standard input.

Images (JPEG, PNG, GIF, WebP, BMP, TIFF) are decoded in a process of their own that can open nothing; one that is
damaged, lies about its size or takes too long is named, keeps its digests, and the rest goes on. HEIC and AVIF have no
decoder here and get digests only. Orientation in EXIF is not applied: the reference does not; --dihedral prints the
hashes of the image turned and mirrored. Films are hashed a frame a second where ffmpeg is installed.`

// hasher makes what hashes files for a command; images are decoded by this program in a process of their own.
func newHasher(o hashing.Options) (*hashing.Hasher, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	o.Worker = []string{self, hashWorker}
	return hashing.New(o), nil
}

// hashWorkerCommand is started by hashing commands only.
func hashWorkerCommand() *cobra.Command {
	return &cobra.Command{Use: hashWorker, Hidden: true, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return hashing.Work(os.Stdin, os.Stdout)
	}}
}

func hashCommand(o *options) *cobra.Command {
	var options hashing.Options
	c := &hashRun{o: o, written: map[[32]byte]bool{}}
	cmd := &cobra.Command{Use: "hash FILE…|DIR|-", Short: "Hash files here; nothing leaves this machine", Long: hashLong, Args: cobra.MinimumNArgs(1)}
	f := cmd.Flags()
	f.BoolVar(&c.dihedral, "dihedral", false, "PDQ of the image turned and mirrored too")
	f.BoolVar(&c.list, "list", false, "write a hash list for 'vigil alert import' and 'vigil match': no file names")
	f.BoolVar(&options.Follow, "follow", false, "follow symbolic links in directories")
	f.IntVar(&options.Parallel, "parallel", 0, "files at a time (default: one a core)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if c.list && (c.dihedral || o.json) {
			return &usageError{text: "--list goes with neither --dihedral nor --json", hint: "a list holds each image as it is; --json holds everything"}
		}
		h, err := newHasher(options)
		if err != nil {
			return err
		}
		defer h.Close()
		return c.run(cmd.Context(), h, args)
	}
	return cmd
}

// hashRun writes what becomes of files as they are hashed.
type hashRun struct {
	o              *options
	dihedral, list bool
	writer         *hashlist.Writer
	written        map[[32]byte]bool // contents in the list, by SHA-256
	sum            hashing.Summary
}

func (c *hashRun) run(ctx context.Context, h *hashing.Hasher, args []string) error {
	if err := c.begin(); err != nil {
		return err
	}
	bar := newProgress(c.o.out, "hashing")
	restore := bar.above(&c.o.out)
	done := uint64(0)
	err := eachFile(ctx, h, args, func(it hashing.Item) error {
		c.sum.Add(it)
		done++
		bar.set(done, it.Found)
		return c.item(it)
	})
	restore()
	bar.end()
	if e := c.end(); err == nil {
		err = e
	}
	if left := c.sum.LeftOut(); err == nil && left > 0 {
		return &resultError{text: fmt.Sprintf("%d of what was found has no hash, or not every one; each is named above", left), code: exitPartial}
	}
	return err
}

// eachFile hashes what arguments name; "-" is standard input, and then the only one.
func eachFile(ctx context.Context, h *hashing.Hasher, args []string, take func(hashing.Item) error) error {
	for _, a := range args {
		switch {
		case a == "-" && len(args) > 1:
			return &usageError{text: `"-" is standard input, and goes alone`, hint: "a file of that name is ./-"}
		case a == "-":
			it := h.Reader(ctx, "-", os.Stdin)
			it.Found = 1
			return take(it)
		}
	}
	return h.Each(ctx, args, take)
}

func (c *hashRun) columns() []string {
	columns := []string{"md5", "sha1", "sha256", "pdq", "quality"}
	if c.dihedral {
		for f := pdq.Rotate90; f < pdq.Forms; f++ {
			columns = append(columns, "pdq-"+f.String())
		}
	}
	return append(columns, "frames", "kind", "size", "name", "refused")
}

func (c *hashRun) begin() (err error) {
	switch {
	case c.list:
		c.writer, err = hashlist.NewWriter(c.o.out.out)
	case !c.o.json:
		c.o.out.row(c.columns(), c.widths())
	}
	return err
}

func (c *hashRun) end() error {
	c.o.out.note("%s", c.sum.String())
	if c.o.json {
		return c.o.out.line(struct {
			Summary hashing.Summary `json:"summary"`
		}{c.sum}, "")
	}
	if c.list {
		return c.writer.Close()
	}
	return nil
}

func (c *hashRun) item(it hashing.Item) error {
	if why := hashing.Word(it.Err) + hashing.Word(it.Refused); c.list && why != "" {
		c.o.out.note("%s: %s", hashing.Visible(it.Path), why)
	}
	switch {
	case c.list:
		return c.listed(it)
	case c.o.json:
		return c.o.out.line(hashedOf(it, c.dihedral), "")
	}
	c.o.out.row(c.cells(it), c.widths())
	return nil
}

// listed writes a file into a hash list: each content once, and without what stands for none.
func (c *hashRun) listed(it hashing.Item) error {
	if it.Err != nil || c.written[it.SHA256] {
		return nil
	}
	c.written[it.SHA256] = true
	r := row.Row{Media: it.Kind.Media()}
	for _, s := range it.Signals() {
		if !s.Worthless() {
			r.File.Signals = append(r.File.Signals, s)
		}
	}
	if len(r.File.Signals) == 0 {
		return nil
	}
	r.File.MediaSize = it.Size
	r.File = r.File.Normal()
	return c.writer.Write(r)
}

// widths are those of the columns before the name, which are known beforehand.
func (c *hashRun) widths() []int {
	widths := []int{32, 40, 64, 64, 7}
	for f := pdq.Rotate90; c.dihedral && f < pdq.Forms; f++ {
		widths = append(widths, 64)
	}
	return append(widths, 6, 9, 12)
}

func (c *hashRun) cells(it hashing.Item) []string {
	cells := make([]string, 5, 16)
	tail := []string{"", "", "", hashing.Visible(it.Path), hashing.Word(it.Err) + hashing.Word(it.Refused)}
	if it.Err == nil {
		cells[0], cells[1], cells[2] = hex.EncodeToString(it.MD5[:]), hex.EncodeToString(it.SHA1[:]), hex.EncodeToString(it.SHA256[:])
		tail[1], tail[2] = string(it.Kind), fmt.Sprint(it.Size)
	}
	if it.Image != nil {
		cells[3], cells[4] = it.Image.Forms[pdq.Original].String(), fmt.Sprint(it.Image.Quality)
	}
	if len(it.Frames) > 0 {
		tail[0] = fmt.Sprint(len(it.Frames))
	}
	for f := pdq.Rotate90; c.dihedral && f < pdq.Forms; f++ {
		cell := ""
		if it.Image != nil {
			cell = it.Image.Forms[f].String()
		}
		cells = append(cells, cell)
	}
	return append(cells, tail...)
}

// hashed is a file as programs read it.
type hashed struct {
	Name       string            `json:"name"`
	NameBase64 string            `json:"name_base64,omitempty"` // where the name is not UTF-8
	Size       *uint64           `json:"size,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	MD5        string            `json:"md5,omitempty"`
	SHA1       string            `json:"sha1,omitempty"`
	SHA256     string            `json:"sha256,omitempty"`
	PDQ        *pdq.Hash         `json:"pdq,omitempty"`
	Quality    *int              `json:"quality,omitempty"`
	Dihedral   map[string]string `json:"dihedral,omitempty"`
	Frames     []hashedFrame     `json:"frames,omitempty"`
	Refused    string            `json:"refused,omitempty"` // why there is no PDQ, or not of all frames
	Error      string            `json:"error,omitempty"`   // why there is nothing
}

type hashedFrame struct {
	Frame   int      `json:"frame"`
	Seconds float64  `json:"seconds"`
	Quality int      `json:"quality"`
	PDQ     pdq.Hash `json:"pdq"`
}

func hashedOf(it hashing.Item, dihedral bool) hashed {
	out := hashed{Name: strings.ToValidUTF8(it.Path, "\uFFFD"), Refused: hashing.Word(it.Refused), Error: hashing.Word(it.Err)}
	if !utf8.ValidString(it.Path) {
		out.NameBase64 = base64.StdEncoding.EncodeToString([]byte(it.Path))
	}
	if it.Err != nil {
		return out
	}
	out.Size, out.Kind = &it.Size, string(it.Kind)
	out.MD5, out.SHA1, out.SHA256 = hex.EncodeToString(it.MD5[:]), hex.EncodeToString(it.SHA1[:]), hex.EncodeToString(it.SHA256[:])
	if m := it.Image; m != nil {
		out.PDQ, out.Quality = &m.Forms[pdq.Original], &m.Quality
		if dihedral {
			out.Dihedral = map[string]string{}
			for f, hash := range m.Forms {
				out.Dihedral[pdq.Form(f).String()] = hash.String()
			}
		}
	}
	for _, f := range it.Frames {
		out.Frames = append(out.Frames, hashedFrame{f.Number, f.Seconds, f.Quality, f.Hash})
	}
	return out
}
