// Package crypto holds everything Vigil does with keys: agency keys (OpenPGP v6), node and checkpoint keys
// (Ed25519), signing and verifying records, sealing to and opening for an audience, and passphrase-protected
// storage. Bytes in, bytes out.
//
// It knows nothing of ledgers, agencies, files, clocks or the network: time is always an argument. It is the only
// package that touches the OpenPGP library, and everything outside its one strict profile is refused by our own
// parser before the library sees it.
package crypto
