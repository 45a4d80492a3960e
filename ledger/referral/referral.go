package referral

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vigil/ledger"
)

// Bounds.
const (
	MaxTitleBytes  = 256
	MaxTextBytes   = 4096
	MaxAlerts      = 64
	maxAlertBytes  = 48
	maxReaders     = 16
	maxEventBytes  = 16 << 10
	minPrefixBytes = 4
)

// Types of events.
const (
	TypeOpened = "referral.opened"
	TypeMoved  = "referral.moved"
	Prefix     = "referral."
)

// Why an event cannot be read, or a command is refused.
var (
	ErrNewer     = errors.New("newer than this node")
	ErrMalformed = errors.New("malformed referral event")
	ErrField     = errors.New("referral")
	ErrID        = errors.New("a referral id is rf_<32 hex digits>")
	// ErrRefused is what every refusal of a move is.
	ErrRefused = errors.New("referral: refused")
)

// Kind says what is asked for.
type Kind string

// The kinds.
const (
	Investigation Kind = "investigation"
	VictimSupport Kind = "victim-support"
	TakeDown      Kind = "take-down"
	Registry      Kind = "registry-notice"
	LegalAid      Kind = "mutual-legal-assistance"
	Information   Kind = "information"
)

// Kinds are all of them.
var Kinds = []Kind{Investigation, VictimSupport, TakeDown, Registry, LegalAid, Information}

// Urgencies, the least urgent first; the words are those of alerts.
var Urgencies = []string{"routine", "priority", "child-at-immediate-risk"}

// State is where a referral stands.
type State string

// The states.
const (
	Open         State = "open"
	Acknowledged State = "acknowledged"
	Accepted     State = "accepted"
	Declined     State = "declined"
	Closed       State = "closed"
	Withdrawn    State = "withdrawn"
)

// States are all of them.
var States = []State{Open, Acknowledged, Accepted, Declined, Closed, Withdrawn}

// Move names what is done.
type Move string

// The moves.
const (
	Acknowledge Move = "acknowledge"
	Accept      Move = "accept"
	Decline     Move = "decline"
	Transfer    Move = "transfer"
	Note        Move = "note"
	Close       Move = "close"
	Withdraw    Move = "withdraw"
)

// Moves are all of them.
var Moves = []Move{Acknowledge, Accept, Decline, Transfer, Note, Close, Withdraw}

// Key names a referral: the ledger it was opened in, who opened it, and the event's id.
type Key struct {
	_      struct{} `cbor:",toarray"`
	Home   ledger.Origin
	Author ledger.AgencyID
	Event  ledger.EventID
}

const idPrefix = "rf_"

// String returns the id people use.
func (k Key) String() string { return idPrefix + k.Event.String() }

// ParsePrefix reads an id or its beginning and returns its hex digits, 4 to 32.
func ParsePrefix(s string) (string, error) {
	h := strings.TrimPrefix(strings.ToLower(s), idPrefix)
	if len(h) < minPrefixBytes || len(h) > 32 || strings.Trim(h, "0123456789abcdef") != "" {
		return "", ErrID
	}
	return h, nil
}

// Fact is what an event says: *Opened or *Moved.
type Fact interface{ validate() error }

// Opened asks an agency to act.
type Opened struct {
	_        struct{} `cbor:",toarray"`
	Kind     Kind
	To       ledger.AgencyID
	Urgency  string
	Title    string
	Text     string
	Alerts   []string // ids, al_…
	Exercise bool
}

// Moved moves a referral on, or notes something.
type Moved struct {
	_      struct{} `cbor:",toarray"`
	Target Key
	Step   uint64 // how many moves had taken effect when it was decided
	Move   Move
	To     ledger.AgencyID // of a transfer; empty otherwise
	Text   string          // reason, outcome or note
}

func text(name, s string, most int) error {
	if len(s) > most {
		return fmt.Errorf("%w: %s: %d bytes, at most %d", ErrField, name, len(s), most)
	}
	if !utf8.ValidString(s) || strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return fmt.Errorf("%w: %s: not clean text", ErrField, name)
	}
	return nil
}

