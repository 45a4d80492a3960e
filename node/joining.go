package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/cluster"
	"vigil/node/durable"
)

// joinFile keeps what was asked with an invitation, so that the same is asked again until it is answered, by the command
// run again and by the node while it waits to be admitted: an answer may be lost, and a proposal is voided by another
// change of the roster.
const joinFile = "join.cbor"

// askEvery is how often a node that waits to be admitted asks again.
const askEvery = 5 * time.Second

// Joining is a request to join with an invitation.
type Joining struct {
	Token string
	Name  string
	Suite crypto.Suite
}

// Joined is what became of it. Proposal is empty where the agency has been admitted already.
type Joined struct {
	Identity    Identity `json:"identity"`
	Fingerprint string   `json:"fingerprint"`
	Proposal    string   `json:"proposal"`
}

// joinAnswer is the inviter's answer.
type joinAnswer struct {
	Proposal string `json:"proposal"`
}

// pendingJoin is the file: CBOR [1, inviter, invitation, request].
type pendingJoin struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Inviter Pin
	Invite  [16]byte
	Request []byte
}

// Join makes this agency's keys in an empty directory, proves them to the inviter, and notes which ledger was joined.
// The node waits for its admission when it is started. Run again with the same invitation it asks the same again.
func Join(ctx context.Context, c Config, j Joining) (Joined, error) {
	inv, err := ParseToken(j.Token)
	if err != nil {
		return Joined{}, err
	}
	passphrase, err := c.Passphrase()
	if err != nil {
		return Joined{}, err
	}
	keys, pending, err := prepareJoin(c, j, inv, passphrase)
	if err != nil {
		return Joined{}, err
	}
	proposal, err := pending.ask(ctx, keys.Node)
	if err != nil {
		return Joined{}, err
	}
	id := Identity{
		Format: identityFormat, Agency: inv.Agency, Origin: inv.Origin, Genesis: inv.Genesis.String(),
		Node: keys.Node.Public().ID().String(), Members: inv.Members,
	}
	out := Joined{Identity: id, Fingerprint: keys.Agency[0].Certificate().Fingerprint().String(), Proposal: proposal}
	return out, writeIdentity(c.Dir, id)
}

// prepareJoin returns the keys and the request that wait in the directory, or makes them where it is empty.
func prepareJoin(c Config, j Joining, inv Invitation, passphrase []byte) (Keys, *pendingJoin, error) {
	pending, err := readPending(c.Dir)
	if err != nil {
		return Keys{}, nil, err
	}
	if pending == nil {
		return makeJoin(c, j, inv, passphrase)
	}
	if pending.Invite != inv.ID {
		return Keys{}, nil, fmt.Errorf("%w: %s waits for the answer to another invitation; choose an empty one", ErrDirectoryTaken, c.Dir)
	}
	keys, err := readKeys(c.Dir, passphrase)
	if err == nil && !pending.names(nodeOf(c, keys)) {
		err = fmt.Errorf("%w: what was asked names other addresses than the configuration now; choose an empty directory and a new invitation", ErrDirectoryTaken)
	}
	return keys, pending, err
}

func makeJoin(c Config, j Joining, inv Invitation, passphrase []byte) (Keys, *pendingJoin, error) {
	if time.Now().Unix() > inv.Expires {
		return Keys{}, nil, ErrTokenExpired
	}
	if err := c.Dialable(); err != nil {
		return Keys{}, nil, err
	}
	if err := makeDirectory(c.Dir); err != nil {
		return Keys{}, nil, err
	}
	keys, err := makeKeys(j.Suite, time.Now())
	if err != nil {
		return Keys{}, nil, err
	}
	n := nodeOf(c, keys)
	req, err := signJoin(joinBody{
		Version: 1, Origin: inv.Origin, Invite: inv.ID, Expires: inv.Expires, Agency: inv.Agency, Name: j.Name,
		Keys:    joinKeys{Certificate: keys.Agency[0].Certificate().Bytes(), Node: n.Key, Checkpoint: n.Checkpoint},
		Address: n.Address, Peers: n.Peers, At: time.Now().Unix(), Audiences: inv.Audiences,
	}, keys, inv.Secret)
	if err != nil {
		return Keys{}, nil, err
	}
	p := &pendingJoin{Version: 1, Inviter: inv.Inviter, Invite: inv.ID, Request: ledger.Marshal(req)}
	if err := writeKeys(c.Dir, keys, passphrase); err != nil {
		return Keys{}, nil, err
	}
	return keys, p, durable.WriteFile(filepath.Join(c.Dir, joinFile), ledger.Marshal(p), 0o600)
}

func readPending(dir string) (*pendingJoin, error) {
	path := filepath.Join(dir, joinFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	b, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	p := &pendingJoin{}
	if err := ledger.Unmarshal(b, p, maxSmallFile); err != nil || p.Version != 1 {
		return nil, fmt.Errorf("%w: %s is damaged or of a newer version", ErrDirectory, joinFile)
	}
	return p, nil
}

// names says whether the request names the node as it is configured.
func (p *pendingJoin) names(n ledger.Node) bool {
	var r joinRequest
	var body joinBody
	if ledger.Unmarshal(p.Request, &r, maxJoinBytes) != nil || ledger.Unmarshal(r.Body, &body, maxJoinBytes) != nil {
		return false
	}
	asked := ledger.Node{Key: body.Keys.Node, Checkpoint: body.Keys.Checkpoint, Address: body.Address, Peers: body.Peers}
	return bytes.Equal(ledger.Marshal(asked), ledger.Marshal(n))
}

// ask asks the inviter and returns the proposal, none where the agency has been admitted already.
func (p *pendingJoin) ask(ctx context.Context, key *crypto.NodeKey) (proposal string, err error) {
	inviter, err := crypto.ParseNodeID(p.Inviter.Node)
	if err != nil {
		return "", fmt.Errorf("%w: inviter", ErrToken)
	}
	raw, err := cluster.PostTo(ctx, key, inviter, p.Inviter.Address, "/join", p.Request)
	if errors.Is(err, cluster.ErrRemote) {
		return "", fmt.Errorf("%w: %w", ErrJoinRefused, err)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInviterAway, err)
	}
	var answer joinAnswer
	if err := json.Unmarshal(raw, &answer); err != nil {
		return "", fmt.Errorf("%w: the answer is malformed", ErrJoinRefused)
	}
	return answer.Proposal, nil
}

// askAgain asks to join until the ledger arrives: then this node has been admitted.
func (n *Node) askAgain(ctx context.Context) error {
	pending, err := readPending(n.cfg.Dir)
	if err != nil || pending == nil {
		return err
	}
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for n.store.State() == nil {
		changed := n.store.Changed()
		if proposal, err := pending.ask(ctx, n.keys.Node); err != nil {
			n.log.Warn("the inviter was asked to admit this node", "inviter", pending.Inviter.Agency, "error", err)
		} else {
			n.log.Info("waiting to be admitted", "inviter", pending.Inviter.Agency, "proposal", proposal)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		}
	}
	return nil
}
