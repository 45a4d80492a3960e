package accesslog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/node/durable"
)

// Config says where a log is and who takes its segments.
type Config struct {
	Dir string
	// Key is of this purpose alone; the log derives its own from it.
	Key [32]byte
	// OnSegment puts a closed segment where it bears witness, and returns its index in the ledger once it is there for
	// good. It is called from Run, one segment at a time, again after an error, and again after a crash even where it had
	// succeeded: the same segment encodes to the same bytes, so an id made of them makes the second time harmless.
	OnSegment func(context.Context, *Segment) (ledger.Index, error)
	Log       *slog.Logger
}

// Log is safe for concurrent use.
type Log struct {
	cfg    Config
	id     LogID
	disk   disk
	sealer sealer

	mu      sync.Mutex
	waiting []*request // guarded by mu

	turn chan struct{}        // holds one token: who has taken it may write files and set now
	now  atomic.Pointer[view] // what is durable; readers take it without waiting
	wake chan struct{}        // to Run: a segment may be due
}

// view is one state of the log. Values are immutable.
type view struct {
	tree    *ledger.Frontier
	history history
	open    segment
	failed  error // latched
}

// segment is the one that still gets records.
type segment struct {
	first      uint64
	bytes      int64 // 0: there is no file yet; a stop can leave one without records
	start, end int64 // ms; of the earliest and the latest record, where there is one
}

func (v *view) size() uint64 { return v.tree.Size() }

// empty says that the open segment has no records.
func (v *view) empty() bool { return v.size() == v.open.first }

func (v *view) head() head {
	return head{Version: headVersion, Size: v.size(), Tree: v.tree, Marks: v.history.marks}
}

// Create makes a new, empty log. It is made once: where the ledger has segments of an earlier log of this node and the
// directory is empty, that log was lost or removed, and someone must hear of it before a new one begins.
func Create(cfg Config) (*Log, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	d, err := openDirectory(cfg.Dir)
	if err != nil {
		return nil, err
	}
	return release(create(cfg, d))(d)
}

// Open opens a log and mends what a crash left half written. What was acknowledged and is needed to go on must be whole;
// otherwise the error is a Fault. Closed segments are read by Verify, not here.
func Open(cfg Config) (*Log, error) {
	if _, err := os.Stat(cfg.Dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrAbsent, cfg.Dir)
	}
	d, err := openDirectory(cfg.Dir)
	if err != nil {
		return nil, err
	}
	return release(open(cfg, d))(d)
}

// release closes the directory again where there is no log to do it.
func release(l *Log, err error) func(disk) (*Log, error) {
	return func(d disk) (*Log, error) {
		if err != nil {
			return nil, errors.Join(err, d.close())
		}
		return l, nil
	}
}

// SetAside moves a log that cannot go on out of the way, as evidence, and returns where to. The log must not be open.
func SetAside(dir string, at time.Time) (string, error) {
	to := filepath.Clean(dir) + ".aside-" + at.UTC().Format("20060102T150405.000")
	if err := durable.Rename(dir, to); err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return to, nil
}

func newLog(cfg Config, id LogID, d disk) (*Log, error) {
	s, err := newSealer(cfg.Key, id)
	if err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Log{cfg: cfg, id: id, disk: d, sealer: s, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1)}, nil
}

func create(cfg Config, d disk) (*Log, error) {
	names, err := d.names()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	if len(names) > 0 {
		return nil, ErrExists
	}
	var id LogID
	_, _ = rand.Read(id[:]) // never fails
	l, err := newLog(cfg, id, d)
	if err != nil {
		return nil, err
	}
	v := &view{tree: &ledger.Frontier{}}
	if err := d.replace(headName, l.sealer.sealHead(id, v.head())); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	l.now.Store(v)
	return l, nil
}

// Close waits for the write under way and ends the log. The open segment goes on when the log is opened again.
func (l *Log) Close() error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	v := *l.now.Load()
	if errors.Is(v.failed, ErrClosed) {
		return nil
	}
	v.failed = ErrClosed
	l.now.Store(&v)
	return l.disk.close()
}

// Status is what the log is now.
type Status struct {
	Log        LogID
	Size       uint64
	Root       tlog.Hash
	Segments   int       // closed
	Unanchored int       // of them, not in the ledger yet
	Oldest     time.Time // of what is not in the ledger yet; zero where everything is
	Err        error     // ErrFailed, ErrClosed or nil
}

// Status never waits.
func (l *Log) Status() Status {
	v := l.now.Load()
	pending := v.history.pending()
	s := Status{Log: l.id, Size: v.size(), Root: v.tree.Root(), Segments: len(v.history.segments), Unanchored: len(pending), Err: v.failed}
	switch {
	case len(pending) > 0:
		s.Oldest = millis(pending[0].start)
	case !v.empty():
		s.Oldest = millis(v.open.start)
	}
	return s
}
