package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/cluster"
	"vigil/node/store"
)

// ErrReplaceRefused says that no member took the new node.
var ErrReplaceRefused = errors.New("node: the new node was not taken")

const (
	maxReplaceBytes = 16 << 10
	replaceWait     = 20 * time.Second
	replaceTries    = 8
)

// Replacing is what a new node of an agency is made of.
type Replacing struct {
	Agency  ledger.AgencyID
	Origin  ledger.Origin
	Genesis string
	// Keys are the agency's keys, the oldest first; one of them is in force.
	Keys []*crypto.AgencyKey
	// Members are nodes of the jurisdiction; any of them may be asked.
	Members []Pin
}

// ReplacingFrom takes it from the directory of the node that is to go. That node may be running: then it is asked where the
// others are.
func ReplacingFrom(ctx context.Context, old Config) (Replacing, error) {
	id, err := ReadIdentity(old.Dir)
	if err != nil {
		return Replacing{}, err
	}
	passphrase, err := old.Passphrase()
	if err != nil {
		return Replacing{}, err
	}
	keys, err := id.unlock(old.Dir, passphrase)
	if err != nil {
		return Replacing{}, err
	}
	r := Replacing{Agency: id.Agency, Origin: id.Origin, Genesis: id.Genesis, Keys: keys.Agency}
	r.Members, err = membersFrom(ctx, old, id)
	return r, err
}

func membersFrom(ctx context.Context, old Config, id Identity) ([]Pin, error) {
	if c, err := api.NewClient(api.Target{Server: "unix://" + old.SocketPath()}); err == nil {
		defer c.Close()
		if roster, err := c.Agencies(ctx); err == nil && len(roster.Agencies) > 0 {
			var out []Pin
			for _, a := range roster.Agencies {
				out = append(out, Pin{Agency: ledger.AgencyID(a.ID), Node: a.Node, Address: a.Address})
			}
			return out, nil
		}
	}
	s, err := store.Open(filepath.Join(old.Dir, "ledger"), store.Identity{Origin: id.Origin, Node: id.Node})
	if errors.Is(err, store.ErrInUse) {
		return nil, fmt.Errorf("%w: the old node runs, and does not answer on %s", err, old.SocketPath())
	}
	if err != nil {
		return nil, err
	}
	out := id.Members
	if state := s.State(); state != nil {
		out = pinsOf(state.Governance)
	}
	return out, s.Close()
}

func pinsOf(g *ledger.Governance) []Pin {
	var out []Pin
	for i := range g.Agencies {
		a := &g.Agencies[i]
		out = append(out, Pin{Agency: a.ID, Node: a.Node.Key.ID().String(), Address: a.Node.Address})
	}
	return out
}

// Replace makes a new node in an empty directory: its keys are made here, the roster is told by one entry signed with the
// agency's key and handed to any member, and the old node's key leaves for ever. The new node has the ledger from the
// others once it is started.
func Replace(ctx context.Context, c Config, r Replacing) (Identity, error) {
	keys, id, err := replacement(c, r)
	if err != nil {
		return Identity{}, err
	}
	if err := handIn(ctx, r, keys, nodeOf(c, keys)); err != nil {
		return Identity{}, err
	}
	return id, writeIdentity(c.Dir, id) // last: a directory without it is no node
}

// replacement makes the new node's keys, and says which identity it will have.
func replacement(c Config, r Replacing) (Keys, Identity, error) {
	passphrase, err := c.Passphrase()
	if err != nil {
		return Keys{}, Identity{}, err
	}
	if err := c.Dialable(); err != nil {
		return Keys{}, Identity{}, err
	}
	keys, err := replacingKeys(c.Dir, r, passphrase)
	if err != nil {
		return Keys{}, Identity{}, err
	}
	return keys, Identity{
		Format: identityFormat, Agency: r.Agency, Origin: r.Origin, Genesis: r.Genesis, Node: keys.Node.Public().ID().String(), Members: r.Members,
	}, nil
}

// replacingKeys makes the new node's keys in an empty directory, or takes those that an interrupted replacement left there:
// the roster may name them by now.
func replacingKeys(dir string, r Replacing, passphrase []byte) (Keys, error) {
	if holds(dir, keysFile) {
		keys, err := readKeys(dir, passphrase)
		newest := func(k []*crypto.AgencyKey) crypto.Fingerprint { return k[len(k)-1].Certificate().Fingerprint() }
		if err != nil || newest(keys.Agency) == newest(r.Keys) {
			return keys, err
		}
	}
	if err := makeDirectory(dir); err != nil {
		return Keys{}, err
	}
	node, err := crypto.GenerateNodeKey()
	if err != nil {
		return Keys{}, err
	}
	checkpoint, err := crypto.GenerateNodeKey()
	if err != nil {
		return Keys{}, err
	}
	keys := Keys{Agency: r.Keys, Node: node, Checkpoint: checkpoint}
	return keys, writeKeys(dir, keys, passphrase)
}

