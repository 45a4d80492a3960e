// Package ports gives out ports of the loopback that nobody else on this machine is given.
package ports

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
	host  = "127.0.0.1"
	first = 10_000
	last  = 30_000
	block = 200
)

var given struct {
	sync.Mutex
	next, end int            // of the block that is being given out
	blocks    []int          // of this process
	claims    []net.Listener // one for each block; never closed
}

// Free returns a port of the loopback that is free, and that no other process is given as long as this one lives; nor does this
// one return it again before every port there is was given out.
func Free() (int, error) {
	given.Lock()
	defer given.Unlock()
	for range last - first {
		if given.next == given.end {
			if err := turn(); err != nil {
				return 0, err
			}
		}
		port := given.next
		given.next++
		if l, err := listen(port); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no port from %d to %d is free", first, last)
}

// turn goes on to a block that no process has, any one; where there is none, to this process's oldest.
func turn() error {
	const blocks = (last - first) / block
	for _, i := range rand.Perm(blocks) {
		start := first + i*block
		if l, err := listen(start); err == nil {
			given.claims, given.blocks = append(given.claims, l), append(given.blocks, start)
			given.next, given.end = start+1, start+block
			return nil
		}
	}
	if len(given.blocks) == 0 {
		return fmt.Errorf("no block of ports from %d to %d is free: end other networks on this machine", first, last)
	}
	start := given.blocks[0]
	given.blocks = append(given.blocks[1:], start)
	given.next, given.end = start+1, start+block
	return nil
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}
