// Package pointer is deconfliction: two agencies that hold the same account name, telephone number or wallet learn of each
// other, and nobody learns anything else.
//
// # How it works
//
// A pointer, in its one normal form, is blinded by every evaluator of the jurisdiction (RFC 9497 VOPRF: an evaluator learns
// nothing of what it evaluates, and proves that it used its announced key). The tag of a pointer is the hash of all their
// answers, so nobody can compute the tag of a guess without asking each of the others, who count and log that. There are
// three evaluators or more, so that one who asks and is an evaluator needs two others all the same.
//
// What an agency publishes to the jurisdiction is not the tag but a mark, the hash of tag and its own name. Whoever holds
// the same pointer computes that mark and finds it; whoever does not can tell nothing from marks, not even that two of them
// are of one pointer.
//
// Which evaluators answered, with which keys, is the set; tags of two sets have nothing in common. Where the set changes,
// every agency's node has its pointers blinded again.
//
// # Events, version 1
//
// Each has one row, a CBOR array in the order of the Go fields, and no shared part.
//
//	pointer.evaluator.key  Evaluator    to everyone: an agency's public key for blinding
//	pointer.own.held       Held         to the agency itself: what it holds
//	pointer.own.blinded    Blinded      to the agency itself: its tag in a set
//	pointer.own.dropped    Dropped      to the agency itself
//	pointer.mark.set       Marked       to everyone: the mark
//	pointer.mark.lifted    Unmarked     to everyone
package pointer
