// Package alert is what an agency says about one file of child abuse material, or about a list of them: its
// fingerprints, what it is, how it may be handled; what other agencies say to that; and what follows from it all.
//
// Commands are decided here, events encoded and decoded, and the events of one alert folded into one picture that
// does not depend on the order in which ledgers delivered them. The package knows fingerprints and words only: no
// field takes material. It does not know how events are sealed, carried or stored, it reads no clock, and times
// written by authors never decide anything.
//
// # Events, version 1
//
// Each is a ledger.Event. "CBOR" is the deterministic encoding of arrays in the order of the Go fields.
//
//	alert.raised     shared  CBOR Details
//	                 row     one: CBOR [[[algorithm, value, quality]…], media size]
//	alert.listed     shared  CBOR [Details, [[algorithm, has quality]…], has sizes]
//	                 rows    1 to 10,000 of one width; per column the value, then one byte quality where the column
//	                         has it; last 8 bytes media size, big-endian, where the list has sizes
//	alert.assessed   shared  CBOR [target, verdict, basis, source, classifications, reason, exercise]
//	                 rows    4 bytes each: row numbers of the target, big-endian, ascending; or ff ff ff ff alone: all
//	alert.retracted  shared  CBOR [target, reason, exercise, replacement: another target, or null]
//	                 rows    as above
//	alert.sighted    shared  CBOR [target, setting, review, count, day, exercise]
//	                 row     one: 4 bytes, row number of the target
//	alert.linked     shared  CBOR [target, other, row of the other, relation, verdict, reason, exercise]
//	                 row     as above; the target is the lesser by home, author, event, row
//
// A classification is CBOR [scheme, context, value, by, unit, day]. A target is CBOR [home ledger's origin, author, event
// id]. A signal's value is the raw fingerprint. A quality byte is 0 where none was stated, else the quality (0 to 100)
// plus one. Numbers of enumerations are append only; a value this version does not define is refused, so that a new one
// comes with a new event version, which older nodes show as newer than themselves.
package alert
