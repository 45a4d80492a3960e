package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"vigil/ledger"
	"vigil/ledger/account"
	"vigil/ledger/alert"
	"vigil/ledger/expunge"
	"vigil/ledger/noun"
	"vigil/ledger/pointer"
	"vigil/ledger/recall"
	"vigil/ledger/referral"
	"vigil/ledger/registry"
	"vigil/ledger/report"
	"vigil/node/figures"
)

// policySections give the nouns' parts of the policy their shape on the wire: one line for each noun that has one.
var policySections = []policySection{
	sectionOf(account.Section),
	sectionOf(alert.Section),
	sectionOf(expunge.Section),
	sectionOf(figures.Section),
	sectionOf(pointer.Section),
	sectionOf(referral.Section),
	sectionOf(registry.Section),
	sectionOf(report.Section),
	sectionOf(recall.Section),
}

// policySection is one noun's part of the policy.
type policySection struct {
	name string
	show func(p ledger.Policy) (section any, known bool)
	read func(b json.RawMessage) ([]byte, error)
}

func sectionOf[P interface{ Validate() error }](s noun.Section[P]) policySection {
	return policySection{
		name: s.Name,
		show: func(p ledger.Policy) (any, bool) { return s.In(p) },
		read: func(b json.RawMessage) ([]byte, error) {
			section := s.Fresh()
			d := json.NewDecoder(bytes.NewReader(b))
			d.DisallowUnknownFields()
			if err := d.Decode(section); err != nil {
				return nil, problem(http.StatusBadRequest, "invalid", fmt.Sprintf("section %s: %v", s.Name, err), "'vigil policy show' shows its shape")
			}
			return s.Encode(section)
		},
	}
}

// Policy is what a jurisdiction agreed on. A section that it never agreed on is shown as the default it has.
type Policy struct {
	Version       uint64                     `json:"version,omitempty" doc:"Of the roster and policy, as in force"`
	Threshold     uint64                     `json:"threshold,omitempty" doc:"Approvals a change needs"`
	Quorum        string                     `json:"quorum,omitempty" enum:"majority,two-thirds," doc:"Of agencies whose signatures make a checkpoint count"`
	Corroboration uint64                     `json:"corroboration,omitempty" doc:"Independent agencies that corroborate an alert"`
	Voters        []string                   `json:"voters,omitempty" doc:"Agencies whose nodes vote; by the rule of thumb where none is named"`
	Sections      map[string]json.RawMessage `json:"sections,omitempty" doc:"What was agreed on for casework, by noun"`
	Newer         []string                   `json:"newer,omitempty" doc:"Sections made for a newer version: this node goes by its defaults there"`
}

var quorums = map[uint64]string{ledger.QuorumMajority: "majority", ledger.QuorumTwoThirds: "two-thirds"}

func (s *Server) policyRoutes() {
	route(s, http.MethodGet, "/v1/policy", "policy", "What the jurisdiction agreed on", anyone, func(context.Context, *none) (*body[Policy], error) {
		p, version := s.cfg.Node.Policy()
		out, err := showPolicy(p)
		out.Version = version
		return &body[Policy]{out}, err
	})
	route(s, http.MethodPost, "/v1/policy", "proposePolicy", "Propose another policy; what is left out stays as it is", governors, func(ctx context.Context, in *body[Policy]) (*body[Written], error) {
		before, _ := s.cfg.Node.Policy()
		p, err := changePolicy(before, in.Body)
		if err != nil {
			return nil, err
		}
		return s.governed(s.cfg.Node.ProposePolicy(ctx, p))
	})
}

func showPolicy(p ledger.Policy) (Policy, error) {
	out := Policy{Threshold: p.Threshold, Quorum: quorums[p.Quorum], Corroboration: p.Corroboration, Voters: []string{}, Sections: map[string]json.RawMessage{}}
	for _, v := range p.Voters {
		out.Voters = append(out.Voters, string(v))
	}
	for _, x := range policySections {
		section, known := x.show(p)
		if !known {
			out.Newer = append(out.Newer, x.name)
		}
		b, err := json.Marshal(section)
		if err != nil {
			return out, err
		}
		out.Sections[x.name] = b
	}
	for _, x := range p.Sections {
		if out.Sections[x.Name] == nil {
			out.Newer = append(out.Newer, x.Name)
		}
	}
	return out, nil
}

// changePolicy returns the policy with what is given replaced.
func changePolicy(p ledger.Policy, to Policy) (ledger.Policy, error) {
	if to.Threshold > 0 {
		p.Threshold = to.Threshold
	}
	if to.Corroboration > 0 {
		p.Corroboration = to.Corroboration
	}
	for number, name := range quorums {
		if to.Quorum == name {
			p.Quorum = number
		}
	}
	if to.Voters != nil {
		p.Voters = []ledger.AgencyID{}
		for _, v := range to.Voters {
			p.Voters = append(p.Voters, ledger.AgencyID(v))
		}
	}
	for name, raw := range to.Sections {
		i := slices.IndexFunc(policySections, func(x policySection) bool { return x.name == name })
		if i < 0 {
			return p, problem(http.StatusBadRequest, "invalid", fmt.Sprintf("the policy has no section %.40q", name), "'vigil policy show' shows those there are")
		}
		b, err := policySections[i].read(raw)
		if err != nil {
			return p, noun.At("sections."+name, err)
		}
		p = p.WithSection(name, b)
	}
	return p, nil
}

// PolicyChanges says what differs between two policies, a line for each part.
func PolicyChanges(before, after ledger.Policy) []string {
	var out []string
	say := func(name string, from, to any) {
		a, _ := json.Marshal(from) // numbers, names and what showPolicy has encoded
		b, _ := json.Marshal(to)
		if !bytes.Equal(a, b) {
			out = append(out, fmt.Sprintf("%s: %s → %s", name, a, b))
		}
	}
	say("threshold", before.Threshold, after.Threshold)
	say("quorum", quorums[before.Quorum], quorums[after.Quorum])
	say("corroboration", before.Corroboration, after.Corroboration)
	say("voters", before.Voters, after.Voters)
	for _, x := range policySections {
		from, _ := x.show(before)
		to, known := x.show(after)
		if !known {
			out = append(out, x.name+": a section that this node cannot read; upgrade before you approve it")
			continue
		}
		say(x.name, from, to)
	}
	for _, s := range after.Sections {
		if !slices.ContainsFunc(policySections, func(x policySection) bool { return x.name == s.Name }) && !bytes.Equal(before.Section(s.Name), s.Body) {
			out = append(out, s.Name+": a section that this node does not know; upgrade before you approve it")
		}
	}
	return out
}
