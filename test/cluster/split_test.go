package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	libp2p "github.com/libp2p/go-libp2p/core/peer"

	"vigil/cmd/network"
	"vigil/cmd/network/ports"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/api"
	"vigil/node/peer"
	"vigil/test/nodetest"
)

// liar is a jurisdiction of one agency, with real keys and over the real protocol, that shows each partner a history of its own.
type liar struct {
	member   ledgertest.Member
	shows    map[ledger.JurisdictionID]*ledgertest.Jurisdiction
	partners []peer.Partner
	never    chan struct{}
}

func (l *liar) Partners() []peer.Partner   { return l.partners }
func (l *liar) Rank() int                  { return -1 } // it follows nobody
func (l *liar) Taken(ledger.Origin) string { return "" }
func (l *liar) Changed() <-chan struct{}   { return l.never }

func (l *liar) Thirds() [][]byte { return nil }

func (l *liar) Newest() []byte { return nil }

func (l *liar) TakeCosignature(context.Context, ledger.Origin, uint64, string) error { return nil }
func (l *liar) Cursor(ledger.Origin) uint64                                          { return 0 }
func (l *liar) Commit(context.Context, *ledger.MirrorBatch) (uint64, error)          { return 0, nil }

func (l *liar) Cosign(context.Context, []byte) (string, error) { return "", nil }

func (l *liar) Beyond(ledger.Origin, []byte) bool { return false }
func (l *liar) Third(ledger.Origin, []byte)       {}

// Next shows a partner its history, whole, once.
func (l *liar) Serves(ledger.Origin) bool { return true }

func (l *liar) Next(ctx context.Context, _ ledger.Origin, partner ledger.JurisdictionID, from uint64) (*ledger.MirrorBatch, error) {
	j := l.shows[partner]
	if from >= j.State.Size() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c := ledger.Checkpoint{Origin: j.Origin(), Size: j.State.Size(), Root: j.State.Root(), State: j.State.Line()}
	line, err := ledger.Cosign(c, l.member.ID, l.member.Checkpoint, time.Now())
	if err != nil {
		return nil, err
	}
	b := &ledger.MirrorBatch{Origin: j.Origin(), From: from, Checkpoint: ledger.Assemble(c, line), Evidence: j.State.Evidence()}
	for _, e := range j.Entries[from:] {
		rec, err := e.Open()
		if err != nil {
			return nil, err
		}
		if ledger.ReleasedTo(rec, partner) {
			b.Items = append(b.Items, ledger.Full(e))
		} else {
			b.Items = append(b.Items, ledger.Bare(ledger.LeafHash(e.Leaf)))
		}
	}
	return b, nil
}

// lie runs the liar as a gateway until the test ends, and returns its card.
func lie(t *testing.T, to ...*network.Node) (*liar, ledger.PartnerCard) {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port)
	l := &liar{member: ledgertest.NewMember(t, "fr/a0"), shows: map[ledger.JurisdictionID]*ledgertest.Jurisdiction{}, never: make(chan struct{})}
	l.member.Peers = []string{at}
	j := ledgertest.FoundBy(t, "fr", l.member)
	for i, n := range to {
		other := *j
		other.Entries = slices.Clone(j.Entries)
		other.Seal(t, 0, []ledger.AudienceName{"fr/*"}, ledgertest.Event(fmt.Sprintf("history %d", i)))
		l.shows[n.Agency.Jurisdiction()] = &other
		x, err := n.Operator.Card(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		card, err := ledger.DecodePartnerCard(x.Card)
		if err != nil {
			t.Fatal(err)
		}
		p := peer.Partner{Origin: card.Origin}
		for _, g := range card.Gateways {
			info, err := peer.Gateway(g.Key, g.Peers)
			if err != nil {
				t.Fatal(err)
			}
			p.Gateways = append(p.Gateways, libp2p.AddrInfo{ID: info.ID, Addrs: info.Addrs})
		}
		l.partners = append(l.partners, p)
	}
	p, err := peer.New(peer.Config{
		Own: j.Origin(), Key: l.member.Node, Listen: []string{at}, Roster: l, Source: l, Sink: l, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, p.Close()); err != nil {
			t.Error(err)
		}
	})
	return l, j.Card()
}

// TestASplitViewIsSeenByAThirdJurisdiction: a jurisdiction shows one partner one history and another partner another, both
// signed and each whole in itself. The two, which are partners of each other, find out by themselves; the proof is in the
// status of one of them, and the offline verifier takes it.
func TestASplitViewIsSeenByAThirdJurisdiction(t *testing.T) {
	n := start(t, "in/a", "uk/a")
	if err := n.Connect(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	victims := []*network.Node{n.Node("in/a"), n.Node("uk/a")}
	l, card := lie(t, victims...)
	for _, v := range victims {
		if _, err := v.Operator.Link(t.Context(), api.Link{Card: card.Encode()}); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	var by *network.Node
	var file string
	err := network.Eventually(t.Context(), 60*time.Second, func() error {
		for _, v := range victims {
			s, err := v.Operator.Status(t.Context())
			if err != nil {
				return err
			}
			for _, p := range s.Problems {
				if strings.Contains(p.What, "fr/a0 signed two histories of "+string(card.Origin)) {
					by, file = v, strings.Fields(p.Fix[strings.Index(p.Fix, "vigil-verify "):])[1]
					return nil
				}
			}
		}
		return errors.New("nobody has found out")
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s had the proof %s after the links", by.Agency, time.Since(began).Round(time.Millisecond))
	if a, b := l.shows["in"].State.Root(), l.shows["uk"].State.Root(); a == b {
		t.Fatal("both were shown the same")
	}

	dir := t.TempDir()
	verify, trust := nodetest.Built(t, nodetest.Verify), filepath.Join(dir, "trust.json")
	for _, v := range victims { // either's trust file pins the liar
		pins, err := v.Operator.Trust(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(trust, pins, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(verify, "--json", file, "--trust", trust).Output()
		var ended *exec.ExitError
		var report ledger.Report
		if !errors.As(err, &ended) || ended.ExitCode() != 12 || json.Unmarshal(out, &report) != nil || report.Author != "fr/a0" || report.Ledger != card.Origin {
			t.Errorf("with the trust file of %s: %v\n%s", v.Agency, err, out)
		}
	}
	a := api.RaiseAlert{Signals: network.RandomSignals(), Audience: []string{"in/*", "uk/*"}} // the two go on with each other
	err = network.Eventually(t.Context(), 30*time.Second, func() error { _, err := victims[0].Work.Raise(t.Context(), "after", a); return err })
	if err != nil {
		t.Fatal(err)
	}
	err = network.Eventually(t.Context(), 30*time.Second, func() error {
		found, err := victims[1].LookUp(t.Context(), a.Signals)
		if err == nil && len(found.Results[0].Alerts) != 1 {
			err = errors.New("it has not arrived")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
