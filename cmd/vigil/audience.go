package main

import (
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func audienceCommand(o *options) *cobra.Command {
	return noun("audience", "Who can read what: set, grant, list", audienceSet(o), audienceGrant(o), audienceList(o))
}

func audienceSet(o *options) *cobra.Command {
	a := api.SetAudience{}
	cmd := &cobra.Command{
		Use: "set AUDIENCE --member AGENCY …", Short: "Propose who is in an audience; others approve with 'agency approve'", Args: cobra.ExactArgs(1),
		Long: "Names all of its members. Who comes in reads from the audience's next key on and nothing older; who is left out reads nothing\n" +
			"that is sealed from then on.",
		Example: "  vigil audience set in/@desk --member in/ncrb --member in/mh-cyber",
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Name = args[0]
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.SetAudience(cmd.Context(), a)
			return o.written(w, err)
		},
	}
	cmd.Flags().StringSliceVar(&a.Members, "member", nil, "an agency that is in it (required)")
	_ = cmd.MarkFlagRequired("member")
	return cmd
}

func audienceGrant(o *options) *cobra.Command {
	g := api.Grant{}
	cmd := &cobra.Command{
		Use: "grant AUDIENCE AGENCY", Short: "Propose to open an audience's past to an agency; others approve with 'agency approve'", Args: cobra.ExactArgs(2),
		Long: "A newcomer reads nothing older than its admission. With the keys of earlier epochs it reads everything that was sealed to them:\n" +
			"of every agency here, and of partners. This agency must hold those keys itself.",
		Example: "  vigil audience grant 'in/*' in/mh-cyber --first 3 --last 5",
		RunE: func(cmd *cobra.Command, args []string) error {
			g.Audience, g.Agency = args[0], args[1]
			c, err := o.client()
			if err != nil {
				return err
			}
			w, err := c.Grant(cmd.Context(), g)
			return o.written(w, err)
		},
	}
	cmd.Flags().Uint64Var(&g.First, "first", 1, "first epoch")
	cmd.Flags().Uint64Var(&g.Last, "last", 0, "last epoch (default the one in force)")
	return cmd
}

func audienceList(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The audiences of this jurisdiction, with epoch and members", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			a, err := c.Agencies(cmd.Context())
			if err != nil {
				return err
			}
			return o.out.value(a.Audiences, func() { o.audienceTable(a.Audiences) })
		},
	}
}

func (o *options) audienceTable(audiences []api.Audience) {
	rows := [][]string{}
	for _, x := range audiences {
		state := "current"
		if x.Stale {
			state = "stale: waiting for a new epoch"
		}
		rows = append(rows, []string{x.Name, num(x.Epoch), state, strings.Join(x.Members, ",")})
	}
	o.out.table([]string{"AUDIENCE", "EPOCH", "STATE", "MEMBERS"}, rows)
}
