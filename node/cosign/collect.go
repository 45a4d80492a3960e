package cosign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
)

// Run seals the ledger as it grows until ctx ends: the leader at once, any other node when the leader does not.
func (c *Cosigner) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		origin, sealed, err := c.sealed()
		if err == nil && origin != "" {
			err = c.cfg.Store.Wait(ctx, origin, sealed+1)
		}
		if err == nil && origin != "" && c.myTurn(ctx, origin, sealed) {
			err = c.seal(ctx, origin, sealed)
		}
		pause(ctx, pauseAfter(origin, err))
		if err != nil && ctx.Err() == nil && !errors.Is(err, ErrQuorum) {
			c.cfg.Log.Warn("checkpoint not made", "error", err)
		}
	}
	return nil
}

func pauseAfter(origin ledger.Origin, err error) time.Duration {
	if err != nil || origin == "" {
		return retryAfter
	}
	return everyMost
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// sealed returns our origin and the size of the newest checkpoint that counts; an empty origin before genesis.
func (c *Cosigner) sealed() (ledger.Origin, uint64, error) {
	state := c.cfg.Store.State()
	if state == nil {
		return "", 0, nil
	}
	origin := state.Governance.Origin
	signed, err := c.cfg.Store.Latest(origin)
	if err != nil || signed == nil {
		return origin, 0, err
	}
	cp, _, err := ledger.ParseSigned(signed)
	return origin, cp.Size, err
}

// myTurn says whether to make the checkpoint: a leader does; another node gives the leader standIn to do it.
func (c *Cosigner) myTurn(ctx context.Context, origin ledger.Origin, sealed uint64) bool {
	deadline := time.Now().Add(standIn)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if c.cfg.Members.Leads() {
			return true
		}
		pause(ctx, everyMost)
		if _, now, err := c.sealed(); err != nil || now > sealed {
			return false
		}
	}
	return ctx.Err() == nil
}

// seal makes one checkpoint: sign it here, ask the others, keep it and hand it out once enough agencies signed.
func (c *Cosigner) seal(ctx context.Context, origin ledger.Origin, after uint64) error {
	size, governance, err := c.next(origin, after)
	if err != nil || governance == nil {
		return err
	}
	line, _, ok, err := c.cfg.Store.Boundary(size)
	if err != nil || !ok {
		return fmt.Errorf("cosign: no state line at size %d: %w", size, err)
	}
	root, err := tlog.TreeHash(int64(size), c.cfg.Store.HashReader(origin))
	if err != nil {
		return err
	}
	cp := ledger.Checkpoint{Origin: origin, Size: size, Root: root, State: line}
	signed, counts, err := c.collect(ctx, cp, governance)
	if err != nil {
		return err
	}
	if !counts {
		return fmt.Errorf("%w: size %d", ErrQuorum, size)
	}
	return c.Take(ctx, signed, true)
}

// next returns the size to seal and the roster at that size: those are asked, and by it partners count. Where the roster
// moved on while it looked, it looks again.
func (c *Cosigner) next(origin ledger.Origin, after uint64) (size uint64, g *ledger.Governance, err error) {
	for range rosterTries {
		state := c.cfg.Store.State()
		size, ok, err := c.cfg.Store.NextBoundary(after)
		if err != nil || !ok {
			return 0, nil, err
		}
		moved, err := c.cfg.Store.Governance(origin, min(size, state.Size()))
		if err != nil {
			return 0, nil, err
		}
		if len(moved) == 0 {
			return size, state.Governance, nil
		}
	}
	size, ok, err := c.cfg.Store.NextBoundary(after)
	if err != nil || !ok {
		return 0, nil, err
	}
	return size, c.cfg.Store.State().Governance, nil // a long backlog with governance in it; the next checkpoint mends it
}

