package account

import (
	"bytes"
	"slices"

	"vigil/ledger/noun"
)

// User is the fold of all events of one person.
type User struct {
	Key         noun.Key
	Name        string
	Display     string
	Roles       []Role
	Code        Code // that can still be used, once; zero where there is none
	Credentials []Credential
	Removed     bool
	Reason      string // of the removal
}

// FoldUser returns the person as the events make them, in any order.
func FoldUser(k noun.Key, events []noun.Placed[noun.Fact]) *User {
	u := &User{Key: k, Credentials: []Credential{}}
	standing, _ := noun.Canonical(k.Home, events)
	for _, p := range standing {
		if !u.Removed { // it is for good
			u.fold(p.Fact)
		}
	}
	return u
}

func (u *User) fold(f noun.Fact) {
	switch f := f.(type) {
	case *Added:
		u.Name, u.Display, u.Roles, u.Code = f.Name, f.Display, f.Roles, f.Code
		if f.Subject != "" {
			u.enrol(Credential{Kind: Provider, ID: []byte(f.Subject), Data: []byte{}})
		}
	case *Invited:
		u.Code = f.Code
	case *Changed:
		u.Display, u.Roles = f.Display, f.Roles
	case *Enrolled:
		if f.Code != ([32]byte{}) {
			if f.Code != u.Code.Hash {
				return // used before, or ended by another
			}
			u.Code = Code{}
		}
		u.enrol(f.Credential)
	case *Withdrawn:
		u.Credentials = slices.DeleteFunc(u.Credentials, func(c Credential) bool { return c.Kind == f.Kind && bytes.Equal(c.ID, f.ID) })
	case *Removed:
		u.Removed, u.Reason, u.Credentials, u.Code = true, f.Reason, []Credential{}, Code{}
	}
}

// enrol adds a way to sign in, or replaces the one with its id.
func (u *User) enrol(c Credential) {
	u.Credentials = slices.DeleteFunc(u.Credentials, func(o Credential) bool { return o.Kind == c.Kind && bytes.Equal(o.ID, c.ID) })
	if len(u.Credentials) < MaxCredentials {
		u.Credentials = append(u.Credentials, c)
	}
}

// Credential returns a way to sign in by its kind and id.
func (u *User) Credential(kind Kind, id []byte) (Credential, bool) {
	for _, c := range u.Credentials {
		if c.Kind == kind && bytes.Equal(c.ID, id) {
			return c, true
		}
	}
	return Credential{}, false
}

// Token is the fold of a token's events.
type Token struct {
	Key     noun.Key
	Name    string
	Role    Role
	Hash    [32]byte
	Expires int64 // seconds since 1970
	Revoked bool
	By      string // id of the person who made it; empty where it is not known
}

// FoldToken returns the token as the events make it, in any order.
func FoldToken(k noun.Key, events []noun.Placed[noun.Fact]) *Token {
	t := &Token{Key: k}
	standing, _ := noun.Canonical(k.Home, events)
	for _, p := range standing {
		switch f := p.Fact.(type) {
		case *Issued:
			t.Name, t.Role, t.Hash, t.Expires = f.Name, f.Role, f.Hash, f.Expires
		case *Revoked:
			t.Revoked = true
		case *Made:
			if t.By == "" {
				t.By = f.By
			}
		}
	}
	return t
}
