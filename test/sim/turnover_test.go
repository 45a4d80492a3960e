package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vigil/ledger"
	"vigil/node/author"
)

// beginTurnover has the members of a jurisdiction remove one agency and admit another, which finds nothing on its disk.
func (w *world) beginTurnover() func() {
	n := w.change(w.side())
	if n == nil {
		return nil
	}
	if n == w.liar { // who is to be caught stays
		w.changed(n)
		return nil
	}
	stays, until := w.between(0, 20*time.Second), w.between(0, 20*time.Second)
	return func() {
		defer w.changed(n)
		if err := n.turnOver(stays, until); err != nil {
			w.fail("%s is not followed by another agency: %v", n.member.ID, err)
		}
	}
}

// turnOver removes an agency, whose node goes on for a while as if nothing were, and admits another some time later.
func (n *node) turnOver(stays, until time.Duration) error {
	s := n.side
	n.w.note("%s is to be removed", n.member.ID)
	err := s.decide(n, &ledger.Remove{Agency: n.member.ID}, func(g *ledger.Governance) bool {
		_, member := g.Agency(n.member.ID)
		return !member
	})
	if err != nil {
		return err
	}
	n.w.note("%s is removed; its node stays for %s", n.member.ID, stays)
	s.mu.Lock()
	s.nodes = slices.DeleteFunc(s.nodes, func(o *node) bool { return o == n })
	s.mu.Unlock()
	time.Sleep(stays)
	n.host.crash()
	_ = n.live().end() // nobody speaks to it any more
	time.Sleep(until)

	comes := s.agency(s.origin.Jurisdiction(), len(n.member.Peers) > 0)
	everyone := ledger.Everyone(s.origin.Jurisdiction())
	err = s.decide(nil, &ledger.Admit{Agency: comes.member.Agency(), Audiences: []ledger.AudienceName{everyone}}, func(g *ledger.Governance) bool {
		_, member := g.Agency(comes.member.ID)
		return member
	})
	if err != nil {
		return err
	}
	n.w.note("%s is admitted", comes.member.ID)
	s.mu.Lock()
	s.nodes = append(s.nodes, comes)
	s.mu.Unlock()
	comes.again()
	return nil
}

// decide has a change proposed by whoever can, but not by the agency that it is about, until it is carried out; the members
// approve what is proposed by themselves. A liar that leads can keep anybody's writes out until it is cut: its people have it give way.
func (s *side) decide(about *node, change any, done func(*ledger.Governance) bool) error {
	last := errNotYet
	for i := range 300 {
		if n := s.leader(); i%30 == 29 && n != nil && n == n.w.liar {
			if p := n.live(); p != nil { // it may have crashed since
				n.w.note("%s has kept a change out, and gives way", n.member.ID)
				p.cluster.StepDown(n.w.t.Context())
			}
		}
		for _, n := range s.members() {
			p := n.live()
			if p == nil || n == about {
				continue
			}
			state := p.store.State()
			if state == nil { // it has just come
				continue
			}
			g := state.Governance
			if done(g) {
				return nil
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			_, err := p.author.Govern(ctx, &ledger.Propose{Roster: g.Version, Change: ledger.NewChange(change)})
			cancel()
			if err != nil {
				last = err
				continue
			}
			break
		}
		time.Sleep(time.Second)
	}
	return fmt.Errorf("not decided: %w", last)
}

// support approves what others propose, as agencies do that were asked before.
func (p *process) support(ctx context.Context) error {
	for ctx.Err() == nil {
		changed := p.store.Changed()
		if state := p.store.State(); state != nil && p.n.w.plan.founded.Load() {
			for _, open := range state.Governance.Proposals {
				p.approve(ctx, state.Governance, open)
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
	return nil
}

func (p *process) approve(ctx context.Context, g *ledger.Governance, open ledger.Proposal) {
	change, err := open.Change.Open()
	if err != nil {
		p.n.w.fail("%s: a proposal: %v", p.n.member.ID, err)
		return
	}
	if slices.Contains(open.Approvals, p.n.member.ID) || !g.Votes(p.n.member.ID, change) {
		return
	}
	ask, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err = p.author.Govern(ask, &ledger.Approve{Proposal: open.ID})
	if err != nil && !errors.Is(err, author.ErrRefused) && !errors.Is(err, author.ErrUnknown) && ctx.Err() == nil {
		p.n.w.note("%s: not approved: %v", p.n.member.ID, err)
	}
}
