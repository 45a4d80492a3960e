package console

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"vigil/node/api"
)

// governancePage is what the jurisdiction decides, and what people of this agency agree on.
type governancePage struct {
	Agencies api.Agencies
	Waiting  []api.Consent
	Granted  []api.Consent
	Refused  []api.Consent
	Keys     []api.Key
	Partners []api.PartnerStatus
	Card     *api.Card
	Policy   api.Policy
	Sections []policySection
}

type policySection struct{ Name, Text string }

// Roles of the page.
var (
	governing   = []string{api.RoleAnalyst, api.RoleLab, api.RoleCoordinator, api.RoleAuditor, api.RoleOperator}
	consentRead = []string{api.RoleAnalyst, api.RoleLab, api.RoleCoordinator, api.RoleAuditor}
)

func (v *visit) governance() error {
	p, ctx := governancePage{}, v.ctx()
	var err error
	if p.Agencies, err = v.api.Agencies(ctx); err != nil {
		return err
	}
	if p.Keys, err = v.api.Keys(ctx); err != nil {
		return err
	}
	if p.Partners, err = v.api.Partners(ctx); err != nil {
		return err
	}
	if card, err := v.api.Card(ctx); err == nil {
		p.Card = &card // a node that is not a member yet has none
	}
	if p.Policy, err = v.api.Policy(ctx); err != nil {
		return err
	}
	for _, name := range sortedKeys(p.Policy.Sections) {
		var text bytes.Buffer
		if err := json.Indent(&text, p.Policy.Sections[name], "", "  "); err != nil {
			return err
		}
		p.Sections = append(p.Sections, policySection{name, text.String()})
	}
	if v.may(consentRead...) {
		for state, list := range map[string]*[]api.Consent{"waiting": &p.Waiting, "granted": &p.Granted, "refused": &p.Refused} {
			page, err := v.api.Consents(ctx, state, 0)
			if err != nil {
				return err
			}
			*list = page.Consents
			if state != "waiting" {
				*list = slices.DeleteFunc(page.Consents, func(c api.Consent) bool { return c.By != v.Me.ID || time.Since(c.Asked) > answerAge })
			}
		}
	}
	v.render(http.StatusOK, "governance", p)
	return nil
}

// onGovernance goes back to the page after an act.
func (v *visit) onGovernance(said string, err error) error {
	if err != nil {
		return err
	}
	return v.done(said, "/governance")
}

func (v *visit) approve() error {
	_, err := v.api.Approve(v.ctx(), v.r.PathValue("id"))
	return v.onGovernance("approved", err)
}

func (v *visit) withdraw() error {
	_, err := v.api.Withdraw(v.ctx(), v.r.PathValue("id"))
	return v.onGovernance("withdrawn", err)
}

// consent answers a colleague's request.
func (v *visit) consent() error {
	grant := v.form("answer") == "grant"
	_, err := v.api.AnswerConsent(v.ctx(), v.r.PathValue("id"), api.AnswerConsent{Grant: grant, Reason: v.form("reason")})
	if !grant {
		return v.onGovernance("refused", err)
	}
	return v.onGovernance("granted", err)
}

// repeat does what a second person has agreed to. What is shown once is shown here.
func (v *visit) repeat() error {
	page, err := v.api.Consents(v.ctx(), "granted", 0)
	if err != nil {
		return err
	}
	for _, c := range page.Consents {
		if c.ID != v.r.PathValue("id") {
			continue
		}
		out, err := v.api.Repeat(v.ctx(), c)
		if err != nil {
			return err
		}
		what := v.words().word("act", c.Act)
		if secret := out.Code + out.Secret; secret != "" {
			return v.once("done", what, once{Kind: "code", Text: secret, Back: "/settings"})
		}
		return v.done("done", "/governance", what)
	}
	return &api.Refusal{Status: http.StatusNotFound, Code: "not-found"}
}

// once is what is shown a single time.
type once struct {
	Kind string // of the words that say what it is for
	Text string
	Link string // to give with it
	Back string
	Said string // what was done
}

// once says what was done to what has a name, and shows what is shown a single time.
func (v *visit) once(said, name string, o once) error {
	var err error
	if o.Said, err = v.said(said, name); err != nil {
		return err
	}
	v.render(http.StatusOK, "once", o)
	return nil
}

func (v *visit) invite() error {
	hours, _ := strconv.Atoi(v.form("hours")) // nonsense is zero, which is the usual
	i, err := v.api.Invite(v.ctx(), api.Invite{Agency: v.form("agency"), Hours: hours, Audiences: fields(v.form("audiences"))})
	if err != nil {
		return err
	}
	return v.once("invited", v.form("agency"), once{Kind: "invitation", Text: i.Token, Back: "/governance"})
}

func (v *visit) removeAgency() error {
	client, err := v.because()
	if err != nil {
		return err
	}
	_, err = client.Remove(v.ctx(), api.Removal{Agency: v.form("agency")})
	return v.onGovernance("proposed", err)
}

func (v *visit) link() error {
	card, err := base64.StdEncoding.DecodeString(v.form("card"))
	if err != nil {
		return &api.Refusal{Status: http.StatusBadRequest, Code: "card"}
	}
	_, err = v.api.Link(v.ctx(), api.Link{Card: card})
	return v.onGovernance("proposed", err)
}

func (v *visit) audience() error {
	_, err := v.api.SetAudience(v.ctx(), api.SetAudience{Name: v.form("name"), Members: v.r.Form["member"]})
	return v.onGovernance("proposed", err)
}

func (v *visit) rotate() error {
	_, err := v.api.RotateKey(v.ctx())
	return v.onGovernance("proposed", err)
}

// proposePolicy proposes one section, or the approvals that a change needs; everything else stays.
func (v *visit) proposePolicy() error {
	p := api.Policy{}
	if name := v.form("section"); name != "" {
		text := []byte(v.form("text"))
		if !json.Valid(text) {
			return &api.Refusal{Status: http.StatusBadRequest, Code: "policy-text"}
		}
		p.Sections = map[string]json.RawMessage{name: text}
	}
	if n, err := strconv.ParseUint(v.form("threshold"), 10, 16); err == nil {
		p.Threshold = n
	}
	_, err := v.api.ProposePolicy(v.ctx(), p)
	return v.onGovernance("proposed", err)
}
