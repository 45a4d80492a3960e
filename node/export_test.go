package node

import "context"

// CloseAccessSegment closes the access log's open segment now.
func (n *Node) CloseAccessSegment(ctx context.Context) error { return n.access.CloseSegment(ctx) }
