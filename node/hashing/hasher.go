package hashing

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sync/semaphore"

	"vigil/ledger/alert"
	"vigil/node/hashing/pdq"
)

// Options of a hasher.
type Options struct {
	// Worker is the command of a process that calls Work, such as this program's own with an argument. Without it images
	// are decoded in this process, which then answers for decoders' faults that it cannot catch.
	Worker []string
	// Parallel is how many files are hashed at a time; 0 is one a core.
	Parallel int
	// Follow follows symbolic links in directories.
	Follow bool
}

// Hasher hashes files. It is safe for concurrent use. Close ends its processes.
type Hasher struct {
	options Options
	pool    *pool
	films   *films
	held    *semaphore.Weighted // bytes of images
}

// New returns a hasher. Processes are started when they are needed.
func New(o Options) *Hasher {
	if o.Parallel <= 0 {
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	return &Hasher{options: o, pool: newPool(o.Worker), films: newFilms(), held: semaphore.NewWeighted(heldBytes)}
}

// Close ends the processes that wait for work.
func (h *Hasher) Close() { h.pool.close() }

// Item is what became of one file.
type Item struct {
	Path string
	Err  error // why there is nothing else

	Digests
	Kind    Kind
	Image   *Image  // of an image
	Frames  []Frame // of a film
	Refused error   // why an image or film lacks a perceptual hash, or has not all frames

	Found uint64 // files and others found up to now, this one included
}

// File hashes one file. Its name decides nothing.
func (h *Hasher) File(ctx context.Context, path string) Item {
	it := Item{Path: path}
	f, err := openRegular(path)
	if err != nil {
		it.Err = err
		return it
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		it.Err = err
		return it
	}
	h.fill(ctx, &it, f, info.Size(), f)
	return it
}

// Reader hashes a content that has no file. Films among them have digests only.
func (h *Hasher) Reader(ctx context.Context, name string, r io.Reader) Item {
	it := Item{Path: name}
	h.fill(ctx, &it, r, 0, nil)
	return it
}

// openRegular does not wait for a pipe's other end, and looks at what was opened, not at what had the name before.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = special(info.Mode())
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// fill reads the content and adds what its kind has. File is the film for ffmpeg, nil where there is none.
func (h *Hasher) fill(ctx context.Context, it *Item, r io.Reader, expect int64, file *os.File) {
	var taken int64
	defer func() { h.held.Release(taken) }()
	c, err := read(ctx, r, expect, func(bytes int64) error {
		if err := h.held.Acquire(ctx, bytes); err != nil {
			return err
		}
		taken = bytes
		return nil
	})
	if err != nil {
		it.Err = err
		return
	}
	it.Digests, it.Kind = c.Digests, c.kind
	switch classes[c.kind] {
	case foreign:
		it.Refused = ErrNoDecoder
	case decoded:
		if c.image == nil {
			if it.Refused = ErrChanged; c.Size > maxImageBytes {
				it.Refused = over("bytes of an image", c.Size, maxImageBytes)
			}
			return
		}
		m, err := h.pool.hash(ctx, c.kind, c.image)
		if it.Refused = err; err == nil {
			it.Image = &m
		}
	case film:
		if file == nil {
			it.Refused = errNoFile
			return
		}
		it.Frames, it.Refused = h.films.hash(ctx, file)
	}
}

// Signals returns the fingerprints as an alert carries them. Of a film's frames each hash comes once; where there are too
// many, those of low quality are left out first and then every other one as evenly as can be: a film is matched by the
// share of its frames, and neighbours are alike.
func (it *Item) Signals() []alert.Signal {
	if it.Err != nil {
		return nil
	}
	signals := []alert.Signal{
		{Algorithm: alert.MD5, Value: it.MD5[:]},
		{Algorithm: alert.SHA1, Value: it.SHA1[:]},
		{Algorithm: alert.SHA256, Value: it.SHA256[:]},
	}
	add := func(a alert.Algorithm, hash pdq.Hash, quality int) {
		s := alert.Signal{Algorithm: a, Value: hash[:]}
		s.Quality, _ = alert.QualityOf(quality) // it is 0 to 100
		signals = append(signals, s)
	}
	if it.Image != nil {
		add(alert.PDQ, it.Image.Forms[pdq.Original], it.Image.Quality)
	}
	for _, f := range listed(it.Frames) {
		add(alert.VPDQFrame, f.Hash, f.Quality)
	}
	return signals
}

func listed(frames []Frame) []Frame {
	seen := map[pdq.Hash]bool{}
	var once, useful []Frame
	for _, f := range frames {
		if seen[f.Hash] {
			continue
		}
		seen[f.Hash] = true
		once = append(once, f)
		if f.Quality >= minUsefulness {
			useful = append(useful, f)
		}
	}
	if len(once) <= MaxListedFrames {
		return once
	}
	if len(useful) <= MaxListedFrames {
		return useful
	}
	thin := make([]Frame, MaxListedFrames)
	for i := range thin {
		thin[i] = useful[i*len(useful)/MaxListedFrames]
	}
	return thin
}

var errNoFile = errors.New("frames are hashed of files only")
