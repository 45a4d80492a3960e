package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	libp2p "github.com/libp2p/go-libp2p/core/peer"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/cluster"
	"vigil/node/peer"
	"vigil/node/store"
)

// authorLedger is what the author sees of cluster and store.
type authorLedger struct{ n *Node }

// State implements author.Ledger.
func (a authorLedger) State() *ledger.State { return a.n.store.State() }

// Writable implements author.Ledger.
func (a authorLedger) Writable() error { return a.n.Writable() }

// Propose implements author.Ledger.
func (a authorLedger) Propose(ctx context.Context, entries []ledger.Entry) ([]ledger.Result, error) {
	started := time.Now()
	results, err := a.n.cluster.Propose(ctx, entries)
	if err == nil {
		a.n.metrics.commit.Observe(time.Since(started).Seconds())
		a.n.metrics.seals.committed(results)
	}
	return results, err
}

// Committed implements author.Ledger.
func (a authorLedger) Committed(writer crypto.NodeID, sequence uint64) (uint64, [32]byte, bool, error) {
	index, leaf, ok, err := a.n.store.BySequence(writer, sequence)
	return index, leaf, ok, err
}

// Heard implements author.Ledger.
func (a authorLedger) Heard() (term uint64, ok bool) { return a.n.cluster.Heard() }

// Wait implements author.Ledger.
func (a authorLedger) Wait(ctx context.Context, size uint64) error {
	return a.n.store.Wait(ctx, a.n.id.Origin, size)
}

// Earlier implements author.Ledger.
func (a authorLedger) Earlier(index ledger.Index) ([]byte, error) {
	return a.n.store.Leaf(a.n.id.Origin, index)
}

// Changed implements author.Ledger.
func (a authorLedger) Changed() <-chan struct{} { return a.n.store.Changed() }

// cosignMembers is how cosigning reaches the other nodes.
type cosignMembers struct{ n *Node }

// Ask implements cosign.Members.
func (m cosignMembers) Ask(ctx context.Context, node crypto.NodeID, checkpoint string) (string, error) {
	b, err := m.n.cluster.Post(ctx, node, "/cosign", []byte(checkpoint))
	return string(b), err
}

// Give implements cosign.Members.
func (m cosignMembers) Give(ctx context.Context, node crypto.NodeID, signed []byte) error {
	_, err := m.n.cluster.Post(ctx, node, "/checkpoint", signed)
	return err
}

// Leads implements cosign.Members.
func (m cosignMembers) Leads() bool { return m.n.cluster.Leads() }

