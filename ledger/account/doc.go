// Package account is who may use an agency's node: people with roles and the ways in which they sign in, and tokens for
// programs. All of it is the agency's own: events sealed to the agency itself, so that they come back with the ledger and
// the kit when the machine is lost. No secret is in them: of tokens and enrolment codes the SHA-256, of passwords the
// Argon2id hash, of passkeys the public key.
//
// The four-eyes rule is here, too: one person asks, another agrees or does not, and only then the first can do what was
// asked for, exactly that and for a time.
//
// # Events, version 1
//
// Each has one row, a CBOR array in the order of the Go fields, and no shared part.
//
//	user.added        Added      a person, with a code to enrol by
//	user.invited      Invited    another code; earlier ones end
//	user.changed      Changed    name and roles
//	user.enrolled     Enrolled   a way to sign in, by a code or by the person signed in
//	user.withdrawn    Withdrawn  a way to sign in no longer holds
//	user.removed      Removed    for good
//	token.issued      Issued
//	token.revoked     Revoked
//	token.made        Made       by which person; none where the machine's operator made it
//	consent.asked     Asked
//	consent.answered  Answered
package account
