// Package subscription is who wants to be told of changes, where and of which: a webhook or a mailbox. All of it is the
// agency's own, sealed to itself. What is told carries ids, never content.
//
// # Events, version 1
//
// Each has one row, a CBOR array in the order of the Go fields, and no shared part.
//
//	subscription.opened   Opened
//	subscription.rekeyed  Rekeyed   another secret signs from now on; the one before signs, too, for a day
//	subscription.paused   Paused    by the node where nothing gets through, or by a person
//	subscription.resumed  Resumed
//	subscription.closed   Closed    for good
package subscription

import (
	"errors"
	"net/url"
	"strings"

	"vigil/ledger/noun"
)

// What the types of events and ids begin with.
const (
	Types = "subscription."
	IDs   = "sb_"
)

// Types of events.
const (
	TypeOpened  = "subscription.opened"
	TypeRekeyed = "subscription.rekeyed"
	TypePaused  = "subscription.paused"
	TypeResumed = "subscription.resumed"
	TypeClosed  = "subscription.closed"
)

// Channel is how somebody is told.
type Channel string

// The channels.
const (
	Webhook Channel = "webhook" // each change, signed (Standard Webhooks)
	Mail    Channel = "mail"    // a digest
)

// Bounds.
const (
	maxNameBytes   = 64
	maxToBytes     = 1024
	maxKinds       = 32
	maxKindBytes   = 64
	maxReasonBytes = 512
	maxEvery       = 7 * 24 * 60
	minEvery       = 5
)

// Why a subscription is not acceptable.
var (
	ErrURL  = errors.New("a webhook is https://host[:port]/path, without a user, a password or a fragment")
	ErrMail = errors.New("a mailbox is name@domain")
	ErrKind = errors.New("a kind is the beginning of an event's type, such as alert. or alert.raised")
)

// Codec reads and writes the events.
var Codec = noun.Codec[noun.Fact]{Fresh: map[string]func() noun.Fact{
	TypeOpened: func() noun.Fact { return &Opened{} }, TypeRekeyed: func() noun.Fact { return &Rekeyed{} }, TypePaused: func() noun.Fact { return &Paused{} },
	TypeResumed: func() noun.Fact { return &Resumed{} }, TypeClosed: func() noun.Fact { return &Closed{} },
}}

// Opened asks for changes to be told of.
type Opened struct {
	_       struct{} `cbor:",toarray"`
	Name    string
	Channel Channel
	To      string   // URL or mailbox
	Kinds   []string // beginnings of event types, sorted; empty: all
	Urgency uint64   // the least urgent that is told of: 0 routine, 1 priority, 2 a child at immediate risk
	// Exercise asks for exercises too; they are quiet otherwise.
	Exercise bool
	Every    uint64   // minutes between two digests; 0 for a webhook
	Secret   [32]byte // signs what a webhook is sent; zero for a mailbox
}

// Rekeyed gives another secret.
type Rekeyed struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
	Secret [32]byte
}

// Paused stops telling until it is resumed.
type Paused struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
	Reason string
}

// Resumed goes on, from the next change.
type Resumed struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
}

// Closed ends it.
type Closed struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
}

// About implements noun.Fact.
func (*Opened) About() (noun.Key, bool) { return noun.Key{}, false }

// About implements noun.Fact.
func (f *Rekeyed) About() (noun.Key, bool) { return f.Target, true }

// About implements noun.Fact.
func (f *Paused) About() (noun.Key, bool) { return f.Target, true }

// About implements noun.Fact.
func (f *Resumed) About() (noun.Key, bool) { return f.Target, true }

// About implements noun.Fact.
func (f *Closed) About() (noun.Key, bool) { return f.Target, true }

// Validate implements noun.Fact.
func (f *Opened) Validate() error {
	return noun.First(
		noun.At("name", noun.First(noun.Words(f.Name, maxNameBytes), noun.Line(f.Name, maxNameBytes))),
		noun.At("channel", noun.OneOf([]Channel{Webhook, Mail}, f.Channel)),
		noun.At("to", f.validTo()), noun.SortedSet("kinds", f.Kinds, maxKinds, validKind), f.validEvery(),
	)
}

