package alert

import (
	"strconv"
	"strings"

	"vigil/ledger"
	"vigil/ledger/noun"
)

// Key names one alert event, a single alert or a list, and with it the object that later events refer to.
type Key = noun.Key

// ID names one alert: a row of an alert event. A single alert is row 0.
type ID struct {
	Key
	Row uint32
}

const idPrefix = "al_"

// String returns the form people use: al_<event id>, followed by .<row> for rows after the first. It leaves out the
// home ledger and author, which the board knows.
func (id ID) String() string { return idText(id.Event, id.Row) }

func idText(event ledger.EventID, row uint32) string {
	if row == 0 {
		return idPrefix + event.String()
	}
	return idPrefix + event.String() + "." + strconv.FormatUint(uint64(row), 10)
}

// ParseID reads exactly what String writes.
func ParseID(s string) (ledger.EventID, uint32, error) {
	p, err := ParsePrefix(s)
	if err != nil || len(p.Hex) != 32 {
		return ledger.EventID{}, 0, ErrID
	}
	event, err := ledger.ParseEventID(p.Hex)
	if err != nil || idText(event, p.Row) != s {
		return ledger.EventID{}, 0, ErrID
	}
	return event, p.Row, nil
}

// Prefix is the beginning of an alert id as a person types it.
type Prefix struct {
	Hex    string // 4 to 32 lower-case hex digits
	Row    uint32
	HasRow bool // a row was named: with fewer than 32 digits too
}

// ParsePrefix reads "al_3f2a", "3F2A", "al_3f2a.17" and the whole id.
func ParsePrefix(s string) (Prefix, error) {
	text, row, hasRow := strings.Cut(strings.ToLower(s), ".")
	hex, err := noun.ParsePrefix(idPrefix, text)
	if err != nil {
		return Prefix{}, ErrID
	}
	p := Prefix{Hex: hex, HasRow: hasRow}
	if !hasRow {
		return p, nil
	}
	n, err := strconv.ParseUint(row, 10, 32)
	if err != nil || n >= MaxRows || strconv.FormatUint(n, 10) != row {
		return Prefix{}, ErrID
	}
	p.Row = uint32(n)
	return p, nil
}

// Matches says that an id begins so. A prefix without a row matches every row.
func (p Prefix) Matches(event ledger.EventID, row uint32) bool {
	return strings.HasPrefix(event.String(), p.Hex) && (!p.HasRow || p.Row == row)
}
