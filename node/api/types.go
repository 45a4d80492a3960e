package api

import "time"

// The shapes on the wire, shared by server and client. Times are RFC 3339 UTC; hashes and ids are lower-case hex unless said
// otherwise; an alert id is "al_<32 hex>" or, for a row of a list, "al_<32 hex>.<row>".

// Signal is one fingerprint: the algorithm's name and its value as text (hex; base64 for photodna).
type Signal struct {
	Algorithm string `json:"alg" enum:"md5,sha1,sha256,pdq,photodna,tmk,vpdq-frame" doc:"Hash algorithm"`
	Value     string `json:"value" maxLength:"2048" doc:"The hash: hex, or base64 for photodna and tmk"`
	Quality   *int   `json:"quality,omitempty" minimum:"0" maximum:"100" doc:"PDQ quality"`
}

// Handling says who may do what with an alert.
type Handling struct {
	TLP      string   `json:"tlp" enum:"clear,green,amber,amber+strict,red"`
	Releases []string `json:"releases,omitempty" maxItems:"16" doc:"Jurisdictions or agencies it may be released to"`
	Caveats  []string `json:"caveats,omitempty" maxItems:"16"`
}

// AlertFacts is what an author states about one alert, signals apart.
type AlertFacts struct {
	Title           string           `json:"title,omitempty" maxLength:"256"`
	Media           string           `json:"media,omitempty" enum:"image,video,audio,text,other,unknown"`
	Classifications []Classification `json:"classifications,omitempty" maxItems:"16"`
	AIGenerated     string           `json:"ai_generated,omitempty" enum:"no,partly,fully,unknown"`
	Victim          string           `json:"victim,omitempty" enum:"identified,unidentified,unknown"`
	Urgency         string           `json:"urgency,omitempty" enum:"routine,priority,child-at-immediate-risk"`
	Handling        *Handling        `json:"handling,omitempty"`
	Basis           string           `json:"basis,omitempty" enum:"not-stated,examined,investigation,platform-report,partner-list,victim-report,automatic" doc:"What it rests on"`
	Source          string           `json:"source,omitempty" maxLength:"256" doc:"The source's own reference, beginning with the name of the body"`
	Series          string           `json:"series,omitempty" maxLength:"128" doc:"Name of a known series"`
	Notes           string           `json:"notes,omitempty" maxLength:"4096"`
	Exercise        bool             `json:"exercise,omitempty"`
}

// RaiseAlert is the body of POST /v1/alerts.
type RaiseAlert struct {
	AlertFacts
	Signals []Signal `json:"signals" minItems:"1" maxItems:"16"`
	// Audience names who can open it: "in/*" by default, "uk/*", an agency id.
	Audience []string `json:"audience,omitempty" maxItems:"16"`
	// KnowingBenign raises it although a signal is on the known-benign list: it is shown with the conflict, and not acted on.
	KnowingBenign bool `json:"knowing_benign,omitempty"`
}

// RaiseList is the body of POST /v1/alerts/batch: many alerts that share everything but their signals.
type RaiseList struct {
	AlertFacts
	Audience []string `json:"audience,omitempty" maxItems:"16"`
	// Rows hold the signals of one alert each.
	Rows [][]Signal `json:"rows" minItems:"1" maxItems:"10000"`
	// Atomic refuses the whole batch when one row is bad; otherwise the good rows are committed.
	Atomic bool `json:"atomic,omitempty"`
}

// RowVerdict says what became of one row of a batch.
type RowVerdict struct {
	Row   int    `json:"row" doc:"0-based"`
	Alert string `json:"alert,omitempty"`
	Error string `json:"error,omitempty"`
}

// Written is the answer to a write: where it was committed. Sealed is set once a checkpoint with enough cosignatures covers it.
type Written struct {
	ID        string        `json:"id" doc:"Alert or event id"`
	Ledger    string        `json:"ledger" doc:"Origin"`
	Index     uint64        `json:"index"`
	Leaf      string        `json:"leaf" doc:"RFC 6962 leaf hash, base64"`
	State     string        `json:"state" enum:"committed,sealed"`
	Committed time.Time     `json:"committed"`
	Repeated  bool          `json:"repeated,omitempty" doc:"This is the first answer again"`
	Receipt   []byte        `json:"receipt,omitempty" doc:"Signed receipt, CBOR"`
	Rows      []RowVerdict  `json:"rows,omitempty" doc:"Bad rows of a batch; all rows when asked for"`
	Accepted  int           `json:"accepted,omitempty" doc:"Rows committed"`
	Refused   int           `json:"refused,omitempty" doc:"Rows refused"`
	Took      time.Duration `json:"-"`
}

