package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vigil/ledger/alert"
	"vigil/node/match"
)

// line is one line of the stream, as far as an index needs it.
type line struct {
	Op      string   `json:"op"`
	Cursor  string   `json:"cursor"`
	Number  uint64   `json:"number"`
	Signals []signal `json:"signals"`
}

type signal struct {
	Algorithm string `json:"alg"`
	Value     string `json:"value"`
	Quality   *int   `json:"quality"`
}

// line takes one line. What it says is done when the node says "next", and then the cursor moves: a connection that
// breaks before leaves nothing half done that is not done again.
func (f *Feed) line(b []byte) error {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return fmt.Errorf("%w: %w", ErrLine, err)
	}
	if l.Number > match.MaxRef || len(l.Cursor) > match.MaxCursorBytes {
		return fmt.Errorf("%w: a number or cursor out of bounds", ErrLine)
	}
	switch l.Op {
	case "add":
		return f.add(&l)
	case "withdraw":
		return f.gather(nil, match.Ref(l.Number))
	case "next":
		return f.next(l.Cursor)
	}
	return fmt.Errorf("%w: op %.20q", ErrLine, l.Op)
}

// add gathers the signals of an alert. An algorithm that this version does not know is left out.
func (f *Feed) add(l *line) error {
	var changes []match.Change
	for _, x := range l.Signals {
		s, err := x.parse()
		if errors.Is(err, errNewer) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: number %d: %w", ErrLine, l.Number, err)
		}
		changes = append(changes, match.Change{Signal: s, Ref: match.Ref(l.Number)})
	}
	return f.gather(changes)
}

func (f *Feed) gather(changes []match.Change, gone ...match.Ref) error {
	f.changes, f.gone = append(f.changes, changes...), append(f.gone, gone...)
	if len(f.gone) > maxGathered || len(f.changes) > maxGathered*alert.MaxSignals {
		return fmt.Errorf("%w: no end of a page", ErrLine)
	}
	return nil
}

var errNewer = errors.New("newer than this version")

func (x *signal) parse() (s alert.Signal, err error) {
	if s.Algorithm, err = alert.ParseAlgorithm(x.Algorithm); err != nil {
		return s, errNewer
	}
	if s.Value, err = alert.ParseValue(s.Algorithm, x.Value); err != nil {
		return s, err
	}
	if x.Quality != nil {
		s.Quality, err = alert.QualityOf(*x.Quality)
	}
	return s, err
}

// next makes what was gathered. A page names each alert once, so that the order within does not matter. The first empty
// page says that everything was read.
func (f *Feed) next(cursor string) error {
	if len(f.gone)+len(f.changes) == 0 {
		f.inStep.Store(true)
	}
	x := f.Index()
	x.Drop(f.gone...)
	if err := x.Apply(f.changes...); err != nil {
		return fmt.Errorf("%w: %w", ErrLine, err)
	}
	f.gone, f.changes, f.cursor = f.gone[:0], f.changes[:0], cursor
	if time.Since(f.saved) < saveAfter {
		return nil
	}
	if err := f.save(); err != nil {
		f.cfg.Log.Warn("the index could not be saved; the next start reads more from the node", "error", err)
	}
	return nil
}

func (f *Feed) save() error {
	f.saved = time.Now()
	return f.Index().SaveFile(f.cfg.Path, f.cfg.Key, []byte(f.cursor))
}
