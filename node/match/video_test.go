package match

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vigil/ledger/alert"
)

func frame(v []byte, quality int) alert.Signal {
	q, _ := alert.QualityOf(quality)
	return alert.Signal{Algorithm: alert.VPDQFrame, Value: v, Quality: q}
}

// prepared is what the reference makes of a list of frames: those of quality 50 and more, each value once.
func prepared(frames []alert.Signal) (out [][]byte) {
	for _, f := range frames {
		q, _ := f.Quality.Value()
		if q >= 50 && !slices.ContainsFunc(out, func(v []byte) bool { return bytes.Equal(v, f.Value) }) {
			out = append(out, f.Value)
		}
	}
	return out
}

// shareOf returns the percentage of a's frames that match one of b's, as the reference counts it.
func shareOf(a, b [][]byte, radius int) float64 {
	n := 0
	for _, x := range a {
		if slices.ContainsFunc(b, func(y []byte) bool { return distance(x, y) <= radius }) {
			n++
		}
	}
	return float64(n) * 100 / float64(len(a))
}

// Videos match as in the reference's brute-force matcher, both ways, whatever frames they have in common.
func TestVideosMatchAsInTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSource(rapid.Uint64().Draw(t, "seed"))
		stock := make([][]byte, rapid.IntRange(1, 20).Draw(t, "scenes"))
		for i := range stock {
			stock[i] = s.value(32)
		}
		draw := func() (frames []alert.Signal) {
			for range rapid.IntRange(1, 12).Draw(t, "frames") {
				frames = append(frames, frame(s.flip(stock[s.IntN(len(stock))], s.IntN(20)), 40+s.IntN(61)))
			}
			return append(frames, frames[s.IntN(len(frames))])
		}
		x, videos := New(), [][]alert.Signal{}
		for ref := range rapid.IntRange(0, 60).Draw(t, "videos") {
			videos = append(videos, draw())
			for _, f := range videos[ref] {
				if err := x.Apply(Change{Signal: f, Ref: Ref(ref), List: List(ref % 2)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		asked := draw()
		q := VideoQuery{
			Frames: asked, Radius: Radius(1 + rapid.IntRange(0, MaxRadius).Draw(t, "radius")), Limit: MaxHits,
			MinQueried: float64(s.IntN(101)), MinStored: float64(s.IntN(101)),
			Total: func(r Ref) int { return len(prepared(videos[r])) },
		}
		a, err := x.FindVideo(q)
		if len(prepared(asked)) == 0 {
			if !errors.Is(err, ErrFrames) {
				t.Fatal(err)
			}
			return
		}
		want := map[Ref]VideoHit{}
		for ref, v := range videos {
			stored := prepared(v)
			if len(stored) == 0 {
				continue
			}
			h := VideoHit{Ref(ref), List(ref % 2), shareOf(prepared(asked), stored, int(q.Radius)-1), shareOf(stored, prepared(asked), int(q.Radius)-1)}
			if h.Queried > 0 && h.Queried >= q.MinQueried && h.Stored >= q.MinStored {
				want[h.Ref] = h
			}
		}
		if err != nil || len(a.Hits) != len(want) {
			t.Fatalf("%d hits, want %d (%v)", len(a.Hits), len(want), err)
		}
		for _, h := range a.Hits {
			if want[h.Ref] != h {
				t.Fatalf("%+v, want %+v", h, want[h.Ref])
			}
		}
	})
}

// A frame that very many videos have raises no candidates, and counts for those that rarer frames have raised.
func TestCommonFrames(t *testing.T) {
	const videos = 50_000
	x, s := New(), newSource(17)
	card, scenes := s.value(32), [][]byte{s.value(32), s.value(32), s.value(32), s.value(32)}
	var changes []Change
	for ref := range videos {
		changes = append(changes, Change{Signal: frame(card, 90), Ref: Ref(ref)}, Change{Signal: frame(s.value(32), 90), Ref: Ref(ref)})
	}
	for _, v := range scenes {
		changes = append(changes, Change{Signal: frame(v, 90), Ref: 77})
	}
	if err := x.Load(sequence(changes, nil)); err != nil {
		t.Fatal(err)
	}
	frames := []alert.Signal{frame(card, 90)}
	for _, v := range scenes {
		frames = append(frames, frame(v, 90))
	}
	totals := 0
	a := must[VideoAnswer](t)(x.FindVideo(VideoQuery{Frames: frames, MinQueried: DefaultQueried, Total: func(Ref) int { totals++; return 6 }}))
	if want := []VideoHit{{Ref: 77, Queried: 100, Stored: 5 * 100 / 6.0}}; !slices.Equal(a.Hits, want) || totals != 1 {
		t.Errorf("%+v, want %+v; %d totals asked", a, want, totals)
	}
	all := must[VideoAnswer](t)(x.FindVideo(VideoQuery{Frames: frames[:1], MinQueried: DefaultQueried, Limit: 5, Total: func(Ref) int { return 2 }}))
	if len(all.Hits) != 5 || !all.More {
		t.Errorf("%d hits, more %v", len(all.Hits), all.More)
	}
}

func TestRefusedVideos(t *testing.T) {
	x, good := New(), frame(newSource(18).value(32), 90)
	many := make([]alert.Signal, MaxFrames+1)
	s := newSource(19)
	for i := range many {
		many[i] = frame(s.value(32), 90)
	}
	for name, c := range map[string]struct {
		q    VideoQuery
		want error
	}{
		"no frames":               {VideoQuery{}, ErrFrames},
		"only poor frames":        {VideoQuery{Frames: []alert.Signal{frame(good.Value, 49)}}, ErrFrames},
		"too many frames":         {VideoQuery{Frames: many}, ErrFrames},
		"something else":          {VideoQuery{Frames: []alert.Signal{pdq(good.Value)}}, ErrSignal},
		"wrong length":            {VideoQuery{Frames: []alert.Signal{frame(good.Value[:31], 90)}}, ErrSignal},
		"radius over the bound":   {VideoQuery{Frames: []alert.Signal{good}, Radius: MaxRadius + 2}, ErrRadius},
		"limit over the bound":    {VideoQuery{Frames: []alert.Signal{good}, Limit: MaxHits + 1}, ErrLimit},
		"negative limit":          {VideoQuery{Frames: []alert.Signal{good}, Limit: -1}, ErrLimit},
		"share over 100":          {VideoQuery{Frames: []alert.Signal{good}, MinQueried: 101}, ErrPercent},
		"share under 0":           {VideoQuery{Frames: []alert.Signal{good}, MinStored: -1}, ErrPercent},
		"share that is no number": {VideoQuery{Frames: []alert.Signal{good}, MinStored: math.NaN()}, ErrPercent},
	} {
		if _, err := x.FindVideo(c.q); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCountFrames(t *testing.T) {
	v := newSource(20).value(32)
	f := alert.File{Signals: []alert.Signal{frame(v, 90), frame(v, 80), frame(newSource(21).value(32), 49), pdq(v), {Algorithm: alert.VPDQFrame, Value: newSource(22).value(32)}}}
	if n := CountFrames(&f); n != 2 {
		t.Errorf("%d frames", n)
	}
}
