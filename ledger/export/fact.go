package export

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/noun"
)

// Types of events.
const (
	TypeBegun   = "export.begun"
	TypeCarried = "export.carried"
	Prefix      = "export."
)

// IDPrefix begins the ids people use.
const IDPrefix = "ex_"

// Bounds.
const (
	// MaxRuns bounds the runs of one event.
	MaxRuns        = ledger.MaxEntryLeaves
	maxFormatBytes = 32
	maxByBytes     = 128
	maxTextBytes   = 512
	maxRowBytes    = 4 << 10
	maxSharedBytes = 512
	runBytes       = 1 + 16 + 4 + 4
)

// Key names an export by its beginning.
type Key = noun.Key

// Fact is what an event says: *Begun or *Carried.
type Fact interface {
	noun.Fact
	Encode(id ledger.EventID) (ledger.Event, error)
}

// Placed is a fact with its place in a ledger.
type Placed = noun.Placed[Fact]

// Begun founds an export.
type Begun struct {
	_        struct{} `cbor:",toarray"`
	Format   string
	Since    *Key   // the export that it goes on from; nil where it is whole
	By       string // who asked for it: the id of a user or of a token
	Purpose  string // optional
	Case     string // optional
	Exercise bool
}

// What is said of an alert. The numbers are stored.
type What uint8

// What can be said.
const (
	Included  What = 1
	Withdrawn What = 2
)

// Run is rows of one alert event of which the same is said.
type Run struct {
	What        What
	Alert       ledger.EventID
	First, Last uint32
}

// Carried says which alerts of one author an export carries.
type Carried struct {
	Target Key
	Home   ledger.Origin
	Author ledger.AgencyID
	Runs   []Run // ascending by alert and rows
}

type carriedShared struct {
	_      struct{} `cbor:",toarray"`
	Target Key
	Home   ledger.Origin
	Author ledger.AgencyID
}

// About implements noun.Fact: it founds an export.
func (b *Begun) About() (Key, bool) { return Key{}, false }

// About implements noun.Fact.
func (c *Carried) About() (Key, bool) { return c.Target, true }

// Validate accepts what can be encoded.
func (b *Begun) Validate() error {
	err := noun.First(
		noun.At("format", noun.First(required(b.Format), noun.Line(b.Format, maxFormatBytes))),
		noun.At("by", noun.Line(b.By, maxByBytes)), noun.At("purpose", noun.Line(b.Purpose, maxTextBytes)), noun.At("case", noun.Line(b.Case, maxTextBytes)),
	)
	if err == nil && b.Since != nil {
		err = noun.At("since", b.Since.Validate())
	}
	return err
}

func required(s string) error {
	if s == "" {
		return noun.ErrRequired
	}
	return nil
}

// Validate accepts what can be encoded.
func (c *Carried) Validate() error {
	if err := noun.First(noun.At("target", c.Target.Validate()), Key{Home: c.Home, Author: c.Author}.Validate()); err != nil {
		return err
	}
	if len(c.Runs) == 0 || len(c.Runs) > MaxRuns {
		return noun.At("runs", noun.ErrCount)
	}
	for i, r := range c.Runs {
		err := r.validate()
		if err == nil && i > 0 && !c.Runs[i-1].before(r) {
			err = noun.ErrNotSorted
		}
		if err != nil {
			return noun.At(noun.Item("runs", i), err)
		}
	}
	return nil
}

func (r Run) validate() error {
	if r.What != Included && r.What != Withdrawn {
		return noun.ErrUnknownValue
	}
	if r.First > r.Last || r.Last >= alert.MaxRows {
		return alert.ErrNoSuchRow
	}
	return nil
}

// before says that a run ends before another begins.
func (r Run) before(o Run) bool {
	c := bytes.Compare(r.Alert[:], o.Alert[:])
	return c < 0 || c == 0 && r.Last < o.First
}

func compareRuns(a, b Run) int {
	return cmp.Or(bytes.Compare(a.Alert[:], b.Alert[:]), cmp.Compare(a.First, b.First))
}

// Encode returns the event, or why it has none.
func (b *Begun) Encode(id ledger.EventID) (ledger.Event, error) {
	if err := b.Validate(); err != nil {
		return ledger.Event{}, err
	}
	row := ledger.Marshal(b)
	return ledger.Event{ID: id, Type: TypeBegun, Version: 1, Shared: []byte{}, Width: uint32(len(row)), Rows: row}, nil
}

// Encode returns the event, or why it has none.
func (c *Carried) Encode(id ledger.EventID) (ledger.Event, error) {
	if err := c.Validate(); err != nil {
		return ledger.Event{}, err
	}
	rows := make([]byte, 0, runBytes*len(c.Runs))
	for _, r := range c.Runs {
		rows = append(append(rows, byte(r.What)), r.Alert[:]...)
		rows = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(rows, r.First), r.Last)
	}
	return ledger.Event{ID: id, Type: TypeCarried, Version: 1, Shared: ledger.Marshal(carriedShared{Target: c.Target, Home: c.Home, Author: c.Author}), Width: runBytes, Rows: rows}, nil
}

// Decode reads an event. Its errors are noun.ErrNewer and noun.ErrMalformed. What decodes encodes to the same event.
func Decode(e *ledger.Event) (Fact, error) {
	decode := map[string]func(*ledger.Event) (Fact, error){TypeBegun: decodeBegun, TypeCarried: decodeCarried}[e.Type]
	if decode == nil || e.Version > 1 {
		return nil, noun.ErrNewer
	}
	if e.Version != 1 {
		return nil, fmt.Errorf("%w: version 0", noun.ErrMalformed)
	}
	fact, err := decode(e)
	if err == nil {
		err = fact.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", noun.ErrMalformed, err)
	}
	return fact, nil
}

func decodeBegun(e *ledger.Event) (Fact, error) {
	b := &Begun{}
	if len(e.Shared) > 0 || int(e.Width) != len(e.Rows) {
		return nil, noun.ErrCount
	}
	return b, ledger.Unmarshal(e.Rows, b, maxRowBytes)
}

func decodeCarried(e *ledger.Event) (Fact, error) {
	var s carriedShared
	if err := ledger.Unmarshal(e.Shared, &s, maxSharedBytes); err != nil {
		return nil, err
	}
	if e.Width != runBytes || len(e.Rows)%runBytes != 0 {
		return nil, noun.ErrCount
	}
	c := &Carried{Target: s.Target, Home: s.Home, Author: s.Author, Runs: make([]Run, 0, len(e.Rows)/runBytes)}
	for rows := e.Rows; len(rows) > 0; rows = rows[runBytes:] {
		c.Runs = append(c.Runs, Run{
			What: What(rows[0]), Alert: ledger.EventID(rows[1:17]), First: binary.BigEndian.Uint32(rows[17:]), Last: binary.BigEndian.Uint32(rows[21:]),
		})
	}
	return c, nil
}

// Place decodes an event of a verified entry and notes where it stands.
func Place(origin ledger.Origin, pos ledger.Position, author ledger.AgencyID, authoredAt int64, e *ledger.Event) (Placed, error) {
	fact, err := Decode(e)
	if err != nil {
		return Placed{}, err
	}
	return noun.Place(origin, pos, author, authoredAt, e, fact), nil
}
