package ledger

import (
	"bytes"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

// The state line is the RFC 6962 root over three leaves, each a CBOR array of a name and the RFC 6962 root over parts:
//
//	["public", root]    what partners fold too: origin, format, roster version, policy, agencies, audiences, partners,
//	                    removed nodes, former certificates, open grants, decided releases and expungements, the ledger it
//	                    continues, partners' successions, the last swap of a voter, open proposals
//	["released", root]  ["governance", count, hash], then ["released", origin, count, hash] sorted by origin
//	["writers", root]   ["writer", node id, agency, sequence] sorted by node id

// AgencyPart returns the leaf of the public tree that holds one agency.
func AgencyPart(a Agency) []byte { return Marshal([]any{"agency", a}) }

// FormerPart returns the leaf of the public tree that holds a certificate that left.
func FormerPart(f Former) []byte { return Marshal([]any{"former", f}) }

// PublicParts returns the leaves of the public tree.
func (g *Governance) PublicParts() [][]byte {
	parts := [][]byte{
		Marshal([]any{"ledger", g.Origin, g.Genesis}), Marshal([]any{"format", g.Format}),
		Marshal([]any{"roster", g.Version}), Marshal([]any{"policy", g.Policy}),
	}
	for _, a := range g.Agencies {
		parts = append(parts, AgencyPart(a))
	}
	for _, a := range g.Audiences {
		parts = append(parts, Marshal([]any{"audience", a}))
	}
	for _, p := range g.Partners {
		parts = append(parts, Marshal([]any{"partner", p}))
	}
	for _, r := range g.Removed {
		parts = append(parts, Marshal([]any{"removed", r}))
	}
	for _, f := range g.Former {
		parts = append(parts, FormerPart(f))
	}
	for _, o := range g.Grants {
		parts = append(parts, Marshal([]any{"grant", o}))
	}
	for _, a := range g.Approved {
		parts = append(parts, Marshal([]any{"approved", a}))
	}
	for _, c := range g.Predecessor {
		parts = append(parts, Marshal([]any{"predecessor", c}))
	}
	for _, s := range g.Successions {
		parts = append(parts, Marshal([]any{"succession", s}))
	}
	for _, s := range g.Swaps {
		parts = append(parts, Marshal([]any{"swap", s}))
	}
	for _, p := range g.Proposals {
		parts = append(parts, Marshal([]any{"proposal", p}))
	}
	return parts
}

func leafHashes(parts [][]byte) []tlog.Hash {
	out := make([]tlog.Hash, len(parts))
	for i, p := range parts {
		out[i] = LeafHash(p)
	}
	return out
}

// PublicRoot returns the root over PublicParts.
func (g *Governance) PublicRoot() tlog.Hash {
	if g.public == (tlog.Hash{}) {
		return RootOf(leafHashes(g.PublicParts()))
	}
	return g.public
}

// settle computes the public root once, before the value is shared.
func (g *Governance) settle() *Governance {
	g.public = RootOf(leafHashes(g.PublicParts()))
	return g
}

// Evidence is what a partner needs beside its own fold to compute the state line: hashes that tell nothing.
type Evidence struct {
	_        struct{}    `cbor:",toarray"`
	Released []tlog.Hash // leaf hashes of the released tree
	Writers  tlog.Hash   // root of the writers' tree
}

// Evidence returns it for this state.
func (s *State) Evidence() Evidence {
	released := []tlog.Hash{LeafHash(Marshal([]any{"governance", s.Open.Count, s.Open.Hash}))}
	for _, o := range slices.Sorted(maps.Keys(s.Partners)) {
		if _, linked := s.Governance.Partner(o); !linked {
			continue // the ledger that ours continues
		}
		released = append(released, releasedPart(o, s.Partners[o].Released))
	}
	ids := slices.SortedFunc(maps.Keys(s.Writers), func(a, b crypto.NodeID) int { return bytes.Compare(a[:], b[:]) })
	writers := make([]tlog.Hash, len(ids))
	for i, id := range ids {
		w := s.Writers[id]
		writers[i] = LeafHash(Marshal([]any{"writer", id, w.Agency, w.Sequence}))
	}
	return Evidence{Released: released, Writers: RootOf(writers)}
}

func releasedPart(o Origin, r Released) tlog.Hash {
	return LeafHash(Marshal([]any{"released", o, r.Count, r.Hash}))
}

// StateLine combines the three roots.
func StateLine(public tlog.Hash, e Evidence) tlog.Hash {
	return RootOf([]tlog.Hash{
		LeafHash(Marshal([]any{"public", public})), LeafHash(Marshal([]any{"released", RootOf(e.Released)})),
		LeafHash(Marshal([]any{"writers", e.Writers})),
	})
}

// Line returns the state line of a checkpoint at this state.
func (s *State) Line() tlog.Hash { return StateLine(s.Governance.PublicRoot(), s.Evidence()) }
