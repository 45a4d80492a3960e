package rot

import (
	"context"
	"errors"
	"testing"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node"
	"vigil/node/board"
	"vigil/node/store"
	"vigil/test/nodetest"
)

func boardConfig(dir string, keys unlocked, s *store.Store) board.Config {
	return board.Config{
		Dir: dir, Key: keys.Agency[0].Derive("vigil board v1"), Agency: keys.id.Agency, Ledger: s, Opener: &opening{s: s, keys: keys}, Log: nodetest.Quiet,
		Policy: func() ledger.Policy { return s.State().Governance.Policy },
	}
}

// opening opens what is sealed to the agency, with the audience keys that governance entries hold for it.
type opening struct {
	s    *store.Store
	keys unlocked
	ring *crypto.Keyring
}

// Open implements board.Opener.
func (o *opening) Open(rec *ledger.Record, payload []byte) (*ledger.Payload, error) {
	if o.ring == nil {
		ring, err := node.RingOf(o.s, o.keys.id, o.keys.Keys)
		if err != nil {
			return nil, err
		}
		o.ring = ring
	}
	return ledger.OpenPayload(payload, rec, o.ring)
}

// boardAnswers opens the board and reads all of it; one that is made anew was refused.
func boardAnswers(dir string, keys unlocked, s *store.Store) func() ([]string, error) {
	return func() (out []string, err error) {
		b, anew, err := board.OpenNoted(boardConfig(dir, keys, s))
		if err != nil || anew != nil {
			if b != nil {
				err = errors.Join(err, b.Close())
			}
			return nil, errors.Join(err, anew)
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		ctx := context.Background()
		page, err := b.List(ctx, board.Query{})
		out = append(out, answer("list", err, shown(page)))
		for _, a := range page.Alerts {
			x, events, err := b.Get(ctx, a.ID.String())
			out = append(out, answer("alert", err, shown(x), shown(events)))
			found, err := b.LookUp(ctx, a.File.Signals)
			out = append(out, answer("look-up", err, shown(found)))
		}
		for a, err := range b.Export(ctx, 0) {
			out = append(out, answer("export", err, shown(a)))
			if err != nil {
				return nil, err
			}
		}
		counts, err := b.Tally(ctx, board.FigureQuery{Of: "alerts", By: []string{"agency", "standing"}})
		out = append(out, answer("figures", err, shown(counts)))
		reports, err := b.WaitingReports(ctx)
		out = append(out, answer("reports", err, reports))
		gone, _, err := b.Expungements(ctx, 0, 0)
		out = append(out, answer("expungements", err, len(gone)))
		return out, nil
	}
}

// boardScrubbed scrubs as often as it takes for samples to meet everything in so small a board.
func boardScrubbed(t *testing.T, dir string, keys unlocked, s *store.Store) bool {
	t.Helper()
	b, err := board.Open(boardConfig(dir, keys, s))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	for range 8 {
		for cursor := []byte(nil); ; {
			slice, err := b.Scrub(t.Context(), cursor, 1<<20)
			if err != nil || len(slice.Found) > 0 {
				return true
			}
			if cursor = slice.Next; len(cursor) == 0 {
				break
			}
		}
	}
	return false
}
