// Package console is the web console: where an analyst spends the day. Pages are made here from what the node's API answers
// to whoever looks, asked in this process with their own session: so roles, handling, purposes, the four-eyes rule and the
// access log are the API's alone. Forms and links work without a script; scripts keep what is on screen current, hash files
// on the reader's machine and check proofs there.
//
// It must not know the board, the ledger or the node, and holds nothing: no sessions, no drafts, no content.
package console
