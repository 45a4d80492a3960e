package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node/api"
)

func ledgerCommand(o *options) *cobra.Command {
	return noun("ledger", "What is written, and the proof of it",
		ledgerStatus(o), ledgerShow(o), ledgerVerify(o), ledgerProof(o), ledgerCheckpoint(o), ledgerBundle(o), ledgerTrust(o), ledgerFormat(o),
		ledgerRelease(o), ledgerExpunge(o), ledgerScrub(o), ledgerRecover(o))
}

func ledgerStatus(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Sizes, roots and checkpoints of our ledger and the mirrors", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			return o.out.value(s.Ledgers, func() {
				for _, l := range s.Ledgers {
					o.out.fields("ledger", l.Origin, "size", num(l.Size), "root", l.Root, "sealed", num(l.Sealed)+" entries",
						"sealed at", o.out.whenPtr(l.SealedAt), "cosigned by", strings.Join(l.Cosigners, ", "),
						"format", num(l.Format), "roster version", num(l.RosterEpoch))
					if l.Closed > 0 {
						o.out.fields("closed at", num(l.Closed)+" entries; another ledger continues it")
					}
					fmt.Fprintln(o.out.out)
				}
			})
		},
	}
}

func ledgerFormat(o *options) *cobra.Command {
	var raise uint64
	cmd := &cobra.Command{
		Use: "format", Short: "The format of our ledger, and what this node's binary knows; --raise proposes the next", Args: cobra.NoArgs,
		Long: "A format is raised once every node of the jurisdiction runs a binary that knows it: a node with an older one applies nothing\n" +
			"from there on and says so until it is upgraded. There is no way back. Partners follow once they have raised theirs.",
		Example: "  vigil ledger format\n  vigil ledger format --raise 2",
	}
	cmd.Flags().Uint64Var(&raise, "raise", 0, "propose this format; others approve with 'agency approve'")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := o.client()
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("raise") {
			w, err := c.RaiseFormat(cmd.Context(), api.Format{Format: raise})
			return o.written(w, err)
		}
		s, err := c.Status(cmd.Context())
		if err != nil {
			return err
		}
		x := struct {
			Ledger uint64 `json:"ledger"`
			Binary uint64 `json:"binary"`
		}{Binary: s.Format}
		for _, l := range s.Ledgers {
			if l.Own {
				x.Ledger = l.Format
			}
		}
		return o.out.value(x, func() { o.out.fields("ledger", num(x.Ledger), "this binary knows", num(x.Binary)) })
	}
	return cmd
}

func parseIndex(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, &usageError{text: fmt.Sprintf("%q is not an index", s), hint: "an index is a whole number from 0, the genesis"}
	}
	return n, nil
}

func ledgerShow(o *options) *cobra.Command {
	var origin string
	cmd := &cobra.Command{
		Use: "show INDEX", Short: "One entry: who, when, for whom, and what is in it if you may read it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			index, err := parseIndex(args[0])
			if err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			e, err := c.Entry(cmd.Context(), origin, index)
			if err != nil {
				return err
			}
			o.out.json = true // an entry has no shape of its own for a table
			return o.out.value(e, nil)
		},
	}
	cmd.Flags().StringVar(&origin, "ledger", "", "origin of a mirror; default our own ledger")
	return cmd
}

func ledgerVerify(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Check every leaf, signature and cosignature against the disk", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			bar := newProgress(o.out, "verifying")
			var last api.VerifyLine
			findings := 0
			err = c.Verify(cmd.Context(), func(l api.VerifyLine) {
				last = l
				bar.set(l.Done, l.Size)
				if l.Finding != "" {
					findings++
					_ = o.out.line(l, fmt.Sprintf("%s #%d: %s", l.Ledger, l.Index, l.Finding))
				}
			})
			bar.end()
			switch {
			case err != nil:
				return err
			case !last.Finished:
				return &resultError{text: "the node stopped before it had checked everything", code: exitFailure}
			case !last.OK:
				return &resultError{text: fmt.Sprintf("%d findings: this copy is damaged; vigil ledger scrub mends it with the help of the other members", findings), code: exitTampered}
			}
			return o.out.line(last, "every leaf, signature, payload and cosignature verifies")
		},
	}
}

func ledgerProof(o *options) *cobra.Command {
	var origin string
	cmd := &cobra.Command{
		Use: "proof INDEX", Short: "Inclusion proof of one entry under the newest checkpoint", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			index, err := parseIndex(args[0])
			if err != nil {
				return err
			}
			c, err := o.client()
			if err != nil {
				return err
			}
			p, err := c.Proof(cmd.Context(), origin, index)
			if err != nil {
				return err
			}
			return o.out.value(p, func() {
				o.out.fields("index", num(p.Index), "size", num(p.Size), "leaf", p.Leaf, "path", strings.Join(p.Path, " "))
				fmt.Fprintln(o.out.out)
				_ = o.out.text(p.Checkpoint) // a closed pipe ends the command anyway
			})
		},
	}
	cmd.Flags().StringVar(&origin, "ledger", "", "origin of a mirror; default our own ledger")
	return cmd
}

func ledgerCheckpoint(o *options) *cobra.Command {
	var origin string
	cmd := &cobra.Command{
		Use: "checkpoint", Short: "The newest signed checkpoint, as a C2SP signed note", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			b, err := c.Checkpoint(cmd.Context(), origin)
			if err != nil {
				return err
			}
			return o.out.text(string(b))
		},
	}
	cmd.Flags().StringVar(&origin, "ledger", "", "origin of a mirror; default our own ledger")
	return cmd
}

func ledgerBundle(o *options) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "bundle ALERT", Short: "Write the evidence bundle of an alert, to be verified offline", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			b, err := c.Bundle(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if out == "" {
				out = args[0] + ".bundle"
			}
			return o.write(out, b, 0o600, "bundle")
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write (default ALERT.bundle)")
	return cmd
}

func ledgerTrust(o *options) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "trust", Short: "Write the trust file that vigil-verify needs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			b, err := c.Trust(cmd.Context())
			if err != nil {
				return err
			}
			return o.write(out, b, 0o644, "trust file")
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "trust.json", "file to write")
	return cmd
}

// write puts b into a file and says so.
func (o *options) write(path string, b []byte, mode os.FileMode, what string) error {
	if err := writeFile(path, b, mode); err != nil {
		return err
	}
	return o.out.value(map[string]any{"file": path, "bytes": len(b)}, func() {
		o.out.note("%s written: %s, %d bytes", what, path, len(b))
	})
}
