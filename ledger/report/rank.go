package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"vigil/ledger"
	"vigil/ledger/alert"
)

// Hit is an alert, or an entry of a list of what is known to be harmless, that carries a file of a report.
type Hit struct {
	File     int    // of the statement
	Alert    string // its id; empty of a harmless one
	Standing alert.State
	Bar      alert.Bar // why the alert is not acted on, alert.Open where it is
	Urgency  alert.Urgency
	Harmless bool
	Near     bool // the alert carries what looks alike, not the file itself
	Distance int  // of perceptual hashes; 0 where they are the same
	Shared   int  // of a film: how many percent of its frames the alert's has
}

// Stands says that the alert is acted on: what is disputed, retracted or held makes nothing known.
func (h *Hit) Stands() bool { return !h.Harmless && h.Bar == alert.Open }

// Carries says that the alert stands and carries the file itself. What only looks alike may be a new picture of the same
// child: it is never taken for known.
func (h *Hit) Carries() bool { return h.Stands() && !h.Near }

// Part is one reason for a rank.
type Part struct {
	Name   string
	Points int
	Why    string
}

// Item is a report that waits, with what its rank depends on. It is made once for every change of the report or of its
// hits; ranking reads it only.
type Item struct {
	Key    Key
	Since  int64  // ms: when it was taken in, by its author's word
	Parts  []Part // without those that depend on other reports or on the hour
	Points int    // of Parts
	Hits   []Hit
	Prints [][]Print // of each file
}

// Print is a signal as it is compared: a digest, so that every algorithm's has one size.
type Print [16]byte

// PrintOf returns the print of a signal.
func PrintOf(s alert.Signal) Print {
	sum := sha256.Sum256(append([]byte{byte(s.Algorithm)}, s.Value...))
	return Print(sum[:16])
}

// Weights, in points. A point is what an hour of waiting is worth, so that nothing waits for ever.
const (
	weightImmediateRisk = 1000
	weightLivestream    = 500
	weightSextortion    = 400
	weightSadistic      = 300
	weightUrgentAlert   = 300
	weightSolicitation  = 200
	weightNew           = 150
	weightNear          = 120
	weightAgain         = 100
	weightWorst         = 100
	weightViewed        = 80
	weightChild         = 60
	weightPublic        = 60
	weightComplete      = 50 // of a complete one
	weightCopy          = 5
	weightCopies        = 50 // at most
	weightKnown         = -100
	weightViral         = -150
	weightSpam          = -200
	weightHarmless      = -500
)

var priorityWeights = []struct {
	signal Priority
	points int
	why    string
}{
	{ImmediateRisk, weightImmediateRisk, "a child is at immediate risk, says the platform"},
	{Livestream, weightLivestream, "abuse is streamed live"},
	{Sextortion, weightSextortion, "a child is extorted"},
	{Sadistic, weightSadistic, "sadistic exploitation"},
	{Solicitation, weightSolicitation, "a child is asked for material"},
	{ViralBatch, weightViral, "one of very many that pass the same file on"},
	{Spam, weightSpam, "spam, says the platform"},
}

// categoryWeights are what a platform's classification says of the worst, by scheme and value.
var categoryWeights = map[string]map[string]int{
	alert.SchemeNCMEC:    {"a1": 100, "a2": 80, "b1": 70, "b2": 50},
	alert.SchemeIWF:      {"a": 100, "b": 80, "c": 50},
	alert.SchemeBaseline: {"baseline": 100},
}

// weightOther is a classification in a scheme without weights of its own.
const weightOther = 30

// NewItem weighs a report that waits. The rank says what to look at first and why; that material is made by a machine
// plays no part in it.
func NewItem(r *Report, since int64, hits []Hit) *Item {
	it := &Item{Key: r.Key, Since: since, Hits: hits}
	s := r.Statement
	for _, w := range priorityWeights {
		if s.has(w.signal) {
			it.add(w.signal, w.points, w.why)
		}
	}
	if r.Again {
		it.add("amended", weightAgain, "the platform has amended it since it was concluded")
	}
	it.weighFiles(s)
	if slices.ContainsFunc(s.About, func(p Pointer) bool { return p.Role == Child }) {
		it.add("child-named", weightChild, "a child's account is named")
	}
	complete, _ := s.Completeness()
	it.add("complete", complete*weightComplete/1000, fmt.Sprintf("%d %% of what a desk needs", complete/10))
	for i := range s.Files {
		it.Prints = append(it.Prints, printsOf(&s.Files[i]))
	}
	return it
}

