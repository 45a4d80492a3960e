package peer

import (
	"bufio"
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"vigil/crypto"
	"vigil/ledger"
)

// AskStopped asks a partner's gateway, with the key of one of our nodes that does not run, for the newest checkpoint that it
// has verified of our own ledger; nil where it has none.
func AskStopped(ctx context.Context, key *crypto.NodeKey, own, partner ledger.Origin, gateway peer.AddrInfo) ([]byte, error) {
	h, err := newHost(key, nil, nil, &gater{allowed: func(id peer.ID) bool { return id == gateway.ID }})
	if err != nil {
		return nil, err
	}
	defer func() { _ = h.Close() }() // it was only asked with
	if err := h.Connect(ctx, gateway); err != nil {
		return nil, dialError(err)
	}
	s, err := h.NewStream(network.WithNoDial(ctx, "connected"), gateway.ID, protocolID)
	if err != nil {
		return nil, fmt.Errorf("peer: open a stream: %w", err)
	}
	defer func() { _ = s.Reset() }()
	stop := context.AfterFunc(ctx, func() { _ = s.Reset() })
	defer stop()
	_ = s.SetReadDeadline(time.Now().Add(requestWait))
	if err := send(s, frameAsk, ledger.Marshal(request{Version: 1, Origin: partner})); err != nil {
		return nil, err
	}
	r, answers := bufio.NewReader(s), 0
	for ; answers < maxAnswers; answers++ {
		kind, body, err := readFrame(r, ledger.MaxCheckpointBytes)
		if err != nil && answers == 0 {
			return nil, fmt.Errorf("peer: read: %w", err)
		}
		if err != nil {
			break // the end
		}
		if kind != frameThird {
			return nil, fmt.Errorf("%w: answer", ErrFrame)
		}
		if cp, _, err := ledger.ParseSigned(body); err == nil && cp.Origin == own {
			return body, nil
		}
	}
	return nil, nil
}
