package node

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"vigil/ledger/alert"
	"vigil/node/api"
	"vigil/node/board"
	"vigil/node/match"
)

// The lists of the index: exercises and casework never meet.
const (
	listCasework match.List = 0
	listExercise match.List = 1
)

const (
	findPage  = 1_000
	saveAfter = 10 * time.Minute // what was not saved is read from the board again
	goneAfter = 5 * time.Second  // the same, where something went: what is saved still has it
	lookAgain = 5 * time.Second  // for what the board did not tell of
)

// finder keeps the index in step with the board: from a saved index and the place on the board it stood at, or, where
// there is none that can be used, from the board's beginning. The index says which alerts carry what is near; what they
// say and how they stand is read from the board with every answer, so it is never older than that.
type finder struct {
	board  *board.Board
	path   string
	key    [32]byte
	log    *slog.Logger
	radius int // how near an alert must be, where a question does not say
	// applied is told which alerts the index has now, or has no more; gone says that others went whose fingerprints are not
	// known.
	applied []func(ctx context.Context, alerts []board.Alert, gone bool) error

	index atomic.Pointer[match.Index] // nil until it is in step for the first time
	ready chan struct{}               // closed then
	// saved is the revision of the board up to which nothing that went is in the file; negative where that is not known.
	saved atomic.Int64
}

func newFinder(cfg Config, key [32]byte, b *board.Board, log *slog.Logger) (*finder, error) {
	dir := filepath.Join(cfg.Dir, "match")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("match: %w", err)
	}
	f := &finder{board: b, path: filepath.Join(dir, "index"), key: key, log: log, radius: cfg.Match.Radius, ready: make(chan struct{})}
	f.saved.Store(-1)
	return f, nil
}

// Run follows the board until ctx ends, and then saves.
func (f *finder) Run(ctx context.Context) error {
	x, place, err := f.open(ctx)
	if err != nil {
		return endOf(ctx, err)
	}
	if err := errors.Join(x.SetRadius(listCasework, f.radius), x.SetRadius(listExercise, f.radius)); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return x.Run(ctx) })
	group.Go(func() error { return endOf(ctx, f.follow(ctx, x, place)) })
	return group.Wait()
}

// endOf leaves out the error that is only the end.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// open returns the saved index where it belongs to this board, or one made from the board.
func (f *finder) open(ctx context.Context) (*match.Index, board.Place, error) {
	x, cursor, err := match.OpenFile(f.path, f.key)
	if err == nil {
		var place board.Place
		if place, err = f.place(ctx, cursor); err == nil {
			if place.Kept { // else more of that revision may have gone
				f.saved.Store(place.Revision)
			}
			return x, place, nil
		}
	}
	if !errors.Is(err, os.ErrNotExist) {
		f.log.Warn("the saved index cannot be used and is made anew from the board", "error", err)
	}
	if errors.Is(err, match.ErrSaved) || errors.Is(err, errOtherBoard) { // it may have what is gone
		if err := os.Remove(f.path); err != nil {
			f.log.Warn("the saved index could not be removed", "error", err)
		}
	}
	x = match.New()
	last := int64(0)
	if err := x.Load(f.exported(ctx, &last)); err != nil {
		return nil, board.Place{}, fmt.Errorf("match: from the board: %w", err)
	}
	return x, board.EndOf(last), nil
}

var errOtherBoard = errors.New("match: it was saved beside another board")

// place reads the cursor of a saved index: which making of the board, and where on it.
func (f *finder) place(ctx context.Context, cursor []byte) (board.Place, error) {
	made := f.board.Made()
	if len(cursor) != len(made)+17 || !bytes.Equal(cursor[:len(made)], made[:]) {
		return board.Place{}, errOtherBoard
	}
	b := cursor[len(made):]
	p := board.Place{Revision: int64(binary.BigEndian.Uint64(b)), Kept: b[8] == 1, Row: int64(binary.BigEndian.Uint64(b[9:]))}
	last, err := f.board.Revision(ctx)
	if err == nil && p.Revision > last {
		err = errOtherBoard // it was put back to an earlier copy
	}
	return p, err
}

