package node

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/author"
	"vigil/node/durable"
)

const (
	receiptWait   = 10 * time.Second // what a receipt promises
	maxUnkept     = 64               // receipts that are kept as proof
	receiptSuffix = ".receipt"
	unkeptSuffix  = ".unkept"
)

// receipts keeps what was acknowledged by the leader, and so promised by this node, and did not come: the signed receipt at
// once, and the proof that it was not kept as soon as the members have signed a checkpoint with another entry in its place.
// One file each, for vigil-verify, in the data directory.
type receipts struct {
	n   *Node
	dir string

	mu   sync.Mutex
	open []unkept // guarded by mu
}

type unkept struct {
	file    string // of the receipt, or of the proof
	receipt ledger.Receipt
	raw     []byte // the receipt; nil where it is proved
}

// receiptWithin is what a receipt of this node promises.
func (c *Config) receiptWithin() time.Duration {
	if c.within > 0 {
		return c.within
	}
	return receiptWait
}

// newReceipts reads what was kept before.
func newReceipts(n *Node, dir string) (*receipts, error) {
	x := &receipts{n: n, dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil {
		return nil, err
	}
	for _, file := range files[:min(len(files), maxUnkept)] {
		raw, err := readSmall(file)
		if err != nil {
			return nil, err
		}
		u := unkept{file: file, raw: raw}
		if proof, err := ledger.DecodeUnkept(raw); err == nil {
			raw, u.raw = proof.Receipt, nil
		}
		if u.receipt, _, err = ledger.OpenReceipt(raw); err == nil {
			x.open = append(x.open, u)
		}
	}
	return x, nil
}

// late raises the alarm over an acknowledged entry that is not here by the deadline of its receipt.
func (x *receipts) late(reason string, r author.Receipt) {
	raw := x.n.Receipt(r, [32]byte{})
	got, _, err := ledger.OpenReceipt(raw)
	name := strconv.FormatUint(r.Index, 10) + "-" + hex.EncodeToString(r.Leaf[:4]) + receiptSuffix
	u := unkept{file: filepath.Join(x.dir, name), receipt: got, raw: raw}
	latest := x.latest()
	x.mu.Lock()
	defer x.mu.Unlock()
	if slices.ContainsFunc(x.open, func(o unkept) bool { return o.receipt.Index == got.Index && o.receipt.Hash == got.Hash }) {
		return // an earlier process missed it and said so, and the next one was told of it again
	}
	if err == nil && len(x.open) < maxUnkept {
		if err = durable.WriteFile(u.file, raw, 0o600); err == nil {
			x.open = append(x.open, u)
			reason += "; its receipt is " + u.file
		}
	}
	if err != nil {
		x.n.log.Error("a receipt that was not kept could not be written", "error", err)
	}
	x.n.alarm("leader", fmt.Sprintf("%s (sequence %d)", reason, r.Sequence))
	x.settle(latest)
}

// latest is the newest checkpoint that counts; none of size 0.
func (x *receipts) latest() (cp ledger.Checkpoint) {
	if signed, err := x.n.store.Latest(x.n.id.Origin); err == nil && signed != nil {
		cp, _, _ = ledger.ParseSigned(signed) // it was verified when it was kept
	}
	return cp
}

// sealed completes what a checkpoint proves. Who kept its receipt late, did: it is no problem any more.
func (x *receipts) sealed(cp ledger.Checkpoint) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.settle(cp)
}

// settle proves what a checkpoint proves, and forgets what it shows to be kept. x.mu is held.
func (x *receipts) settle(cp ledger.Checkpoint) {
	x.open = slices.DeleteFunc(x.open, func(u unkept) bool {
		hash, err := x.n.store.Hash(cp.Origin, u.receipt.Index)
		kept := u.raw != nil && err == nil && hash == u.receipt.Hash
		if kept {
			x.n.log.Warn("an acknowledged entry came after the deadline of its receipt", "entry", u.receipt.Index)
			_ = os.Remove(u.file) // it is read again at the next start, and is kept then, too
		}
		return kept
	})
	for i := range x.open {
		if x.open[i].raw == nil || cp.Size <= x.open[i].receipt.Index {
			continue // a checkpoint below the entry says nothing of it: a backlog is signed in stretches
		}
		if err := x.prove(&x.open[i], cp); err != nil {
			x.n.log.Warn("a receipt that was not kept could not be proved yet", "entry", x.open[i].receipt.Index, "error", err)
		}
	}
}

// prove writes the proof in place of the receipt. Where the roster has moved on, the next checkpoint is tried.
func (x *receipts) prove(u *unkept, cp ledger.Checkpoint) error {
	signed, err := x.n.store.Checkpoint(cp.Origin, cp.Size)
	if err != nil {
		return err
	}
	_, evidence, ok, err := x.n.store.Boundary(cp.Size)
	if err != nil || !ok {
		return errors.Join(err, errNotYet)
	}
	proof, err := x.n.unkept(u, signed, cp, evidence)
	if err != nil {
		return err
	}
	raw := proof.Encode()
	trust := ledger.TrustOf(x.n.store.State())
	if r := ledger.VerifyUnkept(raw, &trust); r.Code() != ledger.CodeUnkept {
		return fmt.Errorf("%w: %v", ledger.ErrUnkept, r.Checks[len(r.Checks)-1].Detail)
	}
	file := strings.TrimSuffix(u.file, receiptSuffix) + unkeptSuffix
	if err := durable.WriteFile(file, raw, 0o600); err != nil {
		return err
	}
	_ = os.Remove(u.file) // the proof holds it
	u.file, u.raw = file, nil
	return nil
}

// unkept shows what stands at a receipt's index under a checkpoint that reaches it.
func (n *Node) unkept(u *unkept, signed []byte, cp ledger.Checkpoint, e ledger.Evidence) (*ledger.Unkept, error) {
	hash, err := n.store.Hash(cp.Origin, u.receipt.Index)
	if err != nil {
		return nil, err
	}
	path, err := ledger.ProveInclusion(cp.Size, u.receipt.Index, n.store.HashReader(cp.Origin))
	if err != nil {
		return nil, err
	}
	return ledger.MakeUnkept(u.raw, signed, n.store.State().Governance, e, hash[:], path)
}

// problems are the receipts that were not kept.
func (x *receipts) problems() []api.NodeProblem {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []api.NodeProblem
	for _, u := range x.open {
		what := fmt.Sprintf("entry %d was acknowledged by %s and is not in the ledger", u.receipt.Index, time.UnixMilli(u.receipt.Deadline).UTC().Format(time.RFC3339))
		verify := "vigil ledger trust -o trust.json; vigil-verify " + u.file + " --trust trust.json"
		if u.raw == nil {
			what += ": " + u.file + " proves it to anybody"
		} else {
			what += "; its receipt is " + u.file + ", a proof follows with the next checkpoint"
		}
		out = append(out, api.NodeProblem{
			Severity: "failure", What: what,
			Fix: "ask again for what was to be written, with the same --key; " + verify + "; a leader that goes on: vigil agency remove AGENCY",
		})
	}
	return out
}
