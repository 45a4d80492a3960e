package main

import (
	"fmt"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress is a bar on a terminal, one line every ten seconds in a pipe, and nothing when quiet.
type progress struct {
	p    printer
	name string
	bars *mpb.Progress
	bar  *mpb.Bar
	next time.Time
}

const progressEvery = 10 * time.Second

func newProgress(p printer, name string) *progress {
	g := &progress{p: p, name: name, next: time.Now().Add(progressEvery)}
	if f, ok := p.err.(interface{ Fd() uintptr }); ok && term.IsTerminal(int(f.Fd())) && !p.quiet {
		g.bars = mpb.New(mpb.WithOutput(p.err))
		g.bar = g.bars.AddBar(0,
			mpb.PrependDecorators(decor.Name(name+" "), decor.CountersNoUnit("%d / %d")),
			mpb.AppendDecorators(decor.AverageSpeed(0, " %.0f/s"), decor.Name(" "), decor.AverageETA(decor.ET_STYLE_GO)))
	}
	return g
}

// set shows done of total; a total of 0 is unknown.
func (g *progress) set(done, total uint64) {
	if g.bar != nil {
		g.bar.SetTotal(int64(total), false)
		g.bar.SetCurrent(int64(done))
		return
	}
	if now := time.Now(); !g.p.quiet && now.After(g.next) {
		g.next = now.Add(progressEvery)
		fmt.Fprintf(g.p.err, "%s: %d of %d\n", g.name, done, total)
	}
}

// above lets what is printed meanwhile on the bar's terminal appear above the bar, which would draw over it otherwise. The
// printer is to be restored before the end.
func (g *progress) above(p *printer) (restore func()) {
	before := *p
	if g.bars != nil {
		p.err = g.bars
		if p.terminal {
			p.out = g.bars
		}
	}
	return func() { *p = before }
}

func (g *progress) end() {
	if g.bar != nil {
		g.bar.SetTotal(-1, true)
		g.bars.Wait()
	}
}
