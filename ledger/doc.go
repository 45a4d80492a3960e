// Package ledger is the pure core of Vigil: records and leaves, sealed payloads and their events tree, the RFC 6962
// tree with checkpoints and cosignatures, the roster and its governance, and State, the value that every replica
// folds from the same entries.
//
// It does no I/O, reads no clock, starts no goroutine and never needs a private key to apply an entry. It does not
// know what events mean (that is one package per noun below it), nor how entries travel or where they are stored.
package ledger
