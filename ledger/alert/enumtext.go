package alert

// The public names of the enumerations, as they stand in JSON and on the command line.

// ParseMediaKind reads the public name, in any case.
func ParseMediaKind(s string) (MediaKind, error) { return numberOf[MediaKind](mediaNames, s) }

func (v MediaKind) String() string { return nameOf(mediaNames, v) }

// MarshalText writes the public name.
func (v MediaKind) MarshalText() ([]byte, error) { return []byte(v.String()), defined(mediaNames, v) }

// UnmarshalText reads the public name.
func (v *MediaKind) UnmarshalText(b []byte) error { return setName(mediaNames, v, b) }

// ParseAIGenerated reads the public name, in any case.
func ParseAIGenerated(s string) (AIGenerated, error) { return numberOf[AIGenerated](aiNames, s) }

func (v AIGenerated) String() string { return nameOf(aiNames, v) }

// MarshalText writes the public name.
func (v AIGenerated) MarshalText() ([]byte, error) { return []byte(v.String()), defined(aiNames, v) }

// UnmarshalText reads the public name.
func (v *AIGenerated) UnmarshalText(b []byte) error { return setName(aiNames, v, b) }

// ParseVictim reads the public name, in any case.
func ParseVictim(s string) (Victim, error) { return numberOf[Victim](victimNames, s) }

func (v Victim) String() string { return nameOf(victimNames, v) }

// MarshalText writes the public name.
func (v Victim) MarshalText() ([]byte, error) { return []byte(v.String()), defined(victimNames, v) }

// UnmarshalText reads the public name.
func (v *Victim) UnmarshalText(b []byte) error { return setName(victimNames, v, b) }

// ParseUrgency reads the public name, in any case.
func ParseUrgency(s string) (Urgency, error) { return numberOf[Urgency](urgencyNames, s) }

func (v Urgency) String() string { return nameOf(urgencyNames, v) }

// MarshalText writes the public name.
func (v Urgency) MarshalText() ([]byte, error) { return []byte(v.String()), defined(urgencyNames, v) }

// UnmarshalText reads the public name.
func (v *Urgency) UnmarshalText(b []byte) error { return setName(urgencyNames, v, b) }

// ParseBasis reads the public name, in any case.
func ParseBasis(s string) (Basis, error) { return numberOf[Basis](basisNames, s) }

func (v Basis) String() string { return nameOf(basisNames, v) }

// MarshalText writes the public name.
func (v Basis) MarshalText() ([]byte, error) { return []byte(v.String()), defined(basisNames, v) }

// UnmarshalText reads the public name.
func (v *Basis) UnmarshalText(b []byte) error { return setName(basisNames, v, b) }

// ParseVerdict reads the public name, in any case.
func ParseVerdict(s string) (Verdict, error) { return numberOf[Verdict](verdictNames, s) }

func (v Verdict) String() string { return nameOf(verdictNames, v) }

// MarshalText writes the public name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), defined(verdictNames, v) }

// UnmarshalText reads the public name.
func (v *Verdict) UnmarshalText(b []byte) error { return setName(verdictNames, v, b) }

// ParseState reads the public name, in any case.
func ParseState(s string) (State, error) { return numberOf[State](stateNames, s) }

func (v State) String() string { return nameOf(stateNames, v) }

// MarshalText writes the public name.
func (v State) MarshalText() ([]byte, error) { return []byte(v.String()), defined(stateNames, v) }

// UnmarshalText reads the public name.
func (v *State) UnmarshalText(b []byte) error { return setName(stateNames, v, b) }

// ParseSetting reads the public name, in any case.
func ParseSetting(s string) (Setting, error) { return numberOf[Setting](settingNames, s) }

func (v Setting) String() string { return nameOf(settingNames, v) }

// ParseReview reads the public name, in any case.
func ParseReview(s string) (Review, error) { return numberOf[Review](reviewNames, s) }

func (v Review) String() string { return nameOf(reviewNames, v) }

// ParseRelation reads the public name, in any case.
func ParseRelation(s string) (Relation, error) { return numberOf[Relation](relationNames, s) }

func (v Relation) String() string { return nameOf(relationNames, v) }
