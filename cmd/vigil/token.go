package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func tokenCommand(o *options) *cobra.Command {
	return noun("token", "API tokens with roles", tokenCreate(o), tokenList(o), tokenRevoke(o))
}

func tokenCreate(o *options) *cobra.Command {
	var t api.NewToken
	var out string
	cmd := &cobra.Command{
		Use: "create NAME --role ROLE", Short: "Make a token; its secret is shown once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t.Name = args[0]
			c, err := o.client()
			if err != nil {
				return err
			}
			var file *outFile
			if out != "" {
				if file, err = createFile(out, 0o600); err != nil { // no token is made whose secret has no place
					return err
				}
				defer file.discard()
			}
			token, err := c.CreateToken(cmd.Context(), t)
			if err != nil {
				return err
			}
			if out != "" {
				if _, err := fmt.Fprintln(file, token.Secret); err != nil {
					return err
				}
				if err := file.commit(); err != nil {
					return err
				}
				token.Secret = ""
			}
			return o.out.value(token, func() {
				o.out.fields("id", token.ID, "name", token.Name, "role", token.Role, "expires", o.out.when(token.Expires))
				if out != "" {
					o.out.note("the secret is in %s; use it with --token-file %s", out, out)
					return
				}
				fmt.Fprintln(o.out.out, token.Secret)
				o.out.note("the secret is shown this once; keep it in a file and use --token-file")
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.Role, "role", "", "analyst, lab, liaison, coordinator, support, reporter, screening, auditor, operator (required)")
	f.IntVar(&t.Days, "days", 90, "how long it is valid")
	f.StringVarP(&out, "out", "o", "", "write the secret to a file instead")
	_ = cmd.MarkFlagRequired("role")
	return cmd
}

func tokenList(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Tokens without their secrets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			tokens, err := c.Tokens(cmd.Context())
			if err != nil {
				return err
			}
			return o.out.value(tokens, func() {
				rows := [][]string{}
				for _, t := range tokens {
					state := "valid"
					if t.Revoked {
						state = "revoked"
					}
					rows = append(rows, []string{t.ID, t.Name, t.Role, o.out.when(t.Expires), state})
				}
				o.out.table([]string{"ID", "NAME", "ROLE", "EXPIRES", "STATE"}, rows)
			})
		},
	}
}

func tokenRevoke(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "End a token at once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			return c.RevokeToken(cmd.Context(), args[0])
		},
	}
}
