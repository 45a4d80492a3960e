package api

import "time"

// NewToken is the body of POST /v1/tokens.
type NewToken struct {
	Name string `json:"name" minLength:"1" maxLength:"64"`
	Role string `json:"role" enum:"analyst,lab,liaison,coordinator,support,reporter,screening,auditor,operator"`
	Days int    `json:"days,omitempty" minimum:"1" maximum:"730" doc:"90"`
}

// Token is an API token; Secret is shown once.
type Token struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	Expires time.Time `json:"expires"`
	Revoked bool      `json:"revoked,omitempty"`
	Secret  string    `json:"secret,omitempty"`
}

// NewUser is the body of POST /v1/users.
type NewUser struct {
	Name    string   `json:"name" maxLength:"64" doc:"To sign in with"`
	Display string   `json:"display,omitempty" maxLength:"128" doc:"How the person is shown"`
	Roles   []string `json:"roles" minItems:"1" maxItems:"4"`
	Subject string   `json:"subject,omitempty" maxLength:"512" doc:"Issuer and subject, with a space between, of a person whom the agency's OpenID provider knows"`
	Hours   int      `json:"hours,omitempty" minimum:"1" maximum:"168" doc:"For which the code is valid: 24"`
}

// ChangeUser is the body of POST /v1/users/{id}/change; what is left out stays.
type ChangeUser struct {
	Display *string  `json:"display,omitempty" maxLength:"128"`
	Roles   []string `json:"roles,omitempty" maxItems:"4"`
}

// InviteUser is the body of POST /v1/users/{id}/invitation.
type InviteUser struct {
	Hours int  `json:"hours,omitempty" minimum:"1" maximum:"168"`
	Reset bool `json:"reset,omitempty" doc:"End every way in which the person signs in until now, and their sessions"`
}

// RemoveUser is the body of POST /v1/users/{id}/removal.
type RemoveUser struct {
	Reason string `json:"reason" minLength:"1" maxLength:"512"`
}

// User is a person who may sign in.
type User struct {
	ID      string       `json:"id"`
	Name    string       `json:"name"`
	Display string       `json:"display,omitempty"`
	Roles   []string     `json:"roles"`
	Added   time.Time    `json:"added"`
	Removed bool         `json:"removed,omitempty"`
	Reason  string       `json:"reason,omitempty"`
	SignsIn []Credential `json:"signs_in"`
	Code    string       `json:"code,omitempty" doc:"To enrol by, once; shown this once"`
	Until   *time.Time   `json:"until,omitempty" doc:"To when a code is open"`
}

// Credential is a way to sign in.
type Credential struct {
	Kind  string `json:"kind" doc:"passkey, password, oidc"`
	Label string `json:"label,omitempty"`
}

// SignIn is the body of POST /v1/session.
type SignIn struct {
	Name     string `json:"name" maxLength:"64"`
	Password string `json:"password" maxLength:"256"`
	Cookie   bool   `json:"cookie,omitempty" doc:"Keep the session in a cookie that no script can read, instead of answering its secret"`
}

// Session is who is signed in. Secret is shown once, and goes into 'Authorization: Bearer …'.
type Session struct {
	ID      string     `json:"id" doc:"us_…, tk_… or socket: as it stands in the access log"`
	Name    string     `json:"name"`
	Display string     `json:"display,omitempty"`
	Roles   []string   `json:"roles"`
	Agency  string     `json:"agency"`
	Expires *time.Time `json:"expires,omitempty"`
	Secret  string     `json:"secret,omitempty"`
	// LastEvent is where the event stream stands: who follows from here misses nothing that comes after this answer.
	LastEvent string `json:"last_event,omitempty" doc:"Where the event stream stands: as Last-Event-ID it misses nothing that comes after this answer"`
}

// Ways are those in which people can sign in, beside name and password.
type Ways struct {
	Passkey  bool `json:"passkey"`
	Provider bool `json:"provider" doc:"The agency's own OpenID provider, at /v1/session/provider"`
}

// FirstPerson is the body of POST /v1/first-person.
type FirstPerson struct {
	Code    string `json:"code" maxLength:"64" doc:"As 'vigil serve' printed it"`
	Name    string `json:"name" maxLength:"64" doc:"To sign in with"`
	Display string `json:"display,omitempty" maxLength:"128"`
}

// Ceremony is what a browser needs to ask its person for a passkey.
type Ceremony struct {
	Ceremony string `json:"ceremony"`
	Options  any    `json:"options" doc:"For navigator.credentials.create or get"`
}

// PasskeyAnswer is what the browser answers.
type PasskeyAnswer struct {
	Ceremony string `json:"ceremony" maxLength:"64"`
	Label    string `json:"label,omitempty" maxLength:"64"`
	Answer   any    `json:"answer" doc:"The credential, as its toJSON gives it"`
	Cookie   bool   `json:"cookie,omitempty"`
}

// Enrol is the body of POST /v1/enrolment/password.
type Enrol struct {
	Code     string `json:"code" maxLength:"64"`
	Password string `json:"password,omitempty" maxLength:"256"`
}

// Consent is a request for a second person's agreement.
type Consent struct {
	ID        string     `json:"id"`
	Act       string     `json:"act"`
	Operation string     `json:"operation" doc:"What would be done"`
	By        string     `json:"by"`
	Reason    string     `json:"reason,omitempty"`
	Asked     time.Time  `json:"asked"`
	State     string     `json:"state" doc:"waiting, granted, refused"`
	Answered  string     `json:"answered,omitempty" doc:"By whom"`
	Because   string     `json:"because,omitempty"`
	Until     *time.Time `json:"until,omitempty" doc:"To when it can be done"`
	Done      bool       `json:"done,omitempty" doc:"It was written; not said of acts on people and tokens"`
}

// ConsentPage is one page, the latest first.
type ConsentPage struct {
	Consents []Consent `json:"consents"`
	Next     int64     `json:"next,omitempty"`
}

// AnswerConsent is the body of POST /v1/consents/{id}/answer.
type AnswerConsent struct {
	Grant  bool   `json:"grant"`
	Reason string `json:"reason,omitempty" maxLength:"1024" doc:"Required for a refusal"`
}
