// Package referral is one agency asking another to act: investigate, support a victim, have something taken down, help
// across a border. One agency holds it at a time; every move is an event, and the events of one referral fold into one
// picture whatever the order in which ledgers delivered them.
//
// # Who may move
//
//	move           by                      when                         then
//	acknowledged   whom it is offered to   open                         acknowledged
//	accepted       whom it is offered to   open, acknowledged           accepted; it holds the referral now
//	declined       whom it is offered to   open, acknowledged           declined; back with the holder
//	transferred    the holder              nothing is offered           open; offered to the agency named
//	withdrawn      the opener              it holds it                  withdrawn
//	closed         the holder              accepted                     closed
//	noted          who opened it or was ever offered it, at any time    as before; a note is no step
//
// # Two moves at once
//
// A move names the step it was decided on: how many moves had taken effect. Of the moves that name one step the first in
// canonical order that is permitted takes effect (the home ledger before others, then origin, index, position); the
// others, made from what is now a stale view, do not and are shown as such. So two acceptances in two ledgers during a
// cut border have one outcome everywhere, and nobody's clock decides it.
//
// # Events, version 1
//
// Each has one row, CBOR arrays in the order of the Go fields, and no shared part.
//
//	referral.opened   Opened
//	referral.moved    Moved
//
// A referral names alerts by id; it has no field for material, and text fields are bounded.
package referral