func (it *Item) add(name string, points int, why string) {
	if points != 0 {
		it.Parts, it.Points = append(it.Parts, Part{name, points, why}), it.Points+points
	}
}

func (it *Item) weighFiles(s *Statement) {
	if len(s.Files) == 0 {
		return
	}
	it.weighHits(len(s.Files))
	if points, what := worst(s.Files); points > 0 {
		it.add("category", points, "the platform classifies it as "+what)
	}
	viewed, public := 0, 0
	for i := range s.Files {
		if s.Files[i].Viewed == Yes {
			viewed++
		}
		if s.Files[i].Public == Yes {
			public++
		}
	}
	if viewed > 0 {
		it.add("viewed", weightViewed, fmt.Sprintf("a person at the platform has looked at %d of %d files", viewed, len(s.Files)))
	}
	if public > 0 {
		it.add("public", weightPublic, fmt.Sprintf("anyone can reach %d of %d files", public, len(s.Files)))
	}
}

func (it *Item) weighHits(files int) {
	known, harmless, near, fresh := 0, 0, 0, 0
	for i := range files {
		isKnown, isHarmless := it.hit(i, (*Hit).Carries), it.hit(i, func(h *Hit) bool { return h.Harmless })
		switch {
		case isHarmless:
			harmless++
		case isKnown:
			known++
		case it.hit(i, (*Hit).Stands):
			near++
		default:
			fresh++
		}
	}
	if near > 0 {
		it.add("near", weightNear, fmt.Sprintf("alerts carry what looks like %d of %d files", near, files))
	}
	switch {
	case harmless == files:
		it.add("harmless", weightHarmless, "every file is on a list of what is known to be harmless")
	case fresh > 0:
		it.add("new", weightNew, fmt.Sprintf("no alert carries %d of %d files", fresh, files))
	case near == 0:
		it.add("known", weightKnown, fmt.Sprintf("alerts carry %d of %d files, and nothing is new", known, files))
	}
	if slices.ContainsFunc(it.Hits, func(h Hit) bool { return h.Stands() && h.Urgency == alert.ImmediateRisk }) {
		it.add("urgent-alert", weightUrgentAlert, "it carries a file of an alert about a child at immediate risk, or what looks like it")
	}
}

func (it *Item) hit(file int, ok func(*Hit) bool) bool {
	return slices.ContainsFunc(it.Hits, func(h Hit) bool { return h.File == file && ok(&h) })
}

func worst(files []File) (points int, what string) {
	for i := range files {
		for _, c := range files[i].Classifications {
			n := weightOther
			if scheme, ok := categoryWeights[c.Scheme]; ok {
				n = scheme[c.Value]
			}
			if n > points {
				points, what = n, c.Scheme+" "+c.Value
			}
		}
	}
	return points, what
}

func printsOf(f *File) []Print {
	out := make([]Print, 0, len(f.Prints.Signals))
	for _, s := range f.Prints.Signals {
		out = append(out, PrintOf(s))
	}
	return out
}

// Ranked is a place in the queue: the report that leads, and those whose files are the same.
type Ranked struct {
	*Item
	Copies []*Item // the best first
}

// points are those that do not depend on the hour.
func (r *Ranked) points() int { return r.Points + min(len(r.Copies)*weightCopy, weightCopies) }

// Order is what places are sorted by, the highest first: points less the hour it came, so that the order of two reports
// stays the same however long both wait.
func (r *Ranked) Order() int64 { return int64(r.points())*time.Hour.Milliseconds() - r.Since }

