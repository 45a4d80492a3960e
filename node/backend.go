package node

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
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
func (n *Node) Receipt(r author.Receipt, event [32]byte) []byte {
	at := r.Acknowledged
	if at.IsZero() {
		at = time.Now()
	}
	return ledger.SignReceipt(ledger.Receipt{
		Origin: n.id.Origin, Hash: r.Leaf, Index: r.Index, Event: event, At: at.UnixMilli(), Deadline: at.Add(n.cfg.receiptWithin()).UnixMilli(), Agency: n.id.Agency,
	}, n.keys.Node)
}

// Leaf implements api.Node.
func (n *Node) Leaf(index ledger.Index) ([32]byte, error) {
	leaf, err := n.store.Hash(n.id.Origin, index)
	return leaf, err
}

// Sealable implements api.Node.
func (n *Node) Sealable(names []ledger.AudienceName) error {
	state := n.store.State()
	if state == nil {
		return errNotYet
	}
	for _, name := range names {
		if _, _, err := state.Recipient(name); err != nil {
			return err
		}
	}
	return nil
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
	failed := n.store.Failed()
	for _, s := range stops() {
		check(failed == nil || stopOf(failed) != s, s.check, s.what+"; nothing more is written")
	}
	check(n.StaleFor() == 0, "leader", "none heard")
	if state != nil {
		_, member := state.Governance.NodeOwner(n.keys.Node.Public().ID())
		why := "waiting to be admitted"
		if left := n.left(); left != "" {
			why = "this node was " + left
		}
		check(member, "membership", why)
		check(!n.cluster.Lingers(), "voters", "the vote of a node that left still counts; let it run until this is over")
		at := n.board.Position(n.id.Origin)
		check(at >= n.opened && at+boardLag >= n.Size(), "board", "following the ledger")
	}
	return ok, lines
}

// Status implements api.Node.
func (n *Node) Status(context.Context) api.Status {
	s := api.Status{
		Agency: string(n.id.Agency), Node: n.id.Node, Version: Version(), Format: ledger.StateFormat, Problems: []api.NodeProblem{}, Ledgers: []api.LedgerStatus{}, Nodes: []api.NodeStatus{},
		Partners: n.Partners(), Role: n.role(), Leader: n.leader(),
	}
	s.Ready, _ = n.Ready()
	for _, origin := range n.store.Origins() {
		s.Ledgers = append(s.Ledgers, n.ledgerStatus(origin))
	}
	if state := n.store.State(); state != nil {
		s.Nodes = n.nodes(state.Governance)
	}
	s.Backup = n.lastBackup()
	s.Problems = n.problems(s)
	return s
}

