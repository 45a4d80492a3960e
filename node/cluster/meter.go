package cluster

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// The library decodes msgpack straight from the socket, as long and as nested as the sender likes. So what members send is counted
// before it gets there. A request is one byte that names it, then one msgpack value; behind the value of a snapshot comes the
// snapshot, which goes to the disk and is the last on its connection.
const rpcSnapshot = 2 // rpcInstallSnapshot of the library

const (
	phaseName  = iota // the byte that names a request
	phaseToken        // a msgpack value begins
	phaseSize         // how long it is
	phaseBytes        // what it holds
	phaseRaw          // the snapshot itself
)

// meter follows one connection's requests.
type meter struct {
	phase  int
	name   byte
	due    int64 // values that are still to come
	values int64 // of this request, so far
	bytes  int64
	size   []byte // of the length that is being read; with want bytes
	want   int
	more   int64 // bytes beside what a length says: the type of an extension
	left   int64 // bytes of the value that are still to come
}

// take counts what was read and fails as soon as a request is more than an honest one can be.
func (m *meter) take(b []byte) error {
	for len(b) > 0 && m.phase != phaseRaw {
		n := 1
		switch m.phase {
		case phaseName:
			*m = meter{phase: phaseToken, name: b[0], due: 1}
		case phaseToken:
			m.values++
			m.due--
			m.token(b[0])
		case phaseSize:
			if m.size = append(m.size, b[0]); len(m.size) == m.want {
				m.sized()
			}
		case phaseBytes:
			n = int(min(int64(len(b)), m.left))
			m.left -= int64(n)
		}
		m.bytes += int64(n)
		b = b[n:]
		if m.phase == phaseBytes && m.left == 0 {
			m.phase = phaseToken
		}
		if m.phase == phaseToken && m.due == 0 {
			m.phase = phaseName
			if m.name == rpcSnapshot {
				m.phase = phaseRaw
			}
		}
		if m.values+m.due > maxRPCValues || m.bytes+m.left > maxRPCBytes {
			return fmt.Errorf("%w: %d values and %d bytes in one request, at most %d and %d", ErrRPC, m.values+m.due, m.bytes+m.left, maxRPCValues, maxRPCBytes)
		}
	}
	return nil
}

// token reads the first byte of a msgpack value.
func (m *meter) token(b byte) {
	switch {
	case b>>4 == 0x8: // map
		m.due += 2 * int64(b&0x0f)
	case b>>4 == 0x9: // array
		m.due += int64(b & 0x0f)
	case b>>5 == 0x5: // string
		m.holds(int64(b & 0x1f))
	case b >= 0xc4 && b <= 0xc6: // bytes
		m.sizes(1<<(b-0xc4), 0)
	case b >= 0xc7 && b <= 0xc9: // extension
		m.sizes(1<<(b-0xc7), 1)
	case b == 0xca || b == 0xcb: // float
		m.holds(4 << (b - 0xca))
	case b >= 0xcc && b <= 0xcf: // unsigned
		m.holds(1 << (b - 0xcc))
	case b >= 0xd0 && b <= 0xd3: // signed
		m.holds(1 << (b - 0xd0))
	case b >= 0xd4 && b <= 0xd8: // extension of a fixed size
		m.holds(1<<(b-0xd4) + 1)
	case b >= 0xd9 && b <= 0xdb: // string
		m.sizes(1<<(b-0xd9), 0)
	case b == 0xdc || b == 0xdd: // array
		m.sizes(2<<(b-0xdc), containerOf(1))
	case b == 0xde || b == 0xdf: // map
		m.sizes(2<<(b-0xde), containerOf(2))
	}
}

// containerOf marks a length as one of values, so many for each.
func containerOf(each int64) int64 { return -each }

func (m *meter) holds(n int64) {
	if m.left = n; n > 0 {
		m.phase = phaseBytes
	}
}

func (m *meter) sizes(width int, more int64) {
	m.phase, m.want, m.more, m.size = phaseSize, width, more, m.size[:0]
}

func (m *meter) sized() {
	var raw [8]byte
	copy(raw[8-len(m.size):], m.size)
	n := int64(binary.BigEndian.Uint64(raw[:]))
	m.phase = phaseToken
	if m.more < 0 {
		m.due += n * -m.more
		return
	}
	m.holds(n + m.more)
}

// metered is a connection that a member opened for raft.
type metered struct {
	net.Conn
	all    *atomic.Int64 // bytes of this member's requests that are not answered, over all its connections
	refuse func(error)

	mu    sync.Mutex
	meter meter // guarded by mu
	own   int64 // guarded by mu; this connection's share of all
	last  bool  // guarded by mu; a snapshot was answered
	bad   error // guarded by mu

	patience time.Duration // how long a snapshot may still be waited for; of its reader
}

// Read implements net.Conn.
func (c *metered) Read(b []byte) (int, error) {
	read := c.Conn.Read
	if c.raw() {
		read = c.paced
	}
	n, err := read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last {
		return 0, net.ErrClosed
	}
	if c.bad == nil {
		c.bad = c.count(b[:n])
		if c.bad != nil {
			c.refuse(c.bad)
		}
	}
	if c.bad != nil {
		return 0, c.bad
	}
	return n, err
}

func (c *metered) raw() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.meter.phase == phaseRaw
}

// paced reads a snapshot: who trickles is not waited for. Only waiting counts, not what this node does with what came.
func (c *metered) paced(b []byte) (int, error) {
	began := time.Now()
	_ = c.SetReadDeadline(began.Add(c.patience)) // a connection that is gone says so when it is read
	n, err := c.Conn.Read(b)
	c.patience = min(snapshotSilence, c.patience-time.Since(began)+time.Duration(int64(n)*int64(time.Second)/snapshotSpeed))
	return n, err
}

// count is called with mu held.
func (c *metered) count(b []byte) error {
	if err := c.meter.take(b); err != nil {
		return err
	}
	if c.meter.phase == phaseRaw {
		return nil
	}
	c.own += int64(len(b))
	if all := c.all.Add(int64(len(b))); all > maxMemberBytes {
		return fmt.Errorf("%w: %d bytes of requests at once, at most %d", ErrRPC, all, maxMemberBytes)
	}
	return nil
}

// Write implements net.Conn: an answer, after which nothing of the request is kept.
func (c *metered) Write(b []byte) (int, error) {
	c.settle()
	return c.Conn.Write(b)
}

// Close implements net.Conn.
func (c *metered) Close() error {
	c.settle()
	return c.Conn.Close()
}

func (c *metered) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all.Add(-c.own)
	c.own = 0
	c.last = c.last || c.meter.phase == phaseRaw
}

// answered is a connection that this node opened for raft: answers are short.
type answered struct {
	net.Conn
	read atomic.Int64 // since something was written
}

// Read implements net.Conn.
func (c *answered) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.read.Add(int64(n)) > maxAnswerBytes {
		return 0, fmt.Errorf("%w: an answer of more than %d bytes", ErrRPC, maxAnswerBytes)
	}
	return n, err
}

// Write implements net.Conn.
func (c *answered) Write(b []byte) (int, error) {
	c.read.Store(0)
	return c.Conn.Write(b)
}
