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
	Accepted     State = "accepted"
	Declined     State = "declined"
	Closed       State = "closed"
	Withdrawn    State = "withdrawn"
)

// States are all of them.
var States = []State{Open, Acknowledged, Accepted, Declined, Closed, Withdrawn}

// Move names what is done.
type Move string

// The moves.
const (
	Acknowledge Move = "acknowledge"
	Accept      Move = "accept"
	Decline     Move = "decline"
	Transfer    Move = "transfer"
	Note        Move = "note"
	Close       Move = "close"
	Withdraw    Move = "withdraw"
)

// Moves are all of them.
var Moves = []Move{Acknowledge, Accept, Decline, Transfer, Note, Close, Withdraw}
