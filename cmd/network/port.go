package network

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are given out below those that connections take (32,768 on Linux, 49,152 elsewhere), so that nothing takes one between
// here and its use. They come in blocks. A process listens at the first port of each of its blocks as long as it lives, which
// keeps all others out of the block: two networks on one machine never come to the same port.
const (
	firstPort = 10_000
	lastPort  = 30_000
	portBlock = 200
)

var ports struct {
	sync.Mutex
	next, end int            // of the block that is being given out
	claims    []net.Listener // one for each block; never closed
}

// FreePort returns a port of the loopback that is free, and that no call here or in another process returns as long as this
// process lives.
func FreePort() (int, error) {
	ports.Lock()
	defer ports.Unlock()
	for {
		for ports.next < ports.end {
			port := ports.next
			ports.next++
			if l, err := listen(port); err == nil {
				return port, l.Close()
			}
		}
		if err := claimPorts(); err != nil {
			return 0, err
		}
	}
}

// claimPorts takes a block that no other process has, any one.
func claimPorts() error {
	const blocks = (lastPort - firstPort) / portBlock
	for _, i := range rand.Perm(blocks) {
		first := firstPort + i*portBlock
		if l, err := listen(first); err == nil {
			ports.claims = append(ports.claims, l)
			ports.next, ports.end = first+1, first+portBlock
			return nil
		}
	}
	return fmt.Errorf("no block of ports from %d to %d is free: end other networks on this machine", firstPort, lastPort)
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort(here.Host, strconv.Itoa(port)))
}