// collect gathers signature lines until the checkpoint counts and the stragglers had their moment.
func (c *Cosigner) collect(ctx context.Context, cp ledger.Checkpoint, governance *ledger.Governance) (signed []byte, counts bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	own, err := c.Sign(cp.Text())
	if err != nil {
		return nil, false, err
	}
	lines := c.ask(ctx, cp.Text(), governance)
	signed = ledger.Assemble(cp, own)
	var late <-chan time.Time
	for waiting := len(governance.Agencies) - 1; ; waiting-- {
		_, cosignatures, err := ledger.VerifyCosignatures(signed, governance.CheckpointKeys())
		if err != nil {
			return nil, false, err
		}
		if ok, _ := ledger.Counts(cosignatures, governance.QuorumSize()); ok && late == nil {
			counts = true
			late = time.After(linger)
		}
		if waiting <= 0 {
			return signed, counts, nil
		}
		select {
		case a := <-lines:
			signed = add(signed, cp, a.of(cp, governance))
		case <-late:
			return signed, counts, nil
		case <-ctx.Done():
			return signed, counts, nil
		}
	}
}

// answer is what an agency's node sent for a signature line; empty where it refuses or is away.
type answer struct {
	agency ledger.AgencyID
	line   string
}

// of returns the agency's own cosignature, and nothing of whatever else it may have sent: lines are few, and others' would find no place.
func (a answer) of(cp ledger.Checkpoint, g *ledger.Governance) string {
	_, valid, err := ledger.VerifyCosignatures(ledger.Assemble(cp, a.line), g.CheckpointKeys())
	i := slices.IndexFunc(valid, func(v ledger.Cosignature) bool { return v.Agency == a.agency })
	if err != nil || i < 0 {
		return ""
	}
	return valid[i].Line
}

// ask asks every other node at once; each answers once.
func (c *Cosigner) ask(ctx context.Context, text string, g *ledger.Governance) <-chan answer {
	lines := make(chan answer, len(g.Agencies))
	for _, a := range g.Agencies {
		id := a.Node.Key.ID()
		if id == c.cfg.Node {
			continue
		}
		go func() {
			line, err := c.cfg.Members.Ask(ctx, id, text)
			if err != nil {
				line = ""
			}
			lines <- answer{a.ID, line}
		}()
	}
	return lines
}

func add(signed []byte, cp ledger.Checkpoint, line string) []byte {
	if line == "" {
		return signed
	}
	merged, err := ledger.MergeSignatures(signed, ledger.Assemble(cp, line))
	if err != nil {
		return signed // a line that is no signature line is worth nothing
	}
	return merged
}

// Take keeps a signed checkpoint of our own ledger if enough of our agencies signed it and it does not contradict
// what this node has applied; with share it goes to every other node too. More signatures for a size already kept
// are merged.
func (c *Cosigner) Take(ctx context.Context, signed []byte, share bool) error {
	state := c.cfg.Store.State()
	if state == nil {
		return ErrNotOurs
	}
	g := state.Governance
	cp, cosignatures, err := ledger.VerifyCosignatures(signed, g.CheckpointKeys())
	if err != nil {
		return err
	}
	ok, noLaterThan := ledger.Counts(cosignatures, g.QuorumSize())
	if cp.Origin != g.Origin || len(cosignatures) == 0 {
		return fmt.Errorf("%w: size %d", ErrQuorum, cp.Size)
	}
	if err := c.compare(cp, state.Size(), signed, ok); err != nil {
		return err
	}
	if !ok {
		if c.cfg.Ahead != nil && cp.Size > state.Size() {
			c.cfg.Ahead(signed)
		}
		return fmt.Errorf("%w: size %d", ErrQuorum, cp.Size)
	}
	if signed, err = c.proven(cp, signed, state); err != nil {
		return err
	}
	if err := c.cfg.Store.PutCheckpoint(cp.Origin, signed); err != nil {
		return err
	}
	if c.cfg.Sealed != nil {
		c.cfg.Sealed(cp, time.Unix(noLaterThan, 0))
	}
	if share {
		c.share(ctx, g, signed)
	}
	return nil
}

