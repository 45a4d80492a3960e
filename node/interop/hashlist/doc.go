// Package hashlist reads and writes hash lists as text: the ICSE CSV (separator ;), any CSV whose header names
// algorithms (separator comma, semicolon or tab), and plain lists of one hash per line, with or without
// "algorithm:" before it, as sha256sum prints them too.
//
// A column "pdq quality" belongs to the column "pdq". A cell of "vpdq-frame" holds the frames of a film, separated by
// spaces, each "value" or "value:quality".
//
// Cells are never interpreted as formulas, and none is written that a spreadsheet would interpret. Columns that are
// not known, such as file names, are thrown away unread. A list has one row per line; a quoted cell does not span
// lines.
package hashlist
