// Package recall is how everyone who held an alert proves that it no longer acts on it. When an author takes an alert
// back, or puts another in its place, every agency that held it answers with an event of its own, in its own ledger, that
// says what had been made of the alert there: watch-list hits, exports, subscribers. The answer is sealed to whoever the
// retraction was sealed to, so that all who held the alert see who has answered.
//
// # Who must answer
//
// The agencies that could open the alert: the members of its audiences at the epochs its record names, those to whom it
// was released later, and those who were granted an epoch's key. The package is told who they are and what arrived; what
// it says does not depend on the order in which ledgers delivered it. An answer counts once, whenever it arrives, with the
// time its agency signed it. An agency that left the roster cannot answer any more: it is shown so, and never overdue.
//
// # Events, version 1
//
//	recall.answered  shared  CBOR [home ledger's origin, author, exercise] of the alerts
//	                 rows    44 bytes each, ascending, none twice: the alert's event id (16), the retraction's event id
//	                         (16), then big-endian hits (4), exports (4) and subscribers told (4)
package recall
