package main

// bugs are safeguards of what is pure: keys, messages, entries, state, mirrors, evidence.
var bugs = append([]bug{
	{
		name: "chunk-unbounded", takes: "the bound on the chunk that a sender may make a reader allocate",
		file: "crypto/seal.go", from: "chunk > chunkLarge {", to: "chunk > 22 {",
		pkg: "crypto", test: "Grammar|Junk",
	},
	{
		name: "any-grammar-inside", takes: "that a sealed message holds one literal and nothing after it",
		file: "crypto/seal.go", from: "if err != nil || len(rest) > 0 || literal.tag != tagLiteral ||", to: "if err != nil || rest == nil && len(rest) > 0 || literal.tag != tagLiteral ||",
		pkg: "crypto", test: "Grammar|Junk",
	},
	{
		name: "padded-lengths", takes: "that a packet's length is in its shortest form",
		file: "crypto/packets.go", from: "if n < 8384 || n > MaxSealedBytes {", to: "if n > MaxSealedBytes {",
		pkg: "crypto", test: "Grammar|Junk|Certificates|Signatures",
	},
	{
		name: "many-recipients", takes: "the bound on session-key packets before any costs",
		file: "crypto/seal.go", from: "p.tag != tagSessionKey || len(sessions) == MaxRecipients {", to: "p.tag != tagSessionKey {",
		pkg: "crypto", test: "Grammar|Junk",
	},
	{
		name: "loose-cbor", takes: "that two byte strings never mean the same value",
		file: "ledger/cbor.go", from: "if err != nil || !bytes.Equal(again, b) {", to: "if err != nil || len(b) == 0 && !bytes.Equal(again, b) {",
		pkg: "ledger", test: "OneEncoding",
	},
	{
		name: "recipients-not-bound", takes: "that a payload's audience is the signed record's",
		file: "ledger/event.go", from: "!slices.Equal(p.Audience, r.Audience) || p.EventsRoot() != r.EventsRoot", to: "p.EventsRoot() != r.EventsRoot",
		pkg: "ledger", test: "Resealed",
	},
	{
		name: "author-not-bound", takes: "that a payload's author is the signed record's",
		file: "ledger/event.go", from: "if p.Author != r.Author || p.Origin", to: "if p.Origin",
		pkg: "ledger", test: "Resealed",
	},
	{
		name: "signature-not-checked", takes: "the agency's signature over an entry",
		file: "ledger/state.go", from: "if !p.signedBy(certificate) {", to: "if certificate == nil {",
		pkg: "ledger", test: "ApplyRefusals",
	},
	{
		name: "prepared-by-another", takes: "that a signature checked ahead counts only for the certificate it was checked with",
		file: "ledger/prepared.go", from: "p.by != nil && p.by.Fingerprint() == c.Fingerprint() || p.verify(c)", to: "p.by != nil || p.verify(c)",
		pkg: "ledger", test: "Prepared",
	},
	{
		name: "prepared-other-bytes", takes: "that what was checked ahead is the very item of the batch",
		file: "ledger/prepared.go", from: "return p != nil && bytes.Equal(p.entry.Leaf, i.Leaf) && bytes.Equal(p.entry.Payload, i.Payload)", to: "return p != nil && len(i.Leaf) > 0 && bytes.Equal(nil, nil)",
		pkg: "ledger", test: "Prepared",
	},
	{
		name: "sequence-gap", takes: "that a writer's sequences have no gap",
		file: "ledger/state.go", from: "case rec.Sequence > last+1:", to: "case rec.Sequence > last+1<<40:",
		pkg: "ledger", test: "ApplyRefusals",
	},
	{
		name: "sequence-repeat", takes: "that a sequence counts once",
		file: "ledger/state.go", from: "case rec.Sequence <= last:", to: "case rec.Sequence < last:",
		pkg: "ledger", test: "ApplyRefusals",
	},
	{
		name: "other-ledger", takes: "that an entry is of this ledger",
		file: "ledger/state.go", from: "case rec.Origin != s.Governance.Origin:\n\t\treturn refused(ErrOtherLedger), false\n", to: "",
		pkg: "ledger", test: "ApplyRefusals",
	},
	{
		name: "payload-hash", takes: "that a payload is the one that was signed",
		file: "ledger/state.go", from: "!gone && !p.paid {", to: "!gone && rec == nil {",
		pkg: "ledger", test: "ApplyRefusals",
	},
	{
		name: "stale-epoch", takes: "that entries are sealed to the current key of an audience",
		file: "ledger/state.go", from: "case current.Epoch != a.Epoch:", to: "case current.Epoch < a.Epoch:",
		pkg: "ledger", test: "ApplyRefusals|Removal",
	},
	{
		name: "author-outside", takes: "that an author can open its own entry",
		file: "ledger/state.go", from: "if !inside {\n\t\treturn ErrAuthorOutside", to: "if !inside && len(rec.Audience) == 0 {\n\t\treturn ErrAuthorOutside",
		pkg: "ledger", test: "ApplyRefusals",
	},
	{
		name: "target-votes", takes: "that the target of a removal has no vote",
		file: "ledger/governance.go", from: "case target(change) == author:\n\t\treturn ErrTarget\n", to: "",
		pkg: "ledger", test: "GovernanceRefusals|RandomGovernance",
	},
	{
		name: "approves-twice", takes: "that an agency approves once",
		file: "ledger/governance.go", from: "case slices.Contains(p.Approvals, author):\n\t\treturn ErrTwice\n", to: "",
		pkg: "ledger", test: "GovernanceRefusals|RandomGovernance",
	},
	{
		name: "voided-proposal", takes: "that an executed change voids other proposals",
		file: "ledger/governance.go", from: "\tnext.Proposals = []Proposal{}\n\t*g = *next", to: "\t*g = *next",
		pkg: "ledger", test: "Governance",
	},
	{
		name: "one-approval-less", takes: "the threshold, by one",
		file: "ledger/governance.go", from: "if len(g.Proposals[i].Approvals) < g.Needs(change) {", to: "if len(g.Proposals[i].Approvals)+1 < g.Needs(change) {",
		pkg: "ledger", test: "Governance",
	},
	{
		name: "third-party-expunges", takes: "that only the author, or k of n, may have an entry expunged",
		file: "ledger/naming.go", from: "\treturn ErrNotAuthor\n", to: "\treturn nil\n",
		pkg: "ledger", test: "Naming",
	},
	{
		name: "mirror-root", takes: "that a batch leads to the root its checkpoint names",
		file: "ledger/mirror.go", from: "case cp.Root != m.Tree.Root():\n\t\treturn ErrMirrorRoot\n", to: "",
		pkg: "ledger", test: "MirrorRefusals",
	},
	{
		name: "mirror-withheld", takes: "that a partner's state line says how much was released to us",
		file: "ledger/mirror.go", from: "linked && !slices.Contains(b.Evidence.Released, releasedPart(self, m.Released)) {", to: "linked && len(b.Items) == 0 && !slices.Contains(b.Evidence.Released, releasedPart(self, m.Released)) {",
		pkg: "ledger", test: "MirrorRefusals",
	},
	{
		name: "mirror-quorum", takes: "that enough of a partner's agencies cosigned",
		file: "ledger/mirror.go", from: "ok, _ := Counts(cosignatures, m.Governance.QuorumSize()); !ok && !byFounder {", to: "ok, _ := Counts(cosignatures, 1); !ok && !byFounder {",
		pkg: "ledger", test: "MirrorRefusals",
	},
	{
		name: "mirror-state-line", takes: "that governance as folded is what the checkpoint signs",
		file: "ledger/mirror.go", from: "if StateLine(m.Governance.PublicRoot(), b.Evidence) != cp.State {", to: "if b == nil {",
		pkg: "ledger", test: "MirrorRefusals",
	},
	{
		name: "mirror-signature", takes: "the author's signature over what a partner hands on",
		file: "ledger/mirror.go", from: "if !member || !p.signedBy(certificate) {", to: "if !member || certificate == nil {",
		pkg: "ledger", test: "MirrorRefusals",
	},
	{
		name: "one-agency-counts-twice", takes: "that an agency's cosignature counts once",
		file: "ledger/checkpoint.go", from: "if q < 1 || len(first) < q {", to: "if q < 1 || len(cosignatures) < q {",
		pkg: "ledger", test: "Cosignature|Codec|Trust",
	},
	{
		name: "bundle-inclusion", takes: "that a bundle's entry is in the tree of its checkpoint",
		file: "ledger/bundle.go", from: "err = CheckInclusion(b.Carried.Path, cp.Size, cp.Root, b.Carried.Index, LeafHash(b.Carried.Leaf))", to: "err = nil",
		pkg: "ledger", test: "Bundles",
	},
	{
		name: "fork-of-nothing", takes: "that the two sides of a fork contradict each other",
		file: "ledger/fork.go", from: `if !r.add("histories", f.contradicts(a, b), codeInclusion,`, to: `if !r.add("histories", nil, codeInclusion,`,
		pkg: "ledger", test: "Fork",
	},
}, nodeBugs...)
