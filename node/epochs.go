package node

import (
	"context"
	"errors"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/author"
)

// epochStep is how long a member waits for each member before it in the roster to make a due epoch.
const epochStep = time.Second

// makeEpochs makes the next key of an audience whose members changed, until ctx ends. Any member may; they try in roster
// order, and the ledger takes the first.
func (n *Node) makeEpochs(ctx context.Context) error {
	var seen *ledger.Governance
	for ctx.Err() == nil {
		changed := n.store.Changed()
		if state := n.store.State(); state != nil && state.Governance != seen {
			seen = state.Governance
			n.opener.learn()
		}
		if seen != nil {
			n.tellBadShares(ctx)
			for _, a := range n.dueAudiences() {
				n.makeEpoch(ctx, a)
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
	return nil
}

// tellBadShares says of every epoch in force whose share fails this agency that it does: the audience is stale again, and
// who made it is barred from the next try.
func (n *Node) tellBadShares(ctx context.Context) {
	for _, bad := range n.opener.badShares() {
		a, ok := n.store.State().Governance.Audience(bad.audience)
		if !ok || a.Epoch != bad.epoch || a.Due || a.Maker == n.id.Agency {
			continue
		}
		_, err := n.author.Govern(ctx, &ledger.BadShare{Audience: bad.audience, Epoch: bad.epoch})
		if err != nil && ctx.Err() == nil {
			n.log.Warn("a bad share was not reported", "audience", bad.audience, "epoch", bad.epoch, "error", err)
		}
	}
}

func (n *Node) dueAudiences() []ledger.AudienceName {
	var due []ledger.AudienceName
	for _, a := range n.store.State().Governance.Audiences {
		if _, mine := a.MayMake(n.id.Agency); a.Due && mine {
			due = append(due, a.Name)
		}
	}
	return due
}

// makeEpoch waits for its turn and makes the epoch if it is still due.
func (n *Node) makeEpoch(ctx context.Context, name ledger.AudienceName) {
	a, ok := n.store.State().Governance.Audience(name)
	if !ok {
		return
	}
	rank, _ := a.MayMake(n.id.Agency)
	if n.waitWhile(ctx, time.Duration(rank)*epochStep, func() bool { return n.stillDue(name, a.Epoch) }) {
		return
	}
	g := n.store.State().Governance
	key, err := crypto.GenerateAgencyKey(n.current().Certificate().Suite(), time.Now())
	if err != nil {
		n.log.Error("no new audience key", "error", err)
		return
	}
	var members []ledger.Agency
	current, _ := g.Audience(name)
	for _, m := range current.Members {
		agency, _ := g.Agency(m)
		members = append(members, *agency)
	}
	epoch, err := ledger.MakeEpoch(key, name, current.Epoch+1, members)
	if err != nil {
		n.log.Error("no new audience key", "error", err)
		return
	}
	_, err = n.author.Govern(ctx, &ledger.NewEpoch{Roster: g.Version, Epoch: epoch})
	if err != nil && !errors.Is(err, author.ErrRefused) && ctx.Err() == nil {
		n.log.Warn("the new epoch was not written", "audience", name, "error", err)
	}
}

func (n *Node) stillDue(name ledger.AudienceName, epoch uint64) bool {
	a, ok := n.store.State().Governance.Audience(name)
	return ok && a.Due && a.Epoch == epoch
}

// waitWhile waits for d while ok holds; it says whether it stopped early.
func (n *Node) waitWhile(ctx context.Context, d time.Duration, ok func() bool) (stopped bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		changed := n.store.Changed()
		if !ok() {
			return true
		}
		select {
		case <-ctx.Done():
			return true
		case <-timer.C:
			return !ok()
		case <-changed:
		}
	}
}
