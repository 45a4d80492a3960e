package cluster

import (
	"errors"
	"time"
)

// Halt takes this node out of the jurisdiction for good, because its disk fails: it leads, votes and acknowledges no more,
// and what it has stays readable. Whoever led here is missed and replaced, also where raft itself waits for the disk.
func (c *Cluster) Halt() {
	now := time.Now()
	if !c.halted.CompareAndSwap(nil, &now) {
		return
	}
	c.stopping = c.raft.Shutdown()
	_ = errors.Join(c.transport.Close(), c.listener.close()) // closed is closed, whatever they say
	c.clients.close()
}

// Halted says that this node takes no part any more.
func (c *Cluster) Halted() bool { return c.halted.Load() != nil }

// Close stops raft. Run must have ended.
func (c *Cluster) Close() error {
	if c.raft == nil {
		c.clients.close()
		return errors.Join(c.cfg.Listener.Close(), c.closeLog())
	}
	var limit <-chan time.Time
	if c.Halted() {
		limit = time.After(haltedClose)
	} else {
		c.stopping = c.raft.Shutdown()
	}
	stopped := make(chan error, 1)
	go func() { stopped <- c.stopping.Error() }()
	select {
	case err := <-stopped:
		c.clients.close()
		return errors.Join(err, c.transport.Close(), c.listener.close(), c.closeLog())
	case <-limit: // raft waits for a disk that failed it; the process ends without it
		return errHalted
	}
}

func (c *Cluster) closeLog() error {
	if c.bolt == nil {
		return nil
	}
	return c.bolt.Close()
}

var errHalted = errors.New("cluster: raft still waits for the disk")

// without leaves raft out for good where what it left on disk is damaged: the node must be replaced, and until then what it
// has stays readable.
func (c *Cluster) without(damage error) error {
	now := time.Now()
	c.halted.Store(&now)
	c.raft = nil
	c.cfg.Fatal(damage)
	return nil
}
