package node

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"vigil/node/api"
	"vigil/node/durable"
)

const (
	scrubFile = "scrub.json" // where the passes are
	// scrubRate is how many bytes a second the pass in the background reads, scrubAskedRate one that somebody waits for.
	scrubRate      = 4 << 20
	scrubAskedRate = 128 << 20
	scrubSlice     = 1 << 20
	scrubPause     = time.Hour // between passes in the background
	scrubFirst     = time.Minute
	scrubSaveEvery = 16 // slices
	maxScrubLeft   = 16 // damages of a part that the status names
)

// scrubPart is one thing on disk that is read in slices and mended where that can be done.
type scrubPart struct {
	name string
	// size is about how many bytes it reads.
	size func() uint64
	// slice reads on from a cursor; nil is the beginning, and as the next one the end.
	slice func(ctx context.Context, cursor []byte) (next []byte, read uint64, found []scrubDamage, err error)
}

// scrubDamage is something that is not what was written. done says in words how it was mended; where it was not, fix says how it is.
type scrubDamage struct{ what, done, fix string }

// scrubPlace is how far a pass is.
type scrubPlace struct {
	Part   string    `json:"part"`
	Cursor []byte    `json:"cursor"`
	Began  time.Time `json:"began"`
}

type scrubPlaces struct {
	Background *scrubPlace `json:"background,omitempty"`
	Asked      *scrubPlace `json:"asked,omitempty"`
	Completed  time.Time   `json:"completed"`
}

// scrubber reads everything that a node owns, again and again: damage that nobody reads is found as long as others can mend it.
type scrubber struct {
	parts  []scrubPart
	path   string
	log    *slog.Logger
	alarm  func(what string)
	noted  func(read uint64, found, mended int) // for metrics
	paused func() bool

	turn chan struct{} // held by the one pass that reads now

	mu     sync.Mutex
	places scrubPlaces              // guarded by mu
	left   map[string][]scrubDamage // guarded by mu; by part, what the last look at it could not mend
}

func newScrubber(dir string, log *slog.Logger, parts []scrubPart) *scrubber {
	s := &scrubber{
		parts: parts, path: filepath.Join(dir, scrubFile), log: log, turn: make(chan struct{}, 1), left: map[string][]scrubDamage{},
		alarm: func(string) {}, noted: func(uint64, int, int) {}, paused: func() bool { return false },
	}
	if b, err := os.ReadFile(s.path); err == nil {
		_ = json.Unmarshal(b, &s.places) // what cannot be read begins again
	}
	return s
}

// run scrubs in the background until ctx ends.
func (s *scrubber) run(ctx context.Context) error {
	wait := scrubFirst
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if wait = scrubPause; s.paused() {
			continue
		}
		if err := s.pass(ctx, scrubRate, false, true, func(api.ScrubLine) {}); err != nil && ctx.Err() == nil {
			s.log.Warn("the scrub was not finished; it goes on later", "error", err)
		}
	}
}

// pass reads every part at most at a rate, from where the last one of its kind was interrupted or from the beginning, and tells of
// progress and damages. Interrupted, it keeps its place.
func (s *scrubber) pass(ctx context.Context, rate uint64, asked, resume bool, line func(api.ScrubLine)) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	place := s.begin(asked, resume)
	first := max(slices.IndexFunc(s.parts, func(p scrubPart) bool { return p.name == place.Part }), 0)
	for i := first; i < len(s.parts); i++ {
		if s.parts[i].name != place.Part {
			place.Part, place.Cursor = s.parts[i].name, nil
		}
		if err := s.part(ctx, &s.parts[i], place, asked, rate, line); err != nil {
			s.save(asked, place)
			return err
		}
	}
	s.mu.Lock()
	s.places.Completed = time.Now().UTC()
	s.mu.Unlock()
	s.save(asked, nil)
	return nil
}

func (s *scrubber) begin(asked, resume bool) *scrubPlace {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.places.Background
	if asked {
		at = s.places.Asked
	}
	if at != nil && resume {
		copied := *at
		return &copied
	}
	return &scrubPlace{Part: s.parts[0].name, Began: time.Now().UTC()}
}

// save keeps where a pass is; nil is that it came to its end.
func (s *scrubber) save(asked bool, place *scrubPlace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if place != nil {
		copied := *place
		place = &copied
	}
	if asked {
		s.places.Asked = place
	} else {
		s.places.Background = place
	}
	b, err := json.Marshal(s.places)
	if err == nil {
		err = durable.WriteFile(s.path, b, 0o600)
	}
	if err != nil {
		s.log.Warn("where the scrub is was not kept", "error", err)
	}
}

// part reads one part from a place to its end.
func (s *scrubber) part(ctx context.Context, p *scrubPart, place *scrubPlace, asked bool, rate uint64, line func(api.ScrubLine)) error {
	total, read, left := p.size(), uint64(0), []scrubDamage{}
	for n := 1; ; n++ {
		began := time.Now()
		next, bytes, found, err := p.slice(ctx, place.Cursor)
		if err != nil {
			return err
		}
		mended := 0
		for _, d := range found {
			if d.done != "" {
				mended++
			} else if len(left) < maxScrubLeft {
				left = append(left, d)
			}
			s.tell(p.name, d)
			line(api.ScrubLine{Part: p.name, Damage: d.what, Repaired: d.done, Fix: d.fix})
		}
		read += bytes
		s.noted(bytes, len(found), mended)
		line(api.ScrubLine{Part: p.name, Bytes: read, Size: max(total, read)})
		if len(next) == 0 {
			break
		}
		if place.Cursor = next; n%scrubSaveEvery == 0 {
			s.save(asked, place)
		}
		if err := pause(ctx, began, bytes, rate); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left[p.name] = left
	return nil
}

// pause waits until so many bytes have taken as long as the rate says.
func pause(ctx context.Context, began time.Time, bytes, rate uint64) error {
	due := time.Duration(float64(bytes) / float64(rate) * float64(time.Second))
	timer := time.NewTimer(due - time.Since(began))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (s *scrubber) tell(part string, d scrubDamage) {
	if d.done != "" {
		s.log.Warn("the scrub found damage on this disk and mended it", "part", part, "what", d.what, "done", d.done)
		s.alarm(fmt.Sprintf("its disk damaged %s: %s; %s", part, d.what, d.done))
		return
	}
	s.log.Error("the scrub found damage on this disk", "part", part, "what", d.what, "fix", d.fix)
	s.alarm(fmt.Sprintf("its disk damaged %s: %s", part, d.what))
}

// problems are what could not be mended.
func (s *scrubber) problems() (out []api.NodeProblem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		for _, d := range s.left[p.name] {
			out = append(out, api.NodeProblem{Severity: "failure", What: "damage on this node's disk: " + p.name + ": " + d.what, Fix: d.fix})
		}
	}
	return out
}

// completed is when a pass last came to its end.
func (s *scrubber) completed() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.places.Completed
}

// Scrub implements api.Node: a pass that somebody waits for.
func (n *Node) Scrub(ctx context.Context, resume bool, line func(api.ScrubLine)) error {
	return n.scrubs.pass(ctx, scrubAskedRate, true, resume, line)
}
