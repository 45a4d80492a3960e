package match

import (
	"context"
	"time"
)

// pacer slows background work: after so many rows it rests for as long as they took, so that the work takes half a core
// at most. A nil pacer neither slows nor ends; any other is used by one goroutine.
type pacer struct {
	ctx  context.Context
	rows int
	from time.Time // when the work since the last rest began
}

func newPacer(ctx context.Context) *pacer { return &pacer{ctx: ctx, from: time.Now()} }

// worked counts rows, rests when it is time, and returns false when the work is to end.
func (p *pacer) worked(rows int) bool {
	if p == nil {
		return true
	}
	if p.rows += rows; p.rows < paceRows {
		return true
	}
	p.rows = 0
	rest := time.NewTimer(min(time.Since(p.from), maxRest))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-p.ctx.Done():
	}
	p.from = time.Now()
	return p.ctx.Err() == nil
}
