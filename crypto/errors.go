package crypto

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart.
var (
	// ErrMalformed says that bytes are not of the one form this package accepts.
	ErrMalformed = errors.New("crypto: malformed")
	// ErrTooLarge says that bytes are over a bound of limits.go.
	ErrTooLarge = errors.New("crypto: too large")
	// ErrNotForUs says that a sealed message names none of our keys.
	ErrNotForUs = errors.New("crypto: sealed to others")
	// ErrBadSignature says that a signature does not verify.
	ErrBadSignature = errors.New("crypto: the signature does not verify")
	// ErrSignatureTime says that a signature was made for another time than the one stated.
	ErrSignatureTime = errors.New("crypto: the signature is for another time")
	// ErrSignatureKey says that a signature names another key.
	ErrSignatureKey = errors.New("crypto: the signature is by another key")
	// ErrWrongPassphrase says that a locked file does not open with the passphrase.
	ErrWrongPassphrase = errors.New("crypto: wrong passphrase")
	// ErrSuite says that a suite has no such name.
	ErrSuite = errors.New("crypto: unknown suite")
	// ErrMismatch says that private and public halves do not belong together.
	ErrMismatch = errors.New("crypto: the private key does not belong to the certificate")
)

// guard turns a panic of the library into ErrMalformed: input is never a reason to die.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: the OpenPGP library gave up on it", ErrMalformed)
	}
}
