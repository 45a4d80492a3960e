package console

import (
	"math"

	"vigil/node/api"
)

// drawing is a picture of the network: jurisdictions as rings, nodes on them, links between. It has no borders of anything.
type drawing struct {
	Shape         string // the class by which a page shows one or the other
	Width, Height int
	Rings         []ring
	Links         []link
}

type ring struct {
	X, Y, R float64
	Name    string
	Own     bool
	Dots    []dot
}

type dot struct {
	X, Y         float64
	TextX, TextY float64
	Side         string // "starts" or "ends" where the name stands beside the dot
	Name, Short  string // in full, and as it fits
	Leader, Away bool
	Node         bool // of ours; partners' agencies are known by name only
}

// link is a line through points.
type link struct {
	Points    []point
	Suspended bool
}

type point struct{ X, Y float64 }

// shape is how a drawing lies: all in its units, which a page scales.
type shape struct {
	name             string
	width, ring      float64 // of the drawing, and the radius of a jurisdiction
	space            float64 // of a jurisdiction and the names around it, downwards
	homeAt, partners float64 // across
	letters          int     // of a name
	away             float64 // direction from home to partners
}

var (
	wide = shape{name: "wide", width: 760, ring: 74, space: 236, homeAt: 200, partners: 560, letters: 22, away: 0}
	tall = shape{name: "tall", width: 300, ring: 56, space: 200, homeAt: 150, partners: 150, letters: 13, away: math.Pi / 2}
)

const (
	awayAfter = 15 // seconds without a word
	elbow     = 18 // how far a link goes before it turns
	margin    = 10 // at which it passes other jurisdictions
)

// draw puts partners beside our jurisdiction, below each other, or all below it.
func draw(s api.Status, own string, in shape) drawing {
	rows := max(1, len(s.Partners))
	home := ring{X: in.homeAt, Y: in.space * float64(rows) / 2, R: in.ring, Name: own, Own: true}
	d := drawing{Shape: in.name, Width: int(in.width), Height: int(in.space) * rows}
	if in.away != 0 {
		home.Y, d.Height = in.space/2, int(in.space)*(1+len(s.Partners))
	}
	if len(s.Partners) == 0 {
		d.Width, home.X = int(in.width)/2, in.width/4
		if in.away != 0 {
			d.Width, home.X = int(in.width), in.homeAt
		}
	}
	for i, n := range s.Nodes {
		x := in.onRing(home, i, len(s.Nodes), in.away, n.Agency)
		x.Leader, x.Away, x.Node = n.Leader, n.Heard < 0 || n.Heard > awayAfter, true
		home.Dots = append(home.Dots, x)
	}
	d.Rings = append(d.Rings, home)
	for i, p := range s.Partners {
		r := ring{X: in.partners, Y: in.space*float64(i) + in.space/2, R: in.ring, Name: p.Origin}
		if in.away != 0 {
			r.Y += in.space
		}
		points, from := in.between(home, r, i)
		for k, a := range p.Agencies {
			r.Dots = append(r.Dots, in.onRing(r, k, len(p.Agencies), from, a))
		}
		d.Rings = append(d.Rings, r)
		d.Links = append(d.Links, link{points, p.Suspended})
	}
	return d
}

// between is the line of a link, and the direction from which it comes to the partner. Downwards, the first is straight and
// the others pass it at the edge.
func (in shape) between(home, r ring, i int) ([]point, float64) {
	switch {
	case in.away == 0:
		return []point{{home.X + home.R, home.Y}, {r.X - r.R, r.Y}}, math.Pi
	case i == 0:
		return []point{{home.X, home.Y + home.R}, {r.X, r.Y - r.R}}, -math.Pi / 2
	}
	turn := home.Y + home.R + elbow
	return []point{{home.X, home.Y + home.R}, {home.X, turn}, {margin, turn}, {margin, r.Y}, {r.X - r.R, r.Y}}, math.Pi
}

// onRing puts dot i of n on a ring, none of them where the link is.
func (in shape) onRing(r ring, i, n int, link float64, name string) dot {
	angle := link + math.Pi*float64(2*i+1)/float64(max(n, 1))
	d := dot{X: r.X + r.R*math.Cos(angle), Y: r.Y + r.R*math.Sin(angle), Name: name, Short: name}
	if letters := []rune(name); len(letters) > in.letters {
		d.Short = string(letters[:in.letters-1]) + "…"
	}
	d.TextX, d.TextY = d.X, d.Y-16
	switch across := math.Cos(angle); {
	case across > 0.5:
		d.TextX, d.TextY, d.Side = d.X+14, d.Y+5, "starts"
	case across < -0.5:
		d.TextX, d.TextY, d.Side = d.X-14, d.Y+5, "ends"
	case math.Sin(angle) > 0:
		d.TextY = d.Y + 26
	}
	return d
}
