package store

import (
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"vigil/ledger"
)

// PrepareAll prepares entries on all processors; g is a roster of their ledger, as late as there is, or nil.
func PrepareAll(g *ledger.Governance, entries []ledger.Entry) []*ledger.Prepared {
	out := make([]*ledger.Prepared, len(entries))
	share(len(entries), func(i int) { out[i] = ledger.Prepare(entries[i], g) })
	return out
}

// PrepareMirror prepares the items of a mirror batch on all processors.
func PrepareMirror(state *ledger.State, b *ledger.MirrorBatch) []*ledger.Prepared {
	var g *ledger.Governance
	if state != nil && state.Partners[b.Origin] != nil {
		g = state.Partners[b.Origin].Mirror.Governance
	}
	out := make([]*ledger.Prepared, len(b.Items))
	share(len(b.Items), func(i int) { out[i] = ledger.PrepareItem(b.Items[i], g) })
	return out
}

// share calls f with every number below n, on all processors, and returns when all is done.
func share(n int, f func(int)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// frame is one of a journal, prepared.
type frame struct {
	kind  byte
	body  []byte
	entry *ledger.Prepared
	batch *ledger.MirrorBatch
	items []*ledger.Prepared // of batch
	err   error              // why it cannot be used; nothing follows it
}

// readAhead reads and prepares a journal's frames in pieces of a bounded size, one piece ahead of whoever takes them, until the
// journal ends, a frame cannot be used, or stop is closed. latest returns the state as far as it is folded.
func readAhead(r io.Reader, latest func() *ledger.State, stop <-chan struct{}) <-chan []frame {
	out := make(chan []frame)
	go func() {
		defer close(out)
		for last := false; !last; {
			var piece []frame
			piece, last = readPiece(r)
			prepareFrames(piece, latest())
			select {
			case out <- piece:
			case <-stop:
				return
			}
		}
	}()
	return out
}

func readPiece(r io.Reader) (piece []frame, last bool) {
	for bytes := 0; bytes < pieceBytes && len(piece) < pieceFrames && !last; {
		var f frame
		f.kind, f.body, f.err = readFrame(r)
		piece, last = append(piece, f), f.err != nil || f.kind == 'Z'
		bytes += len(f.body)
	}
	return piece, last
}

func prepareFrames(piece []frame, state *ledger.State) {
	var g *ledger.Governance
	if state != nil {
		g = state.Governance
	}
	share(len(piece), func(i int) {
		f := &piece[i]
		switch {
		case f.err != nil:
		case f.kind == 'E':
			var e ledger.Entry
			if f.err = ledger.Unmarshal(f.body, &e, maxFrameBytes); f.err == nil {
				f.entry = ledger.Prepare(e, g)
			}
		case f.kind == 'X':
			f.entry = ledger.Prepare(ledger.Entry{Leaf: f.body}, g)
		case f.kind == 'M':
			f.batch, f.err = ledger.DecodeMirrorBatch(f.body)
		}
	})
	for i := range piece {
		if f := &piece[i]; f.err == nil && f.batch != nil {
			f.items = PrepareMirror(state, f.batch)
		}
	}
}