// routes are what other nodes ask of this one beside raft.
func (n *Node) routes() {
	n.lendRoutes()
	n.cluster.Handle("POST /cosign", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(io.LimitReader(r.Body, 4<<10))
		var line string
		if err == nil {
			// a checkpoint may arrive before the entries it covers
			if cp, parseErr := ledger.ParseCheckpointText(string(text)); parseErr == nil {
				wait, cancel := context.WithTimeout(r.Context(), time.Second)
				_ = n.store.Wait(wait, cp.Origin, cp.Size) // Sign refuses what has not arrived
				cancel()
			}
			line, err = n.cosign.Sign(string(text))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		_, _ = w.Write([]byte(line)) // a lost answer is asked for again
	})
	n.cluster.Handle("POST /checkpoint", func(w http.ResponseWriter, r *http.Request) {
		signed, err := io.ReadAll(io.LimitReader(r.Body, ledger.MaxCheckpointBytes))
		if err == nil {
			if why := n.forgotten("another member", signed); why != nil {
				n.cluster.Condemn(why)
			}
			err = n.cosign.Take(r.Context(), signed, false)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	n.cluster.Handle("POST "+blindRoute, n.blinding.serve)
	n.cluster.Handle("POST /notice", n.notices.serve)
	n.cluster.Handle("POST "+latestRoute, n.serveLatest)
	n.cluster.HandleOpen("POST /join", n.serveJoin)
	n.cluster.HandleOpen("POST /replace", n.serveReplace)
}

// noteSealed remembers the newest checkpoint that counts.
func (n *Node) noteSealed(c ledger.Checkpoint, noLaterThan time.Time) {
	n.forks.again(c.Origin)
	if c.Origin == n.id.Origin {
		n.forks.ahead(c)
		n.metrics.seals.sealed(c.Size)
		n.receipts.sealed(c)
	}
	signed, err := n.store.Checkpoint(c.Origin, c.Size)
	var who []string
	if err == nil && signed != nil {
		who = cosigners(n.store.State(), signed)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.Size >= n.sealed[c.Origin].size {
		if c.Size > n.sealed[c.Origin].size {
			n.metrics.sealed.Observe(time.Since(noLaterThan).Seconds())
		}
		n.sealed[c.Origin] = sealedAt{size: c.Size, at: noLaterThan, who: who}
	}
}

// cosigners names whose signatures on a checkpoint verify: members' and partners'.
func cosigners(state *ledger.State, signed []byte) []string {
	keys := state.Governance.CheckpointKeys()
	for origin, p := range state.Partners {
		if p.Mirror.Governance != nil && origin.Jurisdiction() != state.Governance.Origin.Jurisdiction() {
			for id, k := range p.Mirror.Governance.CheckpointKeys() {
				keys[id] = k
			}
		}
	}
	_, valid, err := ledger.VerifyCosignatures(signed, keys)
	if err != nil {
		return nil
	}
	var who []string
	for _, c := range valid {
		who = append(who, string(c.Agency))
	}
	slices.Sort(who)
	return slices.Compact(who)
}

func (n *Node) openPeer() (err error) {
	if len(n.cfg.Peer.Listen) == 0 {
		return nil
	}
	n.peer, err = peer.New(peer.Config{
		Own: n.id.Origin, Key: n.keys.Node, Listen: n.cfg.Peer.Listen, Roster: peerRoster{n}, Source: peerSource{n}, Sink: peerSink{n}, Log: n.log, Refused: n.refusedGateway, Withheld: n.withheldGateway, Idle: n.idle.note,
	})
	return err
}

// followHeard is how long what another gateway said about its streams is believed.
const followHeard = 4 * time.Second

// follows names the partners this node follows.
func (n *Node) follows() []string {
	switch {
	case n.peer == nil:
		return nil
	case n.cfg.idles:
		var all []string
		for _, p := range (peerRoster{n}).Partners() {
			all = append(all, string(p.Origin))
		}
		return all
	}
	return n.peer.Follows()
}

// peerRoster says whom to speak to across the border: what the card names until their own roster is mirrored.
type peerRoster struct{ n *Node }

// Partners implements peer.Roster. A node that left has none.
func (r peerRoster) Partners() []peer.Partner {
	state := r.n.store.State()
	if state == nil {
		return nil
	}
	if _, member := state.Governance.NodeOwner(r.n.keys.Node.Public().ID()); !member {
		return nil
	}
	var out, closed []peer.Partner
	for _, link := range state.Governance.Partners {
		if link.Suspended {
			continue
		}
		if of, ends := state.Governance.ClosedAt(link.Card.Origin); !ends {
			out = append(out, peer.Partner{Origin: link.Card.Origin, Gateways: r.n.cfg.withTold(gatewaysOf(state, link), link.Card.Origin.Jurisdiction())})
		} else if next, ok := state.Governance.PartnerOf(of.Origin.Jurisdiction()); ok && state.Partners[of.Origin].Mirror.Size() < of.Size {
			closed = append(closed, peer.Partner{Origin: of.Origin, Gateways: gatewaysOf(state, *next)}) // the successor's serve the rest
		}
	}
	return append(out, closed...)
}

// gatewaysOf are a partner's gateways: of its roster, once that has come, and of its card before.
func gatewaysOf(state *ledger.State, link ledger.PartnerLink) (out []libp2p.AddrInfo) {
	if g := state.Partners[link.Card.Origin].Mirror.Governance; g != nil {
		for i := range g.Agencies {
			out = appendGateway(out, g.Agencies[i].Node.Key, g.Agencies[i].Node.Peers)
		}
		return out
	}
	for _, w := range link.Card.Gateways {
		out = appendGateway(out, w.Key, w.Peers)
	}
	return out
}

// withTold adds what the configuration names of a partner to what its ledger does.
func (c Config) withTold(known []libp2p.AddrInfo, of ledger.JurisdictionID) []libp2p.AddrInfo {
	for _, address := range c.Peer.Gateways[string(of)] {
		told, err := peer.ParseGateway(address)
		if err == nil && !slices.ContainsFunc(known, func(x libp2p.AddrInfo) bool { return x.ID == told.ID }) {
			known = append(known, told)
		}
	}
	return known
}

func appendGateway(to []libp2p.AddrInfo, key crypto.NodePublic, addresses []string) []libp2p.AddrInfo {
	if len(addresses) == 0 {
		return to
	}
	info, err := peer.Gateway(key, addresses)
	if err != nil {
		return to // an address nobody can dial is no gateway
	}
	return append(to, info)
}

// Rank implements peer.Roster: the place among our agencies that are gateways.
func (r peerRoster) Rank() int {
	state := r.n.store.State()
	if state == nil || r.n.cfg.idles {
		return -1
	}
	rank := 0
	for i := range state.Governance.Agencies {
		a := &state.Governance.Agencies[i]
		if a.ID == r.n.id.Agency {
			return rank
		}
		if len(a.Node.Peers) > 0 {
			rank++
		}
	}
	return -1
}

// Taken implements peer.Roster.
func (r peerRoster) Taken(partner ledger.Origin) string {
	state := r.n.store.State()
	if state == nil {
		return ""
	}
	heights := r.n.cluster.Heights()
	for i := range state.Governance.Agencies {
		a := &state.Governance.Agencies[i]
		if a.ID == r.n.id.Agency {
			return ""
		}
		h, heard := heights[a.Node.Key.ID()]
		if heard && time.Since(h.Heard) < followHeard && slices.Contains(h.Follows, string(partner)) {
			return string(a.ID)
		}
	}
	return ""
}

// Changed implements peer.Roster.
func (r peerRoster) Changed() <-chan struct{} { return r.n.store.Changed() }

// peerSource is what partners are served from.
type peerSource struct{ n *Node }

// Serves implements peer.Source.
func (s peerSource) Serves(origin ledger.Origin) bool {
	return origin == s.n.id.Origin || s.n.predecessor() != nil && s.n.predecessor().Origin == origin
}

// Next implements peer.Source.
func (s peerSource) Next(ctx context.Context, origin ledger.Origin, partner ledger.JurisdictionID, from uint64) (*ledger.MirrorBatch, error) {
	for {
		changed := s.n.store.Changed()
		b, err := s.outgoing(origin, partner, from)
		if err == nil && b != nil && s.n.cfg.falsify != nil {
			s.n.cfg.falsify(b)
		}
		if err != nil || b != nil {
			return b, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

func (s peerSource) outgoing(origin ledger.Origin, partner ledger.JurisdictionID, from uint64) (*ledger.MirrorBatch, error) {
	if origin == s.n.id.Origin {
		return s.n.store.Outgoing(partner, from)
	}
	return s.n.store.Remaining(origin, partner, from)
}

// Thirds implements peer.Source.
func (s peerSource) Thirds() [][]byte {
	var out [][]byte
	for _, origin := range s.n.store.Origins() {
		if signed, err := s.n.store.Latest(origin); err == nil && signed != nil && origin != s.n.id.Origin {
			out = append(out, signed)
		}
	}
	return out
}

// Newest implements peer.Source.
func (s peerSource) Newest() []byte {
	signed, err := s.n.store.Latest(s.n.id.Origin)
	if err != nil {
		return nil // as good as none
	}
	return signed
}

// TakeCosignature implements peer.Source.
func (s peerSource) TakeCosignature(ctx context.Context, partner ledger.Origin, size uint64, line string) error {
	return s.n.cosign.TakePartnerLine(ctx, partner, size, line)
}

// peerSink takes what partners send.
type peerSink struct{ n *Node }

// Cursor implements peer.Sink.
func (s peerSink) Cursor(origin ledger.Origin) uint64 { return s.n.store.Size(origin) }

var errMirror = errors.New("node: the partner's batch is not applied")

// accuses says whether a batch that is refused is its gateway's lie or damage: no race, no link that was suspended, and no
// upgrade that is due makes one.
func accuses(why error) bool {
	return slices.ContainsFunc([]error{ledger.ErrMirrorEntry, ledger.ErrMirrorRoot, ledger.ErrMirrorState, ledger.ErrMirrorQuorum, ledger.ErrMirrorSize, ledger.ErrCheckpoint}, func(e error) bool { return errors.Is(why, e) })
}

// agencyOf names whose gateway one is, as far as the partner's roster is known here.
func (n *Node) agencyOf(partner ledger.Origin, gateway libp2p.ID) string {
	if g := n.governanceOf(partner); g != nil {
		for i := range g.Agencies {
			if id, err := peer.IDOf(g.Agencies[i].Node.Key); err == nil && id == gateway {
				return string(g.Agencies[i].ID)
			}
		}
	}
	return "gateway " + gateway.String()
}

// refusedGateway names the agency whose gateway sent what does not verify, or what is not of the protocol.
func (n *Node) refusedGateway(partner ledger.Origin, gateway libp2p.ID, why error) {
	what := "its gateway sent a batch of %s that does not verify; another is asked: %v"
	if !errors.Is(why, peer.ErrBatch) {
		what = "its gateway of %s does not keep to the protocol; another is asked: %v"
	}
	n.alarm(n.agencyOf(partner, gateway), fmt.Sprintf(what, partner, why))
}

// withheldGateway notes whose gateway was left because it did not hand on what another has.
func (n *Node) withheldGateway(partner ledger.Origin, gateway libp2p.ID) {
	n.idle.withheld(partner, n.agencyOf(partner, gateway))
}

// Commit implements peer.Sink: through our own raft, so that it survives the loss of any node.
func (s peerSink) Commit(ctx context.Context, b *ledger.MirrorBatch) (uint64, error) {
	state := s.n.store.State()
	switch _, result := state.ApplyMirrorPrepared(b, store.PrepareMirror(state, b)); result.Verdict {
	case ledger.MirrorRepeat:
		return result.Next, nil // nothing for raft: a gateway may repeat itself without end
	case ledger.MirrorNewer:
		return 0, fmt.Errorf("%w: %w", errMirror, errors.Join(result.Reason))
	case ledger.MirrorAhead:
		return 0, fmt.Errorf("%w: it begins at %d, the mirror ends at %d", peer.ErrBatch, b.From, result.Next)
	case ledger.MirrorRefused:
		s.n.metrics.refused()
		s.n.forks.take(b.Origin, b.Checkpoint)                // where members signed it, they signed two histories
		err := fmt.Errorf("%w: %w", errMirror, result.Reason) // refused here is refused everywhere: raft is not troubled
		if accuses(result.Reason) {
			err = fmt.Errorf("%w: %w", peer.ErrBatch, result.Reason)
		}
		return 0, err
	}
	for {
		result, err := s.n.cluster.ProposeMirror(ctx, b)
		if errors.Is(err, cluster.ErrNoLeader) || errors.Is(err, cluster.ErrUnknown) {
			select {
			case <-ctx.Done():
				return 0, err
			case <-time.After(100 * time.Millisecond):
				continue
			}
		}
		if err != nil {
			return 0, err
		}
		if result.Verdict != ledger.MirrorApplied && result.Verdict != ledger.MirrorRepeat {
			return 0, fmt.Errorf("%w: %w", errMirror, errors.Join(result.Reason))
		}
		return result.Next, s.n.store.Wait(ctx, b.Origin, b.From+uint64(len(b.Items)))
	}
}

// Beyond implements peer.Sink.
func (s peerSink) Beyond(origin ledger.Origin, signed []byte) bool {
	cp, _, err := ledger.ParseSigned(signed)
	g := s.n.governanceOf(origin)
	if err != nil || cp.Origin != origin || cp.Size <= s.Cursor(origin) {
		return false
	}
	if g == nil {
		return true // not even its roster has come
	}
	_, valid, err := ledger.VerifyCosignatures(signed, g.CheckpointKeys())
	if err != nil || len(valid) == 0 {
		return false
	}
	counts, _ := ledger.Counts(valid, g.QuorumSize())
	if !counts { // gateways show what counts; whoever signed this alone is held to it
		s.n.forks.defers(origin, signed)
	}
	return counts
}

// Third implements peer.Sink.
func (s peerSink) Third(from ledger.Origin, signed []byte) {
	s.n.heardOfOurs(string(from), signed)
	s.n.forks.take(from, signed)
}

// Cosign implements peer.Sink.
func (s peerSink) Cosign(_ context.Context, signed []byte) (string, error) {
	cp, _, err := ledger.ParseSigned(signed)
	if err != nil {
		return "", err
	}
	s.n.forks.again(cp.Origin)
	if g := s.n.governanceOf(cp.Origin); g != nil {
		_, valid, err := ledger.VerifyCosignatures(signed, g.CheckpointKeys())
		if err == nil {
			if ok, at := ledger.Counts(valid, g.QuorumSize()); ok {
				s.n.noteSealed(cp, time.Unix(at, 0))
			}
		}
	}
	return s.n.cosign.CosignPartner(cp)
}
