// Package match finds fingerprints: exact range search over PDQ, exact look-up of everything else, videos by their
// frames. It is memory only, serves any number of readers while it changes, and can be saved and loaded. It does not
// know alerts, the board, the network or what a hit means: a fingerprint is filed under a number (Ref) of the caller's.
// So the same index runs in a node and in a platform's own process.
//
// # Why nothing is missed
//
// A PDQ is cut into 16 chunks of 16 bits, in a ring. For a radius r each chunk i gets a threshold t(i) >= -1 with
//
//	sum over i of (t(i) + 1) = r + 1.
//
// Let d(i) be how many bits of chunk i differ between the hash asked for and a stored one within r. The numbers
// d(i) - t(i) - 1 then add up to at most r - (r + 1) = -1. By the cycle lemma (Dvoretzky and Motzkin 1947; for search:
// Qin and Xiao, "Pigeonring", VLDB 2018) some chunk i begins a run round the ring whose partial sums are all negative:
//
//	d(i) <= t(i)    and    d(i) + d(i+1) <= t(i) + t(i+1) + 1.
//
// The first is the pigeonhole principle: the hash lies in a bucket of table i within t(i) bits of the query's chunk. The
// second discards all but one in five hundred of what lies there before its hash is touched: beside every entry of a
// bucket stands the next chunk, and entries are compared four to a word. What is left is compared in full. Both hold for
// every stored hash within r, so recall is 1 whatever the thresholds; they only decide what it costs.
//
// # Skew
//
// Flat pictures, text cards and malice put millions of hashes into one bucket. Equal hashes are one row with a list of
// refs. Where a bucket costs more than even data would, thresholds are set anew for that query by what the buckets hold
// (a chunk can be left out with t = -1), and where no thresholds help, the segment's hashes are compared one by one:
// nothing costs more than a few such sweeps.
//
// # Change
//
// What arrives goes into a small delta that is compared hash by hash; a full delta becomes a segment; segments are merged
// in the background (Run), each new one published by one pointer. Segments never change but for the atomic words that say
// which refs a row has, so that what is removed is gone at once and readers take no lock.
//
// # Memory
//
// A PDQ takes 32 bytes, 8 for its ref, 16 x 2 for the next chunks, 15 x 3 for row numbers (rows lie in the order of the
// first table), and 4 MiB of directories a segment. A SHA-256 takes 32 + 8 and its share of a 64-byte line, 3.6.
package match
