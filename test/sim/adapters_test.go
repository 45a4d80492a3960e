package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/cluster"
	"vigil/node/peer"
)

// authorLedger is what the author sees of cluster and store.
type authorLedger struct{ *process }

func (a authorLedger) Heard() (uint64, bool) { return a.cluster.Heard() }
func (a authorLedger) State() *ledger.State  { return a.store.State() }
func (a authorLedger) Writable() error       { return a.store.Failed() }
func (a authorLedger) Propose(ctx context.Context, e []ledger.Entry) ([]ledger.Result, error) {
	return a.cluster.Propose(ctx, e)
}

func (a authorLedger) Committed(w crypto.NodeID, sequence uint64) (uint64, [32]byte, bool, error) {
	index, leaf, ok, err := a.store.BySequence(w, sequence)
	return index, leaf, ok, err
}

func (a authorLedger) Wait(ctx context.Context, size uint64) error {
	return a.store.Wait(ctx, a.n.side.origin, size)
}

func (a authorLedger) Earlier(i ledger.Index) ([]byte, error) {
	return a.store.Leaf(a.n.side.origin, i)
}
func (a authorLedger) Changed() <-chan struct{} { return a.store.Changed() }

// cosignMembers is how cosigning reaches the other nodes.
type cosignMembers struct{ *process }

func (m cosignMembers) Ask(ctx context.Context, to crypto.NodeID, text string) (string, error) {
	b, err := m.cluster.Post(ctx, to, "/cosign", []byte(text))
	return string(b), err
}

func (m cosignMembers) Give(ctx context.Context, to crypto.NodeID, signed []byte) error {
	_, err := m.cluster.Post(ctx, to, "/checkpoint", signed)
	return err
}
func (m cosignMembers) Leads() bool { return m.cluster.Leads() }

// peerRoster, peerSource and peerSink are what a gateway works with.
type (
	peerRoster struct{ *process }
	peerSource struct{ *process }
	peerSink   struct{ *process }
)

func (r peerRoster) Partners() []peer.Partner {
	state := r.store.State()
	if state == nil {
		return nil
	}
	if _, member := state.Governance.NodeOwner(r.n.id()); !member {
		return nil
	}
	var out []peer.Partner
	for _, link := range state.Governance.Partners {
		p := peer.Partner{Origin: link.Card.Origin}
		add := func(key crypto.NodePublic, addresses []string) {
			if info, err := peer.Gateway(key, addresses); err == nil && len(addresses) > 0 {
				p.Gateways = append(p.Gateways, info)
			}
		}
		if g := state.Partners[link.Card.Origin].Mirror.Governance; g != nil {
			for i := range g.Agencies {
				add(g.Agencies[i].Node.Key, g.Agencies[i].Node.Peers)
			}
		} else {
			for _, w := range link.Card.Gateways {
				add(w.Key, w.Peers)
			}
		}
		for _, s := range r.n.w.sides {
			if told := s.told.Load(); told != nil && s.origin == link.Card.Origin {
				p.Gateways = append(p.Gateways, *told...)
			}
		}
		out = append(out, p)
	}
	return out
}

func (r peerRoster) Rank() int {
	state := r.store.State()
	if state == nil {
		return -1
	}
	rank := 0
	for i := range state.Governance.Agencies {
		a := &state.Governance.Agencies[i]
		if a.ID == r.n.member.ID {
			return rank
		}
		if len(a.Node.Peers) > 0 {
			rank++
		}
	}
	return -1
}

func (r peerRoster) Taken(partner ledger.Origin) string {
	state := r.store.State()
	if state == nil {
		return ""
	}
	heights := r.cluster.Heights()
	for i := range state.Governance.Agencies {
		a := &state.Governance.Agencies[i]
		if a.ID == r.n.member.ID {
			return ""
		}
		if h, ok := heights[a.Node.Key.ID()]; ok && time.Since(h.Heard) < 4*time.Second && slices.Contains(h.Follows, string(partner)) {
			return string(a.ID)
		}
	}
	return ""
}
func (r peerRoster) Changed() <-chan struct{} { return r.store.Changed() }

func (s peerSource) Serves(origin ledger.Origin) bool { return origin == s.store.Origin() }

func (s peerSource) Next(ctx context.Context, _ ledger.Origin, partner ledger.JurisdictionID, from uint64) (*ledger.MirrorBatch, error) {
	for {
		changed := s.store.Changed()
		if b, err := s.store.Outgoing(partner, from); err != nil || b != nil {
			return b, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

func (s peerSource) Thirds() [][]byte { return nil } // there are two jurisdictions

func (s peerSource) Newest() []byte {
	signed, err := s.store.Latest(s.store.Origin())
	if err != nil {
		return nil
	}
	return signed
}

func (s peerSource) TakeCosignature(ctx context.Context, partner ledger.Origin, size uint64, line string) error {
	return s.cosign.TakePartnerLine(ctx, partner, size, line)
}

func (s peerSink) Cursor(origin ledger.Origin) uint64 { return s.store.Size(origin) }

func (s peerSink) Commit(ctx context.Context, b *ledger.MirrorBatch) (uint64, error) {
	switch _, r := s.store.State().ApplyMirror(b); r.Verdict {
	case ledger.MirrorRepeat:
		return r.Next, nil
	case ledger.MirrorRefused:
		s.n.w.alarm("%s: a batch of %s does not verify: %v", s.n.member.ID, b.Origin, r.Reason)
		return 0, fmt.Errorf("%w: %w", peer.ErrBatch, r.Reason)
	}
	for {
		r, err := s.cluster.ProposeMirror(ctx, b)
		if errors.Is(err, cluster.ErrNoLeader) || errors.Is(err, cluster.ErrUnknown) {
			if pause(ctx, 100*time.Millisecond) != nil {
				return 0, err
			}
			continue
		}
		if err != nil {
			return 0, err
		}
		if r.Verdict != ledger.MirrorApplied && r.Verdict != ledger.MirrorRepeat {
			return 0, fmt.Errorf("sim: the batch is not applied: %w", errors.Join(r.Reason))
		}
		return r.Next, s.store.Wait(ctx, b.Origin, b.From+uint64(len(b.Items)))
	}
}
func (s peerSink) Third(ledger.Origin, []byte) {}

func (s peerSink) Beyond(origin ledger.Origin, signed []byte) bool {
	cp, _, err := ledger.ParseSigned(signed)
	return err == nil && cp.Origin == origin && cp.Size > s.Cursor(origin)
}

func (s peerSink) Cosign(_ context.Context, signed []byte) (string, error) {
	cp, _, err := ledger.ParseSigned(signed)
	if err != nil {
		return "", err
	}
	return s.cosign.CosignPartner(cp)
}