// proven returns the checkpoint with those lines alone that members or partners have signed, one a key and none that is kept already, and
// with few of those that nobody's key now verifies: a member that left may have signed it before. It is what is kept where there is none.
func (c *Cosigner) proven(cp ledger.Checkpoint, signed []byte, state *ledger.State) ([]byte, error) {
	kept, err := c.cfg.Store.Checkpoint(cp.Origin, cp.Size)
	if err != nil {
		return nil, err
	}
	rosters := []*ledger.Governance{state.Governance}
	for _, p := range state.Partners {
		if p.Mirror.Governance != nil {
			rosters = append(rosters, p.Mirror.Governance)
		}
	}
	type signer struct {
		agency ledger.AgencyID
		key    crypto.NodePublic
	}
	have, lines, verified := map[signer]bool{}, []string{}, map[string]bool{}
	for _, g := range rosters {
		keys := g.CheckpointKeys()
		if kept != nil {
			_, valid, err := ledger.VerifyCosignatures(kept, keys)
			if err != nil {
				return nil, err
			}
			for _, v := range valid {
				have[signer{v.Agency, v.Key}], verified[v.Line] = true, true
			}
		}
		_, valid, err := ledger.VerifyCosignatures(signed, keys)
		if err != nil {
			return nil, err
		}
		for _, v := range valid {
			verified[v.Line] = true
			if by := (signer{v.Agency, v.Key}); !have[by] {
				have[by], lines = true, append(lines, v.Line)
			}
		}
	}
	lines = append(lines, former(kept, signed, verified, state.Governance)...)
	if len(lines) == 0 {
		return kept, nil
	}
	return ledger.Assemble(cp, lines...), nil
}

// former returns lines of a checkpoint that were not verified, in the names of agencies that are or were members: so few a name that
// made-up ones leave room.
func former(kept, signed []byte, verified map[string]bool, g *ledger.Governance) (out []string) {
	_, have, _ := ledger.ParseSigned(kept) // which was parsed before, or is none
	_, lines, _ := ledger.ParseSigned(signed)
	count := map[ledger.AgencyID]int{}
	for i, l := range slices.Concat(have, lines) {
		by := ledger.Signer(l)
		_, member := g.Agency(by)
		known := member || slices.ContainsFunc(g.Removed, func(r ledger.Removed) bool { return r.Agency == by })
		if verified[l] || !known || i >= len(have) && slices.Contains(have, l) {
			continue
		}
		if count[by]++; i >= len(have) && count[by] <= formerLines {
			out = append(out, l)
		}
	}
	return out
}

// compare raises the alarm when members signed another history than ours: a quorum, or fewer, who accuse themselves.
func (c *Cosigner) compare(cp ledger.Checkpoint, size uint64, signed []byte, quorum bool) error {
	if cp.Size > size {
		return nil // not applied here yet; the tree is compared when it is
	}
	root, err := tlog.TreeHash(int64(cp.Size), c.cfg.Store.HashReader(cp.Origin))
	if err != nil {
		return err
	}
	if root != cp.Root {
		what := "members, fewer than a quorum, signed another root than this node's"
		if quorum {
			what = "a quorum signed another root than this node's"
		}
		c.cfg.Alarm(what, string(cp.Origin))
		c.contradicted(signed)
		return fmt.Errorf("%w: root at size %d", ErrNotOurs, cp.Size)
	}
	return nil
}

func (c *Cosigner) share(ctx context.Context, g *ledger.Governance, signed []byte) {
	for _, a := range g.Agencies {
		id := a.Node.Key.ID()
		if id == c.cfg.Node {
			continue
		}
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWait)
			defer cancel()
			if err := c.cfg.Members.Give(ctx, id, signed); err != nil {
				c.cfg.Log.Debug("checkpoint not handed over", "node", id.Short(), "error", err)
			}
		}()
	}
}

// TakePartnerLine adds a partner's cosignature to our checkpoint of a size and hands it round.
func (c *Cosigner) TakePartnerLine(ctx context.Context, origin ledger.Origin, size uint64, line string) error {
	state := c.cfg.Store.State()
	partner := state.Partners[origin]
	if partner == nil || partner.Mirror.Governance == nil {
		return fmt.Errorf("%w: %s is not a partner whose roster is known", ErrNotOurs, origin)
	}
	kept, err := c.cfg.Store.Checkpoint(state.Governance.Origin, size)
	if err != nil || kept == nil {
		return err
	}
	cp, _, err := ledger.ParseSigned(kept)
	if err != nil {
		return err
	}
	_, valid, err := ledger.VerifyCosignatures(ledger.Assemble(cp, line), partner.Mirror.Governance.CheckpointKeys())
	if err != nil || len(valid) == 0 {
		return fmt.Errorf("%w: not a cosignature of %s", ErrNotOurs, origin)
	}
	return c.Take(ctx, add(kept, cp, valid[0].Line), true)
}
