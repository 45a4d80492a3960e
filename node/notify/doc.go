// Package notify tells those who subscribed of changes: webhooks, signed as Standard Webhooks has it, and digests by mail.
// What is told carries ids and counts, never content.
//
// There is no queue: each subscription has its own place in the board's changes, and goes on from there, after a restart too.
// A receiver that does not answer keeps nobody else, is tried again for three days, and is then paused. The id of a message
// is made of what it tells, so that one that was sent twice can be recognised.
//
// Webhooks go to public addresses only, unless the operator allows others: a node must not be made to speak to its
// neighbours.
package notify
