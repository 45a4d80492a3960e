package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
)

// proposal is what waits at the leader to become part of one raft entry.
type proposal struct {
	entries []ledger.Entry
	mirror  []byte
	bytes   int
	done    chan answer // buffered
}

type answer struct {
	results []ledger.Result
	mirror  ledger.MirrorResult
	err     error
}

// Propose has entries of one writer, in order, committed and answered one by one. Any node may be asked; the leader
// answers. ErrUnknown means that the same bytes must be proposed again to know; ErrNoLeader that nothing was written.
func (c *Cluster) Propose(ctx context.Context, entries []ledger.Entry) ([]ledger.Result, error) {
	var results []ledger.Result
	for len(entries) > 0 {
		n, size := 0, 0
		for n < len(entries) && (n == 0 || size+entryBytes(entries[n]) <= forwardBytes) {
			size += entryBytes(entries[n])
			n++
		}
		a := c.route(ctx, &proposal{entries: entries[:n], bytes: size, done: make(chan answer, 1)})
		if a.err != nil {
			return nil, a.err
		}
		results, entries = append(results, a.results...), entries[n:]
	}
	return results, nil
}

func entryBytes(e ledger.Entry) int { return len(e.Leaf) + len(e.Payload) + 16 }

// ProposeMirror has one mirror batch committed.
func (c *Cluster) ProposeMirror(ctx context.Context, b *ledger.MirrorBatch) (ledger.MirrorResult, error) {
	raw := b.Encode()
	a := c.route(ctx, &proposal{mirror: raw, bytes: len(raw), done: make(chan answer, 1)})
	return a.mirror, a.err
}

// route gives a proposal to our own queue where this node leads, and to the leader otherwise.
func (c *Cluster) route(ctx context.Context, p *proposal) answer {
	if p.bytes > maxProposalBytes { // the leader would take it for no proposal, however often it is asked
		return p.refused()
	}
	if c.Leads() || c.cfg.Lies.stubborn() {
		return c.enqueue(ctx, p)
	}
	leader, ok := c.Leader()
	if !ok || leader == c.self {
		return answer{err: ErrNoLeader}
	}
	body := ledger.Marshal(command{Kind: p.kind(), Entries: p.entries, Mirror: p.mirror})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go c.whileLeads(ctx, leader, cancel)
	raw, err := c.Post(ctx, leader, "/cluster/propose", body)
	if err != nil {
		if errors.Is(err, ErrRemote) && strings.Contains(err.Error(), "421") {
			return answer{err: ErrNoLeader}
		}
		return answer{err: fmt.Errorf("%w: %w", ErrUnknown, err)}
	}
	return decodeAnswer(raw, len(p.entries))
}

// whileLeads calls otherwise once another node leads, or none: who was asked will not answer, or not with what counts.
func (c *Cluster) whileLeads(ctx context.Context, leader crypto.NodeID, otherwise func()) {
	tick := time.NewTicker(leaderLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now, ok := c.Leader(); !ok || now != leader {
			otherwise()
			return
		}
	}
}

func (p *proposal) kind() uint64 {
	if p.mirror != nil {
		return commandMirror
	}
	return commandEntries
}

var errTooLarge = errors.New("cluster: a proposal of more than one raft entry takes")

// refused is the answer to a proposal over the bound: one mirror batch, or one entry, which every replica would refuse.
func (p *proposal) refused() answer {
	if p.mirror != nil {
		return answer{mirror: ledger.MirrorResult{Verdict: ledger.MirrorRefused, Reason: errTooLarge}}
	}
	results := make([]ledger.Result, len(p.entries))
	for i := range results {
		results[i] = ledger.Result{Verdict: ledger.Refused, Reason: ledger.ErrMalformedEntry}
	}
	return answer{results: results}
}

func (c *Cluster) enqueue(ctx context.Context, p *proposal) answer {
	if c.cfg.Lies.withholds(p.entries) {
		<-ctx.Done()
		return answer{err: ErrUnknown}
	}
	if a, ok := c.cfg.Lies.pretends(p.entries, c.cfg.Store.State()); ok {
		return a
	}
	select {
	case c.queue <- p:
	case <-ctx.Done():
		return answer{err: ErrNoLeader}
	}
	select {
	case a := <-p.done:
		return a
	case <-ctx.Done():
		return answer{err: ErrUnknown}
	}
}

// lead turns waiting proposals into raft entries until ctx ends: one raft entry takes what waits, up to a bound, and a
// few are in flight at once, in order.
func (c *Cluster) lead(ctx context.Context) error {
	flight := make(chan struct{}, groupInFlight)
	var held *proposal // taken from the queue, belongs to the next group
	for {
		first := held
		held = nil
		if first == nil {
			select {
			case <-ctx.Done():
				return nil
			case first = <-c.queue:
			}
		}
		select {
		case <-ctx.Done():
			first.done <- answer{err: ErrUnknown}
			return nil
		case flight <- struct{}{}:
		}
		var batch []*proposal
		batch, held = c.gather(first)
		future := c.raft.Apply(encodeGroup(batch), rpcWait)
		go func() {
			deliver(batch, future)
			<-flight
		}()
	}
}

