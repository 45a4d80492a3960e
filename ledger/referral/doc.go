// Package referral is one agency asking another to act: investigate, support a victim, have something taken down, help
// across a border. One agency holds it at a time; every word on it is an event, and the events of one referral fold into
// one picture whatever the order in which ledgers delivered them.
//
// # Who may move
//
//	move           by                      when                         then
//	acknowledged   whom it is offered to   open                         acknowledged
//	accepted       whom it is offered to   open, acknowledged           accepted; it holds the referral now
//	                                       and abroad: handover; the holder still holds it
//	released       the holder              handover                     accepted; who accepted it abroad holds it now
//	declined       whom it is offered to   open to handover             declined; or accepted, where the holder had accepted it
//	transferred    the holder              not ended                    open; offered to the agency named, and to no other
//	revoked        the holder              offered, and it had accepted accepted; nothing is offered
//	withdrawn      the opener              it holds it                  withdrawn
//	closed         the holder              accepted                     closed
//	paused         who owes the next move  a clock of theirs runs       as before; no step
//	resumed        who paused              paused                       as before; no step. A later step resumes too
//	noted          who opened it or was ever offered it, at any time    as before; no step
//
// Tasks, links, wishes and escalations are no steps either.
//
// # Dual acceptance
//
// Across a border a referral changes hands by two acceptances: the receiving agency accepts in its ledger, and the holder,
// having seen that, releases in its own. Until then the holder holds it. So no agency believes that it holds a referral
// that another believes to hold: what makes an agency the holder is either in the ledger of both, which has one order, or
// was given away by the former holder itself before. Inside a jurisdiction an acceptance is enough, for the same reason.
// The holder's node releases by itself unless the policy leaves it to people.
//
// # Two moves at once
//
// A move names the step it was decided on: how many moves had taken effect. Of the permitted moves that name one step one
// takes effect: the first from the holder's jurisdiction, or else the first of all in canonical order (the home ledger
// before others, then origin, index, position). The others, made from what is now a stale view, do not and are shown as
// such. So two moves in two ledgers during a cut border have one outcome everywhere, and nobody's clock decides it. There
// is one holder after any set of events: never none, never two.
//
// # Deadlines
//
// Three clocks run: to acknowledge and to answer an offer, and from the first acceptance to the outcome, through every
// transfer. Each runs from the checkpoint that covers the event that began it. How long, the reader's policy says. That one
// has passed is an event too, which nodes of those concerned write by themselves; the first stands.
//
// # Victim support
//
// It carries a reference, what is needed, an age band, a language, a district and the victim's wish on being told of
// further sightings; every other field refuses it. Its readers are the sender and the support body, and it cannot be
// transferred. Only the support body changes the wish.
//
// # Events, version 1
//
// Each has one row, CBOR arrays in the order of the Go fields, and no shared part.
//
//	referral.opened     Opened
//	referral.moved      Moved
//	referral.linked     Linked
//	referral.tasked     Tasked
//	referral.finished   Finished
//	referral.wished     Wished
//	referral.escalated  Escalated
//
// A referral names alerts and reports by id; it has no field for material or attachments, and text fields are bounded.
// It can be transferred only to an agency it was sealed to: a way to seal it to another later would be a release of its
// earlier entries (kind 4), which the holder would have to write before it transfers.
package referral
