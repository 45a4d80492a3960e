package cosign_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/cosign"
)

var errSigned = errors.New("signed otherwise before")

// memory is one member's replica in memory.
type memory struct {
	j *ledgertest.Jurisdiction

	mu      sync.Mutex
	leaves  [][]byte                 // guarded by mu; as "disk" gives them
	hashes  []tlog.Hash              // guarded by mu; the stored tree
	states  map[uint64]*ledger.State // guarded by mu; by size
	size    uint64                   // guarded by mu
	signed  map[ledger.Origin][2]any // guarded by mu
	kept    map[uint64][]byte        // guarded by mu; checkpoints
	changed chan struct{}            // guarded by mu
	govern  []uint64                 // guarded by mu
}

func replica(t *testing.T, j *ledgertest.Jurisdiction) *memory {
	t.Helper()
	m := &memory{j: j, states: map[uint64]*ledger.State{}, signed: map[ledger.Origin][2]any{}, kept: map[uint64][]byte{}, changed: make(chan struct{})}
	var state *ledger.State
	for i, e := range j.Entries {
		rec, err := e.Open()
		if err == nil && i == 0 {
			state, err = ledger.Found(e)
		} else if err == nil {
			state, _ = state.Apply(e, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Kind == ledger.KindGovernance {
			m.govern = append(m.govern, uint64(i))
		}
		h, err := tlog.StoredHashesForRecordHash(int64(i), ledger.LeafHash(e.Leaf), m)
		if err != nil {
			t.Fatal(err)
		}
		m.leaves, m.hashes = append(m.leaves, e.Leaf), append(m.hashes, h...)
		m.states[uint64(i+1)] = state
	}
	m.size = uint64(len(j.Entries))
	return m
}

func (m *memory) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, n := range at {
		out[i] = m.hashes[n]
	}
	return out, nil
}

func (m *memory) State() *ledger.State { return m.states[m.size] }

func (m *memory) Boundary(size uint64) (tlog.Hash, ledger.Evidence, bool, error) {
	s, ok := m.states[size]
	if !ok {
		return tlog.Hash{}, ledger.Evidence{}, false, nil
	}
	return s.Line(), s.Evidence(), true, nil
}

func (m *memory) NextBoundary(after uint64) (uint64, bool, error) { return m.size, m.size > after, nil }

func (m *memory) Governance(_ ledger.Origin, from uint64) (out []uint64, err error) {
	for _, i := range m.govern {
		if i >= from {
			out = append(out, i)
		}
	}
	return out, nil
}

func (m *memory) Leaf(_ ledger.Origin, i ledger.Index) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leaves[i], nil
}

func (m *memory) HashReader(ledger.Origin) tlog.HashReader { return m }

func (m *memory) Wait(ctx context.Context, _ ledger.Origin, size uint64) error {
	if m.size >= size {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (m *memory) Latest(ledger.Origin) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[m.size], nil
}

func (m *memory) Checkpoint(_ ledger.Origin, size uint64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[size], nil
}

func (m *memory) PutCheckpoint(_ ledger.Origin, signed []byte) error {
	cp, _, err := ledger.ParseSigned(signed)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[cp.Size] = signed
	return err
}

func (m *memory) SetLastSigned(o ledger.Origin, size uint64, root tlog.Hash) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last, ok := m.signed[o]; ok && (size < last[0].(uint64) || size == last[0].(uint64) && root != last[1].(tlog.Hash)) {
		return errSigned
	}
	m.signed[o] = [2]any{size, root}
	return nil
}

// network is the members of one jurisdiction, each with its replica.
type network struct {
	j       *ledgertest.Jurisdiction
	stores  []*memory
	signers []*cosign.Cosigner
	leads   int // index of the leader; -1 for none
	away    map[int]bool
	junk    map[int]bool // who answers, before the others, with as many made-up lines as a checkpoint has
	mu      sync.Mutex
	alarms  []string // guarded by mu
}

type view struct {
	n    *network
	self int
}

func (v view) Leads() bool { return v.n.leads == v.self }

func (v view) find(id crypto.NodeID) int {
	for i, m := range v.n.j.Members {
		if m.Node.Public().ID() == id {
			return i
		}
	}
	return -1
}

var errAway = errors.New("away")

func (v view) Ask(_ context.Context, id crypto.NodeID, text string) (string, error) {
	i := v.find(id)
	if v.n.away[i] {
		return "", errAway
	}
	if v.n.junk[i] {
		return madeUp(), nil
	}
	if len(v.n.junk) > 0 {
		time.Sleep(10 * time.Millisecond) // of the bubble
	}
	return v.n.signers[i].Sign(text)
}

