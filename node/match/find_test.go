package match

import (
	"errors"
	"slices"
	"testing"

	"vigil/ledger/alert"
)

func TestRefusedQueries(t *testing.T) {
	x, v := New(), newSource(23).value(32)
	sha := alert.Signal{Algorithm: alert.SHA256, Value: v}
	for name, c := range map[string]struct {
		q    Query
		want error
	}{
		"wrong length":           {Query{Signal: pdq(v[:31])}, ErrSignal},
		"unknown algorithm":      {Query{Signal: alert.Signal{Algorithm: 200, Value: v}}, ErrSignal},
		"radius over the bound":  {Query{Signal: pdq(v), Radius: MaxRadius + 2}, ErrRadius},
		"radius of a SHA-256":    {Query{Signal: sha, Radius: 1}, ErrExact},
		"limit over the bound":   {Query{Signal: sha, Limit: MaxHits + 1}, ErrLimit},
		"negative limit":         {Query{Signal: sha, Limit: -1}, ErrLimit},
		"no signal":              {Query{}, ErrSignal},
		"PhotoDNA with a radius": {Query{Signal: alert.Signal{Algorithm: alert.PhotoDNA, Value: make([]byte, 144)}, Radius: 5}, ErrExact},
	} {
		if _, err := x.Find(c.q); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bits := range []int{-1, MaxRadius + 1, 1 << 20} {
		if _, err := Within(bits); !errors.Is(err, ErrRadius) {
			t.Errorf("%d: %v", bits, err)
		}
		if err := x.SetRadius(0, bits); !errors.Is(err, ErrRadius) {
			t.Errorf("%d: %v", bits, err)
		}
	}
	if err := x.SetRadius(MaxLists, 3); !errors.Is(err, ErrRef) {
		t.Error(err)
	}
}

// One query that is refused does not keep the others from their answers.
func TestFindAll(t *testing.T) {
	x, v := New(), newSource(24).value(32)
	if err := x.Apply(Change{Signal: pdq(v), Ref: 9}); err != nil {
		t.Fatal(err)
	}
	answers, errs := x.FindAll([]Query{{Signal: pdq(v)}, {Signal: pdq(v[:3])}, {Signal: pdq(v)}})
	if len(answers[0].Hits) != 1 || len(answers[2].Hits) != 1 || errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Error(answers, errs)
	}
}

// Each list has its own radius, a query's own goes before it, and poor hashes are found when asked for.
func TestRadiiAndQuality(t *testing.T) {
	x, s := New(), newSource(25)
	v := s.value(32)
	far := s.flip(v, 20)
	poor, _ := alert.QualityOf(MinQuality - 1)
	for _, c := range []Change{{Signal: pdq(far), Ref: 1, List: 1}, {Signal: pdq(far), Ref: 2, List: 2}, {Signal: alert.Signal{Algorithm: alert.PDQ, Value: far, Quality: poor}, Ref: 3, List: 2}} {
		if err := x.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.SetRadius(1, 19); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		q    Query
		want []Ref
	}{
		"each list's radius":      {Query{Signal: pdq(v)}, []Ref{2}},
		"poor ones too":           {Query{Signal: pdq(v), Poor: true}, []Ref{2, 3}},
		"a wider radius":          {Query{Signal: pdq(v), Radius: radiusOf(t, 20)}, []Ref{1, 2}},
		"a narrower radius":       {Query{Signal: pdq(v), Radius: radiusOf(t, 19)}, nil},
		"one list":                {Query{Signal: pdq(v), Radius: radiusOf(t, 40), Lists: Of(1)}, []Ref{1}},
		"the same, radius 0":      {Query{Signal: pdq(far), Radius: radiusOf(t, 0)}, []Ref{1, 2}},
		"another list altogether": {Query{Signal: pdq(far), Lists: Of(5, 9)}, nil},
	} {
		a := must[Answer](t)(x.Find(c.q))
		var got []Ref
		for _, h := range a.Hits {
			got = append(got, h.Ref)
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
	}
}

// A batch answers what each of its queries is answered alone, whatever is asked together.
func TestBatchesAnswerAlike(t *testing.T) {
	x, s := varied(t), newSource(26)
	if err := x.Load(sequence([]Change{{Signal: alert.Signal{Algorithm: alert.SHA1, Value: s.value(20)}, Ref: 1}}, nil)); err != nil {
		t.Fatal(err)
	}
	signal := drawnSignals(newSource(13))
	var queries []Query
	var signals []alert.Signal
	for range 5 * batch / 2 {
		queries, signals = append(queries, Query{Signal: signal()}), append(signals, signal())
	}
	queries[7].Signal.Value = nil
	answers, errs := x.FindAll(queries)
	hits := 0
	for i := range queries {
		a, err := x.Find(queries[i])
		if !errors.Is(errs[i], err) || !slices.Equal(a.Hits, answers[i].Hits) || a.More != answers[i].More {
			t.Errorf("query %d: %v alone, %v in the batch", i, a, answers[i])
		}
		hits += len(a.Hits)
	}
	all := must[[]bool](t)(x.HasAll(nil, signals))
	for i := range signals {
		if all[i] != must[bool](t)(x.Has(&signals[i])) {
			t.Errorf("signal %d: %v in the batch", i, all[i])
		}
	}
	if hits == 0 || !slices.Contains(all, true) || !slices.Contains(all, false) {
		t.Errorf("%d hits", hits)
	}
	if _, err := x.HasAll(nil, []alert.Signal{signals[0], {}}); !errors.Is(err, ErrSignal) {
		t.Error(err)
	}
}
