package alert

import (
	"time"

	"vigil/ledger/noun"
)

// Day is a date in UTC, as days since 1970-01-01. It is somebody's word and decides nothing. 0 is no date.
type Day uint32

// maxDay is 2199-12-31: a later date is a mistake.
const maxDay Day = 84_005

// DayOf returns the day of a time.
func DayOf(t time.Time) Day { return Day(max(t.UTC().Unix()/86_400, 0)) }

// ParseDay reads a date such as 2026-01-31.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Unix() <= 0 {
		return 0, ErrDay
	}
	d := DayOf(t)
	return d, d.validate()
}

// String returns the date, empty where there is none.
func (d Day) String() string {
	if d == 0 {
		return ""
	}
	return time.Unix(int64(d)*86_400, 0).UTC().Format(time.DateOnly)
}

func (d Day) validate() error {
	if d > maxDay {
		return noun.ErrUnknownValue
	}
	return nil
}
