// Package registry is what agencies tell each other of people who were convicted of offences against children, so that
// schools and care can ask whether somebody is to be looked up: a notice, its correction, its lifting, and the screening.
//
// # What is kept of a person
//
// Nothing in clear. A notice carries marks: of a full name with the date of birth, and of documents, each written in one
// normal form and hashed by Argon2id under a salt of the notice's home ledger (Blind). So a board or a ledger that was
// taken lists nobody; who has it can only try a person they think of, at a cost for each try. Beside the marks stand the
// registry's own reference, under which it is asked, and what decides how long the notice holds.
//
// # A notice's life
//
//	noticed       by anyone; from then on its author's
//	corrected     by its author: the whole notice anew, with the reason
//	lifted        by its author, with the authority; final
//	challenged    by any reader, who says what is wrong: its author must correct, lift or uphold it, with a deadline
//	upheld        by its author: the challenge is answered, the notice stands
//	acknowledged  by every other agency that could open it: its node no longer goes by what was corrected or lifted
//
// All words of one author stand in one ledger, so corrections have one order everywhere. How long a notice holds follows
// from its tier and its day by the reader's policy; one that has run out answers no screening.
//
// # Screening
//
// An answer is "refer to registry" or "nothing held", in one shape and size, whatever it is. That somebody asked, in what
// role, for which purpose and on what authority is an event sealed to the agency itself (screening.answered); whom they
// asked about is not recorded, in any form.
//
// # Events, version 1
//
// Each has one row, CBOR arrays in the order of the Go fields, and no shared part.
//
//	registry.noticed       Noticed
//	registry.corrected     Corrected
//	registry.lifted        Lifted
//	registry.challenged    Challenged
//	registry.upheld        Upheld
//	registry.acknowledged  Acknowledged
//	screening.answered     Screened
package registry
