package ledger

import "time"

// Bounds on everything that comes from outside. A value over its bound is refused, never cut.
const (
	maxNameBytes = 32 // one half of an agency id

	// MaxLeafBytes keeps a leaf within a C2SP entry bundle (uint16 length).
	MaxLeafBytes = 65535
	// MaxPayloadBytes bounds a stored payload: 1 MiB of plaintext, the salts and hashes where it is carried, its padding, recipients and framing.
	MaxPayloadBytes = 1<<20 + 384<<10
	// MaxPlaintextBytes bounds what is inside a sealed payload, padding included.
	MaxPlaintextBytes = 1<<20 + 256<<10
	// MaxEvents and MaxEntryLeaves bound the events of one entry and the rows of all of them together.
	MaxEvents      = 10_000
	MaxEntryLeaves = 10_000
	maxEventType   = 64
	// MaxAudiences bounds the audiences one entry is sealed to.
	MaxAudiences = 16
	// MaxAgencies bounds a roster; MaxNamedAudiences its named audiences; MaxPartners the linked jurisdictions.
	MaxAgencies       = 256
	MaxNamedAudiences = 64
	MaxPartners       = 64
	// MaxGrants bounds the grants that wait for their keys, MaxGrantEpochs the epochs of one.
	MaxGrants      = 64
	MaxGrantEpochs = 256
	// MaxApproved bounds the decided releases and expungements that the state remembers: the oldest give way.
	MaxApproved = 64
	// maxPolicySections and maxSectionBytes bound what nouns have in the policy.
	maxPolicySections = 16
	maxSectionBytes   = 16 << 10
	// SwapEvery is the time, by their authors' clocks, that lies between two swaps of a voter.
	SwapEvery = 24 * time.Hour
	// MaxMirrorBytes and MaxMirrorItems bound one mirror batch.
	MaxMirrorBytes = 4 << 20
	MaxMirrorItems = 16_384
	// MaxCheckpointBytes and maxSignatureLines bound a signed checkpoint.
	MaxCheckpointBytes = 128 << 10
	maxSignatureLines  = 512
	// maxApprovals bounds the approvals kept of one member outside the ledger.
	maxApprovals = 16
)
