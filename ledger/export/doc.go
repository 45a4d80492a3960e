// Package export is what left an agency in an outside format: which alerts, for what, and which of them were said to be
// withdrawn later. The agency seals it to itself, so that an alert's recall can be carried on to wherever the alert went,
// and so that the answer to the recall counts it, even after the machine was lost.
//
// An export may go on where an earlier one ended: what was said of a row in the earliest and in every later one of such a
// chain, the last word counting, is what the receiver has. The next one says only what is different.
//
// # Events, version 1
//
//	export.begun    row     CBOR [format, since: key of the export it goes on from, or null, by, purpose, case, exercise];
//	                        no shared part
//	export.carried  shared  CBOR [key of the export, home ledger's origin, author] of the alerts
//	                rows    25 bytes each: what was said (1; 1 carried, 2 withdrawn), the alert's event id (16), first and
//	                        last row (4 each, big-endian); ascending by event and rows, which do not overlap
//
// What is recorded is what may have left: rows are recorded before they are handed out.
package export