func (o *Opened) validate() error {
	if !slices.Contains(Kinds, o.Kind) {
		return fmt.Errorf("%w: kind: not one of the known ones", ErrField)
	}
	if _, err := ledger.ParseAgencyID(string(o.To)); err != nil {
		return fmt.Errorf("%w: to: %w", ErrField, err)
	}
	if !slices.Contains(Urgencies, o.Urgency) {
		return fmt.Errorf("%w: urgency: not one of the known ones", ErrField)
	}
	if len(o.Alerts) > MaxAlerts || !slices.IsSorted(o.Alerts) || len(slices.Compact(slices.Clone(o.Alerts))) != len(o.Alerts) {
		return fmt.Errorf("%w: alerts: at most %d, sorted, none twice", ErrField, MaxAlerts)
	}
	for _, a := range o.Alerts {
		if !strings.HasPrefix(a, "al_") || len(a) > maxAlertBytes || strings.Trim(a[3:], "0123456789abcdef.") != "" {
			return fmt.Errorf("%w: alerts: not an alert id", ErrField)
		}
	}
	if o.Title == "" {
		return fmt.Errorf("%w: title: is required", ErrField)
	}
	return errors.Join(text("title", o.Title, MaxTitleBytes), text("text", o.Text, MaxTextBytes))
}

func (m *Moved) validate() error {
	if !slices.Contains(Moves, m.Move) {
		return fmt.Errorf("%w: move: not one of the known ones", ErrField)
	}
	if (m.Move == Transfer) != (m.To != "") {
		return fmt.Errorf("%w: to: for a transfer, and only there", ErrField)
	}
	if m.To != "" {
		if _, err := ledger.ParseAgencyID(string(m.To)); err != nil {
			return fmt.Errorf("%w: to: %w", ErrField, err)
		}
	}
	if m.Text == "" && (m.Move == Decline || m.Move == Close || m.Move == Note || m.Move == Withdraw) {
		return fmt.Errorf("%w: text: %s needs words: the reason, the outcome or the note", ErrField, m.Move)
	}
	if _, err := ledger.ParseOrigin(string(m.Target.Home)); err != nil {
		return fmt.Errorf("%w: target: %w", ErrField, err)
	}
	if _, err := ledger.ParseAgencyID(string(m.Target.Author)); err != nil {
		return fmt.Errorf("%w: target: %w", ErrField, err)
	}
	return text("text", m.Text, MaxTextBytes)
}

func encode(id ledger.EventID, kind string, f Fact) (ledger.Event, error) {
	if err := f.validate(); err != nil {
		return ledger.Event{}, err
	}
	row := ledger.Marshal(f)
	return ledger.Event{ID: id, Type: kind, Version: 1, Shared: []byte{}, Width: uint32(len(row)), Rows: row}, nil
}

// Decode reads an event. ErrNewer: keep it, and decode it again after an upgrade. ErrMalformed: it never has effect.
// What decodes encodes to the same event.
func Decode(e *ledger.Event) (Fact, error) {
	var f Fact
	switch e.Type {
	case TypeOpened:
		f = &Opened{}
	case TypeMoved:
		f = &Moved{}
	default:
		return nil, ErrNewer
	}
	if e.Version > 1 {
		return nil, ErrNewer
	}
	if e.Version != 1 || len(e.Shared) > 0 || e.Count() != 1 {
		return nil, ErrMalformed
	}
	if err := ledger.Unmarshal(e.Rows, f, maxEventBytes); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := f.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return f, nil
}

// Placed is a fact with its place in a ledger.
type Placed struct {
	Origin     ledger.Origin
	Position   ledger.Position
	Author     ledger.AgencyID
	AuthoredAt int64 // ms; shown, decides nothing
	Event      ledger.EventID
	Fact       Fact
}

// Key returns the referral that the event opens or refers to.
func (p *Placed) Key() Key {
	if m, ok := p.Fact.(*Moved); ok {
		return m.Target
	}
	return Key{Home: p.Origin, Author: p.Author, Event: p.Event}
}

