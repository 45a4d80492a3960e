package account

import "vigil/ledger/noun"

// What the types of events and ids begin with.
const (
	ConsentTypes = "consent."
	ConsentIDs   = "co_"
)

// Types of events.
const (
	TypeAsked    = "consent.asked"
	TypeAnswered = "consent.answered"
)

const (
	maxOperationBytes = 4096
	maxWhoBytes       = 128
)

// ConsentCodec reads and writes the events.
var ConsentCodec = noun.Codec[noun.Fact]{Fresh: map[string]func() noun.Fact{
	TypeAsked:    func() noun.Fact { return &Asked{} },
	TypeAnswered: func() noun.Fact { return &Answered{} },
}}

// Asked asks for another person's agreement to one operation.
type Asked struct {
	_         struct{} `cbor:",toarray"`
	Act       Act
	Operation string   // in words for the second person: method, path and body
	Digest    [32]byte // SHA-256 of the whole operation
	By        string
	Reason    string
}

// Answered is the other person's answer. The first counts.
type Answered struct {
	_      struct{} `cbor:",toarray"`
	Target noun.Key
	Grant  bool
	By     string
	Reason string // required for a refusal
	Until  int64  // seconds since 1970; to when the operation can be done
}

// About implements noun.Fact.
func (*Asked) About() (noun.Key, bool) { return noun.Key{}, false }

// About implements noun.Fact.
func (a *Answered) About() (noun.Key, bool) { return a.Target, true }

// Validate implements noun.Fact.
func (a *Asked) Validate() error {
	return noun.First(
		noun.At("act", noun.OneOf(Acts, a.Act)), noun.At("operation", noun.Words(a.Operation, maxOperationBytes)),
		noun.At("by", noun.Words(a.By, maxWhoBytes)), noun.At("reason", noun.Prose(a.Reason, maxReasonBytes)),
	)
}

// Validate implements noun.Fact.
func (a *Answered) Validate() error {
	reason := noun.Prose
	if !a.Grant {
		reason = noun.Words
	}
	return noun.First(noun.At("target", a.Target.Validate()), noun.At("by", noun.Words(a.By, maxWhoBytes)), noun.At("reason", reason(a.Reason, maxReasonBytes)))
}

// RequestState is where a request stands.
type RequestState string

// The states.
const (
	Waiting RequestState = "waiting"
	Granted RequestState = "granted"
	Refused RequestState = "refused"
)

// RequestStates are all of them.
var RequestStates = []RequestState{Waiting, Granted, Refused}

// Request is the fold of a request's events.
type Request struct {
	Key    noun.Key
	Asked  *Asked // nil where it has not arrived
	State  RequestState
	Answer *Answered // nil while it waits
}

// FoldRequest returns the request as the events make it, in any order.
func FoldRequest(k noun.Key, events []noun.Placed[noun.Fact]) *Request {
	r := &Request{Key: k, State: Waiting}
	standing, _ := noun.Canonical(k.Home, events)
	for _, p := range standing {
		if a, ok := p.Fact.(*Asked); ok {
			r.Asked = a
		}
	}
	for _, p := range standing {
		if a, ok := p.Fact.(*Answered); ok && r.Asked != nil && r.Answer == nil && a.By != r.Asked.By {
			r.Answer, r.State = a, Refused
			if a.Grant {
				r.State = Granted
			}
		}
	}
	return r
}

// Decide returns the event of a second person's answer.
func (r *Request) Decide(a Answered) (*Answered, error) {
	a.Target = r.Key
	switch {
	case r.State != Waiting:
		return nil, noun.Refuse("it is %s already, by %s", r.State, r.Answer.By)
	case a.By == r.Asked.By:
		return nil, noun.Refuse("it takes a second person: %s asked for it", a.By)
	}
	return &a, a.Validate()
}

// Permits says whether the one who asked may do the operation now.
func (r *Request) Permits(by string, digest [32]byte, now int64) error {
	switch {
	case r.Asked.By != by:
		return noun.Refuse("%s asked for it, and only they can do it", r.Asked.By)
	case r.Asked.Digest != digest:
		return noun.Refuse("that is not what was asked for: ask again")
	case r.State == Waiting:
		return noun.Refuse("nobody has agreed yet")
	case r.State == Refused:
		return noun.Refuse("%s did not agree: %s", r.Answer.By, r.Answer.Reason)
	case now > r.Answer.Until:
		return noun.Refuse("the agreement was for a time that is over: ask again")
	}
	return nil
}
