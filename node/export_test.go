package node

import "context"

// CloseAccessSegment closes the access log's open segment now.
func (n *Node) CloseAccessSegment(ctx context.Context) error { return n.access.CloseSegment(ctx) }

// SetSpaceFloor says how many bytes of the disk stay free. The node must not run yet.
func (n *Node) SetSpaceFloor(bytes uint64) { n.floor = bytes }
