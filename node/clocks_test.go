package node

import (
	"testing"

	"vigil/node/api"
)

func TestWhoseClockIsOff(t *testing.T) {
	heard := func(clocks ...float64) (out []api.NodeStatus) {
		out = append(out, api.NodeStatus{Agency: "in/self"})
		for i, c := range clocks {
			out = append(out, api.NodeStatus{Agency: "in/" + string(rune('a'+i)), Heard: 0.5, Clock: c})
		}
		return out
	}
	for name, c := range map[string]struct {
		nodes    []api.NodeStatus
		problems []string
		severity string
	}{
		"alone":                   {heard(), nil, ""},
		"all agree":               {heard(0.4, -1.2), nil, ""},
		"one is two hours ahead":  {heard(7200, 0), []string{"the clock of in/a is 7200 s off ours"}, "failure"},
		"one is behind a little":  {heard(0, -5, 0), []string{"the clock of in/b is -5 s off ours"}, "warning"},
		"ours is two hours ahead": {heard(-7200, -7199), []string{"this node's clock is 7200 s off those of most others"}, "failure"},
		"ours is behind":          {heard(30, 31, 0), []string{"this node's clock is -30 s off those of most others"}, "warning"},
		"two, and who is right":   {heard(7200), []string{"the clock of in/a is 7200 s off ours"}, "failure"},
		"each another way":        {heard(100, -100), []string{"the clock of in/a is 100 s off ours", "the clock of in/b is -100 s off ours"}, "warning"},
		"never heard":             {append(heard(0), api.NodeStatus{Agency: "in/z", Heard: -1, Clock: 7200}), nil, ""},
	} {
		got := clockProblems(c.nodes)
		if len(got) != len(c.problems) {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		for i, p := range got {
			if p.What != c.problems[i] || p.Severity != c.severity || p.Fix == "" {
				t.Errorf("%s: %+v", name, p)
			}
		}
	}
}