// Explain returns the score now and all its parts.
func (r *Ranked) Explain(now time.Time) (score int, parts []Part) {
	parts = slices.Clone(r.Parts)
	if n := len(r.Copies); n > 0 {
		parts = append(parts, Part{"copies", min(n*weightCopy, weightCopies), fmt.Sprintf("%d more reports have the same files", n)})
	}
	hours := max(int((now.UnixMilli()-r.Since)/time.Hour.Milliseconds()), 0)
	parts = append(parts, Part{"waiting", hours, fmt.Sprintf("waiting for %d h", hours)})
	return r.points() + hours, parts
}

// Rank returns the queue: reports with the same files folded together, the most pressing first. It depends on the set of
// items alone.
func Rank(items []*Item) []Ranked {
	groups := fold(items)
	out := make([]Ranked, len(groups))
	for i, g := range groups {
		slices.SortFunc(g, compareItems)
		out[i] = Ranked{Item: g[0], Copies: g[1:]}
	}
	slices.SortFunc(out, func(a, b Ranked) int {
		return cmp.Or(cmp.Compare(b.Order(), a.Order()), compareKeys(a.Key, b.Key))
	})
	return out
}

func compareItems(a, b *Item) int {
	x, y := Ranked{Item: a}, Ranked{Item: b}
	return cmp.Or(cmp.Compare(y.Order(), x.Order()), compareKeys(a.Key, b.Key))
}

func compareKeys(a, b Key) int {
	return cmp.Or(slices.Compare(a.Event[:], b.Event[:]), cmp.Compare(a.Author, b.Author), cmp.Compare(a.Home, b.Home))
}

// fold puts reports together whose files are the same. Files are the same that share a signal, also over a third one;
// reports that only have some files in common stay apart, or one large report would hide many.
func fold(items []*Item) [][]*Item {
	files := newSets(items)
	groups := make([][]*Item, 0, len(items))
	place := make(map[string]int, len(items))
	var name []byte
	for _, it := range items {
		if name = files.next(name[:0], len(it.Prints)); len(name) == 0 {
			groups = append(groups, []*Item{it})
			continue
		}
		at, ok := place[string(name)]
		if !ok {
			at = len(groups)
			place[string(name)] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], it)
	}
	return groups
}

// sets joins signals that stand in one file.
type sets struct {
	number map[Print]int32
	parent []int32
	files  []int32 // the number of one signal of each file, in the order of reports
	ids    []int32 // of one report, while it is named
}

func newSets(items []*Item) *sets {
	files, prints := 0, 0
	for _, it := range items {
		files += len(it.Prints)
		for _, file := range it.Prints {
			prints += len(file)
		}
	}
	s := &sets{number: make(map[Print]int32, prints), parent: make([]int32, 0, prints), files: make([]int32, 0, files)}
	for _, it := range items {
		for _, file := range it.Prints {
			first := s.of(file[0])
			s.files = append(s.files, first)
			for _, p := range file[1:] {
				s.parent[s.root(s.of(p))] = s.root(first)
			}
		}
	}
	return s
}

func (s *sets) of(p Print) int32 {
	n, ok := s.number[p]
	if !ok {
		n = int32(len(s.parent))
		s.number[p], s.parent = n, append(s.parent, n)
	}
	return n
}

func (s *sets) root(n int32) int32 {
	for s.parent[n] != n {
		s.parent[n] = s.parent[s.parent[n]]
		n = s.parent[n]
	}
	return n
}

// next appends what reports with the same files have in common, for the next report, which has so many files; nothing
// where it has none.
func (s *sets) next(to []byte, files int) []byte {
	s.ids = s.ids[:0]
	for _, n := range s.files[:files] {
		s.ids = append(s.ids, s.root(n))
	}
	s.files = s.files[files:]
	slices.Sort(s.ids)
	for _, id := range slices.Compact(s.ids) {
		to = binary.BigEndian.AppendUint32(to, uint32(id))
	}
	return to
}

// After returns the places of a queue after the one that an earlier page ended with, by its order and event id.
func After(queue []Ranked, order int64, event ledger.EventID) []Ranked {
	at, _ := slices.BinarySearchFunc(queue, 0, func(r Ranked, _ int) int {
		if c := cmp.Or(cmp.Compare(order, r.Order()), slices.Compare(r.Key.Event[:], event[:])); c > 0 {
			return 1
		}
		return -1
	})
	return queue[at:]
}
