package noun

import (
	"fmt"
	"strconv"
	"strings"

	"vigil/ledger"
)

// RowKey names one row of an object that is a list. An object without a list is its row 0.
type RowKey struct {
	Key
	Row uint32
}

// Text returns the form people use: the key's, followed by .<row> for rows after the first.
func (k RowKey) Text(prefix string) string {
	if k.Row == 0 {
		return k.ID(prefix)
	}
	return k.ID(prefix) + "." + strconv.FormatUint(uint64(k.Row), 10)
}

// RowPrefix is the beginning of a row's id as a person types it.
type RowPrefix struct {
	Hex    string // 4 to 32 lower-case hex digits
	Row    uint32
	HasRow bool // a row was named: with fewer than 32 digits too
}

// ParseRowPrefix reads an id of a row or its beginning, with the noun's prefix or without it; most bounds the rows.
func ParseRowPrefix(prefix, s string, most uint32) (RowPrefix, error) {
	text, row, hasRow := strings.Cut(strings.ToLower(s), ".")
	hex, err := ParsePrefix(prefix, text)
	if err != nil {
		return RowPrefix{}, err
	}
	p := RowPrefix{Hex: hex, HasRow: hasRow}
	if !hasRow {
		return p, nil
	}
	n, err := strconv.ParseUint(row, 10, 32)
	if err != nil || n >= uint64(most) || strconv.FormatUint(n, 10) != row {
		return RowPrefix{}, fmt.Errorf("%w: give %s and 4 to 32 hex digits, for a row of a list followed by .<row>", ErrID, prefix)
	}
	p.Row = uint32(n)
	return p, nil
}

// Matches says that an id begins so. A prefix without a row matches every row.
func (p RowPrefix) Matches(event ledger.EventID, row uint32) bool {
	return strings.HasPrefix(event.String(), p.Hex) && (!p.HasRow || p.Row == row)
}
