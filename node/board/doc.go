// Package board is what one agency can read: an SQL read model, encrypted at rest, that follows the ledgers with a cursor
// of its own, opens what is for this agency, folds it and tells of changes. It is a function of the set of events, not
// of the order in which ledgers arrived, and may be deleted at any time.
//
// One writer, Run, folds entries and moves the cursor in the same transaction; readers see what is committed. An event
// that no noun knows is kept without effect, and so is one whose cause has not arrived: both are rows, never memory.
//
// It does not know how ledgers are replicated, who asks, or how keys are kept: it is given something that opens.
package board
