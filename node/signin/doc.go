// Package signin turns what a person proves into a session: a password, a passkey, or the word of the agency's own OpenID
// provider. None of them is needed for another.
//
// It does not know roles or what a session may do, and keeps no account: it asks for them. Open ceremonies are in
// memory. Sessions outlive the process, encrypted and without their secrets; one that was ended stays ended. A person who is
// removed is out at once, because the account is looked at with every request.
package signin
