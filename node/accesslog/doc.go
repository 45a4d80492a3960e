// Package accesslog is the log of every read of content on one node: who, when, what and why. A read is answered only
// after its record is durable; where the log cannot be written, nothing is read.
//
// Every record is a leaf of one RFC 6962 tree. Records are kept in segments; a segment is closed after an hour or at 256
// KiB and handed out, to be sealed to the agency and committed into the ledger: its root covers the log from the
// beginning, so that the ledger bears witness for everything before it.
//
// # What is noticed
//
// A changed, missing, moved or added record, and a lost tail of what was acknowledged: from the directory alone. A whole
// directory put back to an earlier copy: from the roots in the ledger, back to the last anchored segment. A record that
// was being written when the machine stopped was never acknowledged; it is kept if it is whole and cut off if it is not.
// Whoever holds the key and can write to the directory can rewrite what is not anchored yet, an hour's worth at most.
//
// # On disk
//
// Every file begins with 32 bytes: "vigil a" and one letter for what it is, 16 bytes log id, 8 bytes first index.
//
//	head           letter h: sealed [version, size, tree frontier, number of marks]; replaced as a whole
//	marks          letter m: frames; mark n says that a segment was closed, or where in the ledger it is
//	records-<n>    letter r: frames; frame i is record n+i, of the segment that begins at index n (16 hex digits)
//
// A frame is a 4-byte big-endian length and that many bytes sealed with AES-256-GCM: 12 bytes random nonce, ciphertext,
// 16 bytes tag. The key is HKDF-SHA256 over the key given, salted with the log id. The associated data is the 32 bytes at
// the head of the file and the 8-byte index of the record or mark, so that no frame stands for another. Nonces are random
// because an index can come twice: after a torn tail, and after a directory was put back.
//
// Inside is deterministic CBOR: of a record the leaf of the tree itself, [version, index, ms since 1970, 16 bytes salt,
// record]. The salt keeps a proof for one record from giving away its neighbours by guessing.
//
// The package does not know users, rights, the ledger or how segments get there; it never puts what a record says into
// an error or the process log.
package accesslog
