package account

import (
	"errors"
	"strings"

	"vigil/ledger/noun"
)

// Bounds.
const (
	maxNameBytes    = 64
	maxDisplayBytes = 128
	maxReasonBytes  = 512
	maxSubjectBytes = 512
	maxIDBytes      = 1024
	maxDataBytes    = 8 << 10
	// MaxCredentials bounds the ways in which one person signs in.
	MaxCredentials = 16
)

// Why an account is not acceptable.
var (
	ErrName            = errors.New("a name is 1 to 64 of a-z 0-9 . - _, beginning with a letter")
	ErrAuditorAlone    = errors.New("an auditor has no other role")
	ErrOperatorContent = errors.New("an operator reads no content: give the other roles to another person")
)

// What the types of events and ids begin with.
const (
	UserTypes  = "user."
	UserIDs    = "us_"
	TokenTypes = "token."
	TokenIDs   = "tk_"
)

// Types of events.
const (
	TypeAdded     = "user.added"
	TypeInvited   = "user.invited"
	TypeChanged   = "user.changed"
	TypeEnrolled  = "user.enrolled"
	TypeWithdrawn = "user.withdrawn"
	TypeRemoved   = "user.removed"
	TypeIssued    = "token.issued"
	TypeRevoked   = "token.revoked"
	TypeMade      = "token.made"
)

// UserCodec and TokenCodec read and write the events.
var (
	UserCodec = noun.Codec[noun.Fact]{Fresh: map[string]func() noun.Fact{
		TypeAdded:     func() noun.Fact { return &Added{} },
		TypeInvited:   func() noun.Fact { return &Invited{} },
		TypeChanged:   func() noun.Fact { return &Changed{} },
		TypeEnrolled:  func() noun.Fact { return &Enrolled{} },
		TypeWithdrawn: func() noun.Fact { return &Withdrawn{} },
		TypeRemoved:   func() noun.Fact { return &Removed{} },
	}}
	TokenCodec = noun.Codec[noun.Fact]{Fresh: map[string]func() noun.Fact{
		TypeIssued:  func() noun.Fact { return &Issued{} },
		TypeRevoked: func() noun.Fact { return &Revoked{} },
		TypeMade:    func() noun.Fact { return &Made{} },
	}}
)

// Code is a secret that lets a person enrol a way to sign in, once.
type Code struct {
	_     struct{} `cbor:",toarray"`
	Hash  [32]byte // SHA-256 of the code; zero where there is none
	Until int64    // seconds since 1970
}

// Kind is a way to sign in.
type Kind string

// The kinds of credentials.
const (
	Passkey  Kind = "passkey"
	Password Kind = "password"
	Provider Kind = "oidc"
)

// Credential is one way to sign in.
type Credential struct {
	_     struct{} `cbor:",toarray"`
	Kind  Kind
	ID    []byte // of a passkey its credential id; of a provider "issuer subject"; of a password empty: there is one
	Data  []byte // of a passkey the WebAuthn credential record; of a password its Argon2id hash, as a PHC string
	Label string // what the person calls it
}

func (c *Credential) validate() error {
	if err := noun.OneOf([]Kind{Passkey, Password, Provider}, c.Kind); err != nil {
		return noun.At("kind", err)
	}
	if len(c.ID) > maxIDBytes || (len(c.ID) == 0) != (c.Kind == Password) {
		return noun.At("id", noun.ErrCount)
	}
	if len(c.Data) > maxDataBytes || (len(c.Data) == 0) != (c.Kind == Provider) {
		return noun.At("data", noun.ErrCount)
	}
	return noun.At("label", noun.Line(c.Label, maxNameBytes))
}

// Added adds a person.
type Added struct {
	_       struct{} `cbor:",toarray"`
	Name    string   // to sign in with; unique among those not removed
	Display string
	Roles   []Role
	Subject string // "issuer subject" of a person known to the agency's OpenID provider; optional
	Code    Code
}

// Invited gives a person another code.
type Invited struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
	Code   Code
}

