package ledger

import (
	"bytes"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

// Prepared is an entry of which everything is done that does not depend on the entries before it: it is decoded, hashed,
// compared with its payload, and its signature is checked with the certificate that seemed to be its author's. Many can be
// prepared at once, on as many processors as there are; folding stays one after the other. What folds an entry asks for the
// certificate that is its author's by then, and checks again where that is another: Prepared never says more than what this
// process has verified, of exactly these bytes. It is immutable.
type Prepared struct {
	entry  Entry
	record *Record // nil where the leaf is malformed
	leaf   Leaf
	hash   tlog.Hash
	paid   bool                // the payload is the one the record names
	by     *crypto.Certificate // the signature is this one's; nil where none was tried or it is not
}

// Prepare prepares an entry; g is a roster of its ledger, as late as there is, or nil.
func Prepare(e Entry, g *Governance) *Prepared {
	p := &Prepared{entry: e, hash: LeafHash(e.Leaf)}
	rec, l, err := OpenLeaf(e.Leaf)
	if err != nil {
		return p
	}
	p.record, p.leaf, p.paid = rec, l, rec.CheckPayload(e.Payload) == nil
	if g != nil {
		if c, member := g.Certificate(rec.Author); member && p.verify(c) {
			p.by = c
		}
	}
	return p
}

// Entry returns what was prepared.
func (p *Prepared) Entry() Entry { return p.entry }

// Record returns the entry's record; nil where the leaf is malformed.
func (p *Prepared) Record() *Record { return p.record }

// LeafHash returns the RFC 6962 leaf hash.
func (p *Prepared) LeafHash() tlog.Hash { return p.hash }

func (p *Prepared) verify(c *crypto.Certificate) bool {
	return c.Verify(p.leaf.Record, p.leaf.Signature, p.record.SignedAt()) == nil
}

// signedBy says whether the signature is that of a certificate's key. A fingerprint is of the key and nothing else.
func (p *Prepared) signedBy(c *crypto.Certificate) bool {
	return p.by != nil && p.by.Fingerprint() == c.Fingerprint() || p.verify(c)
}

// PrepareItem prepares an item of a mirror batch; nil where it is only a hash.
func PrepareItem(i MirrorItem, g *Governance) *Prepared {
	if i.IsBare() {
		return nil
	}
	return Prepare(Entry{Leaf: i.Leaf, Payload: i.Payload}, g)
}

// is says whether this is an item, byte for byte.
func (p *Prepared) is(i MirrorItem) bool {
	return p != nil && bytes.Equal(p.entry.Leaf, i.Leaf) && bytes.Equal(p.entry.Payload, i.Payload)
}