// handIn hands the entry to one member after the other until one has it committed. The agency's newest key is tried first:
// an older one may still be in force.
func handIn(ctx context.Context, r Replacing, keys Keys, n ledger.Node) error {
	var err error
	for range replaceTries {
		if err = handInOnce(ctx, r, keys, n); err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "503") {
			return err
		}
		select { // nobody leads now
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return err
}

func handInOnce(ctx context.Context, r Replacing, keys Keys, n ledger.Node) error {
	refusals := []error{ErrReplaceRefused}
	for _, key := range slices.Backward(r.Keys) {
		rec := ledger.Record{
			Version: ledger.RecordVersion, Origin: r.Origin, Author: r.Agency, Writer: n.Key.ID(), Sequence: 1, Kind: ledger.KindGovernance,
			AuthoredAt: time.Now().UnixMilli(), EventsRoot: ledger.EmptyRoot,
		}
		entry, err := ledger.SignEntry(key, rec, ledger.EncodeAct(&ledger.ReplaceNode{Node: n}))
		if err != nil {
			return err
		}
		for _, m := range r.Members {
			to, err := crypto.ParseNodeID(m.Node)
			if err != nil {
				return fmt.Errorf("%w: %s: %w", ErrReplaceRefused, m.Agency, err)
			}
			ask, cancel := context.WithTimeout(ctx, replaceWait)
			_, err = cluster.PostTo(ask, keys.Node, to, m.Address, "/replace", ledger.Marshal(entry))
			cancel()
			if err == nil {
				return nil
			}
			refusals = append(refusals, fmt.Errorf("%s: %w", m.Agency, err))
		}
	}
	return errors.Join(refusals...)
}

// serveReplace takes the first entry of an agency's new node, who shows that node's key, and has it committed.
func (n *Node) serveReplace(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxReplaceBytes))
	var e ledger.Entry
	if err == nil {
		err = ledger.Unmarshal(raw, &e, maxReplaceBytes)
	}
	peer, _ := cluster.PeerFromContext(r.Context())
	taken := false
	if err == nil {
		taken, err = n.checkReplace(e, peer)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	if taken {
		_ = json.NewEncoder(w).Encode(map[string]bool{"taken": true}) // a lost answer is asked for again
		return
	}
	results, err := n.cluster.Propose(r.Context(), []ledger.Entry{e})
	switch {
	case err != nil:
		http.Error(w, "the outcome is not known; hand it in again", http.StatusServiceUnavailable)
	case results[0].Verdict != ledger.Accepted && results[0].Verdict != ledger.Repeat:
		http.Error(w, fmt.Sprintf("%s: %v", results[0].Verdict, results[0].Reason), http.StatusConflict)
	default:
		_ = json.NewEncoder(w).Encode(map[string]uint64{"index": results[0].Index}) // a lost answer is asked for again
	}
}

// checkReplace refuses what the ledger would refuse. taken says that the roster names that very node already.
func (n *Node) checkReplace(e ledger.Entry, peer crypto.NodeID) (taken bool, err error) {
	state := n.store.State()
	if state == nil {
		return false, errNotYet
	}
	rec, err := e.Open()
	if err != nil {
		return false, err
	}
	act, err := ledger.DecodeAct(e.Payload)
	if err != nil {
		return false, err
	}
	if r, ok := act.(*ledger.ReplaceNode); !ok || rec.Sequence != 1 || rec.Writer != peer || r.Node.Key.ID() != peer {
		return false, fmt.Errorf("%w: not the first entry of the node that hands it in", ErrReplaceRefused)
	}
	if a, ok := state.Governance.Agency(rec.Author); ok && rec.Origin == state.Governance.Origin && bytes.Equal(ledger.Marshal(a.Node), ledger.Marshal(act.(*ledger.ReplaceNode).Node)) {
		return true, nil
	}
	if _, result := state.Apply(e, nil); result.Verdict == ledger.Refused {
		return false, fmt.Errorf("%w: %w", ErrReplaceRefused, result.Reason)
	}
	return false, nil
}

// left says how this node's key left the roster; empty where it did not.
func (n *Node) left() string {
	state := n.store.State()
	if state == nil {
		return ""
	}
	self := n.keys.Node.Public().ID()
	if !slices.ContainsFunc(state.Governance.Removed, func(r ledger.Removed) bool { return r.Node == self }) {
		return ""
	}
	if _, member := state.Governance.Agency(n.id.Agency); member {
		return "replaced by another node of this agency"
	}
	return "removed with its agency"
}