func compare(home ledger.Origin, a, b *Placed) int {
	if a.Origin != b.Origin {
		switch home {
		case a.Origin:
			return -1
		case b.Origin:
			return 1
		}
		return strings.Compare(string(a.Origin), string(b.Origin))
	}
	return cmp.Or(cmp.Compare(a.Position.Index, b.Position.Index), cmp.Compare(a.Position.Leaf, b.Position.Leaf))
}

// Line is one event of a referral's time line.
type Line struct {
	Placed
	Step   uint64 // at which it took effect
	Effect string // empty, or why it has none
}

// Referral is the fold of all its events.
type Referral struct {
	Key
	Opened  *Opened // nil where its opening cannot be read here, or has not arrived
	State   State
	Opener  ledger.AgencyID
	Holder  ledger.AgencyID
	Offered ledger.AgencyID   // whom it is offered to; empty where nobody
	Step    uint64            // moves that have taken effect
	Parties []ledger.AgencyID // who opened it and to whom it was ever offered, in that order
	Lines   []Line            // by step, then in canonical order
}

// Fold returns the referral as its events make it, in any order and with repeats. Moves without their opening are kept
// as lines without effect.
func Fold(key Key, events []Placed) *Referral {
	r := &Referral{Key: key}
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b Placed) int { return compare(key.Home, &a, &b) })
	seen := map[string]bool{}
	var waiting []Placed
	for _, p := range events {
		id := string(p.Author) + " " + p.Event.String()
		if seen[id] {
			continue // a second one with the id has no effect; the first stands
		}
		seen[id] = true
		if o, ok := p.Fact.(*Opened); ok {
			if r.Opened == nil && p.Key() == key {
				r.Opened, r.State, r.Opener, r.Holder, r.Offered, r.Parties = o, Open, p.Author, p.Author, o.To, []ledger.AgencyID{p.Author, o.To}
				r.Lines = append(r.Lines, Line{Placed: p})
			}
			continue
		}
		waiting = append(waiting, p)
	}
	if r.Opened != nil {
		waiting = r.advance(waiting)
	}
	for _, p := range waiting {
		r.Lines = append(r.Lines, Line{Placed: p, Step: p.Fact.(*Moved).Step, Effect: r.why(p)})
	}
	slices.SortStableFunc(r.Lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), compare(key.Home, &a.Placed, &b.Placed))
	})
	return r
}

// advance lets, step by step, the first permitted move of that step take effect, and returns what never did.
func (r *Referral) advance(waiting []Placed) []Placed {
	for {
		i := slices.IndexFunc(waiting, func(p Placed) bool {
			m := p.Fact.(*Moved)
			return m.Move != Note && m.Step == r.Step && r.Permits(p.Author, m) == nil
		})
		if i < 0 {
			return waiting
		}
		p := waiting[i]
		r.apply(p.Author, p.Fact.(*Moved))
		r.Lines = append(r.Lines, Line{Placed: p, Step: r.Step})
		waiting = slices.Delete(waiting, i, i+1)
	}
}

