package alert

import "vigil/ledger/noun"

// MediaKind is what the file is.
type MediaKind uint8

// The kinds of media.
const (
	UnknownMedia MediaKind = 0
	Image        MediaKind = 1
	Video        MediaKind = 2
	Audio        MediaKind = 3
	Text         MediaKind = 4
	OtherMedia   MediaKind = 5
)

// AIGenerated says whether the material was made by a machine. It never lowers an alert's standing.
type AIGenerated uint8

// How much of the material is generated.
const (
	UnknownAI AIGenerated = 0
	NoAI      AIGenerated = 1
	PartlyAI  AIGenerated = 2
	FullyAI   AIGenerated = 3
)

// Victim says whether the child is known.
type Victim uint8

// What is known of the victim.
const (
	UnknownVictim      Victim = 0
	IdentifiedVictim   Victim = 1
	UnidentifiedVictim Victim = 2
)

// Urgency says how fast a reader must act.
type Urgency uint8

// The urgencies.
const (
	Routine       Urgency = 0
	Priority      Urgency = 1
	ImmediateRisk Urgency = 2 // a child is at immediate risk
)

// Basis says what an alert or an assessment rests on.
type Basis uint8

// The bases.
const (
	NotStated      Basis = 0
	Examined       Basis = 1 // a trained examiner of this agency has judged the material
	Investigation  Basis = 2 // found in an investigation, not yet examined
	PlatformReport Basis = 3
	PartnerList    Basis = 4 // taken from a list of another body, named in the source reference
	VictimReport   Basis = 5
	Automatic      Basis = 6 // a classifier's or matcher's result, seen by no examiner
)

var (
	mediaNames   = []string{"unknown", "image", "video", "audio", "text", "other"}
	aiNames      = []string{"unknown", "no", "partly", "fully"}
	victimNames  = []string{"unknown", "identified", "unidentified"}
	urgencyNames = []string{"routine", "priority", "child-at-immediate-risk"}
	basisNames   = []string{"not-stated", "examined", "investigation", "platform-report", "partner-list", "victim-report", "automatic"}
)

// Details is everything an alert says beside its fingerprints; the rows of a list share it.
type Details struct {
	_               struct{} `cbor:",toarray"`
	Media           MediaKind
	Classifications []Classification // sorted by scheme and value, none twice
	AIGenerated     AIGenerated
	Victim          Victim
	Urgency         Urgency
	Handling        Handling
	Basis           Basis
	Source          string // optional: the source's own reference, beginning with the name of the body; never a path
	Series          string // optional: the name of a known series
	Title           string // optional, one line
	Notes           string // optional
	Exercise        bool   // never mixes with casework
}

// Normal returns the details with their lists in canonical order, each item once.
func (d Details) Normal() Details {
	d.Classifications = sortedSet(d.Classifications, compareClassifications)
	d.Handling = d.Handling.normal()
	return d
}

// decided returns a command's details as an event carries them, or why it cannot.
func (d Details) decided() (Details, error) {
	classes, err := classified(d.Classifications)
	d.Classifications = classes
	return d.Normal(), err
}

// Validate accepts details in canonical form within their bounds.
func (d Details) Validate() error {
	return noun.First(
		noun.At("media", defined(mediaNames, d.Media)),
		validClassifications(d.Classifications),
		noun.At("ai_generated", defined(aiNames, d.AIGenerated)),
		noun.At("victim", defined(victimNames, d.Victim)),
		noun.At("urgency", defined(urgencyNames, d.Urgency)),
		noun.At("handling", d.Handling.Validate()),
		noun.At("basis", defined(basisNames, d.Basis)),
		noun.At("source", noun.Line(d.Source, MaxSourceBytes)),
		noun.At("series", noun.Line(d.Series, MaxSeriesBytes)),
		noun.At("title", noun.Line(d.Title, MaxTitleBytes)),
		noun.At("notes", noun.Prose(d.Notes, MaxNotesBytes)),
	)
}
