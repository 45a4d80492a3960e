package node

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/durable"
)

const (
	maxForks      = 64 // proofs that are kept
	forkSuffix    = ".fork"
	maxThirds     = ledger.MaxPartners + 1
	maxThirdTells = 4 // checkpoints beyond what is mirrored, that wait for it, a ledger
)

// forks compares what others show of ledgers with what this node has verified of them, and keeps portable proofs of who
// signed two histories: one file each, for vigil-verify, in the data directory.
type forks struct {
	n   *Node
	dir string

	mu      sync.Mutex
	found   []forkFound                // guarded by mu
	accused []forkFound                // guarded by mu; without a file
	wait    map[ledger.Origin][][]byte // guarded by mu; checkpoints of sizes that are not here yet
}

type forkFound struct {
	file   string
	signer ledger.AgencyID
	origin ledger.Origin
}

// newForks reads what was proved before.
func newForks(n *Node, dir string) (*forks, error) {
	x := &forks{n: n, dir: dir, wait: map[ledger.Origin][][]byte{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"+forkSuffix))
	if err != nil {
		return nil, err
	}
	for _, file := range files[:min(len(files), maxForks)] {
		raw, err := readSmall(file)
		if err != nil {
			return nil, err
		}
		if f, err := ledger.DecodeFork(raw); err == nil {
			x.found = append(x.found, forkFound{file: file, signer: f.Signer, origin: originOf(f.A.Checkpoint)})
		}
	}
	return x, nil
}

func originOf(signed []byte) ledger.Origin {
	cp, _, _ := ledger.ParseSigned(signed) // empty where it is none
	return cp.Origin
}

// take compares a checkpoint that a partner passed on. One of a size that is not mirrored yet waits.
func (x *forks) take(from ledger.Origin, signed []byte) {
	cp, _, err := ledger.ParseSigned(signed)
	if err != nil || cp.Size == 0 {
		return
	}
	if cp.Size > x.n.store.Size(cp.Origin) {
		x.defers(cp.Origin, signed)
		return
	}
	if x.differs(cp) && x.prove(signed) > 0 {
		x.n.log.Warn("a partner passed on a checkpoint of another history than the one verified here", "from", from, "ledger", cp.Origin, "size", cp.Size)
	}
}

// defers keeps a checkpoint until its ledger has grown here, or its signers have signed more.
func (x *forks) defers(origin ledger.Origin, signed []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if waits := x.wait[origin]; x.n.governanceOf(origin) != nil && (waits != nil || len(x.wait) < maxThirds) {
		x.wait[origin] = append(waits, signed)[max(0, len(waits)+1-maxThirdTells):]
	}
}

// ahead keeps a checkpoint of our own ledger that goes further than what has been applied here, until it can be compared.
func (x *forks) ahead(c ledger.Checkpoint) {
	if c.Size <= x.n.store.Size(c.Origin) {
		return
	}
	if signed, err := x.n.store.Checkpoint(c.Origin, c.Size); err == nil && signed != nil {
		x.defers(c.Origin, signed)
	}
}

// again compares what waited for a ledger to grow.
func (x *forks) again(origin ledger.Origin) {
	x.mu.Lock()
	waits := x.wait[origin]
	delete(x.wait, origin)
	x.mu.Unlock()
	for _, signed := range waits {
		x.take(origin, signed)
	}
}

// differs says whether a checkpoint is of another history than the one verified here.
func (x *forks) differs(cp ledger.Checkpoint) bool {
	root, err := tlog.TreeHash(int64(cp.Size), x.n.store.HashReader(cp.Origin))
	return err == nil && root != cp.Root
}

// prove looks, for everyone who signed a checkpoint that is not of the history verified here, for that one's signature
// under the history that is, and keeps a proof of both. It returns how many were proved. A signature that stands alone is
// an alarm, too: its signer has signed what never was.
func (x *forks) prove(signed []byte) int {
	cp, _, err := ledger.ParseSigned(signed)
	g := x.n.governanceOf(cp.Origin)
	if err != nil || g == nil {
		return 0
	}
	_, theirs, err := ledger.VerifyCosignatures(signed, g.CheckpointKeys())
	if err != nil {
		return 0
	}
	if ok, _ := ledger.Counts(theirs, g.QuorumSize()); ok && cp.Origin == x.n.id.Origin && x.differs(cp) {
		x.n.fail(fmt.Errorf("%w: at size %d", errOutvoted, cp.Size))
	}
	proved, alone := 0, false
	for _, c := range theirs {
		f, err := x.proofOf(cp, signed, c, g)
		if err != nil {
			x.n.log.Warn("a fork could not be proved", "ledger", cp.Origin, "signer", c.Agency, "error", err)
		}
		if f == nil {
			alone = true
			x.accuse(c.Agency, cp)
			continue
		}
		proved++
		if err := x.keep(f, cp.Origin); err != nil {
			x.n.log.Error("a proof of a fork could not be kept", "error", err)
		}
	}
	if alone {
		x.defers(cp.Origin, signed)
	}
	return proved
}

// accuse raises the alarm, once for each signer and ledger, over a signature to which there is none to the contrary yet.
func (x *forks) accuse(signer ledger.AgencyID, cp ledger.Checkpoint) {
	x.mu.Lock()
	defer x.mu.Unlock()
	who := forkFound{signer: signer, origin: cp.Origin}
	if slices.Contains(x.accused, who) || len(x.accused) >= maxForks {
		return
	}
	x.accused = append(x.accused, who)
	x.n.alarm(string(signer), fmt.Sprintf("it signed a history of %s, at size %d, that is not the one verified here; no signature of its own to the contrary is kept yet", cp.Origin, cp.Size))
}

// proofOf finds a checkpoint of the verified history that the same key signed: of the same size, or a larger one with the
// consistency proof between them.
func (x *forks) proofOf(cp ledger.Checkpoint, signed []byte, c ledger.Cosignature, g *ledger.Governance) (*ledger.Fork, error) {
	sizes, err := x.n.store.Checkpoints(cp.Origin, cp.Size-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(sizes)
	for _, size := range sizes {
		kept, err := x.n.store.Checkpoint(cp.Origin, size)
		if err != nil || kept == nil {
			continue
		}
		have, ours, err := ledger.VerifyCosignatures(kept, g.CheckpointKeys())
		if err != nil || x.differs(have) || !slices.ContainsFunc(ours, func(o ledger.Cosignature) bool { return o.Key == c.Key }) {
			continue
		}
		if size == cp.Size {
			return ledger.ProveFork(c.Agency, c.Key, signed, kept), nil
		}
		reader := x.n.store.HashReader(cp.Origin)
		root, rootErr := tlog.TreeHash(int64(cp.Size), reader)
		path, err := tlog.ProveTree(int64(size), int64(cp.Size), reader)
		if err := errors.Join(rootErr, err); err != nil {
			return nil, err
		}
		return ledger.ProveForkGrown(c.Agency, c.Key, signed, kept, root, path), nil
	}
	return nil, nil
}

// keep writes a proof, once for each signer and ledger.
func (x *forks) keep(f *ledger.Fork, origin ledger.Origin) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	known := func(o forkFound) bool { return o.signer == f.Signer && o.origin == origin }
	if len(x.found) >= maxForks || slices.ContainsFunc(x.found, known) {
		return nil
	}
	raw := f.Encode()
	sum := sha256.Sum256(raw)
	file := filepath.Join(x.dir, strings.ReplaceAll(string(f.Signer), "/", "-")+"-"+hex.EncodeToString(sum[:4])+forkSuffix)
	if err := durable.WriteFile(file, raw, 0o600); err != nil {
		return err
	}
	x.found = append(x.found, forkFound{file: file, signer: f.Signer, origin: origin})
	x.n.alarm(string(f.Signer), fmt.Sprintf("it signed two histories of %s; the proof is %s", origin, file))
	return nil
}

// problems are the forks that were proved.
func (x *forks) problems() []api.NodeProblem {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []api.NodeProblem
	for _, f := range x.found {
		p := api.NodeProblem{
			Severity: "failure", What: fmt.Sprintf("%s signed two histories of %s: %s proves it to anybody", f.signer, f.origin, f.file),
			Fix: "vigil ledger trust; vigil-verify " + f.file + " --trust trust.json; then ",
		}
		if f.origin == x.n.id.Origin {
			p.Fix += "vigil agency remove " + string(f.signer)
		} else {
			p.Fix += "show it to the other members of " + string(f.origin.Jurisdiction())
		}
		out = append(out, p)
	}
	return out
}