// Changed changes how a person is shown and what they may do.
type Changed struct {
	_       struct{} `cbor:",toarray"`
	Target  noun.Key
	Display string
	Roles   []Role
}

// Enrolled adds a way to sign in.
type Enrolled struct {
	_          struct{} `cbor:",toarray"`
	Target     noun.Key
	Code       [32]byte // hash of the code it was done by; zero where the person was signed in
	Credential Credential
}

// Withdrawn ends a way to sign in.
type Withdrawn struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
	Kind   Kind
	ID     []byte
}

// Removed removes a person, for good.
type Removed struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
	Reason string
}

// Issued issues a token to a program.
type Issued struct {
	_       struct{} `cbor:",toarray"`
	Name    string
	Role    Role
	Hash    [32]byte // SHA-256 of the token
	Expires int64    // seconds since 1970
}

// Revoked ends a token.
type Revoked struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
}

// Made says which person made a token and so has, or had, its secret. The first counts.
type Made struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
	By     string // the person's id
}

// About implements noun.Fact for what founds a user or a token.
func (*Added) About() (noun.Key, bool)  { return noun.Key{}, false }
func (*Issued) About() (noun.Key, bool) { return noun.Key{}, false }

// About implements noun.Fact for what refers to one.
func (f *Invited) About() (noun.Key, bool)   { return f.Target, true }
func (f *Changed) About() (noun.Key, bool)   { return f.Target, true }
func (f *Enrolled) About() (noun.Key, bool)  { return f.Target, true }
func (f *Withdrawn) About() (noun.Key, bool) { return f.Target, true }
func (f *Removed) About() (noun.Key, bool)   { return f.Target, true }
func (f *Revoked) About() (noun.Key, bool)   { return f.Target, true }
func (f *Made) About() (noun.Key, bool)      { return f.Target, true }

func validName(s string) error {
	if len(s) == 0 || len(s) > maxNameBytes || s[0] < 'a' || s[0] > 'z' || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return ErrName
	}
	return nil
}

// Validate implements noun.Fact.
func (f *Added) Validate() error {
	return noun.First(
		noun.At("name", validName(f.Name)), noun.At("display", noun.Line(f.Display, maxDisplayBytes)), validRoles(f.Roles),
		noun.At("subject", noun.Line(f.Subject, maxSubjectBytes)),
	)
}

// Validate implements noun.Fact.
func (f *Invited) Validate() error {
	if f.Code.Hash == ([32]byte{}) {
		return noun.At("code", noun.ErrRequired)
	}
	return noun.At("target", f.Target.Validate())
}

// Validate implements noun.Fact.
func (f *Changed) Validate() error {
	return noun.First(noun.At("target", f.Target.Validate()), noun.At("display", noun.Line(f.Display, maxDisplayBytes)), validRoles(f.Roles))
}

// Validate implements noun.Fact.
func (f *Enrolled) Validate() error {
	return noun.First(noun.At("target", f.Target.Validate()), noun.At("credential", f.Credential.validate()))
}

// Validate implements noun.Fact.
func (f *Withdrawn) Validate() error {
	if len(f.ID) > maxIDBytes {
		return noun.At("id", noun.ErrTooLong)
	}
	return noun.First(noun.At("target", f.Target.Validate()), noun.At("kind", noun.OneOf([]Kind{Passkey, Password, Provider}, f.Kind)))
}

// Validate implements noun.Fact.
func (f *Removed) Validate() error {
	return noun.First(noun.At("target", f.Target.Validate()), noun.At("reason", noun.Words(f.Reason, maxReasonBytes)))
}

// Validate implements noun.Fact.
func (f *Issued) Validate() error {
	return noun.First(noun.At("name", noun.Line(f.Name, maxDisplayBytes)), validRoles([]Role{f.Role}))
}

// Validate implements noun.Fact.
func (f *Revoked) Validate() error { return noun.At("target", f.Target.Validate()) }

// Validate implements noun.Fact.
func (f *Made) Validate() error {
	return noun.First(noun.At("target", f.Target.Validate()), noun.At("by", noun.Words(f.By, maxWhoBytes)))
}
