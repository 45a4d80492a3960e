package referral

import (
	"bytes"
	"encoding/binary"
	"errors"
	"regexp"
	"strings"
	"time"

	"vigil/ledger/noun"
)

// Why a policy is refused.
var (
	errUncovered = errors.New("every stage needs a last rule without kind and urgency, so that nothing is without a deadline")
	errOneTerm   = errors.New("either hours or working_days")
	errZone      = errors.New("an offset such as +05:30, or a POSIX rule such as GMT0BST,M3.5.0/1,M10.5.0; names of time zones mean different things on machines with different tables")
	errNoWork    = errors.New("no working day is left in a week")
)

// Calendar says which days are working days, and where a day ends.
type Calendar struct {
	_        struct{} `cbor:",toarray"`
	Zone     string   `json:"zone"`     // an offset, or a POSIX TZ rule: what it says is all that it needs
	Weekend  []string `json:"weekend"`  // days of the week, sorted by name
	Holidays []string `json:"holidays"` // YYYY-MM-DD, sorted
}

// weekdays are the names of the days, in alphabetical order of a sorted list.
var weekdays = map[string]time.Weekday{
	"sunday": time.Sunday, "monday": time.Monday, "tuesday": time.Tuesday, "wednesday": time.Wednesday, "thursday": time.Thursday,
	"friday": time.Friday, "saturday": time.Saturday,
}

// calendar is a Calendar ready to compute with.
type calendar struct {
	zone     *time.Location
	weekend  [7]bool
	holidays map[string]bool
}

func (c Calendar) compile() (calendar, error) {
	out := calendar{holidays: map[string]bool{}}
	var err error
	if out.zone, err = zone(c.Zone); err != nil {
		return out, noun.At("zone", err)
	}
	err = noun.SortedSet("weekend", c.Weekend, len(weekdays), func(name string) error {
		d, ok := weekdays[name]
		if !ok {
			return noun.ErrUnknownName
		}
		out.weekend[d] = true
		return nil
	})
	if err == nil && len(c.Weekend) == len(weekdays) {
		err = noun.At("weekend", errNoWork)
	}
	if err != nil {
		return out, err
	}
	return out, noun.SortedSet("holidays", c.Holidays, maxHolidays, func(text string) error {
		out.holidays[text] = true
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return errDay
		}
		return nil
	})
}

// after returns the end of the n-th working day after the day of a time. That day itself does not count.
func (c calendar) after(start time.Time, n int) time.Time {
	y, m, d := start.In(c.zone).Date()
	for n > 0 {
		d++
		if c.works(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)) {
			n--
		}
	}
	return time.Date(y, m, d+1, 0, 0, 0, 0, c.zone).UTC()
}

func (c calendar) works(date time.Time) bool {
	return !c.weekend[date.Weekday()] && !c.holidays[date.Format(time.DateOnly)]
}

var (
	offsetForm = regexp.MustCompile(`^[+-][01][0-9]:[0-5][0-9]$`)
	posixForm  = regexp.MustCompile(`^` + posixName + posixHours + `(` + posixName + `(` + posixHours + `)?,` + posixDay + `,` + posixDay + `)?$`)
)

const (
	posixName  = `([A-Za-z]{3,6}|<[A-Za-z0-9+-]{3,6}>)`
	posixHours = `[+-]?[0-9]{1,2}(:[0-5][0-9])?`
	posixDay   = `M([1-9]|1[0-2])\.[1-5]\.[0-6](/` + posixHours + `)?`
)

// zone reads an offset or a POSIX TZ rule (IEEE Std 1003.1, section 8.3). It never asks the machine for its table of time
// zones: those differ, and every node must find the same end of a day.
func zone(text string) (*time.Location, error) {
	if len(text) > maxZoneBytes {
		return nil, noun.ErrTooLong
	}
	if offsetForm.MatchString(text) {
		t, err := time.Parse("-07:00", text)
		if err != nil {
			return nil, errZone
		}
		_, seconds := t.Zone()
		return time.FixedZone(text, seconds), nil
	}
	if !posixForm.MatchString(text) {
		return nil, errZone
	}
	loc, err := time.LoadLocationFromTZData(text, tzif(text))
	if err != nil {
		return nil, errZone
	}
	for _, month := range []time.Month{time.January, time.July} {
		name, seconds := time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC).In(loc).Zone()
		if name == unnamed || seconds < -14*3600 || seconds > 14*3600 {
			return nil, errZone
		}
	}
	return loc, nil
}

// unnamed is the zone that holds where the rule could not be read.
const unnamed = "???"

// tzif returns a file of RFC 9636 that has no transitions but the rule: the form in which the standard library takes one.
// Version 2 has its header and data twice; both hold one zone, unnamed, of offset 0.
func tzif(rule string) []byte {
	var b bytes.Buffer
	for range 2 {
		b.WriteString("TZif2" + strings.Repeat("\x00", 15))
		for _, count := range []uint32{0, 0, 0, 0, 1, uint32(len(unnamed) + 1)} { // UTC and standard indicators, leap seconds, transitions, zones, letters
			_ = binary.Write(&b, binary.BigEndian, count) // a buffer takes everything
		}
		b.WriteString("\x00\x00\x00\x00\x00\x00" + unnamed + "\x00")
	}
	b.WriteString("\n" + rule + "\n")
	return b.Bytes()
}
