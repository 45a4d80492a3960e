// Package report is what a platform says it has found, as the agency that took it in writes it into the ledger: the
// fingerprints of files, pointers to those reported, how urgent it is. What the platform amends or withdraws, what the
// lab's desk does with it, and what the platform may be told of the outcome, are events of the same object. The package
// decides commands, folds events into one picture that does not depend on the order in which they arrived, measures how
// complete a report is and ranks those that wait, with the reason for each rank.
//
// It knows fingerprints, pointers and bounded words; no field takes material. It does not know how a report reached the
// agency, what drafts are, or who holds which token: it reads no clock and opens nothing.
//
// # Who says what
//
// A platform is no member: the agency that serves it is the author, and each event names the platform and the token it
// came under. The author alone amends and withdraws for a platform, and only for the one that reported. Whoever is at the
// desk, which is the author and the audiences the report was sealed to beside it, triages.
//
//	move      who                                        when                  then
//	claim     anyone at the desk                         waiting               claimed by that person
//	assign    the author, or the holder's agency         waiting or claimed    claimed by the person named
//	release   the author, or the holder's agency         claimed               waiting
//	conclude  the holder, or anyone where nobody holds   waiting or claimed    concluded, with an outcome
//	tell      anyone at the desk                         concluded             concluded, with another outcome
//	reopen    anyone at the desk                         concluded             waiting
//
// # Two at once
//
// Amendments and the withdrawal form one chain, the desk's moves another; each names the place in its chain that it was
// decided on. Of those that name one place the first in canonical order that is permitted takes effect; the others were
// made from a stale view and have none. So two claims at once have one holder on every node. A conclusion names the
// revision that was looked at: an amendment after it lets the report wait again.
//
// # Events, version 1
//
// Each has one row, CBOR arrays in the order of the Go fields, and no shared part.
//
//	report.received   Received
//	report.amended    Amended
//	report.withdrawn  Withdrawn
//	report.triaged    Triaged
//
// A moment is [ms since 1970, minutes east of UTC]; [0, 0] says that none was stated. Media, AI-generated, signals and
// classifications are those of package alert.
package report
