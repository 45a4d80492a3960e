package ledger

import "errors"

// Reason is why an entry was refused: a stable code for programs and a text for people. Reasons are the same on every
// replica.
type Reason struct {
	Code string
	text string
	// Transient says that another entry may mend it, so that the same events may be signed again.
	Transient bool
}

func (r *Reason) Error() string { return "ledger: " + r.text }

// The reasons.
var (
	ErrMalformedEntry = &Reason{Code: "malformed", text: "the entry is not well-formed"}
	ErrOtherLedger    = &Reason{Code: "other-ledger", text: "the entry is for another ledger"}
	ErrNewerFormat    = &Reason{Code: "newer-format", text: "the ledger has a newer format than this binary knows; upgrade"}
	ErrUnknownAuthor  = &Reason{Code: "unknown-author", text: "the author is not in the roster"}
	ErrOtherWriter    = &Reason{Code: "other-writer", text: "the writer is not the author's node"}
	ErrSignature      = &Reason{Code: "signature", text: "the author's signature does not verify"}
	ErrPayloadHash    = &Reason{Code: "payload", text: "the payload is not the one the record names"}
	ErrNoAudience     = &Reason{Code: "no-audience", text: "no such audience", Transient: true}
	ErrStaleEpoch     = &Reason{Code: "stale-epoch", text: "the audience waits for a new epoch, or the entry was sealed to an old one", Transient: true}
	ErrAuthorOutside  = &Reason{Code: "author-outside", text: "the author is in none of the entry's audiences"}
	ErrNotLinked      = &Reason{Code: "not-linked", text: "the audience belongs to a jurisdiction that is not linked, or suspended"}
	ErrNoTarget       = &Reason{Code: "no-target", text: "the entry names no sealed entry of this ledger"}
	ErrNotAuthor      = &Reason{Code: "not-author", text: "another wrote the entry that it names, and the members have not decided it"}
	ErrConflict       = &Reason{Code: "conflict", text: "the writer's sequence names another entry"}

	ErrVoided       = &Reason{Code: "voided", text: "the proposal names another roster version; propose again"}
	ErrNoProposal   = &Reason{Code: "no-proposal", text: "no such open proposal: it was carried out, or voided by another change"}
	ErrTwice        = &Reason{Code: "twice", text: "this agency has approved it already"}
	ErrOneProposal  = &Reason{Code: "one-proposal", text: "this agency has an open proposal already"}
	ErrTarget       = &Reason{Code: "target", text: "the agency it is about does not vote on it"}
	ErrExists       = &Reason{Code: "exists", text: "the roster has it already: an agency, a key, a link of that name"}
	ErrNotThere     = &Reason{Code: "not-there", text: "the roster does not have it"}
	ErrBounds       = &Reason{Code: "bounds", text: "over a bound of the roster"}
	ErrEpoch        = &Reason{Code: "epoch", text: "not the next epoch, not for the current roster, or without a share for each member", Transient: true}
	ErrBarred       = &Reason{Code: "barred", text: "a share this agency made did not match; another member makes the next epoch"}
	ErrGenesisTwice = &Reason{Code: "genesis", text: "a ledger has one genesis"}
	ErrNodeReturned = &Reason{Code: "node-returned", text: "a node key that left does not return; make a new one"}
	ErrVotersPolicy = &Reason{Code: "voters", text: "1, 3 or 5 members vote, each once, and two only where there are just two agencies"}
	ErrSwap         = &Reason{Code: "swap", text: "a voter swaps one other voter for the next in roster order that does not vote, nothing else"}
	ErrSwapSoon     = &Reason{Code: "swap-soon", text: "another voter was swapped less than a day before"}
	ErrSwapAgain    = &Reason{Code: "swap-again", text: "this agency made the last swap: another makes the next one, or the members decide who votes"}
	ErrOldFormat    = &Reason{Code: "old-format", text: "the ledger's format does not have this yet; raise it: vigil ledger format --raise"}
	ErrKeyReturned  = &Reason{Code: "key-returned", text: "an agency key that left does not return; make a new one"}
	ErrKeyProof     = &Reason{Code: "key-proof", text: "the new key does not prove that it is held, for this agency and generation"}
	ErrGeneration   = &Reason{Code: "generation", text: "not the next generation of the agency's keys"}
	ErrGrant        = &Reason{Code: "grant", text: "no such epochs of this audience, or the agency is not in it"}
	ErrNoGrant      = &Reason{Code: "no-grant", text: "no grant waits for these keys from this agency"}
	ErrNotProposer  = &Reason{Code: "not-proposer", text: "only its author takes a proposal back"}
	ErrLast         = &Reason{Code: "last", text: "the last agency cannot be removed"}
)

// AsReason returns the reason in err's chain, or ErrMalformedEntry.
func AsReason(err error) *Reason {
	var r *Reason
	if errors.As(err, &r) {
		return r
	}
	return ErrMalformedEntry
}

var reasons = func() map[string]*Reason {
	out := map[string]*Reason{}
	for _, r := range []*Reason{
		ErrMalformedEntry, ErrOtherLedger, ErrNewerFormat, ErrUnknownAuthor, ErrOtherWriter, ErrSignature, ErrPayloadHash,
		ErrNoAudience, ErrStaleEpoch, ErrAuthorOutside, ErrNotLinked, ErrNoTarget, ErrNotAuthor, ErrConflict, ErrVoided, ErrNoProposal,
		ErrTwice, ErrOneProposal, ErrTarget, ErrExists, ErrNotThere, ErrBounds, ErrEpoch, ErrBarred, ErrGenesisTwice,
		ErrNodeReturned, ErrVotersPolicy, ErrLast, ErrKeyReturned, ErrKeyProof, ErrGeneration, ErrNotProposer, ErrGrant, ErrNoGrant,
		ErrSwap, ErrSwapSoon, ErrSwapAgain, ErrOldFormat,
	} {
		out[r.Code] = r
	}
	return out
}()

// ReasonByCode returns the reason of a code that another node sent; an unknown one becomes a reason of its own.
func ReasonByCode(code string) *Reason {
	if r := reasons[code]; r != nil {
		return r
	}
	return &Reason{Code: "unknown", text: "refused for a reason this binary does not know; upgrade"}
}
