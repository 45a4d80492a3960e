package alert

import (
	"vigil/ledger"
	"vigil/ledger/noun"
)

// Key names one alert event, a single alert or a list, and with it the object that later events refer to.
type Key = noun.Key

// ID names one alert: a row of an alert event. A single alert is row 0.
type ID noun.RowKey

// IDPrefix is what the ids that people use begin with.
const IDPrefix = "al_"

// String returns the form people use: al_<event id>, followed by .<row> for rows after the first. It leaves out the
// home ledger and author, which the board knows.
func (id ID) String() string { return noun.RowKey(id).Text(IDPrefix) }

// ParseID reads exactly what String writes.
func ParseID(s string) (ledger.EventID, uint32, error) {
	p, err := ParsePrefix(s)
	if err != nil || len(p.Hex) != 32 {
		return ledger.EventID{}, 0, ErrID
	}
	event, err := ledger.ParseEventID(p.Hex)
	if err != nil || (ID{Key: Key{Event: event}, Row: p.Row}).String() != s {
		return ledger.EventID{}, 0, ErrID
	}
	return event, p.Row, nil
}

// Prefix is the beginning of an alert id as a person types it.
type Prefix = noun.RowPrefix

// ParsePrefix reads "al_3f2a", "3F2A", "al_3f2a.17" and the whole id.
func ParsePrefix(s string) (Prefix, error) {
	p, err := noun.ParseRowPrefix(IDPrefix, s, MaxRows)
	if err != nil {
		return Prefix{}, ErrID
	}
	return p, nil
}
