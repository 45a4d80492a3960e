package peer

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/control"
	p2pcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	ltls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"vigil/crypto"
)

// IDOf returns the libp2p PeerID of a node key.
func IDOf(key crypto.NodePublic) (peer.ID, error) {
	public, err := p2pcrypto.UnmarshalEd25519PublicKey(key[:])
	if err != nil {
		return "", err
	}
	return peer.IDFromPublicKey(public)
}

// newHost makes a libp2p host with nothing on that is not named here: TCP with TLS 1.3 and QUIC, no relay, no discovery,
// fixed limits, and a gater that knows only partners' gateways.
func newHost(key *crypto.NodeKey, listen []string, more []libp2p.Option, g *gater) (host.Host, error) {
	private, err := p2pcrypto.UnmarshalEd25519PrivateKey(key.Private())
	if err != nil {
		return nil, err
	}
	limits, err := resourceManager()
	if err != nil {
		return nil, err
	}
	connections, err := connmgr.NewConnManager(maxConnections*4, maxConnections*8)
	if err != nil {
		return nil, err
	}
	h, err := libp2p.New(append([]libp2p.Option{
		libp2p.Identity(private), libp2p.ListenAddrStrings(listen...),
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()), libp2p.Transport(quic.NewTransport),
		libp2p.Security(ltls.ID, ltls.New), libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ConnectionGater(g), libp2p.ResourceManager(limits), libp2p.ConnectionManager(connections),
		libp2p.DisableRelay(), libp2p.Ping(false), libp2p.DisableIdentifyAddressDiscovery(), libp2p.DisableMetrics(),
		libp2p.UserAgent("vigil"), libp2p.AddrsFactory(func([]multiaddr.Multiaddr) []multiaddr.Multiaddr { return nil }), // partners know us by the roster
	}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("peer: start libp2p: %w", err)
	}
	return h, nil
}

// resourceManager fixes every limit that matters; the defaults allow a peer far more.
func resourceManager() (network.ResourceManager, error) {
	system := rcmgr.ResourceLimits{
		Streams: maxStreams * 16, StreamsInbound: maxStreams * 8, StreamsOutbound: maxStreams * 8,
		Conns: maxConnections * 16, ConnsInbound: maxConnections * 8, ConnsOutbound: maxConnections * 8,
		FD: maxConnections * 16, Memory: systemMemory,
	}
	one := rcmgr.ResourceLimits{
		Streams: maxStreams, StreamsInbound: maxStreams, StreamsOutbound: maxStreams,
		Conns: maxConnections, ConnsInbound: maxConnections, ConnsOutbound: maxConnections, FD: maxConnections, Memory: peerMemory,
	}
	limits := rcmgr.PartialLimitConfig{System: system, Transient: system, PeerDefault: one}
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.Build(rcmgr.DefaultLimits.AutoScale())))
}

// gater lets partners' gateways in and out and nobody else. A refused dialler's Connect may still return nil: health is
// read from the stream, never from the connection.
type gater struct{ allowed func(peer.ID) bool }

// InterceptPeerDial implements connmgr.ConnectionGater.
func (g *gater) InterceptPeerDial(p peer.ID) bool { return g.allowed(p) }

// InterceptAddrDial implements connmgr.ConnectionGater.
func (g *gater) InterceptAddrDial(p peer.ID, _ multiaddr.Multiaddr) bool { return g.allowed(p) }

// InterceptAccept implements connmgr.ConnectionGater: only the address is known yet.
func (g *gater) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured implements connmgr.ConnectionGater.
func (g *gater) InterceptSecured(_ network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	return g.allowed(p)
}

// InterceptUpgraded implements connmgr.ConnectionGater.
func (g *gater) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	return g.allowed(c.RemotePeer()), 0
}

var (
	errQuiet   = errors.New("peer: a gateway has sent nothing new for a while")
	errSilent  = errors.New("peer: a gateway does not even say that it is alive")
	errStandBy = errors.New("peer: a gateway of lower rank follows")
	errHeld    = errors.New("peer: a gateway does not hand on what another has")
)
