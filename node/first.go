package node

import (
	"context"
	"time"
)

const readyPoll = 500 * time.Millisecond

// FirstLink waits until the node serves and returns the address at which the first person adds themselves; "" where somebody
// can sign in already, or ctx ends. The code in it holds once, for an hour, and stands behind a # that no server is sent.
func (n *Node) FirstLink(ctx context.Context) string {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for ready, _ := n.Ready(); !ready; ready, _ = n.Ready() {
		select {
		case <-ctx.Done():
			return ""
		case <-tick.C:
		}
	}
	code, ok, err := n.api.FirstRun(ctx)
	if err != nil {
		n.log.Error("people cannot be read, so no first link is shown", "error", err)
	}
	if err != nil || !ok {
		return ""
	}
	at := n.cfg.API.URL
	if at == "" {
		at = "https://" + n.Addresses().API
	}
	return at + "/first#" + code
}
