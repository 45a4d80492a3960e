package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"vigil/ledger/alert"
	"vigil/ledger/report"
	"vigil/ledger/watch"
	"vigil/node/api"
	"vigil/node/board"
	"vigil/node/match"
	"vigil/node/triage"
)

// watchedAlike makes hits of what this agency watches and of alerts that are near it, in whichever order they come. Both
// are compared again from the start whenever the node starts: a hit that is noted twice is one.
type watchedAlike struct {
	finder *finder
	index  atomic.Pointer[match.Index]
	lists  map[string]match.List // by case; all others are on list 0
	radii  []int                 // by list
	seen   uint64                // the last change of the board that Run looked at
	last   int64                 // number on the board of the last watched file that is in the index
}

// alikeAtOnce bounds the hits of one picture or film with what is there already: the nearest.
const alikeAtOnce = match.MaxHits

func newWatchedAlike(cfg Config, f *finder) (*watchedAlike, error) {
	w := &watchedAlike{finder: f, lists: map[string]match.List{}, radii: []int{cfg.Match.WatchRadius}}
	for _, name := range slices.Sorted(maps.Keys(cfg.Match.CaseRadius)) {
		w.lists[name] = match.List(len(w.radii))
		w.radii = append(w.radii, cfg.Match.CaseRadius[name])
	}
	x, err := w.empty()
	w.index.Store(x)
	return w, err
}

// perceptual are the signals of a file that are compared by distance; equal ones the board has met already.
func perceptual(f *alert.File) (pictures, frames []alert.Signal) {
	for _, s := range f.Signals {
		n, stated := s.Quality.Value()
		if poor := stated && n < match.MinQuality; !poor && s.Algorithm == alert.PDQ {
			pictures = append(pictures, s)
		}
	}
	return pictures, framesOf(f)
}

// Run takes in what is watched and compares it with every alert, once and then as it comes, until ctx ends. Alerts that come
// meanwhile are compared with what is taken in so far: each side is put where the other finds it before it looks, so no pair
// is missed.
func (w *watchedAlike) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-w.finder.ready:
	}
	for ctx.Err() == nil {
		seen := w.finder.board.LastChange()
		if err := w.follow(ctx, seen); err != nil {
			return endOf(ctx, fmt.Errorf("match: watched files: %w", err))
		}
		_ = w.finder.board.WaitChange(ctx, seen) // its error is the end
	}
	return nil
}

// follow takes in what is watched by now and lets go of what is watched no more.
func (w *watchedAlike) follow(ctx context.Context, seen uint64) error {
	removed, err := w.removed(ctx, seen)
	if err == nil && removed {
		err = w.renew(ctx)
	}
	for err == nil {
		var page []board.Watched
		if page, err = w.page(ctx, w.last); err != nil || len(page) == 0 {
			break
		}
		for i := range page {
			if err = w.watch(ctx, w.finder.index.Load(), &page[i]); err != nil {
				return err
			}
			w.last = page[i].Row
		}
	}
	return err
}

// page reads some of what is watched; nothing is held open while they are compared.
func (w *watchedAlike) page(ctx context.Context, after int64) (page []board.Watched, err error) {
	for file, err := range w.finder.board.Watching(ctx, after) {
		if err != nil {
			return nil, err
		}
		if page = append(page, file); len(page) == findPage {
			break
		}
	}
	return page, nil
}

// removed says whether anything was taken off a list, or expunged, since it was last asked. At the first time all there is is new.
func (w *watchedAlike) removed(ctx context.Context, seen uint64) (bool, error) {
	removed := false
	for w.seen > 0 && w.seen < seen {
		page, err := w.finder.board.Changes(ctx, w.seen, findPage)
		if err != nil {
			return false, err
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			removed = removed || c.Kind == watch.TypeRemoved || c.Kind == board.ChangeExpunged
		}
		w.seen = page[len(page)-1].Sequence
	}
	w.seen = max(w.seen, seen)
	return removed, nil
}

