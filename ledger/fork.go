package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

// ErrFork says that bytes are no proof of a fork, or prove none.
var ErrFork = errors.New("ledger: proof of a fork")

const (
	forkMagic    = "vigil-fork"
	forkVersion  = 1
	maxForkBytes = 512 << 10
	maxForkPath  = 64
)

// Fork is portable proof that one checkpoint key signed two histories of a ledger: CBOR array [magic, version, signer, its
// key, index, side, side]. Either both sides are of one size and have two roots or state lines, or each shows the leaf at
// index in its own tree and the leaves differ. It needs nothing else: who does not know the key knows that whoever holds it
// lied. There is a third form: A is a checkpoint without a leaf, B a larger one that shows, by a consistency proof, that its
// tree had another root at A's size; that root stands where the leaf does, and index is 0.
type Fork struct {
	_       struct{} `cbor:",toarray"`
	Magic   string
	Version uint64
	Signer  AgencyID
	Key     crypto.NodePublic
	Index   Index
	A, B    ForkSide
}

// ForkSide is one of the two histories: a signed checkpoint and, where sizes differ, the leaf hash at the proof's index with
// its audit path.
type ForkSide struct {
	_          struct{} `cbor:",toarray"`
	Checkpoint []byte
	Leaf       []byte // 32 bytes, or none
	Path       []tlog.Hash
}

// ProveFork makes a proof of two signed checkpoints of one size.
func ProveFork(signer AgencyID, key crypto.NodePublic, a, b []byte) *Fork {
	return ProveForkAt(signer, key, 0, ForkSide{Checkpoint: a}, ForkSide{Checkpoint: b})
}

// ProveForkAt makes a proof of two leaves at one index.
func ProveForkAt(signer AgencyID, key crypto.NodePublic, index Index, a, b ForkSide) *Fork {
	return &Fork{Magic: forkMagic, Version: forkVersion, Signer: signer, Key: key, Index: index, A: a.whole(), B: b.whole()}
}

// ProveForkGrown makes a proof of a checkpoint and a larger one: root is what the larger one's tree had at the smaller one's
// size, path the consistency proof between the two.
func ProveForkGrown(signer AgencyID, key crypto.NodePublic, smaller, larger []byte, root tlog.Hash, path tlog.TreeProof) *Fork {
	return ProveForkAt(signer, key, 0, ForkSide{Checkpoint: smaller}, ForkSide{Checkpoint: larger, Leaf: root[:], Path: path})
}

// whole has empty lists for none, so that what is encoded decodes to the same.
func (s ForkSide) whole() ForkSide {
	if s.Leaf == nil {
		s.Leaf = []byte{}
	}
	if s.Path == nil {
		s.Path = []tlog.Hash{}
	}
	return s
}

// Encode returns the file.
func (f *Fork) Encode() []byte { return Marshal(f) }

// DecodeFork accepts exactly what Encode writes. Whether it proves anything is for VerifyFork.
func DecodeFork(raw []byte) (*Fork, error) {
	f := &Fork{}
	if err := Unmarshal(raw, f, maxForkBytes); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFork, err)
	}
	if f.Magic != forkMagic || f.Version != forkVersion {
		return nil, fmt.Errorf("%w: version %d, this binary knows %d", ErrFork, f.Version, forkVersion)
	}
	for _, s := range []ForkSide{f.A, f.B} {
		if len(s.Path) > maxForkPath || len(s.Leaf) != 0 && len(s.Leaf) != tlog.HashSize || len(s.Leaf) == 0 && len(s.Path) > 0 {
			return nil, fmt.Errorf("%w: a leaf hash has 32 bytes, its path at most %d hashes", ErrFork, maxForkPath)
		}
	}
	if len(f.A.Leaf)+len(f.B.Leaf) == 0 && f.Index != 0 {
		return nil, fmt.Errorf("%w: an index without leaves", ErrFork)
	}
	return f, nil
}

