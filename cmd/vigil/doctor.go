package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vigil/node"
)

func doctorCommand(o *options) *cobra.Command {
	var f configFlags
	var strict bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Examine this node, running or not: problems first, each with what mends it", Args: cobra.NoArgs,
		Long: "Looks at the clock, the disk and how long a synced write takes, the ports, the keys and their age, the other voters and what they\n" +
			"remember of this node. Nothing is changed. Ends with 1 where something is broken, with --strict also over warnings.",
		Example: "  vigil doctor --config /etc/vigil/vigil.toml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := f.load()
			if err != nil {
				return err
			}
			findings := node.Examine(cmd.Context(), config)
			worst := "ok"
			if err := o.out.value(findings, func() {
				for _, x := range findings {
					fmt.Fprintf(o.out.out, "[%s] %s: %s\n", x.Severity, x.Check, safe(x.What))
					if x.Fix != "" {
						fmt.Fprintf(o.out.out, "    → %s\n", safe(x.Fix))
					}
				}
			}); err != nil {
				return err
			}
			if len(findings) > 0 {
				worst = findings[0].Severity
			}
			if worst == "failure" || strict && worst == "warning" {
				return &resultError{text: "the doctor found problems", code: exitFailure}
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&strict, "strict", false, "warnings count as failures")
	return cmd
}
