package console

import (
	"math"
	"net/http"

	"vigil/node/api"
)

// networkPage is how the network is.
type networkPage struct {
	api.Status
	Own      api.LedgerStatus
	Mirrors  []api.LedgerStatus
	Agencies api.Agencies
	Map      drawing
}

// Lag is how many entries a node has not got yet.
func (p networkPage) Lag(n api.NodeStatus) uint64 {
	return p.Own.Size - min(n.Size, p.Own.Size)
}

// Behind is how many entries of a partner are known and not here yet.
func (p networkPage) Behind(x api.PartnerStatus) uint64 { return x.Known - min(x.Mirrored, x.Known) }

// drawing is a picture of the network: jurisdictions as rings, nodes on them, links between. It has no borders of anything.
type drawing struct {
	Width, Height int
	Rings         []ring
	Links         []line
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
	Name         string
	Leader, Away bool
	Node         bool // of ours; partners' agencies are known by name only
}

type line struct {
	X1, Y1, X2, Y2 float64
	Suspended      bool
}

const (
	mapWidth  = 760
	ringSpace = 250
	awayAfter = 15 // seconds without a word
)

// draw puts our jurisdiction to the left and its partners below each other to the right.
func draw(s api.Status, own string) drawing {
	rows := max(1, len(s.Partners))
	d := drawing{Width: mapWidth, Height: ringSpace * rows}
	if len(s.Partners) == 0 {
		d.Width = mapWidth / 2
	}
	home := ring{X: 190, Y: float64(d.Height) / 2, R: 78, Name: own, Own: true}
	for i, n := range s.Nodes {
		x := onRing(home, i, len(s.Nodes), n.Agency)
		x.Leader, x.Away, x.Node = n.Leader, n.Heard < 0 || n.Heard > awayAfter, true
		home.Dots = append(home.Dots, x)
	}
	d.Rings = append(d.Rings, home)
	for i, p := range s.Partners {
		r := ring{X: mapWidth - 190, Y: ringSpace*float64(i) + ringSpace/2, R: 70, Name: p.Origin}
		for k, a := range p.Agencies {
			r.Dots = append(r.Dots, onRing(r, k, len(p.Agencies), a))
		}
		d.Rings = append(d.Rings, r)
		d.Links = append(d.Links, line{home.X + home.R, home.Y, r.X - r.R, r.Y, p.Suspended})
	}
	return d
}

func onRing(r ring, i, n int, name string) dot {
	angle := 2*math.Pi*float64(i)/float64(max(n, 1)) - math.Pi/2
	d := dot{X: r.X + r.R*math.Cos(angle), Y: r.Y + r.R*math.Sin(angle), Name: name}
	d.TextX, d.TextY = d.X, d.Y-14
	switch across := math.Cos(angle); {
	case across > 0.5:
		d.TextX, d.TextY, d.Side = d.X+12, d.Y-8, "starts"
	case across < -0.5:
		d.TextX, d.TextY, d.Side = d.X-12, d.Y-8, "ends"
	case math.Sin(angle) > 0:
		d.TextY = d.Y + 24
	}
	return d
}

func (v *visit) network() error {
	p := networkPage{Status: v.Node.Status}
	for _, l := range p.Ledgers {
		if l.Own {
			p.Own = l
		} else {
			p.Mirrors = append(p.Mirrors, l)
		}
	}
	var err error
	if p.Agencies, err = v.api.Agencies(v.ctx()); err != nil {
		return err
	}
	p.Map = draw(p.Status, p.Own.Origin)
	v.render(http.StatusOK, "network", p)
	return nil
}
