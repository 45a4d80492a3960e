package node

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/author"
	"vigil/node/store"
)

// Size implements api.Node.
func (n *Node) Size() uint64 { return n.store.Size(n.id.Origin) }

// StaleFor implements api.Node.
func (n *Node) StaleFor() time.Duration {
	last := n.cluster.LastContact()
	if last.IsZero() {
		last = n.started
	}
	if d := time.Since(last); d > 3*time.Second {
		return d
	}
	return 0
}

// Sealed implements api.Node.
func (n *Node) Sealed(origin ledger.Origin) (uint64, time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.sealed[origin]
	return s.size, s.at
}

// Receipt implements api.Node: this node's signature over what it acknowledged.
func (n *Node) Receipt(r author.Receipt) []byte {
	if r.Sequence == 0 {
		return nil // the first answer carried it
	}
	return ledger.SignReceipt(ledger.Receipt{
		Origin: n.id.Origin, Hash: r.Leaf, Index: r.Index, At: time.Now().UnixMilli(), Deadline: time.Now().Add(10 * time.Second).UnixMilli(), Agency: n.id.Agency,
	}, n.keys.Node)
}

// boardLag is how many entries the board may be behind while the node counts as ready; what the ledger held when the node
// was opened must be there.
const boardLag = 1000

// Ready implements api.Node.
func (n *Node) Ready() (bool, []string) {
	ok, lines := true, []string{}
	check := func(good bool, what, why string) {
		mark := "[+] "
		if !good {
			ok, mark, what = false, "[-] ", what+": "+why
		}
		lines = append(lines, mark+what)
	}
	state := n.store.State()
	check(state != nil, "ledger", "nothing has arrived yet")
	check(n.store.Failed() == nil, "disk", "a write failed; nothing more is written")
	check(n.StaleFor() == 0, "leader", "none heard")
	if state != nil {
		_, member := state.Governance.NodeOwner(n.keys.Node.Public().ID())
		check(member, "membership", "waiting to be admitted")
		at := n.board.Position(n.id.Origin)
		check(at >= n.opened && at+boardLag >= n.Size(), "board", "following the ledger")
	}
	return ok, lines
}

// Status implements api.Node.
func (n *Node) Status(context.Context) api.Status {
	s := api.Status{
		Agency: string(n.id.Agency), Node: n.id.Node, Version: Version(), Problems: []api.NodeProblem{}, Ledgers: []api.LedgerStatus{}, Nodes: []api.NodeStatus{},
		Partners: n.Partners(), Role: n.role(),
	}
	s.Ready, _ = n.Ready()
	if leader, ok := n.cluster.Leader(); ok {
		s.Leader = n.nameOf(leader)
	}
	for _, origin := range n.store.Origins() {
		s.Ledgers = append(s.Ledgers, n.ledgerStatus(origin))
	}
	if state := n.store.State(); state != nil {
		s.Nodes = n.nodes(state.Governance)
	}
	s.Problems = n.problems(s)
	return s
}

func (n *Node) role() string {
	state := n.store.State()
	if state == nil {
		return "waiting to be admitted"
	}
	if _, member := state.Governance.NodeOwner(n.keys.Node.Public().ID()); !member {
		return "not a member"
	}
	switch {
	case n.cluster.Leads():
		return "leader"
	case n.cluster.Voting():
		return "voter"
	}
	return "non-voter"
}

