package referral

// Kind says what is asked for.
type Kind string

// The kinds.
const (
	Investigation Kind = "investigation"
	VictimSupport Kind = "victim-support"
	TakeDown      Kind = "take-down"
	Registry      Kind = "registry-notice"
	LegalAid      Kind = "mutual-legal-assistance"
	Information   Kind = "information"
)

// Kinds are all of them.
var Kinds = []Kind{Investigation, VictimSupport, TakeDown, Registry, LegalAid, Information}

// Urgencies, the least urgent first; the words are those of alerts.
var Urgencies = []string{"routine", "priority", "child-at-immediate-risk"}

// State is where a referral stands.
type State string

// The states.
const (
	Open         State = "open"
	Acknowledged State = "acknowledged"
	Handover     State = "handover" // accepted abroad; the holder has not released it yet
	Accepted     State = "accepted"
	Declined     State = "declined"
	Closed       State = "closed"
	Withdrawn    State = "withdrawn"
)

// States are all of them.
var States = []State{Open, Acknowledged, Handover, Accepted, Declined, Closed, Withdrawn}

// Move names what is done.
type Move string

// The moves.
const (
	Acknowledge Move = "acknowledge"
	Accept      Move = "accept"
	Release     Move = "release"
	Decline     Move = "decline"
	Transfer    Move = "transfer"
	Revoke      Move = "revoke"
	Note        Move = "note"
	Pause       Move = "pause"
	Resume      Move = "resume"
	Close       Move = "close"
	Withdraw    Move = "withdraw"
)

// Moves are all of them.
var Moves = []Move{Acknowledge, Accept, Release, Decline, Transfer, Revoke, Note, Pause, Resume, Close, Withdraw}

// steps says whether a move, when it takes effect, makes the next step.
func (m Move) steps() bool { return m != Note && m != Pause && m != Resume }

// Stage is what a deadline waits for.
type Stage string

// The stages.
const (
	ToAcknowledge Stage = "acknowledge" // from an offer until it is known to be seen
	ToAccept      Stage = "accept"      // from an offer until it is answered, and abroad released
	ToOutcome     Stage = "outcome"     // from the first acceptance until it is closed
)

// Stages are all of them.
var Stages = []Stage{ToAcknowledge, ToAccept, ToOutcome}