// gather takes waiting proposals of entries up to the bound. A mirror batch stands alone.
func (c *Cluster) gather(first *proposal) (batch []*proposal, held *proposal) {
	batch = []*proposal{first}
	size, count := first.bytes, len(first.entries)
	for first.mirror == nil {
		select {
		case p := <-c.queue:
			if p.mirror != nil || size+p.bytes > groupBytes || count+len(p.entries) > groupEntries {
				return batch, p
			}
			batch, size, count = append(batch, p), size+p.bytes, count+len(p.entries)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

func encodeGroup(batch []*proposal) []byte {
	cmd := command{Kind: batch[0].kind(), Mirror: batch[0].mirror}
	for _, p := range batch {
		cmd.Entries = append(cmd.Entries, p.entries...)
	}
	return ledger.Marshal(cmd)
}

// deliver waits for a group's outcome and hands each proposal its part.
func deliver(batch []*proposal, future raft.ApplyFuture) {
	err := future.Error()
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrEnqueueTimeout):
		err = ErrNoLeader
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	var results []ledger.Result
	var mirror ledger.MirrorResult
	if err == nil {
		switch r := future.Response().(type) {
		case []ledger.Result:
			results = r
		case ledger.MirrorResult:
			mirror = r
		case error:
			err = fmt.Errorf("%w: %w", ErrUnknown, r)
		default:
			err = ErrUnknown
		}
	}
	for _, p := range batch {
		if err == nil && p.mirror == nil && len(results) < len(p.entries) {
			err = ErrUnknown
		}
		if err != nil {
			p.done <- answer{err: err}
			continue
		}
		if p.mirror != nil {
			p.done <- answer{mirror: mirror}
			continue
		}
		p.done <- answer{results: results[:len(p.entries)]}
		results = results[len(p.entries):]
	}
}

// servePropose answers another node's proposal; 421 says that this node does not lead. What is over the bound of a raft entry is none:
// the followers would refuse it, and name the leader.
func (c *Cluster) servePropose(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var cmd command
	if err == nil {
		err = ledger.Unmarshal(body, &cmd, maxLogBytes)
	}
	if err != nil || (cmd.Kind != commandEntries && cmd.Kind != commandMirror) || len(cmd.Entries) > groupEntries {
		http.Error(w, "malformed proposal", http.StatusBadRequest)
		return
	}
	if !c.Leads() {
		http.Error(w, "not the leader", http.StatusMisdirectedRequest)
		return
	}
	p := &proposal{entries: cmd.Entries, bytes: len(body), done: make(chan answer, 1)}
	if cmd.Kind == commandMirror {
		p.mirror = cmd.Mirror
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestWait)
	defer cancel()
	a := c.enqueue(ctx, p)
	if errors.Is(a.err, ErrNoLeader) {
		http.Error(w, "not the leader", http.StatusMisdirectedRequest)
		return
	}
	if a.err != nil {
		http.Error(w, "outcome not known", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write(encodeAnswer(a)) // a lost answer is asked for again
}

type answerWire struct {
	_       struct{} `cbor:",toarray"`
	Results []resultWire
	Verdict uint64
	Next    uint64
	Reason  string
}

type resultWire struct {
	_       struct{} `cbor:",toarray"`
	Verdict uint64
	Index   uint64
	Leaf    tlog.Hash
	Next    uint64
	Reason  string
}

func encodeAnswer(a answer) []byte {
	w := answerWire{Verdict: uint64(a.mirror.Verdict), Next: a.mirror.Next}
	if a.mirror.Reason != nil {
		w.Reason = a.mirror.Reason.Error()
	}
	for _, r := range a.results {
		x := resultWire{Verdict: uint64(r.Verdict), Index: r.Index, Leaf: r.Leaf, Next: r.NextSequence}
		if r.Reason != nil {
			x.Reason = r.Reason.Code
		}
		w.Results = append(w.Results, x)
	}
	return ledger.Marshal(w)
}

func decodeAnswer(raw []byte, entries int) answer {
	var w answerWire
	if err := ledger.Unmarshal(raw, &w, answerBytes); err != nil || len(w.Results) != entries {
		return answer{err: fmt.Errorf("%w: the leader's answer is malformed", ErrUnknown)}
	}
	a := answer{mirror: ledger.MirrorResult{Verdict: ledger.MirrorVerdict(w.Verdict), Next: w.Next}}
	if w.Reason != "" {
		a.mirror.Reason = errors.New(w.Reason)
	}
	for _, x := range w.Results {
		r := ledger.Result{Verdict: ledger.Verdict(x.Verdict), Index: x.Index, Leaf: x.Leaf, NextSequence: x.Next}
		if r.Verdict == ledger.Refused {
			r.Reason = ledger.ReasonByCode(x.Reason)
		}
		if r.Verdict < ledger.Accepted || r.Verdict > ledger.Refused {
			return answer{err: fmt.Errorf("%w: the leader's answer is malformed", ErrUnknown)}
		}
		a.results = append(a.results, r)
	}
	return a
}