func (n *Node) ledgerStatus(origin ledger.Origin) api.LedgerStatus {
	state := n.store.State()
	l := api.LedgerStatus{Origin: string(origin), Own: origin == n.id.Origin, Size: n.store.Size(origin), Board: n.board.Position(origin), Cosigners: []string{}}
	governance, root := state.Governance, state.Root()
	if !l.Own {
		governance, root = state.Partners[origin].Mirror.Governance, state.Partners[origin].Mirror.Tree.Root()
	}
	l.Root = root.String()
	if governance != nil {
		l.Format, l.RosterEpoch = governance.Format, governance.Version
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if sealed, ok := n.sealed[origin]; ok {
		l.Sealed, l.SealedAt, l.Cosigners = sealed.size, &sealed.at, sealed.who
	}
	return l
}

func (n *Node) nodes(g *ledger.Governance) []api.NodeStatus {
	heights := n.cluster.Heights()
	leader, _ := n.cluster.Leader()
	voters := g.Voters()
	var out []api.NodeStatus
	for i := range g.Agencies {
		a := &g.Agencies[i]
		id := a.Node.Key.ID()
		x := api.NodeStatus{Agency: string(a.ID), Node: id.String(), Address: a.Node.Address, Voter: slices.Contains(voters, a.ID), Leader: id == leader, Heard: -1}
		if h, ok := heights[id]; ok {
			x.Heard, x.Size, x.Clock = time.Since(h.Heard).Seconds(), h.Size, h.Clock.Seconds()
		}
		if a.ID == n.id.Agency {
			x.Heard, x.Size = 0, n.Size()
		}
		out = append(out, x)
	}
	return out
}

// problems are what is wrong now, with the command that mends it.
func (n *Node) problems(s api.Status) []api.NodeProblem {
	out := []api.NodeProblem{}
	add := func(severity, what, fix string) {
		out = append(out, api.NodeProblem{Severity: severity, What: what, Fix: fix})
	}
	if err := n.store.Failed(); err != nil {
		add("failure", "writing to disk has failed; nothing more is written", "mend the disk, then restart the node")
	}
	if d := n.StaleFor(); d > 0 {
		add("failure", fmt.Sprintf("no leader heard for %.0f s: reads are served as they were, writes wait", d.Seconds()), "start the other voters")
	}
	voters := 0
	for _, x := range s.Nodes {
		if x.Voter {
			voters++
		}
		if x.Heard > 10 || x.Heard < 0 {
			add("warning", fmt.Sprintf("the node of %s has not been heard", x.Agency), "")
		}
		if x.Clock > 2 || x.Clock < -2 {
			add("warning", fmt.Sprintf("the clock of %s is %.0f s off ours", x.Agency, x.Clock), "check time synchronisation on both")
		}
	}
	if voters == 2 {
		add("warning", "two voters: nothing is lost when one stops, but nothing can be written either", "admit a third agency: vigil agency invite")
	}
	for _, p := range s.Partners {
		if p.Error != "" {
			add("warning", fmt.Sprintf("the link to %s is interrupted: %s", p.Origin, p.Error), "")
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.alarms {
		if time.Since(a.at) < time.Hour {
			add("failure", fmt.Sprintf("alarm %s: %s: %s", a.at.UTC().Format(time.RFC3339), a.who, a.what), "")
		}
	}
	return out
}

// Agencies implements api.Node.
func (n *Node) Agencies() api.Agencies {
	state := n.store.State()
	if state == nil {
		return api.Agencies{Origin: string(n.id.Origin)}
	}
	g := state.Governance
	out := api.Agencies{Origin: string(g.Origin), Version: g.Version, Threshold: int(g.Policy.Threshold), Agencies: []api.Agency{}, Proposals: []api.Proposal{}, Audiences: []api.Audience{}}
	voters := g.Voters()
	for i := range g.Agencies {
		a := &g.Agencies[i]
		c, _ := g.Certificate(a.ID)
		x := api.Agency{ID: string(a.ID), Name: a.Name, Fingerprint: c.Fingerprint().String(), Node: a.Node.Key.ID().String(), Address: a.Node.Address, Voter: slices.Contains(voters, a.ID), Joined: a.Joined, Audiences: []string{}}
		for _, s := range g.Audiences {
			if slices.Contains(s.Members, a.ID) {
				x.Audiences = append(x.Audiences, string(s.Name))
			}
		}
		out.Agencies = append(out.Agencies, x)
	}
	for _, s := range g.Audiences {
		x := api.Audience{Name: string(s.Name), Epoch: s.Epoch, Stale: s.Stale}
		for _, m := range s.Members {
			x.Members = append(x.Members, string(m))
		}
		out.Audiences = append(out.Audiences, x)
	}
	for _, p := range g.Proposals {
		out.Proposals = append(out.Proposals, describeProposal(g, p))
	}
	return out
}

// describeProposal says in a sentence what approving does.
func describeProposal(g *ledger.Governance, p ledger.Proposal) api.Proposal {
	x := api.Proposal{ID: hex.EncodeToString(p.ID[:]), Author: string(p.Author), Change: p.Change.Name}
	for _, a := range p.Approvals {
		x.Approvals = append(x.Approvals, string(a))
	}
	change, err := p.Change.Open()
	if err != nil {
		x.Text = "a change that this binary does not know; upgrade before you approve it"
		return x
	}
	x.Needs = g.Needs(change)
	switch c := change.(type) {
	case *ledger.Admit:
		x.Subject = string(c.Agency.ID)
		if certificate, err := crypto.ParseCertificate(c.Agency.Certificate); err == nil {
			x.Fingerprint = certificate.Fingerprint().String()
		}
		x.Text = fmt.Sprintf("admits %s (%s) to %s: from the next epoch on it reads what is sealed to them, here and from partners", c.Agency.ID, c.Agency.Name, joinNames(c.Audiences))
	case *ledger.Link:
		sum := sha256.Sum256(c.Card.Encode())
		x.Subject, x.Fingerprint = string(c.Card.Origin), hex.EncodeToString(sum[:])
		x.Text = fmt.Sprintf("links %s: its gateways get our governance and whatever is released to it, and everything else as hashes", c.Card.Origin)
	default:
		x.Text = "changes the roster: " + p.Change.Name
	}
	return x
}

func joinNames(names []ledger.AudienceName) string {
	var out []string
	for _, n := range names {
		out = append(out, string(n))
	}
	if len(out) == 0 {
		return "no audience"
	}
	return strings.Join(out, ", ")
}

func refuse(status int, code, detail, hint string) error {
	return &api.Problem{Type: "about:blank#" + code, Title: http.StatusText(status), Status: status, Detail: detail, Code: code, Hint: hint}
}

var errNotYet = refuse(http.StatusServiceUnavailable, "not-ready", "this node has no ledger yet", "it waits to be admitted, or for its leader")

// Invite implements api.Node.
func (n *Node) Invite(agency string, valid time.Duration) (api.Invitation, error) {
	id, err := ledger.ParseAgencyID(agency)
	state := n.store.State()
	switch {
	case state == nil:
		return api.Invitation{}, errNotYet
	case err != nil:
		return api.Invitation{}, refuse(http.StatusBadRequest, "agency-id", err.Error(), "such as "+string(n.id.Origin.Jurisdiction())+"/mh-cyber")
	case id.Jurisdiction() != n.id.Origin.Jurisdiction():
		return api.Invitation{}, refuse(http.StatusBadRequest, "other-jurisdiction", fmt.Sprintf("%s is of another jurisdiction than %s", id, n.id.Origin.Jurisdiction()), "other jurisdictions are linked: vigil partner link")
	case valid > maxInvite:
		return api.Invitation{}, refuse(http.StatusBadRequest, "too-long", ErrInviteTooLong.Error(), "")
	}
	if _, exists := state.Governance.Agency(id); exists {
		return api.Invitation{}, refuse(http.StatusConflict, "exists", fmt.Sprintf("%s is a member already", id), "choose another id")
	}
	inv := newInvitation(n.keys.Agency, id, time.Now().Add(valid))
	inv.Origin, inv.Genesis = n.id.Origin, state.Governance.Genesis
	for i := range state.Governance.Agencies {
		a := &state.Governance.Agencies[i]
		pin := Pin{Agency: a.ID, Node: a.Node.Key.ID().String(), Address: a.Node.Address}
		inv.Members = append(inv.Members, pin)
		if a.ID == n.id.Agency {
			inv.Inviter = pin
		}
	}
	return api.Invitation{Token: inv.Token(), Expires: time.Unix(inv.Expires, 0).UTC()}, nil
}

// serveJoin answers a joiner: everything it claims is proved, then the admission is proposed. The same request again
// gets the same answer; another one with a used invitation is refused.
func (n *Node) serveJoin(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxJoinBytes))
	if err != nil {
		http.Error(w, "request cut off", http.StatusBadRequest)
		return
	}
	body, err := openJoin(raw, n.keys.Agency, n.id.Origin, time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	proposal, err := n.admit(r.Context(), body, raw)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	_ = json.NewEncoder(w).Encode(joinAnswer{Proposal: proposal}) // a lost answer is asked for again
}

func (n *Node) admit(ctx context.Context, body joinBody, raw []byte) (string, error) {
	sum := sha256.Sum256(raw)
	key := hex.EncodeToString(body.Invite[:])
	n.mu.Lock()
	defer n.mu.Unlock()
	if used, ok := n.used[key]; ok {
		request, proposal, _ := strings.Cut(used, " ")
		if request != hex.EncodeToString(sum[:]) {
			return "", ErrTokenUsed
		}
		return proposal, nil
	}
	if n.invited(body.Agency) {
		return "", ErrTokenUsed
	}
	state := n.store.State()
	if state == nil {
		return "", errNotYet
	}
	a := ledger.Agency{
		ID: body.Agency, Name: body.Name, Certificate: body.Keys.Certificate, Generation: 1,
		Node: ledger.Node{Key: body.Keys.Node, Checkpoint: body.Keys.Checkpoint, Address: body.Address, Peers: body.Peers},
	}
	change := ledger.NewChange(&ledger.Admit{Agency: a, Audiences: []ledger.AudienceName{ledger.Everyone(n.id.Origin.Jurisdiction())}})
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := n.author.Govern(ctx, &ledger.Propose{Roster: state.Governance.Version, Change: change})
	if err != nil {
		return "", err
	}
	proposal := hex.EncodeToString(r.Leaf[:])
	n.used[key] = hex.EncodeToString(sum[:]) + " " + proposal
	return proposal, nil
}

// invited says whether an agency of that id has been proposed or admitted before: its invitation is used, also over a
// restart of this node.
func (n *Node) invited(id ledger.AgencyID) bool {
	g := n.store.State().Governance
	if _, ok := g.Agency(id); ok {
		return true
	}
	return slices.ContainsFunc(g.Proposals, func(p ledger.Proposal) bool {
		change, err := p.Change.Open()
		a, ok := change.(*ledger.Admit)
		return err == nil && ok && a.Agency.ID == id
	})
}

// Approve implements api.Node.
func (n *Node) Approve(ctx context.Context, prefix string) (author.Receipt, error) {
	state := n.store.State()
	if state == nil {
		return author.Receipt{}, errNotYet
	}
	var found []tlog.Hash
	for _, p := range state.Governance.Proposals {
		if strings.HasPrefix(hex.EncodeToString(p.ID[:]), strings.ToLower(prefix)) {
			found = append(found, p.ID)
		}
	}
	if len(found) != 1 {
		return author.Receipt{}, refuse(http.StatusNotFound, "no-proposal", fmt.Sprintf("%d open proposals begin with that", len(found)), "'vigil agency list' shows the open ones")
	}
	return n.author.Govern(ctx, &ledger.Approve{Proposal: found[0]})
}

// Partners implements api.Node.
func (n *Node) Partners() []api.PartnerStatus {
	out := []api.PartnerStatus{}
	state := n.store.State()
	if state == nil {
		return out
	}
	for _, link := range state.Governance.Partners {
		p := state.Partners[link.Card.Origin]
		x := api.PartnerStatus{Origin: string(link.Card.Origin), Suspended: link.Suspended, Mirrored: p.Mirror.Size(), Released: p.Released.Count}
		if g := p.Mirror.Governance; g != nil {
			for i := range g.Agencies {
				x.Agencies = append(x.Agencies, string(g.Agencies[i].ID))
			}
			for _, a := range g.Audiences {
				x.Audiences = append(x.Audiences, string(a.Name))
			}
		}
		if n.peer != nil {
			s := n.peer.Status(link.Card.Origin)
			x.Known, x.Gateway, x.Error = max(s.Known, x.Mirrored), s.Gateway, s.Error
			if !s.Progress.IsZero() {
				x.Progress = &s.Progress
			}
		}
		out = append(out, x)
	}
	return out
}

// Card implements api.Node.
func (n *Node) Card() (api.Card, error) {
	state := n.store.State()
	if state == nil {
		return api.Card{}, errNotYet
	}
	g := state.Governance
	signed, err := n.store.Latest(n.id.Origin)
	if err != nil {
		return api.Card{}, err
	}
	c := ledger.PartnerCard{Version: 1, Origin: g.Origin, Genesis: g.Genesis, Roster: g.Version, Checkpoint: signed, Quorum: uint64(g.QuorumSize())}
	for i := range g.Agencies {
		if a := &g.Agencies[i]; len(a.Node.Peers) > 0 {
			c.Gateways = append(c.Gateways, ledger.Gateway{Agency: a.ID, Key: a.Node.Key, Peers: a.Node.Peers})
		}
	}
	raw := c.Encode()
	if _, err := ledger.DecodePartnerCard(raw); err != nil {
		return api.Card{}, refuse(http.StatusConflict, "no-gateway", "no node of this jurisdiction is a gateway", "set peer.listen in a node's configuration")
	}
	sum := sha256.Sum256(raw)
	return api.Card{Card: raw, Origin: string(g.Origin), Fingerprint: hex.EncodeToString(sum[:])}, nil
}

// Link implements api.Node.
func (n *Node) Link(ctx context.Context, raw []byte) (author.Receipt, error) {
	state := n.store.State()
	if state == nil {
		return author.Receipt{}, errNotYet
	}
	card, err := ledger.DecodePartnerCard(raw)
	if err != nil {
		return author.Receipt{}, refuse(http.StatusBadRequest, "card", "not a partner card: "+err.Error(), "a partner makes one with 'vigil partner card'")
	}
	return n.author.Govern(ctx, &ledger.Propose{Roster: state.Governance.Version, Change: ledger.NewChange(&ledger.Link{Card: card})})
}

func (n *Node) origin(text string) (ledger.Origin, error) {
	if text == "" {
		return n.id.Origin, nil
	}
	o, err := ledger.ParseOrigin(text)
	if err != nil {
		return "", refuse(http.StatusBadRequest, "origin", err.Error(), "")
	}
	return o, nil
}

// Entry implements api.Node.
func (n *Node) Entry(origin string, index uint64, content bool) (api.Entry, error) {
	o, err := n.origin(origin)
	if err != nil {
		return api.Entry{}, err
	}
	e, bare, hash, err := n.store.Entry(o, index)
	if errors.Is(err, store.ErrAbsent) && hash == (tlog.Hash{}) {
		return api.Entry{}, refuse(http.StatusNotFound, "not-found", fmt.Sprintf("no entry %d in %s", index, o), "'vigil ledger status' shows the sizes")
	}
	if err != nil && !errors.Is(err, store.ErrAbsent) {
		return api.Entry{}, err
	}
	out := api.Entry{Ledger: string(o), Index: index, Bare: bare, Leaf: hash.String()}
	if bare {
		out.Note = "only its hash is here: it was not released to us"
		return out, nil
	}
	rec, _, err := ledger.OpenLeaf(e.Leaf)
	if err != nil {
		return api.Entry{}, err
	}
	out.Kind, out.Author, out.Writer, out.Sequence = rec.Kind.String(), string(rec.Author), rec.Writer.String(), rec.Sequence
	out.Authored, out.Bytes = rec.Authored().UTC(), rec.PayloadLength
	for _, a := range rec.Audience {
		out.Audience = append(out.Audience, fmt.Sprintf("%s (epoch %d)", a.Name, a.Epoch))
	}
	n.showEvents(&out, rec, e.Payload, content)
	return out, nil
}

func (n *Node) showEvents(out *api.Entry, rec *ledger.Record, payload []byte, content bool) {
	switch {
	case rec.Kind == ledger.KindGovernance:
		if act, err := ledger.DecodeAct(payload); err == nil {
			out.Events = []any{map[string]string{"act": strings.TrimPrefix(fmt.Sprintf("%T", act), "*ledger.")}}
		}
	case !content:
		out.Note = "this role does not read content"
	default:
		p, err := n.opener.Open(rec, payload)
		if err != nil {
			out.Note = "it is not sealed to this agency"
			return
		}
		for i := range p.Events {
			x := &p.Events[i]
			out.Events = append(out.Events, map[string]any{"id": x.ID.String(), "type": x.Type, "version": x.Version, "rows": x.Count()})
		}
	}
}

// Proof implements api.Node.
func (n *Node) Proof(index uint64) (api.Proof, error) {
	signed, cp, err := n.latest()
	if err != nil {
		return api.Proof{}, err
	}
	if index >= cp.Size {
		return api.Proof{}, refuse(http.StatusNotFound, "not-sealed", fmt.Sprintf("entry %d is not under a checkpoint yet; the newest covers %d entries", index, cp.Size), "ask again in a moment")
	}
	path, err := ledger.ProveInclusion(cp.Size, index, n.store.HashReader(n.id.Origin))
	if err != nil {
		return api.Proof{}, err
	}
	leaf, err := n.store.Hash(n.id.Origin, index)
	if err != nil {
		return api.Proof{}, err
	}
	p := api.Proof{Index: index, Size: cp.Size, Leaf: leaf.String(), Checkpoint: string(signed), Path: []string{}}
	for _, h := range path {
		p.Path = append(p.Path, base64.StdEncoding.EncodeToString(h[:]))
	}
	return p, nil
}

func (n *Node) latest() ([]byte, ledger.Checkpoint, error) {
	signed, err := n.store.Latest(n.id.Origin)
	if err != nil {
		return nil, ledger.Checkpoint{}, err
	}
	if signed == nil {
		return nil, ledger.Checkpoint{}, refuse(http.StatusServiceUnavailable, "not-sealed", "no checkpoint counts yet: too few agencies have signed", "ask again in a moment")
	}
	cp, _, err := ledger.ParseSigned(signed)
	return signed, cp, err
}

// Checkpoint implements api.Node. Ours gets a plain note line, so that common tools can parse it.
func (n *Node) Checkpoint(origin string) ([]byte, error) {
	o, err := n.origin(origin)
	if err != nil {
		return nil, err
	}
	signed, err := n.store.Latest(o)
	if err != nil {
		return nil, err
	}
	if signed == nil {
		return nil, refuse(http.StatusNotFound, "not-sealed", "no checkpoint of that ledger counts yet", "")
	}
	if o != n.id.Origin {
		return signed, nil
	}
	cp, _, err := ledger.ParseSigned(signed)
	if err != nil {
		return nil, err
	}
	return ledger.MergeSignatures(ledger.Assemble(cp, ledger.PlainLine(cp, n.keys.Checkpoint)), signed)
}

// Verify implements api.Node.
func (n *Node) Verify(ctx context.Context, line func(api.VerifyLine)) error {
	return n.store.Verify(ctx, func(o ledger.Origin, done, size uint64) {
		line(api.VerifyLine{Ledger: string(o), Done: done, Size: size})
	}, func(f store.Finding) {
		line(api.VerifyLine{Ledger: string(f.Origin), Index: f.Index, Finding: f.What})
	})
}
