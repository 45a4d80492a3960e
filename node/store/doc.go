// Package store keeps ledgers on disk: ours and the mirrors of partners. Leaves, tree and indexes are in one bbolt
// file; payloads lie beside it in segment files, so that they can be removed without touching the tree.
//
// What is committed is visible to readers at once and reaches the disk a moment later, in one synced transaction that
// also holds the raft index: the raft log is what makes an acknowledgement durable, and after a crash it is replayed
// from that index. The package never sees plaintext, and does not know raft, the network or what entries mean.
package store
