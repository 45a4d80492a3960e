package console

import "time"

const (
	maxFormBytes = 1 << 20
	maxBulk      = 100  // alerts that one action is taken on
	maxLines     = 1000 // of hashes looked up at once
	maxNextBytes = 512  // of an address to go back to
	maxWordBytes = 256  // of purpose and case
	listed       = 50   // rows of a list
	boarded      = 200  // referrals on a board
	shortList    = 8    // rows of a list among others
	longText     = 24   // from which what was written is shown to whoever was refused
	smallBytes   = 1024 // under which an answer is not compressed

	urgentAge = 7 * 24 * time.Hour // of an alert in which a child is at immediate risk, while it stands before everything else
	answerAge = 7 * 24 * time.Hour // of what a second person answered, to whoever asked
	lookAge   = 365 * 24 * time.Hour
	assetAge  = 365 * 24 * time.Hour
	// pollEvery is how often a page looks for news for roles that follow no event stream.
	pollEvery = 15 * time.Second
	// lookEvery is how often a page about the network itself does.
	lookEvery = 5 * time.Second
)