func validKind(k string) error {
	if k == "" || len(k) > maxKindBytes || strings.Trim(k, "abcdefghijklmnopqrstuvwxyz.-") != "" {
		return ErrKind
	}
	return nil
}

func (f *Opened) validEvery() error {
	switch {
	case f.Urgency > 2:
		return noun.At("urgency", noun.ErrUnknownValue)
	case f.Channel == Mail && (f.Every < minEvery || f.Every > maxEvery):
		return noun.At("every", noun.ErrCount)
	case f.Channel == Webhook && f.Every != 0:
		return noun.At("every", noun.ErrUnknownValue)
	case (f.Channel == Webhook) != (f.Secret != [32]byte{}):
		return noun.At("secret", noun.ErrRequired)
	}
	return nil
}

func (f *Opened) validTo() error {
	if len(f.To) > maxToBytes {
		return noun.ErrTooLong
	}
	if f.Channel == Mail {
		name, domain, ok := strings.Cut(f.To, "@")
		if !ok || name == "" || domain == "" || strings.ContainsAny(f.To, " \t\r\n<>,;:\"'()[]\\") || strings.Contains(domain, "@") {
			return ErrMail
		}
		return noun.Line(f.To, maxToBytes)
	}
	u, err := url.Parse(f.To)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(f.To, " \t\r\n") {
		return ErrURL
	}
	return nil
}

// Validate implements noun.Fact.
func (f *Rekeyed) Validate() error {
	if f.Secret == ([32]byte{}) {
		return noun.At("secret", noun.ErrRequired)
	}
	return noun.At("target", f.Target.Validate())
}

// Validate implements noun.Fact.
func (f *Paused) Validate() error {
	return noun.First(noun.At("target", f.Target.Validate()), noun.At("reason", noun.Words(f.Reason, maxReasonBytes)))
}

// Validate implements noun.Fact.
func (f *Resumed) Validate() error { return noun.At("target", f.Target.Validate()) }

// Validate implements noun.Fact.
func (f *Closed) Validate() error { return noun.At("target", f.Target.Validate()) }

// State is how a subscription stands.
type State string

// The states.
const (
	Open    State = "open"
	Stopped State = "paused"
	Ended   State = "closed"
)

// Subscription is the fold of its events.
type Subscription struct {
	Key     noun.Key
	Opened  *Opened // nil where it has not arrived
	State   State
	Reason  string   // of a pause
	Secret  [32]byte // that signs
	Before  [32]byte // that signed before; zero where there is none
	Rekeyed int64    // ms, by its author's word; to when Before signs, too, is counted from here
}

// Fold returns the subscription as its events make it, in any order.
func Fold(k noun.Key, events []noun.Placed[noun.Fact]) *Subscription {
	s := &Subscription{Key: k, State: Open}
	standing, _ := noun.Canonical(k.Home, events)
	for i := range standing {
		s.fold(&standing[i])
	}
	return s
}

func (s *Subscription) fold(p *noun.Placed[noun.Fact]) {
	switch f := p.Fact.(type) {
	case *Opened:
		s.Opened, s.Secret = f, f.Secret
	case *Rekeyed:
		s.Secret, s.Before, s.Rekeyed = f.Secret, s.Secret, p.AuthoredAt
	case *Closed:
		s.State, s.Reason = Ended, ""
	case *Paused:
		if s.State != Ended {
			s.State, s.Reason = Stopped, f.Reason
		}
	case *Resumed:
		if s.State != Ended {
			s.State, s.Reason = Open, ""
		}
	}
}

// Change is what of a change decides whether it is told.
type Change struct {
	Kind     string
	Exercise bool
	Urgency  uint64
}

// Wants says whether a change is to be told of. Changes of subscriptions, people and tokens are told to nobody.
func (o *Opened) Wants(c Change) bool {
	if c.Exercise && !o.Exercise || c.Urgency < o.Urgency {
		return false
	}
	for _, never := range []string{Types, "user.", "token.", "consent.", "policy"} {
		if strings.HasPrefix(c.Kind, never) {
			return false
		}
	}
	for _, k := range o.Kinds {
		if strings.HasPrefix(c.Kind, k) {
			return true
		}
	}
	return len(o.Kinds) == 0
}
