// Package cluster replicates one ledger inside a jurisdiction: hashicorp/raft over mutually authenticated TLS 1.3,
// pinned to the roster in both directions, per connection and per RPC. Any node takes writes and forwards them to the
// leader; entries that wait there become one raft entry.
//
// It does not know what entries mean, how they are sealed, or who asks for them. It trusts no peer: every RPC is checked
// before the library sees it.
package cluster