// Alert is one alert as this agency sees it.
type Alert struct {
	ID       string    `json:"id"`
	Author   string    `json:"author"`
	Ledger   string    `json:"ledger"`
	Index    uint64    `json:"index"`
	Position uint32    `json:"position"`
	Authored time.Time `json:"authored" doc:"The author's word"`
	// NoLaterThan is when enough members had signed a checkpoint that covers it.
	NoLaterThan *time.Time `json:"no_later_than,omitempty"`
	Sealed      bool       `json:"sealed"`
	Standing    string     `json:"standing" enum:"asserted,corroborated,disputed,retracted"`
	Signals     []Signal   `json:"signals"`
	Audience    []string   `json:"audience,omitempty"`
	AlertJudged
	AlertFacts
	Timeline []AlertEvent `json:"timeline,omitempty" doc:"Only on a single alert"`
	AlertDetail
}

// AlertEvent is one event of an alert's time line.
type AlertEvent struct {
	Type     string    `json:"type" doc:"alert.raised, alert.listed, alert.assessed, alert.retracted"`
	Author   string    `json:"author"`
	Ledger   string    `json:"ledger"`
	Index    uint64    `json:"index"`
	Authored time.Time `json:"authored"`
	Verdict  string    `json:"verdict,omitempty" doc:"confirms, disputes, withdraws"`
	Reason   string    `json:"reason,omitempty"`
	Effect   string    `json:"effect,omitempty" doc:"Empty, or why it has none"`
	// Replacement is the alert that a correction puts in this one's place.
	Replacement string `json:"replacement,omitempty"`
	// Other is the alert that a link is about.
	Other    string `json:"other,omitempty"`
	Relation string `json:"relation,omitempty" doc:"near-duplicate, same-series"`
}

// AlertPage is one page of alerts.
type AlertPage struct {
	Alerts []Alert `json:"alerts"`
	Next   string  `json:"next_cursor,omitempty"`
	// StaleFor is how long this node has had no leader, in seconds; 0 when current.
	StaleFor float64 `json:"stale_for,omitempty"`
}

// Assess is the body of POST /v1/alerts/{id}/assessments.
type Assess struct {
	Verdict         string           `json:"verdict" enum:"confirms,disputes,withdraws"`
	Basis           string           `json:"basis,omitempty" enum:"not-stated,examined,investigation,platform-report,partner-list,victim-report,automatic" doc:"What it rests on: what only repeats a list or a report does not corroborate"`
	Source          string           `json:"source,omitempty" maxLength:"256" doc:"The source's own reference, beginning with the name of the body"`
	Classifications []Classification `json:"classifications,omitempty" maxItems:"16"`
	Reason          string           `json:"reason,omitempty" maxLength:"1024"`
}

// Retract is the body of POST /v1/alerts/{id}/retraction.
type Retract struct {
	Reason string `json:"reason" minLength:"1" maxLength:"1024"`
	// Replacement makes it a correction: raise the right alert first, then name it here.
	Replacement string `json:"replacement,omitempty" maxLength:"64" doc:"Id of the alert that stands in its place, or a unique prefix of it"`
}

// LookUp is the body of POST /v1/lookup.
type LookUp struct {
	Signals []Signal `json:"signals" minItems:"1" maxItems:"1000"`
	// Exercise asks for exercises instead of casework.
	Exercise bool `json:"exercise,omitempty"`
}

// LookUpAnswer answers each signal in order.
type LookUpAnswer struct {
	Results []LookUpResult `json:"results"`
}

