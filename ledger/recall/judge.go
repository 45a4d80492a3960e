package recall

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"vigil/ledger"
)

// Holder is an agency that could open what was recalled.
type Holder struct {
	Agency ledger.AgencyID
	// By is how it could: an audience of the alert, or of a release of it.
	By ledger.AudienceName
	// Removed says that it does not belong to its jurisdiction any more, or not since then.
	Removed bool
}

// Given is an answer with its place in the answering agency's ledger.
type Given struct {
	Agency   ledger.AgencyID // the entry's author, as verified
	Origin   ledger.Origin
	Position ledger.Position
	Derived  Derived
	Signed   time.Time // the agency's word
	// NoLaterThan is the time of the first checkpoint that covers it; zero where none is known.
	NoLaterThan time.Time
}

// State is where one agency stands with one recall.
type State string

// The states.
const (
	Done    State = "done"
	Pending State = "not-yet-heard" // and not overdue
	Overdue State = "overdue"
	Removed State = "removed" // it belongs to its jurisdiction's roster no more, and never answered
)

// Line is what is known of one agency.
type Line struct {
	Agency ledger.AgencyID
	By     ledger.AudienceName // empty where it answered though nobody knows that it held it
	State  State
	Given  *Given // its answer, nil where there is none
	Late   bool   // signed after it was due, and nothing proves that it existed before
}

// Judge says how each agency stands. due is zero while it is not known from when the time runs. holders may name an
// agency several times, and answers may come in any order and several times: of an agency's answers the first in
// canonical order counts, and home is the ledger of the recalled alert. Lines are in the order of agencies.
func Judge(home ledger.Origin, holders []Holder, answers []Given, due, now time.Time) []Line {
	lines := map[ledger.AgencyID]*Line{}
	removed := map[ledger.AgencyID]bool{}
	for _, h := range holders {
		if l := lines[h.Agency]; l == nil {
			lines[h.Agency], removed[h.Agency] = &Line{Agency: h.Agency, By: h.By}, h.Removed
		} else {
			l.By, removed[h.Agency] = min(l.By, h.By), removed[h.Agency] && h.Removed // who holds it still in one way must answer
		}
	}
	for i := range answers {
		g := &answers[i]
		l := lines[g.Agency]
		if l == nil {
			l = &Line{Agency: g.Agency}
			lines[g.Agency] = l
		}
		if l.Given == nil || before(home, g, l.Given) {
			l.Given = g
		}
	}
	out := make([]Line, 0, len(lines))
	for _, l := range lines {
		l.judge(removed[l.Agency], due, now)
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b Line) int { return strings.Compare(string(a.Agency), string(b.Agency)) })
	return out
}

func (l *Line) judge(removed bool, due, now time.Time) {
	switch {
	case l.Given != nil:
		proved := !l.Given.NoLaterThan.IsZero() && !l.Given.NoLaterThan.After(due)
		l.State, l.Late = Done, !due.IsZero() && l.Given.Signed.After(due) && !proved
	case removed:
		l.State = Removed
	case !due.IsZero() && now.After(due):
		l.State = Overdue
	default:
		l.State = Pending
	}
}

// before is the canonical order of answers.
func before(home ledger.Origin, a, b *Given) bool {
	if a.Origin != b.Origin {
		return a.Origin == home || b.Origin != home && a.Origin < b.Origin
	}
	return cmp.Or(cmp.Compare(a.Position.Index, b.Position.Index), cmp.Compare(a.Position.Leaf, b.Position.Leaf)) < 0
}

// Counts are the sums of lines.
type Counts struct {
	Expected, Done, Late, Overdue, Pending, Removed int
	Hits, Exports, Told                             uint64
}

// Count sums lines up. Who answered unexpectedly is not among the expected, nor among the done.
func Count(lines []Line) Counts {
	var c Counts
	for _, l := range lines {
		if l.Given != nil {
			c.Hits += uint64(l.Given.Derived.Hits)
			c.Exports += uint64(l.Given.Derived.Exports)
			c.Told += uint64(l.Given.Derived.Told)
		}
		if l.By == "" {
			continue
		}
		c.Expected++
		switch l.State {
		case Done:
			c.Done++
		case Overdue:
			c.Overdue++
		case Pending:
			c.Pending++
		case Removed:
			c.Removed++
		}
		if l.Late {
			c.Late++
		}
	}
	return c
}

// Complete says that everyone who can answer has.
func (c Counts) Complete() bool { return c.Done+c.Removed == c.Expected }
