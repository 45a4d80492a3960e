package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vigil/node/board"
	"vigil/node/figures"
)

// Took is how long something took.
type Took = figures.Duration

// Figures are counts of what this agency can read.
type Figures struct {
	Of        string        `json:"of"`
	By        []string      `json:"by" doc:"The keys of each row, in this order"`
	Rows      []figures.Row `json:"rows"`
	Total     uint64        `json:"total"`
	Exercise  bool          `json:"exercise,omitempty"`
	Published bool          `json:"published,omitempty" doc:"Counts too small to be published are suppressed"`
	StaleFor  float64       `json:"stale_for_seconds,omitempty"`
}

type figuresQuery struct {
	Of        string    `query:"of" required:"true" enum:"alerts,referrals,reports,sightings"`
	By        string    `query:"by" maxLength:"128" doc:"Dimensions, separated by commas: time, agency, kind, standing, urgency, ai_generated, outcome, …"`
	Period    string    `query:"period" enum:"day,week,month,year," doc:"That time is cut into: month, where nothing is said"`
	From      time.Time `query:"from"`
	To        time.Time `query:"to"`
	Exercise  bool      `query:"exercise"`
	Published bool      `query:"published" doc:"Fit to be published: small counts are suppressed"`
	Format    string    `query:"format" enum:"json,csv,"`
}

func (s *Server) figureRoutes() {
	readers := []string{RoleAnalyst, RoleLab, RoleLiaison, RoleCoordinator, RoleAuditor}
	route(s, http.MethodGet, "/v1/figures", "figures", "Counts by time, agency, kind, standing, urgency and outcome, with how long answers took; JSON or CSV", readers, func(ctx context.Context, in *figuresQuery) (*rawAnswer, error) {
		f, err := s.figures(ctx, in)
		if err != nil {
			return nil, err
		}
		if in.Format != "csv" {
			b, err := json.Marshal(f)
			return &rawAnswer{Type: "application/json", Body: b}, err
		}
		var b bytes.Buffer
		err = figures.WriteCSV(&b, f.By, f.Rows)
		return &rawAnswer{Type: "text/csv; charset=utf-8; header=present", Body: b.Bytes()}, err
	})
}

func (s *Server) figures(ctx context.Context, in *figuresQuery) (Figures, error) {
	out := Figures{Of: in.Of, By: []string{}, Exercise: in.Exercise, Published: in.Published, StaleFor: s.cfg.Node.StaleFor().Seconds()}
	if in.By != "" {
		out.By = strings.Split(in.By, ",")
	}
	rows, err := s.cfg.Board.Tally(ctx, board.FigureQuery{Of: in.Of, By: out.By, Period: figures.Period(in.Period), From: in.From, To: in.To, Exercise: in.Exercise})
	if err != nil {
		return out, err
	}
	out.Rows = rows
	for _, r := range rows {
		out.Total += r.Count
	}
	if in.Published {
		p, _ := s.cfg.Node.Policy()
		section, _ := figures.Section.In(p)
		out.Rows, out.Total = figures.Publish(rows, section.Least)
	}
	return out, s.read(ctx, "figures.show", []string{in.Of})
}

// FiguresQuery says what is counted.
type FiguresQuery struct {
	Of, Period          string
	By                  []string
	From, To            time.Time
	Exercise, Published bool
}

func (q FiguresQuery) values(format string) url.Values {
	v := url.Values{"of": {q.Of}}
	for name, text := range map[string]string{"by": strings.Join(q.By, ","), "period": q.Period, "format": format} {
		if text != "" {
			v.Set(name, text)
		}
	}
	for name, t := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !t.IsZero() {
			v.Set(name, t.UTC().Format(time.RFC3339))
		}
	}
	for name, on := range map[string]bool{"exercise": q.Exercise, "published": q.Published} {
		if on {
			v.Set(name, strconv.FormatBool(on))
		}
	}
	return v
}

// Figures counts.
func (c *Client) Figures(ctx context.Context, q FiguresQuery) (Figures, error) {
	return ask[Figures](ctx, c, call{method: http.MethodGet, path: "/v1/figures", query: q.values("")})
}

// FiguresCSV counts, as CSV.
func (c *Client) FiguresCSV(ctx context.Context, q FiguresQuery) ([]byte, error) {
	return c.bytes(ctx, call{method: http.MethodGet, path: "/v1/figures", query: q.values("csv")})
}