// LookUpResult holds the alerts that carry the signal. A platform is answered with those that are acted on.
type LookUpResult struct {
	Signal Signal  `json:"signal"`
	Alerts []Alert `json:"alerts"`
	// Actionable says that at least one of the alerts is acted on. An alert that is not says why.
	Actionable bool `json:"actionable"`
	// Benign are declarations that the signal is benign.
	Benign []BenignNote `json:"benign,omitempty"`
}

// Change is one event of GET /v1/events: something on the board changed.
type Change struct {
	ID       string    `json:"id" doc:"As Last-Event-ID: what comes after it"`
	Sequence uint64    `json:"seq" doc:"On this making of the board: one that is built anew begins anew"`
	Kind     string    `json:"kind" doc:"alert.raised, alert.assessed, …"`
	Object   string    `json:"object"`
	Ledger   string    `json:"ledger"`
	Index    uint64    `json:"index"`
	At       time.Time `json:"at" doc:"When this node had it"`
	Exercise bool      `json:"exercise,omitempty"`
	Urgency  string    `json:"urgency"`
}

// Status is the node at a glance, problems first.
type Status struct {
	Problems []NodeProblem   `json:"problems"`
	Agency   string          `json:"agency"`
	Node     string          `json:"node"`
	Version  string          `json:"version"`
	Format   uint64          `json:"format" doc:"The highest format of a ledger that this node's binary knows"`
	Ready    bool            `json:"ready"`
	Role     string          `json:"role" doc:"leader, voter, non-voter, waiting to be admitted"`
	Leader   string          `json:"leader,omitempty" doc:"Agency whose node leads"`
	Ledgers  []LedgerStatus  `json:"ledgers"`
	Nodes    []NodeStatus    `json:"nodes"`
	Partners []PartnerStatus `json:"partners"`
	Backup   *BackupStatus   `json:"backup,omitempty" doc:"The last backup of this node that was read back"`
}

// BackupStatus is a backup that was made.
type BackupStatus struct {
	Made    time.Time `json:"made"`
	Entries uint64    `json:"entries" doc:"Of our ledger, from the first on"`
}

// NodeProblem is something wrong and the command that mends it.
type NodeProblem struct {
	Severity string `json:"severity" enum:"warning,failure"`
	What     string `json:"what"`
	Fix      string `json:"fix,omitempty"`
}

// LedgerStatus is our own ledger or the mirror of a partner's.
type LedgerStatus struct {
	Origin      string     `json:"origin"`
	Own         bool       `json:"own"`
	Size        uint64     `json:"size"`
	Root        string     `json:"root" doc:"base64"`
	Sealed      uint64     `json:"sealed" doc:"Size of the newest checkpoint that counts"`
	SealedAt    *time.Time `json:"sealed_at,omitempty"`
	Cosigners   []string   `json:"cosigners" doc:"Agencies that cosigned it"`
	Board       uint64     `json:"board" doc:"Entries the board has followed"`
	Closed      uint64     `json:"closed,omitempty" doc:"Size at which it ended, where another ledger continues it"`
	Format      uint64     `json:"format"`
	RosterEpoch uint64     `json:"roster_version"`
}

// NodeStatus is one node of the jurisdiction as this node last heard it.
type NodeStatus struct {
	Agency  string  `json:"agency"`
	Node    string  `json:"node"`
	Address string  `json:"address"`
	Voter   bool    `json:"voter"`
	Leader  bool    `json:"leader"`
	Heard   float64 `json:"heard" doc:"Seconds since it was last heard; -1 never"`
	Size    uint64  `json:"size"`
	Clock   float64 `json:"clock" doc:"Seconds its clock is ahead of ours"`
}

// PartnerStatus is a linked jurisdiction.
type PartnerStatus struct {
	Origin    string     `json:"origin"`
	Suspended bool       `json:"suspended,omitempty"`
	Mirrored  uint64     `json:"mirrored" doc:"Entries of theirs verified and committed here"`
	Known     uint64     `json:"known" doc:"Their size as last announced"`
	Released  uint64     `json:"released" doc:"Entries of ours released to them"`
	Gateway   string     `json:"gateway,omitempty" doc:"The gateway we follow"`
	Progress  *time.Time `json:"progress,omitempty"`
	Error     string     `json:"error,omitempty"`
	Agencies  []string   `json:"agencies,omitempty"`
	Audiences []string   `json:"audiences,omitempty"`
}

