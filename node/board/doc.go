// Package board is what one agency can read: an SQL read model, encrypted at rest, that follows the ledgers with a cursor
// of its own, opens what is for this agency, folds it and tells of changes. It is a function of the set of events, not
// of the order in which ledgers arrived, and may be deleted at any time.
//
// It does not know how ledgers are replicated, who asks, or how keys are kept: it is given something that opens.
package board
