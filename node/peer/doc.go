// Package peer carries released entries between jurisdictions over libp2p. There is one protocol, and the receiver holds
// the cursor: it asks a gateway of the partner for what comes after its own mirror, verifies, commits and cosigns, and
// the stream stays open. First sync, catching up and live delivery are the same; the sender keeps nothing per peer.
//
// It connects to linked partners' gateways only. It does not know how batches are made from the ledger, how they are
// committed, or what entries mean.
package peer
