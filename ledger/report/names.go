package report

// Kind says what happened. The names follow those of the NCMEC CyberTipline, so that nothing is lost on the way in.
type Kind = string

// The kinds.
const (
	Material    Kind = "abuse-material"   // possession, manufacture and distribution
	Trafficking Kind = "trafficking"      // child sex trafficking
	Travel      Kind = "travel"           // child sex tourism
	Contact     Kind = "contact-abuse"    // child sexual molestation
	Enticement  Kind = "enticement"       // online enticement of children for sexual acts
	Unsolicited Kind = "unsolicited"      // unsolicited obscene material sent to a child
	Domain      Kind = "misleading-name"  // misleading domain name
	Misleading  Kind = "misleading-words" // misleading words or digital images
)

// Kinds are all of them.
var Kinds = []Kind{Material, Trafficking, Travel, Contact, Enticement, Unsolicited, Domain, Misleading}

// Priority is a signal that moves a report up or down the queue.
type Priority = string

// The priority signals.
const (
	ImmediateRisk Priority = "child-at-immediate-risk"
	Livestream    Priority = "livestream"
	MinorToMinor  Priority = "minor-to-minor"
	Sadistic      Priority = "sadistic-online-exploitation"
	Sextortion    Priority = "sextortion"
	Solicitation  Priority = "solicitation"
	Spam          Priority = "spam"
	ViralBatch    Priority = "viral-batch" // one file that very many pass on, mostly without intent
)

// Priorities are all of them, sorted.
var Priorities = []Priority{ImmediateRisk, Livestream, MinorToMinor, Sadistic, Sextortion, Solicitation, Spam, ViralBatch}

// Role says what part a pointer's owner plays.
type Role = string

// The roles.
const (
	Reported  Role = "reported"
	Recipient Role = "recipient" // whom it was meant for
	Child     Role = "child"
)

// Roles are all of them.
var Roles = []Role{Reported, Recipient, Child}

// PointerKind says how a value points at somebody.
type PointerKind = string

// The kinds of pointers.
const (
	Account    PointerKind = "account" // the platform's own number for a user
	ScreenName PointerKind = "screen-name"
	Email      PointerKind = "email"
	Phone      PointerKind = "phone" // E.164: + and digits
	Device     PointerKind = "device"
	Wallet     PointerKind = "wallet"
	Address    PointerKind = "ip"
	Profile    PointerKind = "url" // http or https
)

// PointerKinds are all of them.
var PointerKinds = []PointerKind{Account, ScreenName, Email, Phone, Device, Wallet, Address, Profile}

// Answer is yes, no, or nothing where it was not stated.
type Answer = string

// The answers.
const (
	NotStated Answer = ""
	Yes       Answer = "yes"
	No        Answer = "no"
)

// Answers are all of them.
var Answers = []Answer{NotStated, Yes, No}

// Label is what a platform says of a file beside its classification; the words are those of the NCMEC CyberTipline.
type Label = string

// Labels are all of them, sorted.
var Labels = []Label{
	"bestiality", "drawing", "infant", "livestream", "physical-harm", "possible-meme", "possible-self-production", "violence", "viral",
}

// Move names what the desk does.
type Move = string

// The moves.
const (
	Claim    Move = "claim"
	Assign   Move = "assign"
	Release  Move = "release"
	Conclude Move = "conclude"
	Tell     Move = "tell" // another outcome, learnt later
	Reopen   Move = "reopen"
)

// Moves are all of them.
var Moves = []Move{Claim, Assign, Release, Conclude, Tell, Reopen}

// State is where a report stands at the desk.
type State = string

// The states.
const (
	Waiting   State = "waiting"
	Claimed   State = "claimed"
	Concluded State = "concluded"
)

// States are all of them.
var States = []State{Waiting, Claimed, Concluded}

// Outcome is what became of a report.
type Outcome = string

// The outcomes.
const (
	Actioned         Outcome = "actioned" // an alert was raised or a referral opened
	Known            Outcome = "known"    // the material is known, and the case is in hand
	Duplicate        Outcome = "duplicate"
	NotActionable    Outcome = "not-actionable"
	ChildSafeguarded Outcome = "child-safeguarded"
	NothingFurther   Outcome = "no-further-action"
)

// Outcomes are all of them.
var Outcomes = []Outcome{Actioned, Known, Duplicate, NotActionable, ChildSafeguarded, NothingFurther}