func (f *finder) cursor(p board.Place) []byte {
	made := f.board.Made()
	b := binary.BigEndian.AppendUint64(made[:], uint64(p.Revision))
	if p.Kept {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	return binary.BigEndian.AppendUint64(b, uint64(p.Row))
}

// exported yields what is on the board, and sets last to the last revision of it.
func (f *finder) exported(ctx context.Context, last *int64) iter.Seq2[match.Change, error] {
	return func(yield func(match.Change, error) bool) {
		for a, err := range f.board.Export(ctx, 0) {
			if err != nil {
				yield(match.Change{}, err)
				return
			}
			*last = max(*last, a.Revision)
			for _, c := range changesOf(&a) {
				if !c.Gone && !yield(c, nil) {
					return
				}
			}
		}
	}
}

// changesOf returns what an alert means for the index: what is retracted is not found.
func changesOf(a *board.Alert) []match.Change {
	list := listCasework
	if a.Details.Exercise {
		list = listExercise
	}
	out := make([]match.Change, len(a.File.Signals))
	for i, s := range a.File.Signals {
		out[i] = match.Change{Signal: s, Ref: match.Ref(a.Row), List: list, Gone: a.Standing == alert.Withdrawn}
	}
	return out
}

// follow goes on from a place on the board. Catch-up and live are the same.
func (f *finder) follow(ctx context.Context, x *match.Index, place board.Place) error {
	saved, savedAt, gone := board.Place{}, time.Now(), f.saved.Load() < place.Revision
	for {
		seen := f.board.LastChange()
		page, err := f.board.Standings(ctx, place, findPage)
		if err == nil && len(page) > 0 {
			err = f.apply(ctx, x, page)
		}
		if ctx.Err() != nil {
			f.save(x, place)
			return nil
		}
		if err != nil {
			return fmt.Errorf("match: follow the board: %w", err)
		}
		if len(page) > 0 {
			place = page[len(page)-1].Place()
			gone = gone || slices.ContainsFunc(page, func(s board.Standing) bool { return s.Gone })
			continue
		}
		if f.index.Swap(x) == nil {
			close(f.ready)
		}
		if since := time.Since(savedAt); place != saved && since > saveAfter || gone && since > goneAfter {
			if f.save(x, place) {
				f.saved.Store(place.Revision)
				saved, gone = place, false
			}
			savedAt = time.Now()
		}
		wait, cancel := context.WithTimeout(ctx, lookAgain)
		_ = f.board.WaitChange(wait, seen) // it ends by a change or by its time
		cancel()
	}
}

// apply brings the index to what a page says.
func (f *finder) apply(ctx context.Context, x *match.Index, page []board.Standing) error {
	var gone []match.Ref
	var kept []int64
	for _, s := range page {
		if s.Gone {
			gone = append(gone, match.Ref(s.Row))
		} else {
			kept = append(kept, s.Row)
		}
	}
	if len(gone) > 0 {
		x.Drop(gone...)
		x.Purge()
	}
	alerts, err := f.board.Rows(ctx, kept)
	if err != nil {
		return err
	}
	var changes []match.Change
	for i := range alerts {
		changes = append(changes, changesOf(&alerts[i])...)
	}
	if err := x.Apply(changes...); err != nil {
		return err
	}
	for _, tell := range f.applied {
		if err := tell(ctx, alerts, len(gone) > 0); err != nil {
			return err
		}
	}
	return nil
}

// save saves; where that fails, the next start takes longer.
func (f *finder) save(x *match.Index, place board.Place) bool {
	err := x.SaveFile(f.path, f.key, f.cursor(place))
	if err != nil {
		f.log.Warn("the index could not be saved; the next start makes it anew", "error", err)
	}
	return err == nil
}

// forgot says whether nothing that went from the board is in the file.
func (f *finder) forgot(ctx context.Context) (bool, error) {
	gone, err := f.board.LastGone(ctx)
	return f.saved.Load() >= gone, err
}

// Find implements api.Finder.
func (f *finder) Find(file alert.File, want api.Want) (api.Near, error) {
	x := f.index.Load()
	if x == nil {
		return api.Near{}, api.ErrNotInStep
	}
	lists := match.Of(listCasework)
	if want.Exercise {
		lists = match.Of(listExercise)
	}
	var near api.Near
	for i := range file.Signals {
		s := &file.Signals[i]
		if s.Algorithm == alert.VPDQFrame {
			continue // all of them together
		}
		q := match.Query{Signal: *s, Lists: lists, Limit: want.Limit, Poor: want.Poor}
		if want.Radius != nil && s.Algorithm == alert.PDQ {
			q.Radius = match.Radius(*want.Radius + 1)
		}
		if n, stated := s.Quality.Value(); stated && n < match.MinQuality && !want.Poor {
			q.Radius, q.Poor = match.Radius(1), true // it matches too much: only what is the same
		}
		a, err := x.Find(q)
		if err != nil {
			return api.Near{}, err
		}
		for _, h := range a.Hits {
			near.Found = append(near.Found, api.Found{Row: int64(h.Ref), Algorithm: s.Algorithm, Distance: h.Distance})
		}
		near.More = near.More || a.More
	}
	err := f.video(x, &near, framesOf(&file), lists, want)
	nearestOfEach(&near, want.Limit)
	return near, err
}

// video looks for films that share frames.
func (f *finder) video(x *match.Index, near *api.Near, frames []alert.Signal, lists match.ListSet, want api.Want) error {
	radius := f.radius
	if want.Radius != nil {
		radius = *want.Radius
	}
	q := match.VideoQuery{Frames: frames, Lists: lists, Limit: want.Limit, MinQueried: match.DefaultQueried, MinStored: match.DefaultStored}
	a, err := films(x, q, radius, f.fileOf(context.Background()))
	for _, h := range a.Hits {
		near.Found = append(near.Found, api.Found{Row: int64(h.Ref), Algorithm: alert.VPDQFrame, Queried: h.Queried, Stored: h.Stored})
	}
	near.More = near.More || a.More
	return err
}

// fileOf returns the files of alerts on the board; nil of one that is there no more.
func (f *finder) fileOf(ctx context.Context) func(match.Ref) (*alert.File, error) {
	return func(ref match.Ref) (*alert.File, error) {
		alerts, err := f.board.Rows(ctx, []int64{int64(ref)})
		if err != nil || len(alerts) == 0 {
			return nil, err
		}
		return &alerts[0].File, nil
	}
}

// films asks an index for films that share frames, if there are any frames.
func films(x *match.Index, q match.VideoQuery, radius int, file func(match.Ref) (*alert.File, error)) (match.VideoAnswer, error) {
	if len(q.Frames) == 0 {
		return match.VideoAnswer{}, nil
	}
	var err, failed error
	if q.Radius, err = match.Within(radius); err != nil {
		return match.VideoAnswer{}, err
	}
	q.Total = func(r match.Ref) int {
		found, err := file(r)
		if err != nil || found == nil {
			failed = errors.Join(failed, err)
			return 0
		}
		return match.CountFrames(found)
	}
	a, err := x.FindVideo(q)
	if errors.Is(err, match.ErrFrames) {
		return match.VideoAnswer{}, nil // none is good enough to be compared
	}
	return a, errors.Join(err, failed)
}

// framesOf are the frames of a film's file.
func framesOf(f *alert.File) (frames []alert.Signal) {
	for _, s := range f.Signals {
		if s.Algorithm == alert.VPDQFrame {
			frames = append(frames, s)
		}
	}
	return frames
}

// nearestOfEach keeps of every alert what speaks most for it: exact values first, then the nearest.
func nearestOfEach(n *api.Near, limit int) {
	rank := func(f api.Found) int {
		switch f.Algorithm {
		case alert.PDQ:
			return 1 + f.Distance
		case alert.VPDQFrame:
			return 1_000 - int(f.Queried)
		}
		return 0
	}
	slices.SortStableFunc(n.Found, func(a, b api.Found) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Row, b.Row)) })
	seen := map[int64]bool{}
	n.Found = slices.DeleteFunc(n.Found, func(f api.Found) bool {
		again := seen[f.Row]
		seen[f.Row] = true
		return again
	})
	if len(n.Found) > limit {
		n.Found, n.More = n.Found[:limit], true
	}
}