// VerifyFork checks everything that a proof claims. A proof that holds, of a key that the trust file pins, ends with the
// code of a fork.
func VerifyFork(raw []byte, t *Trust) *Report {
	r := &Report{}
	f, err := DecodeFork(raw)
	if !r.add("form", err, codeForm, "a proof of a fork of version 1") {
		return r
	}
	a, errA := f.A.signed(f)
	b, errB := f.B.signed(f)
	if !r.add("signatures", errors.Join(errA, errB), codeSignature, fmt.Sprintf("both checkpoints are signed by the key that is named as %s", f.Signer)) {
		return r
	}
	r.Ledger, r.Author = a.Origin, f.Signer
	if !r.add("histories", f.contradicts(a, b), codeInclusion, "they are of one ledger and cannot both be its history") {
		return r
	}
	if t == nil {
		r.Checks = append(r.Checks, Check{Name: "trust", Outcome: Skipped, Code: codeTrust, Detail: "no trust file: somebody signed two histories, and who that is, is not established"})
		return r
	}
	code := codeTrust
	err = f.pinned(t)
	if _, known := t.ledger(a.Origin); err != nil && !known {
		code, err = codeOther, t.other(a.Origin)
	}
	if r.add("trust", err, code, fmt.Sprintf("the trust file names the key as %s's", f.Signer)) {
		r.add("fork", fmt.Errorf("%s signed two histories of %s, of %d and %d entries", f.Signer, a.Origin, a.Size, b.Size), CodeFork, "")
	}
	return r
}

// signed returns a side's checkpoint if the proof's key signed it.
func (s ForkSide) signed(f *Fork) (Checkpoint, error) {
	cp, valid, err := VerifyCosignatures(s.Checkpoint, map[AgencyID][]crypto.NodePublic{f.Signer: {f.Key}})
	if err == nil && len(valid) == 0 {
		err = fmt.Errorf("%w: a checkpoint is not signed by the key", ErrFork)
	}
	return cp, err
}

func (f *Fork) contradicts(a, b Checkpoint) error {
	switch {
	case a.Origin != b.Origin:
		return fmt.Errorf("%w: two ledgers, %s and %s", ErrFork, a.Origin, b.Origin)
	case len(f.A.Leaf) == 0 && len(f.B.Leaf) == 0:
		if a.Size != b.Size || a.Root == b.Root && a.State == b.State {
			return fmt.Errorf("%w: one size and two roots or state lines, or two leaves at one index", ErrFork)
		}
		return nil
	case len(f.A.Leaf) == 0 && f.Index == 0 && a.Size > 0 && a.Size < b.Size:
		if bytes.Equal(f.B.Leaf, a.Root[:]) {
			return fmt.Errorf("%w: one history has grown out of the other", ErrFork)
		}
		return tlog.CheckTree(tlog.TreeProof(f.B.Path), int64(b.Size), b.Root, int64(a.Size), tlog.Hash(f.B.Leaf))
	case len(f.A.Leaf) == 0 || len(f.B.Leaf) == 0 || bytes.Equal(f.A.Leaf, f.B.Leaf):
		return fmt.Errorf("%w: not two leaves at one index", ErrFork)
	}
	return errors.Join(
		CheckInclusion(f.A.Path, a.Size, a.Root, f.Index, tlog.Hash(f.A.Leaf)),
		CheckInclusion(f.B.Path, b.Size, b.Root, f.Index, tlog.Hash(f.B.Leaf)))
}

// pinned checks that the trust file names the key under that name, as a member's or a partner's.
func (f *Fork) pinned(t *Trust) error {
	for _, l := range t.Ledgers {
		for _, named := range []map[AgencyID]string{l.Members, l.Witnesses} {
			keys, err := parseKeys(named)
			if err != nil {
				return err
			}
			if slices.Contains(keys[f.Signer], f.Key) {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: the trust file does not name this key as %s's", ErrFork, f.Signer)
}