// renew makes the index anew, of what is still watched and was compared before.
func (w *watchedAlike) renew(ctx context.Context) error {
	x, err := w.empty()
	after := int64(0)
	for err == nil && after < w.last {
		var page []board.Watched
		if page, err = w.page(ctx, after); err != nil || len(page) == 0 {
			break
		}
		for i := range page {
			if page[i].Row > w.last {
				break
			}
			if err := x.Apply(w.changes(&page[i])...); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Row
	}
	if err == nil {
		w.index.Store(x)
	}
	return err
}

// empty returns an index with the radius of each list.
func (w *watchedAlike) empty() (*match.Index, error) {
	x := match.New()
	for l, radius := range w.radii {
		if err := x.SetRadius(match.List(l), radius); err != nil {
			return nil, fmt.Errorf("match: %w", err)
		}
	}
	return x, nil
}

// changes are what a watched file means for the index.
func (w *watchedAlike) changes(file *board.Watched) []match.Change {
	pictures, frames := perceptual(&file.File)
	out := make([]match.Change, 0, len(pictures)+len(frames))
	for _, s := range slices.Concat(pictures, frames) {
		out = append(out, match.Change{Signal: s, Ref: match.Ref(file.Row), List: w.lists[file.Details.Case]})
	}
	return out
}

func (w *watchedAlike) watch(ctx context.Context, x *match.Index, file *board.Watched) error {
	list := w.lists[file.Details.Case]
	within, err := match.Within(w.radii[list])
	if err != nil {
		return err
	}
	pictures, frames := perceptual(&file.File)
	if err := w.index.Load().Apply(w.changes(file)...); err != nil {
		return err
	}
	var found []board.Alike
	for _, s := range pictures {
		a, err := x.Find(match.Query{Signal: s, Radius: within, Limit: alikeAtOnce})
		if err != nil {
			return err
		}
		w.cut(a.More, file.ID.String())
		for _, h := range a.Hits {
			found = append(found, board.Alike{Watched: file.Row, Alert: int64(h.Ref), Algorithm: s.Algorithm, Distance: h.Distance})
		}
	}
	q := match.VideoQuery{Frames: frames, Limit: alikeAtOnce, MinQueried: match.DefaultQueried, MinStored: match.DefaultStored}
	a, err := films(x, q, w.radii[list], w.finder.fileOf(ctx))
	for _, h := range a.Hits {
		found = append(found, board.Alike{Watched: file.Row, Alert: int64(h.Ref), Algorithm: alert.VPDQFrame, Distance: differing(h.Queried)})
	}
	w.note(found)
	return err
}

// differing is the distance of two films: how many percent of the watched one's frames the other does not have.
func differing(shared float64) int { return 100 - int(shared) }

// applied compares alerts that are new, or stand otherwise, with what is watched.
func (w *watchedAlike) applied(ctx context.Context, alerts []board.Alert, _ bool) error {
	var found []board.Alike
	x := w.index.Load()
	for i := range alerts {
		a := &alerts[i]
		if a.Standing == alert.Withdrawn {
			continue
		}
		pictures, frames := perceptual(&a.File)
		for _, s := range pictures {
			answer, err := x.Find(match.Query{Signal: s, Limit: alikeAtOnce})
			if err != nil {
				return err
			}
			w.cut(answer.More, a.ID.String())
			for _, h := range answer.Hits {
				found = append(found, board.Alike{Watched: int64(h.Ref), Alert: a.Row, Algorithm: s.Algorithm, Distance: h.Distance})
			}
		}
		if len(frames) == 0 {
			continue
		}
		for l, radius := range w.radii { // a film is searched with one radius
			// The same question as when the watched one is asked with: how much of it the alert's has.
			q := match.VideoQuery{Frames: frames, Lists: match.Of(match.List(l)), Limit: alikeAtOnce, MinQueried: match.DefaultStored, MinStored: match.DefaultQueried}
			answer, err := films(x, q, radius, w.fileOf(ctx))
			if err != nil {
				return err
			}
			for _, h := range answer.Hits {
				found = append(found, board.Alike{Watched: int64(h.Ref), Alert: a.Row, Algorithm: alert.VPDQFrame, Distance: differing(h.Stored)})
			}
		}
	}
	w.note(found)
	return nil
}

// fileOf returns watched files; nil of one that is watched no more.
func (w *watchedAlike) fileOf(ctx context.Context) func(match.Ref) (*alert.File, error) {
	return func(ref match.Ref) (*alert.File, error) {
		file, err := w.finder.board.WatchedRow(ctx, int64(ref))
		if err != nil || file == nil {
			return nil, err
		}
		return &file.File, nil
	}
}

// cut says that not everything alike is a hit.
func (w *watchedAlike) cut(more bool, id string) {
	if more {
		w.finder.log.Warn("more looks like it than is told of; the nearest are hits", "id", id, "hits", alikeAtOnce)
	}
}

func (w *watchedAlike) note(found []board.Alike) {
	if len(found) > 0 {
		w.finder.board.NoteAlike(found)
	}
}

// known says what is known of a report's files: what carries the same signals, and what is near their pictures and films.
type known struct {
	exact  triage.Exact
	finder *finder
}

// Known implements triage.Known. Until the index is in step, only equal signals are known; the queue is told then.
func (k known) Known(ctx context.Context, files []report.File, exercise bool) ([]report.Hit, error) {
	hits, err := k.exact.Known(ctx, files, exercise)
	if err != nil || k.finder.index.Load() == nil {
		return hits, err
	}
	for i := range files {
		pictures, frames := perceptual(&files[i].Prints)
		if len(pictures)+len(frames) == 0 {
			continue
		}
		near, err := k.finder.Find(alert.File{Signals: slices.Concat(pictures, frames)}, api.Want{Exercise: exercise, Limit: match.DefaultHits})
		if err != nil {
			return nil, err
		}
		more, err := k.near(ctx, i, near, hits)
		if err != nil {
			return nil, err
		}
		hits = append(hits, more...)
	}
	return hits, nil
}

// near returns the hits of one file that are not among hits.
func (k known) near(ctx context.Context, file int, near api.Near, hits []report.Hit) ([]report.Hit, error) {
	var out []report.Hit
	for _, f := range near.Found {
		alerts, err := k.finder.board.Rows(ctx, []int64{f.Row})
		if err != nil {
			return nil, err
		}
		for i := range alerts { // one that went meanwhile is no hit
			a := &alerts[i]
			h := report.Hit{File: file, Alert: a.ID.String(), Standing: a.Standing, Bar: a.Bar, Urgency: a.Details.Urgency, Distance: f.Distance, Near: true}
			if f.Algorithm == alert.VPDQFrame {
				h.Distance = 0
				h.Shared = int(f.Queried)
			}
			if !slices.ContainsFunc(hits, func(x report.Hit) bool { return x.File == file && x.Alert == h.Alert }) {
				out = append(out, h)
			}
		}
	}
	return out, nil
}

// weighNear lets the queue weigh reports again whose files are near alerts that are new or stand otherwise.
func (n *Node) weighNear(_ context.Context, alerts []board.Alert, gone bool) error {
	if gone {
		n.triage.Gone()
		return nil
	}
	for i := range alerts {
		if err := n.triage.Near(&alerts[i].File); err != nil {
			return err
		}
	}
	return nil
}