func (r *Referral) why(p Placed) string {
	m := p.Fact.(*Moved)
	switch {
	case r.Opened == nil:
		return "refers to something that cannot be read here"
	case m.Move == Note:
		if err := r.Permits(p.Author, m); err != nil {
			break
		}
		return ""
	case m.Step < r.Step:
		return "made from a stale view, after another move"
	case m.Step > r.Step:
		return "follows a move that has not arrived"
	}
	return strings.TrimPrefix(fmt.Sprint(r.Permits(p.Author, m)), ErrRefused.Error()+": ")
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// Permits says whether an agency may make a move now. Its error wraps ErrRefused and says who may.
func (r *Referral) Permits(by ledger.AgencyID, m *Moved) error {
	if m.Move != Note && (r.State == Closed || r.State == Withdrawn) {
		return refuse("it is %s", r.State)
	}
	switch m.Move {
	case Acknowledge, Accept, Decline:
		if r.Offered != by {
			return refuse("it is offered to %s", orNobody(r.Offered))
		}
		if m.Move == Acknowledge && r.State != Open {
			return refuse("it is %s already", r.State)
		}
	case Transfer:
		if r.Holder != by {
			return refuse("%s holds it", r.Holder)
		}
		if r.Offered != "" {
			return refuse("it is offered to %s, whose answer is awaited", r.Offered)
		}
		if m.To == by {
			return refuse("%s holds it already", by)
		}
	case Close:
		if r.Holder != by {
			return refuse("%s holds it", r.Holder)
		}
		if r.State != Accepted {
			return refuse("it is %s, not accepted", r.State)
		}
	case Withdraw:
		if r.Opener != by || r.Holder != by {
			return refuse("only its opener withdraws it, and only while it holds it; %s holds it", r.Holder)
		}
	case Note:
		if !slices.Contains(r.Parties, by) {
			return refuse("only those who opened it or were offered it write notes")
		}
	}
	return nil
}

func orNobody(a ledger.AgencyID) string {
	if a == "" {
		return "nobody now"
	}
	return string(a)
}

func (r *Referral) apply(by ledger.AgencyID, m *Moved) {
	switch m.Move {
	case Acknowledge:
		r.State = Acknowledged
	case Accept:
		r.State, r.Holder, r.Offered = Accepted, by, ""
	case Decline:
		r.State, r.Offered = Declined, ""
	case Transfer:
		r.State, r.Offered = Open, m.To
		if !slices.Contains(r.Parties, m.To) {
			r.Parties = append(r.Parties, m.To)
		}
	case Close:
		r.State = Closed
	case Withdraw:
		r.State, r.Offered = Withdrawn, ""
	}
	r.Step++
}

// Command opens a referral.
type Command struct {
	Event  ledger.EventID
	Opened Opened
	// Readers are the audiences it is sealed to.
	Readers []ledger.AudienceName
}

// Reads says whether an agency is in an audience of a name: itself, or everyone of its jurisdiction.
func Reads(names []ledger.AudienceName, a ledger.AgencyID) bool {
	return slices.Contains(names, ledger.AudienceName(a)) || slices.Contains(names, ledger.Everyone(a.Jurisdiction()))
}

// Decide returns the event, or why there is none.
func (c Command) Decide(by ledger.AgencyID) (ledger.Event, error) {
	if len(c.Readers) > maxReaders {
		return ledger.Event{}, refuse("%d audiences, at most %d", len(c.Readers), maxReaders)
	}
	if c.Opened.To == by {
		return ledger.Event{}, refuse("a referral is to another agency")
	}
	if !Reads(c.Readers, c.Opened.To) {
		return ledger.Event{}, refuse("%s could not read it", c.Opened.To)
	}
	slices.Sort(c.Opened.Alerts)
	c.Opened.Alerts = slices.Compact(c.Opened.Alerts)
	return encode(c.Event, TypeOpened, &c.Opened)
}

// DecideMove returns the event of a move by an agency on what it sees, or why there is none. step is what the caller
// saw: another one now is a stale view. readers are the audiences the referral is sealed to.
func (r *Referral) DecideMove(event ledger.EventID, by ledger.AgencyID, step uint64, m Moved, readers []ledger.AudienceName) (ledger.Event, error) {
	if r.Opened == nil {
		return ledger.Event{}, refuse("its opening cannot be read here")
	}
	m.Target, m.Step = r.Key, r.Step
	if err := m.validate(); err != nil {
		return ledger.Event{}, err
	}
	if m.Move != Note && step != r.Step {
		return ledger.Event{}, refuse("you saw step %d and it is at step %d: look again", step, r.Step)
	}
	if m.Move == Transfer && !Reads(readers, m.To) {
		return ledger.Event{}, refuse("%s cannot read it: open a referral to it instead", m.To)
	}
	if err := r.Permits(by, &m); err != nil {
		return ledger.Event{}, err
	}
	return encode(event, TypeMoved, &m)
}

// Within is how long the answer to a referral may take, from the first checkpoint that covers its opening.
func (o *Opened) Within() time.Duration {
	const day = 24 * time.Hour
	switch {
	case o.Urgency == "child-at-immediate-risk", o.Kind == VictimSupport: // as India's rules have it for the child welfare committee
		return day
	case o.Urgency == "priority":
		return 3 * day
	case o.Kind == LegalAid:
		return 30 * day
	}
	return 14 * day
}
