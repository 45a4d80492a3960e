package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vigil/ledger/referral"
	"vigil/node/api"
)

func policyCommand(o *options) *cobra.Command {
	return noun("policy", "What the jurisdiction agreed on: thresholds, deadlines, terms", policyShow(o), policyPropose(o), policyTemplate(o))
}

func policyShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "The policy in force, as the JSON that 'policy propose' takes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			p, err := c.Policy(cmd.Context())
			if err != nil {
				return err
			}
			for _, name := range p.Newer {
				o.out.note("section %s was made for a newer version: upgrade this node", name)
			}
			b, err := json.MarshalIndent(p, "", "  ")
			if err == nil {
				_, err = fmt.Fprintln(o.out.out, string(b))
			}
			return err
		},
	}
}

func policyTemplate(o *options) *cobra.Command {
	names := slices.Sorted(maps.Keys(referral.Templates))
	return &cobra.Command{
		Use: "template NAME", Short: "A policy to begin from (" + strings.Join(names, ", ") + "): deadlines and working days of referrals", Args: cobra.ExactArgs(1),
		Example: "  vigil policy template india >policy.json; $EDITOR policy.json; vigil policy propose policy.json",
		RunE: func(_ *cobra.Command, args []string) error {
			template := referral.Templates[args[0]]
			if template == nil {
				return &usageError{text: fmt.Sprintf("no template %q", args[0]), hint: strings.Join(names, ", ")}
			}
			section, err := json.Marshal(template())
			if err != nil {
				return err
			}
			b, err := json.MarshalIndent(api.Policy{Sections: map[string]json.RawMessage{referral.Section.Name: section}}, "", "  ")
			if err == nil {
				_, err = fmt.Fprintln(o.out.out, string(b))
			}
			return err
		},
	}
}

func policyPropose(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "propose FILE", Short: "Propose another policy; what the file leaves out stays as it is", Args: cobra.ExactArgs(1),
		Example: "  vigil policy show >policy.json; $EDITOR policy.json; vigil policy propose policy.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			var p api.Policy
			if err := readJSON(args[0], &p, "'vigil policy show' prints a policy"); err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.ProposePolicy(cmd.Context(), p)
			if err == nil {
				o.out.note("the others approve it by: vigil agency approve %s", w.ID[:16])
			}
			return o.written(w, err)
		},
	}
}
