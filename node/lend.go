package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/cluster"
	"vigil/node/store"
)

// Members lend each other what a disk has lost: an entry of a ledger, which its hash in the tree proves whoever sends it, or the
// whole ledger as a journal, which whoever gets it folds.

const (
	lendRequestBytes = 4 << 10
	lentBytes        = 2 << 20 // an entry: 64 KiB leaf, 1 MiB payload and some
	journalsAtOnce   = 2
	entryWait        = 5 * time.Second // for one member to send an entry
)

type lendRequest struct {
	_      struct{} `cbor:",toarray"`
	Origin ledger.Origin
	Index  uint64
}

type lentEntry struct {
	_       struct{} `cbor:",toarray"`
	Hash    tlog.Hash
	Leaf    []byte
	Payload []byte
}

var errNobodyLends = errors.New("node: no other member could be asked, or none has it")

// lendRoutes are for members only.
func (n *Node) lendRoutes() {
	n.cluster.Handle("POST /ledger/entry", n.serveEntry)
	journals := make(chan struct{}, journalsAtOnce)
	n.cluster.Handle("POST /ledger/journal", func(w http.ResponseWriter, r *http.Request) {
		select {
		case journals <- struct{}{}:
			defer func() { <-journals }()
			n.serveJournal(w, r)
		default:
			http.Error(w, "others are being sent the ledger; ask again, or another member", http.StatusServiceUnavailable)
		}
	})
}

func (n *Node) serveEntry(w http.ResponseWriter, r *http.Request) {
	var req lendRequest
	raw, err := io.ReadAll(io.LimitReader(r.Body, lendRequestBytes))
	if err == nil {
		err = ledger.Unmarshal(raw, &req, lendRequestBytes)
	}
	if err != nil {
		http.Error(w, "not a request", http.StatusBadRequest)
		return
	}
	e, _, hash, err := n.store.Entry(req.Origin, req.Index)
	if err != nil && (!errors.Is(err, store.ErrAbsent) || hash == (tlog.Hash{})) {
		http.Error(w, "not here", http.StatusNotFound)
		return
	}
	_, _ = w.Write(ledger.Marshal(lentEntry{Hash: hash, Leaf: notNil(e.Leaf), Payload: notNil(e.Payload)})) // who asked asks another
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (n *Node) serveJournal(w http.ResponseWriter, _ *http.Request) {
	j, err := n.store.Journal()
	if err != nil {
		http.Error(w, "the ledger cannot be read here", http.StatusServiceUnavailable)
		return
	}
	if _, err := j.WriteTo(w); err != nil {
		panic(http.ErrAbortHandler) // how net/http lets the other side see that it is not all
	}
}

// lenders are the other members whom a node asks, in no order.
type lenders struct {
	key     *crypto.NodeKey
	members []Pin
	wait    time.Duration // for one of them; zero is as long as it takes
}

// lendersOf takes the members from a roster, or where there is none from what the directory names.
func lendersOf(id Identity, key *crypto.NodeKey, state *ledger.State) lenders {
	pins := id.Members
	if state != nil {
		pins = pinsOf(state.Governance)
	}
	pins = slices.DeleteFunc(slices.Clone(pins), func(p Pin) bool { return p.Node == id.Node || p.Agency == id.Agency })
	rand.Shuffle(len(pins), func(i, j int) { pins[i], pins[j] = pins[j], pins[i] })
	return lenders{key: key, members: pins}
}

// each asks one member after the other until one's answer is taken.
func (l lenders) each(ctx context.Context, route string, body []byte, take func(Pin, io.Reader) error) error {
	errs := []error{errNobodyLends}
	for _, p := range l.members {
		to, err := crypto.ParseNodeID(p.Node)
		if err != nil {
			continue
		}
		err = l.ask(ctx, p, to, route, body, take)
		if err == nil || ctx.Err() != nil {
			return err
		}
		errs = append(errs, fmt.Errorf("%s: %w", p.Agency, err))
	}
	return errors.Join(errs...)
}

func (l lenders) ask(ctx context.Context, p Pin, to crypto.NodeID, route string, body []byte, take func(Pin, io.Reader) error) error {
	if l.wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.wait)
		defer cancel()
	}
	r, err := cluster.StreamTo(ctx, l.key, to, p.Address, route, body)
	if err != nil {
		return err
	}
	return errors.Join(take(p, r), r.Close())
}

// entry implements store.Fetch.
func (l lenders) entry(ctx context.Context, origin ledger.Origin, index ledger.Index) (e ledger.Entry, hash tlog.Hash, err error) {
	l.wait = entryWait
	err = l.each(ctx, "/ledger/entry", ledger.Marshal(lendRequest{Origin: origin, Index: index}), func(_ Pin, r io.Reader) error {
		raw, err := io.ReadAll(io.LimitReader(r, lentBytes))
		var lent lentEntry
		if err == nil {
			err = ledger.Unmarshal(raw, &lent, lentBytes)
		}
		if err == nil && len(lent.Leaf) > 0 && ledger.LeafHash(lent.Leaf) != lent.Hash {
			err = errNobodyLends
		}
		e, hash = ledger.Entry{Leaf: bytes.Clone(lent.Leaf), Payload: bytes.Clone(lent.Payload)}, lent.Hash
		return err
	})
	return e, hash, err
}