func (v view) Give(ctx context.Context, id crypto.NodeID, signed []byte) error {
	i := v.find(id)
	if v.n.away[i] {
		return errAway
	}
	return v.n.signers[i].Take(ctx, signed, false)
}

// madeUp are well-formed signature lines of nobody.
func madeUp() string {
	var out []string
	for i := range 511 {
		out = append(out, fmt.Sprintf("— in/a1 %s", base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(i)))))
	}
	return strings.Join(out, "\n")
}

func members(t *testing.T, n int) *network {
	t.Helper()
	net := &network{j: ledgertest.Found(t, "in", n), leads: 0, away: map[int]bool{}, junk: map[int]bool{}}
	for i, m := range net.j.Members {
		s := replica(t, net.j)
		net.stores = append(net.stores, s)
		net.signers = append(net.signers, cosign.New(cosign.Config{
			Agency: m.ID, Node: m.Node.Public().ID(), Key: m.Checkpoint, Store: s, Members: view{net, i}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
			Alarm: func(reason, _ string) {
				net.mu.Lock()
				defer net.mu.Unlock()
				net.alarms = append(net.alarms, reason)
			},
		}))
	}
	return net
}

func (n *network) checkpoint() ledger.Checkpoint {
	s := n.j.State
	return ledger.Checkpoint{Origin: n.j.Origin(), Size: s.Size(), Root: s.Root(), State: s.Line()}
}

func TestAMemberSignsOnlyItsOwnLedger(t *testing.T) {
	good := func(*network, *ledger.Checkpoint) {}
	for name, c := range map[string]struct {
		change func(*network, *ledger.Checkpoint)
		want   error
	}{
		"as it is":         {good, nil},
		"another ledger":   {func(_ *network, c *ledger.Checkpoint) { c.Origin = ledger.NewOrigin("in", [16]byte{9}) }, cosign.ErrNotOurs},
		"nothing":          {func(_ *network, c *ledger.Checkpoint) { c.Size = 0 }, cosign.ErrNotOurs},
		"not reached yet":  {func(_ *network, c *ledger.Checkpoint) { c.Size++ }, cosign.ErrNotOurs},
		"another root":     {func(_ *network, c *ledger.Checkpoint) { c.Root[0] ^= 1 }, cosign.ErrNotOurs},
		"another state":    {func(_ *network, c *ledger.Checkpoint) { c.State[0] ^= 1 }, cosign.ErrNotOurs},
		"a leaf damaged":   {func(n *network, _ *ledger.Checkpoint) { n.stores[0].leaves[1] = []byte{1} }, cosign.ErrDamaged},
		"signed otherwise": {func(n *network, c *ledger.Checkpoint) { n.stores[0].signed[c.Origin] = [2]any{c.Size, tlog.Hash{7}} }, errSigned},
		"signed more already": {func(n *network, c *ledger.Checkpoint) {
			n.stores[0].signed[c.Origin] = [2]any{c.Size + 1, tlog.Hash{7}}
		}, errSigned},
	} {
		t.Run(name, func(t *testing.T) {
			n := members(t, 2)
			cp := n.checkpoint()
			c.change(n, &cp)
			line, err := n.signers[0].Sign(cp.Text())
			if !errors.Is(err, c.want) || (line != "") != (err == nil) {
				t.Fatalf("%q %v, want %v", line, err, c.want)
			}
			if errors.Is(c.want, cosign.ErrDamaged) && len(n.alarms) != 1 {
				t.Errorf("alarms: %q", n.alarms)
			}
		})
	}
	if _, err := members(t, 1).signers[0].Sign("in/x\n3\n"); err == nil {
		t.Error("signed what is no checkpoint")
	}
}

// TestWhatIsKeptWasSigned: of what is handed over, those lines are kept that members signed, one of each key.
func TestWhatIsKeptWasSigned(t *testing.T) {
	n := members(t, 3)
	cp := n.checkpoint()
	var lines []string
	for _, m := range n.j.Members[:2] {
		for at := range int64(3) {
			line, err := ledger.Cosign(cp, m.ID, m.Checkpoint, time.Unix(1_700_000_000+at, 0))
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, line)
		}
	}
	for _, signed := range [][]byte{ledger.Assemble(cp, append(strings.Split(madeUp(), "\n")[:500], lines...)...), ledger.Assemble(cp, lines[1], lines[4], lines[5])} {
		if err := n.signers[0].Take(t.Context(), signed, false); err != nil {
			t.Fatal(err)
		}
		kept, err := n.stores[0].Checkpoint(cp.Origin, cp.Size)
		_, have, parseErr := ledger.ParseSigned(kept)
		if err := errors.Join(err, parseErr); err != nil || len(have) != 4 || !slices.Equal(have[:2], []string{lines[0], lines[3]}) { // and two made-up ones
			t.Errorf("%v\n%s", err, kept)
		}
	}
}

