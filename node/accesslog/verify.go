package accesslog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// Report is what Verify found.
type Report struct {
	Log        LogID
	Size       uint64
	Root       tlog.Hash
	Segments   int // closed
	Unanchored int // of them, not in the ledger yet
	// Others are logs the ledger has segments of and this is not. Each must be one that was set aside.
	Others []LogID
	// Faults are at most 100, the one that concerns the oldest record first.
	Faults []Fault
}

// Err returns the first fault, or nil where the log is what was written.
func (r *Report) Err() error {
	if len(r.Faults) == 0 {
		return nil
	}
	return r.Faults[0]
}

func (r *Report) add(f Fault) {
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, f)
	}
}

// Anchors returns what the ledger says of this node's access logs, of this one and of earlier ones, in any order.
type Anchors func(context.Context) ([]Anchor, error)

// Verify reads everything again, recomputes every leaf and root, and compares them with what the ledger says; anchors may
// be nil where the ledger is not at hand. Faults are in the report; the error says that there is none. Appends go on
// meanwhile and are not part of it.
func (l *Log) Verify(ctx context.Context, anchors Anchors) (Report, error) {
	r := Report{Log: l.id}
	var v *view
	err := l.withTurn(ctx, func() error {
		v = l.now.Load()
		if v.failed != nil {
			return v.failed
		}
		return l.verifySpeakers(v, &r)
	})
	if err != nil {
		return r, err
	}
	r.Size, r.Root, r.Segments = v.size(), v.tree.Root(), len(v.history.segments)
	r.Unanchored = len(v.history.pending())
	if err := l.verifyRecords(ctx, v, &r); err != nil {
		return r, err
	}
	if anchors != nil {
		if err := l.verifyAnchors(ctx, v, anchors, &r); err != nil {
			return r, err
		}
	}
	slices.SortStableFunc(r.Faults, func(a, b Fault) int { return cmp.Compare(a.Index, b.Index) })
	return r, nil
}

// verifySpeakers compares head, marks and the list of files with what is in memory. The turn is held.
func (l *Log) verifySpeakers(v *view, r *Report) error {
	if err := l.verifyHead(v, r); err != nil {
		return err
	}
	file, err := l.disk.read(marksName)
	if err != nil && (v.history.bytes > 0 || !errors.Is(err, fs.ErrNotExist)) {
		r.add(fileFault(marksName, 0, err))
	} else if h, err := l.sealer.readHistory(l.id, file); errors.Is(err, ErrNewer) {
		return err
	} else if err != nil || !h.equal(v.history) {
		end, _ := h.end()
		r.add(Fault{Altered, marksName, end})
	}
	return l.verifyNames(v, r)
}

func (l *Log) verifyHead(v *view, r *Report) error {
	file, err := l.disk.read(headName)
	if err != nil {
		r.add(fileFault(headName, 0, err))
		return nil
	}
	h, err := l.sealer.openHead(l.id, file)
	if errors.Is(err, ErrNewer) {
		return err
	}
	if err != nil || !bytes.Equal(ledger.Marshal(h), ledger.Marshal(v.head())) {
		r.add(Fault{Altered, headName, 0})
	}
	return nil
}

// equal compares what two histories say.
func (h history) equal(o history) bool {
	return h.marks == o.marks && h.bytes == o.bytes && slices.EqualFunc(h.segments, o.segments, func(a, b closed) bool {
		roots := a.tree.Root() == b.tree.Root()
		a.tree, b.tree = nil, nil
		return roots && a == b
	})
}

// verifyNames finds records files that no segment has. Missing ones are found by reading.
func (l *Log) verifyNames(v *view, r *Report) error {
	names, err := l.disk.names()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	known := map[string]bool{recordsName(v.open.first): true}
	for _, c := range v.history.segments {
		known[recordsName(c.first)] = true
	}
	for _, n := range names {
		if strings.HasPrefix(n, recordsPrefix) && !known[n] {
			r.add(Fault{Stray, n, v.size()})
		}
	}
	return nil
}

// verifyRecords reads every segment. After a fault it goes on with the tree the segment ended with: a damaged segment
// does not accuse the ones after it.
func (l *Log) verifyRecords(ctx context.Context, v *view, r *Report) error {
	segments := v.history.segments
	if v.open.bytes > 0 {
		segments = append(slices.Clone(segments), v.asClosed())
	}
	for i, c := range segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := l.readSegment(v, c, i, nil)
		var f Fault
		switch {
		case errors.As(err, &f):
			r.add(f)
		case err != nil:
			return err
		}
	}
	return nil
}

// verifyAnchors compares with the ledger. What the log says is in the ledger was taken before the ledger is asked, and
// what the log holds is looked up after: segments that get there meanwhile accuse nobody.
func (l *Log) verifyAnchors(ctx context.Context, v *view, anchors Anchors, r *Report) error {
	said, err := anchors(ctx)
	if err != nil {
		return fmt.Errorf("accesslog: what the ledger says: %w", err)
	}
	found := map[anchorKey]bool{}
	now := l.now.Load()
	for _, a := range said {
		if a.Log != l.id {
			if !slices.Contains(r.Others, a.Log) && len(r.Others) < maxFaults {
				r.Others = append(r.Others, a.Log)
			}
			continue
		}
		found[anchorKey{a.First, a.Position}] = true
		if problem, ok := now.compare(a); !ok {
			r.add(Fault{problem, recordsName(a.First), a.First})
		}
	}
	for _, c := range v.history.segments {
		if c.anchored && !found[anchorKey{c.first, c.position}] {
			r.add(Fault{Unanchored, recordsName(c.first), c.first})
		}
	}
	return nil
}

type anchorKey struct {
	first    uint64
	position ledger.Index
}

// compare holds one anchor against the closed segments.
func (v *view) compare(a Anchor) (Problem, bool) {
	i, ok := v.history.find(a.First)
	switch {
	case ok && v.history.segments[i].count == a.Count && v.history.segments[i].tree.Root() == a.Root:
		return 0, true
	case !ok && a.First >= v.open.first:
		return RolledBack, false
	}
	return Differs, false
}
