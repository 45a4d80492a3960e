// Package noun is what the nouns of the ledger share: the name of an object, the place of a fact in a ledger, the
// canonical order in which facts fold, events of one row, and rules for text. It knows no noun.
//
// An object is founded by one event and moved by others that refer to it. A noun's package says what its facts mean and
// folds them; its fold must give the same object for the same set of events in any order of arrival.
package noun