// TestWhoLeftHasSignedBefore: where a member left just behind a checkpoint, its signature is kept: at that size it may be needed.
func TestWhoLeftHasSignedBefore(t *testing.T) {
	j := ledgertest.Found(t, "in", 3)
	cp := ledger.Checkpoint{Origin: j.Origin(), Size: j.State.Size(), Root: j.State.Root(), State: j.State.Line()}
	var lines []string
	for _, m := range j.Members {
		line, err := ledger.Cosign(cp, m.ID, m.Checkpoint, time.Unix(1_700_000_000, 0))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	j.Change(t, &ledger.Remove{Agency: "in/a2"})
	store, us := replica(t, j), j.Members[0]
	signer := cosign.New(cosign.Config{Agency: us.ID, Node: us.Node.Public().ID(), Key: us.Checkpoint, Store: store, Log: slog.New(slog.DiscardHandler), Alarm: func(reason, _ string) { t.Error(reason) }})
	for range 2 {
		if err := signer.Take(t.Context(), ledger.Assemble(cp, lines...), false); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := store.Checkpoint(cp.Origin, cp.Size); err != nil || !bytes.Equal(kept, ledger.Assemble(cp, lines...)) {
		t.Errorf("%v\n%s", err, kept)
	}
}

// TestAPartnersCheckpointIsSignedAsItWasMirrored: two of one size with two state lines are a fork of whoever signs both.
func TestAPartnersCheckpointIsSignedAsItWasMirrored(t *testing.T) {
	in, uk := ledgertest.Found(t, "in", 2), ledgertest.Found(t, "uk", 2)
	ledgertest.Link(t, in, uk)
	uk.Seal(t, 0, []ledger.AudienceName{"in/*", "uk/*"}, ledgertest.Event("row"))
	in.Mirror(t, uk)
	m, signed := replica(t, uk), uk.Checkpoint(t)
	m.states[m.size] = in.State
	cp, _, err := ledger.ParseSigned(signed)
	if err != nil {
		t.Fatal(err)
	}
	us := in.Members[0]
	signer := cosign.New(cosign.Config{Agency: us.ID, Node: us.Node.Public().ID(), Key: us.Checkpoint, Store: m, Log: slog.New(slog.DiscardHandler), Alarm: func(reason, _ string) { t.Error(reason) }})
	if line, err := signer.CosignPartner(cp); !errors.Is(err, cosign.ErrNotOurs) {
		t.Errorf("what is not kept: %q %v", line, err)
	}
	if err := m.PutCheckpoint(cp.Origin, signed); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if line, err := signer.CosignPartner(cp); err != nil || line == "" {
			t.Errorf("what was mirrored: %q %v", line, err)
		}
	}
	cp.State[0] ^= 1
	if line, err := signer.CosignPartner(cp); !errors.Is(err, cosign.ErrNotOurs) {
		t.Errorf("another state line: %q %v", line, err)
	}
}

func TestACheckpointCountsWithAQuorum(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*network)
		agency  int // whose kept checkpoint is looked at
		signers int // how many agencies must have signed it; 0: none is kept
	}{
		"everyone":                  {func(*network) {}, 2, 3},
		"one is away":               {func(n *network) { n.away[1] = true }, 2, 2},
		"two are away":              {func(n *network) { n.away[1], n.away[2] = true, true }, 0, 0},
		"one makes lines up":        {func(n *network) { n.junk[1] = true }, 2, 2},
		"one has another history":   {func(n *network) { n.stores[1].leaves[1] = []byte{1} }, 0, 2},
		"nobody leads":              {func(n *network) { n.leads = -1 }, 0, 3},
		"the leader does nothing":   {func(n *network) { n.leads = 2; n.away[2] = true }, 0, 2},
		"one knows another history": {func(n *network) { n.stores[2].hashes = make([]tlog.Hash, len(n.stores[2].hashes)) }, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := members(t, 3)
				c.prepare(n)
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for i, s := range n.signers {
					if !n.away[i] && !n.junk[i] {
						wg.Go(func() { _ = s.Run(ctx) })
					}
				}
				time.Sleep(10 * time.Second) // of the bubble
				synctest.Wait()
				signed, err := n.stores[c.agency].Latest("")
				cancel()
				wg.Wait()
				if err != nil {
					t.Fatal(err)
				}
				if signed == nil {
					if c.signers > 0 {
						t.Fatal("no checkpoint was made")
					}
					return
				}
				cp, lines, err := ledger.VerifyCosignatures(signed, n.j.State.Governance.CheckpointKeys())
				if err != nil || cp != n.checkpoint() || len(lines) < c.signers || c.signers == 0 {
					t.Fatalf("%d signed %+v: %v", len(lines), cp, err)
				}
			})
		})
	}
}