// Agency is one member.
type Agency struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Fingerprint string   `json:"fingerprint"`
	Node        string   `json:"node"`
	Address     string   `json:"address"`
	Voter       bool     `json:"voter"`
	Audiences   []string `json:"audiences"`
	Joined      uint64   `json:"joined" doc:"Index of the entry that admitted it"`
}

// Agencies is the roster.
type Agencies struct {
	Origin    string     `json:"origin"`
	Version   uint64     `json:"version"`
	Threshold int        `json:"threshold" doc:"Approvals a change needs"`
	Agencies  []Agency   `json:"agencies"`
	Proposals []Proposal `json:"proposals"`
	Audiences []Audience `json:"audiences"`
}

// Audience is a named set with its epoch.
type Audience struct {
	Name    string   `json:"name"`
	Epoch   uint64   `json:"epoch"`
	Stale   bool     `json:"stale,omitempty"`
	Members []string `json:"members"`
}

// Proposal is an open change of the roster.
type Proposal struct {
	ID          string   `json:"id" doc:"Leaf hash of the proposal, hex"`
	Author      string   `json:"author"`
	Change      string   `json:"change" doc:"admit, remove, link, …"`
	Subject     string   `json:"subject"`
	Fingerprint string   `json:"fingerprint,omitempty" doc:"Of the key that is to be trusted: compare it by telephone"`
	Approvals   []string `json:"approvals"`
	Needs       int      `json:"needs"`
	Text        string   `json:"text" doc:"What approving it does, in a sentence"`
	Outside     bool     `json:"outside,omitempty" doc:"Its author gave it and the ledger does not have it: the leader may be withholding it"`
}

// Removal is the body of POST /v1/removals.
type Removal struct {
	Agency string `json:"agency" maxLength:"65" doc:"Id of the agency that is to leave"`
}

// Format is the body of POST /v1/format.
type Format struct {
	Format uint64 `json:"format" minimum:"2" maximum:"1000" doc:"The next one"`
}

// Rotation is the answer to POST /v1/keys: the proposal that the others approve.
type Rotation struct {
	Written
	Fingerprint string `json:"fingerprint" doc:"Of the new key: read it to those who approve"`
}

// Key is one of this agency's keys.
type Key struct {
	Fingerprint string    `json:"fingerprint"`
	Generation  uint64    `json:"generation,omitempty"`
	Suite       string    `json:"suite"`
	State       string    `json:"state" doc:"in force, waiting for approvals, former, …"`
	Created     time.Time `json:"created"`
}

// Invite is the body of POST /v1/invitations.
type Invite struct {
	Agency string `json:"agency" doc:"Id of the agency that is to join, such as in/mh-cyber"`
	Hours  int    `json:"hours,omitempty" minimum:"1" maximum:"720" doc:"How long the invitation is valid; 24"`
	// Audiences it is admitted to: everyone where none is named; "none" for a support body or a platform.
	Audiences []string `json:"audiences,omitempty" maxItems:"64"`
}

// SetAudience is the body of POST /v1/audiences.
type SetAudience struct {
	Name    string   `json:"name" maxLength:"65" doc:"Such as in/@desk"`
	Members []string `json:"members" minItems:"1" maxItems:"256" doc:"All of them, also those that are in it already"`
}

// Grant is the body of POST /v1/grants.
type Grant struct {
	Agency   string `json:"agency" maxLength:"65" doc:"Who is to read the past"`
	Audience string `json:"audience" maxLength:"65"`
	First    uint64 `json:"first,omitempty" doc:"First epoch; 1"`
	Last     uint64 `json:"last,omitempty" doc:"Last epoch; the one in force"`
}

// Invitation is shown once.
type Invitation struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// Link is the body of POST /v1/partners: a partner's card as its file holds it.
type Link struct {
	Card []byte `json:"card" doc:"The partner's card, base64"`
}

// Card is our own card.
type Card struct {
	Card        []byte `json:"card"`
	Origin      string `json:"origin"`
	Fingerprint string `json:"fingerprint" doc:"SHA-256 of the card, hex: compare it by telephone"`
}