func (n *Node) role() string {
	state := n.store.State()
	if state == nil {
		return "waiting to be admitted"
	}
	if _, member := state.Governance.NodeOwner(n.keys.Node.Public().ID()); !member {
		if left := n.left(); left != "" {
			return left
		}
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
	if of, closed := state.Governance.ClosedAt(origin); closed {
		l.Closed = of.Size
	}
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

func (n *Node) nameOf(id crypto.NodeID) string {
	if state := n.store.State(); state != nil {
		if owner, ok := state.Governance.NodeOwner(id); ok {
			return string(owner)
		}
	}
	return "node " + id.Short()
}

// leader is whose node leads here; empty where none is known to.
func (n *Node) leader() string {
	if id, ok := n.cluster.Leader(); ok {
		return n.nameOf(id)
	}
	return ""
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
		s := stopOf(err)
		add("failure", s.what+", nothing more is written and what is here stays readable: "+err.Error(), s.fix)
	}
	if free, ok := n.space(); ok && free < spaceWarning {
		add("warning", fmt.Sprintf("%d MiB are left on the data disk; at %d MiB nothing more is written", free>>20, n.floor>>20), "make room on "+n.cfg.Dir)
	}
	if left := n.left(); left != "" {
		add("failure", "this node was "+left+": it gets and writes nothing more", "stop it, and keep its directory only as long as you must")
	} else if others := n.cluster.Disowned(); others > 0 {
		add("failure", fmt.Sprintf("%d nodes answer that this one is not a member: it was removed or replaced, and has not heard of it", others), "ask another member for 'vigil agency list'")
	}
	if d := n.StaleFor(); d > 0 {
		add("failure", fmt.Sprintf("no leader heard for %.0f s: reads are served as they were, writes wait", d.Seconds()), "start the other voters")
	}
	if err := n.cluster.Unheard(); err != nil && n.store.Failed() == nil {
		add("warning", "this node neither votes nor writes yet: it waits for a majority of voters to say what they remember of it", "start the other voters; 'vigil doctor' says who is silent")
	}
	out = append(out, n.forks.problems()...)
	out = append(out, n.receipts.problems()...)
	out = append(out, n.idle.problems()...)
	out = append(out, n.scrubs.problems()...)
	for origin, err := range n.board.Unread() {
		add("failure", fmt.Sprintf("what comes after entry %d of %s is not shown: it cannot be read: %v", n.board.Position(origin), origin, err), "have it back from another member: vigil ledger scrub")
	}
	out = append(out, n.predecessorProblems()...)
	out = append(out, quorumProblems(s.Nodes)...)
	if state := n.store.State(); state != nil {
		out = append(out, swapProblems(state.Governance, s.Nodes)...)
	}
	out = append(out, clockProblems(s.Nodes)...)
	out = append(out, n.cfg.backupProblems(s.Backup, time.Now())...)
	for _, p := range s.Partners {
		if p.Error != "" {
			add("warning", fmt.Sprintf("the link to %s is interrupted: %s", p.Origin, p.Error), "it is tried again by itself; 'vigil partner list' on another gateway says whether it is this one's way; where all of theirs were replaced meanwhile, name one under [peer.gateways]")
		}
	}
	if late := n.lateAnswers(time.Now()); late > 0 {
		add("warning", fmt.Sprintf("%d answers are overdue that what this agency expunged is gone", late), "ask them: vigil ledger expunge --list")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.alarms {
		if time.Since(a.at) < time.Hour {
			add("failure", fmt.Sprintf("alarm %s: %s: %s", a.at.UTC().Format(time.RFC3339), a.who, a.what), "see its cause in the log of this node; a member that goes on: vigil agency remove AGENCY")
		}
	}
	return out
}

// heardLately is within how many seconds a node counts as there.
const heardLately = 10

// quorumProblems says who is away and what that leaves of the voters.
func quorumProblems(nodes []api.NodeStatus) []api.NodeProblem {
	out := []api.NodeProblem{}
	voters, there := 0, 0
	for _, x := range nodes {
		away := x.Heard > heardLately || x.Heard < 0
		if x.Voter {
			voters++
		}
		if x.Voter && !away {
			there++
		}
		if away {
			out = append(out, api.NodeProblem{
				Severity: "warning", What: fmt.Sprintf("the node of %s has not been heard", x.Agency),
				Fix: "there: vigil doctor; where it is lost, its agency runs: vigil node replace",
			})
		}
	}
	majority := voters/2 + 1
	switch {
	case voters == 2 && len(nodes) > 2:
		out = append(out, api.NodeProblem{Severity: "warning", What: "two voters of more agencies: nothing can be written when either stops", Fix: "name 1, 3 or 5: vigil policy show, vigil policy propose"})
	case voters == 2:
		out = append(out, api.NodeProblem{Severity: "warning", What: "two voters: nothing is lost when one stops, but nothing can be written either", Fix: "admit a third agency: vigil agency invite"})
	case voters == 1 && len(nodes) > 2:
		out = append(out, api.NodeProblem{Severity: "warning", What: "one voter: what it acknowledged and no other has yet is lost with its disk", Fix: "name 3 or 5: vigil policy show, vigil policy propose"})
	case voters > 2 && there < majority:
		out = append(out, api.NodeProblem{Severity: "failure", What: fmt.Sprintf("%d of %d voters are heard, %d are needed: nothing can be written", there, voters, majority), Fix: "start their nodes"})
	case voters > 2 && there == majority && there < voters:
		out = append(out, api.NodeProblem{Severity: "warning", What: fmt.Sprintf("%d of %d voters are heard: when another goes nothing can be written", there, voters), Fix: "start the missing node, or name other voters: vigil policy show, vigil policy propose"})
	}
	return out
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
	by, gone, err := n.store.Gone(o, index)
	switch {
	case err != nil:
		return api.Entry{}, err
	case gone:
		out.Note = fmt.Sprintf("it was expunged by entry %d", by)
	case len(e.Payload) == 0:
		out.Note = "its payload is not here: it was expunged before it came, or the gateway that sent it kept it back"
	default:
		n.showEvents(&out, rec, e.Payload, content)
	}
	if rec.Target > 0 {
		target := rec.Target
		out.Target = &target
	}
	return out, nil
}

func (n *Node) showEvents(out *api.Entry, rec *ledger.Record, payload []byte, content bool) {
	switch {
	case rec.Kind == ledger.KindGovernance:
		if act, err := ledger.DecodeAct(payload); err == nil {
			out.Events = []any{showAct(act)}
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
			if x.Type == keyFormer {
				out.Note = "it holds a key of this agency, which is not shown"
				continue
			}
			out.Events = append(out.Events, api.ShowEvent(x))
		}
	}
}

// Proof implements api.Node: of a mirror under the checkpoint that its own agencies and ours have signed.
func (n *Node) Proof(origin string, index uint64) (api.Proof, error) {
	o, err := n.origin(origin)
	if err != nil {
		return api.Proof{}, err
	}
	signed, cp, err := n.latest(o)
	if err != nil {
		return api.Proof{}, err
	}
	if index >= cp.Size {
		return api.Proof{}, refuse(http.StatusNotFound, "not-sealed", fmt.Sprintf("entry %d is not under a checkpoint yet; the newest covers %d entries", index, cp.Size), "ask again in a moment")
	}
	path, err := ledger.ProveInclusion(cp.Size, index, n.store.HashReader(o))
	if err != nil {
		return api.Proof{}, err
	}
	leaf, err := n.store.Hash(o, index)
	if err != nil {
		return api.Proof{}, err
	}
	p := api.Proof{Index: index, Size: cp.Size, Leaf: leaf.String(), Checkpoint: string(signed), Path: []string{}}
	for _, h := range path {
		p.Path = append(p.Path, base64.StdEncoding.EncodeToString(h[:]))
	}
	return p, nil
}

func (n *Node) latest(origin ledger.Origin) ([]byte, ledger.Checkpoint, error) {
	signed, err := n.store.Latest(origin)
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
