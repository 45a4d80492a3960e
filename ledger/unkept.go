package ledger

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrUnkept says that bytes are no proof that a receipt was not kept, or prove none.
var ErrUnkept = errors.New("ledger: proof of a receipt that was not kept")

const (
	unkeptMagic    = "vigil-unkept"
	unkeptVersion  = 1
	maxUnkeptBytes = 512 << 10
	maxUnkeptPath  = 64
)

// Unkept is portable proof that a node signed a receipt and that another entry stands where it promised one: CBOR array
// [magic, version, receipt, signed checkpoint, agency part, its position, size of the public tree, its path, evidence, leaf
// hash, its path]. Leaf and path are what the checkpoint has at the receipt's index. A checkpoint that does not reach that
// index proves nothing, however late it was signed: members sign a backlog in stretches, and what lies above one is in the
// ledger all the while. The agency part is the line of the roster that names the node that signed the receipt, with its place
// in the state line as in a Bundle.
type Unkept struct {
	_          struct{} `cbor:",toarray"`
	Magic      string
	Version    uint64
	Receipt    []byte
	Checkpoint []byte
	Agency     []byte
	Position   uint64
	PublicSize uint64
	Public     []tlog.Hash
	Evidence   Evidence
	Leaf       []byte // 32 bytes
	Path       []tlog.Hash
}

// MakeUnkept puts a proof together. g is the roster at the checkpoint; leaf and path are what it has at the receipt's index.
func MakeUnkept(receipt, checkpoint []byte, g *Governance, e Evidence, leaf []byte, path []tlog.Hash) (*Unkept, error) {
	got, key, err := OpenReceipt(receipt)
	if err != nil {
		return nil, err
	}
	a, ok := g.Agency(got.Agency)
	if !ok || a.Node.Key != key {
		return nil, fmt.Errorf("%w: the roster has another node of %s than the one that signed", ErrUnkept, got.Agency)
	}
	parts, at := g.PublicParts(), -1
	line := AgencyPart(*a)
	for i, p := range parts {
		if string(p) == string(line) {
			at = i
		}
	}
	whole := ForkSide{Leaf: leaf, Path: path}.whole()
	return &Unkept{
		Magic: unkeptMagic, Version: unkeptVersion, Receipt: receipt, Checkpoint: checkpoint, Agency: line, Position: uint64(at),
		PublicSize: uint64(len(parts)), Public: ForkSide{Path: PathOf(leafHashes(parts), at)}.whole().Path, Evidence: e, Leaf: whole.Leaf, Path: whole.Path,
	}, nil
}

// Encode returns the file.
func (u *Unkept) Encode() []byte { return Marshal(u) }

// DecodeUnkept accepts exactly what Encode writes. Whether it proves anything is for VerifyUnkept.
func DecodeUnkept(raw []byte) (*Unkept, error) {
	u := &Unkept{}
	if err := Unmarshal(raw, u, maxUnkeptBytes); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnkept, err)
	}
	if u.Magic != unkeptMagic || u.Version != unkeptVersion {
		return nil, fmt.Errorf("%w: version %d, this binary knows %d", ErrUnkept, u.Version, unkeptVersion)
	}
	if len(u.Public) > maxUnkeptPath || len(u.Path) > maxUnkeptPath || len(u.Leaf) != tlog.HashSize {
		return nil, fmt.Errorf("%w: a leaf hash has 32 bytes, a path at most %d hashes", ErrUnkept, maxUnkeptPath)
	}
	return u, nil
}

// VerifyUnkept checks everything that a proof claims. A proof that holds, under a checkpoint that the trust file makes count,
// ends with the code of a receipt that was not kept.
func VerifyUnkept(raw []byte, t *Trust) *Report {
	r := &Report{}
	u, err := DecodeUnkept(raw)
	if !r.add("form", err, codeForm, "a proof of a receipt that was not kept, of version 1") {
		return r
	}
	got, key, err := OpenReceipt(u.Receipt)
	if !r.add("receipt", err, codeSignature, promised(got)) {
		return r
	}
	r.Author, r.Ledger, r.Index = got.Agency, got.Origin, got.Index
	cp, _, err := ParseSigned(u.Checkpoint)
	if err == nil && cp.Origin != got.Origin {
		err = fmt.Errorf("%w: the checkpoint is of another ledger", ErrUnkept)
	}
	if !r.add("checkpoint", err, codeForm, fmt.Sprintf("covers %d entries", cp.Size)) {
		return r
	}
	b := u.bundle(got)
	a, err := b.agency(got.Agency)
	if err == nil && a.Node.Key != key {
		err = fmt.Errorf("%w: signed by a node that is not %s's", ErrUnkept, got.Agency)
	}
	r.add("node", err, codeSignature, fmt.Sprintf("signed by the node of %s", got.Agency))
	r.add("roster", b.roster(cp), codeInclusion, "that node is in the state the checkpoint names")
	r.add("absent", u.absent(got, cp), codeInclusion, fmt.Sprintf("entry %d is another", got.Index))
	r.trust(b, t)
	if r.Code() == 0 {
		r.add("unkept", fmt.Errorf("%s acknowledged entry %d of %s, and it is not there", got.Agency, got.Index, got.Origin), CodeUnkept, "")
	}
	return r
}

func promised(r Receipt) string {
	return fmt.Sprintf("a node of %s promised entry %d of %s by %s", r.Agency, r.Index, r.Origin, time.UnixMilli(r.Deadline).UTC().Format(time.RFC3339))
}

// bundle is the part of the proof that a Bundle has, too.
func (u *Unkept) bundle(r Receipt) *Bundle {
	return &Bundle{
		Carried: Carried{Origin: r.Origin}, Checkpoint: u.Checkpoint, Agency: u.Agency, Position: u.Position, PublicSize: u.PublicSize,
		Path: u.Public, Evidence: u.Evidence,
	}
}

func (u *Unkept) absent(r Receipt, cp Checkpoint) error {
	switch {
	case cp.Size <= r.Index:
		return fmt.Errorf("%w: the checkpoint does not reach the index, and what stands there is not shown", ErrUnkept)
	case tlog.Hash(u.Leaf) == r.Hash:
		return fmt.Errorf("%w: the entry is there", ErrUnkept)
	}
	return CheckInclusion(u.Path, cp.Size, cp.Root, r.Index, tlog.Hash(u.Leaf))
}

// ReportReceipt says what a receipt alone tells: who promised what. Whether it was kept needs more than the receipt.
func ReportReceipt(raw []byte) *Report {
	r := &Report{}
	got, key, err := OpenReceipt(raw)
	if !r.add("receipt", err, codeSignature, promised(got)) {
		return r
	}
	r.Author, r.Ledger, r.Index = got.Agency, got.Origin, got.Index
	r.Checks = append(r.Checks, Check{
		Name: "kept", Outcome: Skipped, Code: codeTrust,
		Detail: fmt.Sprintf("a promise of node %s alone: with --receipt and the bundle of the entry it shows whether it was kept", key.ID().Short()),
	})
	return r
}