// Entry is one entry of a ledger as this agency can see it.
type Entry struct {
	Ledger   string    `json:"ledger"`
	Index    uint64    `json:"index"`
	Bare     bool      `json:"bare,omitempty" doc:"Only its hash is here"`
	Leaf     string    `json:"leaf" doc:"RFC 6962 leaf hash, base64"`
	Kind     string    `json:"kind,omitempty" doc:"sealed, governance, expungement, release"`
	Author   string    `json:"author,omitempty"`
	Writer   string    `json:"writer,omitempty"`
	Sequence uint64    `json:"sequence,omitempty"`
	Authored time.Time `json:"authored,omitzero"`
	Audience []string  `json:"audience,omitempty"`
	Target   *uint64   `json:"target,omitempty" doc:"Of a release or an expungement: the entry that it names"`
	Bytes    uint64    `json:"bytes,omitempty"`
	Events   []any     `json:"events,omitempty" doc:"Opened events, for roles that read content"`
	Note     string    `json:"note,omitempty" doc:"Why nothing is shown"`
}

// Proof is an inclusion proof of one entry in a signed checkpoint.
type Proof struct {
	Index      uint64   `json:"index"`
	Size       uint64   `json:"size"`
	Leaf       string   `json:"leaf" doc:"base64"`
	Path       []string `json:"path" doc:"base64, RFC 6962 order"`
	Checkpoint string   `json:"checkpoint" doc:"Signed checkpoint (C2SP)"`
}

// VerifyLine is one line of POST /v1/ledger/verify (NDJSON): progress, a finding, or the result (the last).
type VerifyLine struct {
	Ledger   string `json:"ledger"`
	Done     uint64 `json:"done"`
	Size     uint64 `json:"size"`
	Finding  string `json:"finding,omitempty"`
	Index    uint64 `json:"index,omitempty"`
	Finished bool   `json:"finished,omitempty"`
	OK       bool   `json:"ok,omitempty"`
}

// ScrubLine is one line of POST /v1/ledger/scrub (NDJSON): progress in a part of the disk, something damaged, or the result (the
// last).
type ScrubLine struct {
	Part     string `json:"part,omitempty"`
	Bytes    uint64 `json:"bytes,omitempty" doc:"Read of the part so far"`
	Size     uint64 `json:"size,omitempty" doc:"About what it has"`
	Damage   string `json:"damage,omitempty"`
	Repaired string `json:"repaired,omitempty" doc:"How it was mended; empty: it was not"`
	Fix      string `json:"fix,omitempty" doc:"What mends it, where that was not done"`
	Finished bool   `json:"finished,omitempty"`
	Found    int    `json:"found,omitempty"`
	Mended   int    `json:"mended,omitempty"`
}

// AccessRecord is one read of content.
type AccessRecord struct {
	Index   uint64    `json:"index"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor" doc:"Token id, or socket"`
	Role    string    `json:"role"`
	Verb    string    `json:"verb"`
	Objects []string  `json:"objects,omitempty" doc:"The first sixteen"`
	Count   uint64    `json:"count" doc:"How many objects there were"`
	Purpose string    `json:"purpose,omitempty"`
	Case    string    `json:"case,omitempty"`
	Outcome string    `json:"outcome" doc:"answered, refused"`
	Reason  string    `json:"reason,omitempty"`
}

// AccessPage is one page of the access log, newest first.
type AccessPage struct {
	Records []AccessRecord `json:"records"`
	Next    uint64         `json:"next,omitempty" doc:"Continues as before; absent where there is nothing older"`
}

// AccessReport says whether the access log is what was written.
type AccessReport struct {
	OK         bool     `json:"ok"`
	Log        string   `json:"log"`
	Size       uint64   `json:"size"`
	Root       string   `json:"root" doc:"base64"`
	Segments   int      `json:"segments" doc:"Closed"`
	Unanchored int      `json:"unanchored" doc:"Of them, not in the ledger yet"`
	Others     []string `json:"others,omitempty" doc:"Earlier logs of this agency that the ledger bears witness for"`
	Faults     []string `json:"faults,omitempty"`
}
