// Package watch is what an agency looks out for: fingerprints of its own exhibits and cold cases, which it tells nobody;
// and what it did about the alerts that carry one of them. Its events are sealed to the agency itself, so that they come
// back wherever its key is, and nobody else learns of them.
//
// A watched file and an alert that share a fingerprint make a hit. A hit is no event: it follows from the two, in
// whatever order they came, and its id is a hash over what both are called. Only what was done about it is an event. An
// exercise's watch list hits exercises only, and casework's hits casework.
//
// The package does not search: which fingerprints are alike, the board and the match index say.
//
// # Events, version 1
//
// "CBOR" is the deterministic encoding of arrays in the order of the Go fields.
//
//	watch.added    shared  CBOR [case, note, exercise]
//	               row     one: CBOR of a file as in alert.raised
//	watch.listed   shared  CBOR [case, note, exercise, [[algorithm, has quality]…], has sizes]
//	               rows    1 to 10,000, packed as in alert.listed
//	watch.removed  shared  CBOR [target, reason]
//	               rows    4 bytes each: row numbers of the target, big-endian, ascending; or ff ff ff ff alone: all
//	watch.handled  shared  CBOR [what was done, note]
//	               rows    16 bytes each: ids of hits, ascending
package watch
