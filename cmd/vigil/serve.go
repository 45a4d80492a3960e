package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node"
)

func initCommand(o *options) *cobra.Command {
	var f configFlags
	founding := node.Founding{}
	var agency, suite string
	cmd := &cobra.Command{
		Use: "init --agency JURISDICTION/NAME", Short: "Found a jurisdiction: a new ledger with this agency as its first member", Args: cobra.NoArgs,
		Example: "  vigil init --agency in/ncrb --name 'National Crime Records Bureau' --threshold 2 --dir /var/lib/vigil --passphrase-file pass",
		RunE: func(*cobra.Command, []string) error {
			id, err := ledger.ParseAgencyID(agency)
			if err != nil {
				return &usageError{text: err.Error(), hint: "such as --agency in/ncrb"}
			}
			config, err := f.load()
			if err != nil {
				return err
			}
			founding.Agency, founding.Suite = id, crypto.Suite(suite)
			identity, err := node.Init(config, founding)
			if err != nil {
				return err
			}
			return o.out.value(identity, func() {
				o.out.fields("agency", string(identity.Agency), "ledger", string(identity.Origin), "genesis", identity.Genesis, "node", identity.Node, "directory", config.Dir)
				o.out.note("founded; start it with: vigil serve --dir %s", config.Dir)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&agency, "agency", "", "id of the founding agency, such as in/ncrb (required)")
	cmd.Flags().StringVar(&founding.Name, "name", "", "its name for people")
	cmd.Flags().IntVar(&founding.Threshold, "threshold", 2, "approvals a change of the roster needs, as soon as there are so many agencies")
	cmd.Flags().StringVar(&suite, "suite", string(crypto.SuitePQ), "key suite")
	_ = cmd.MarkFlagRequired("agency")
	return cmd
}

func joinCommand(o *options) *cobra.Command {
	var f configFlags
	joining := node.Joining{}
	var suite string
	cmd := &cobra.Command{
		Use: "join TOKEN", Short: "Ask to join a jurisdiction with an invitation", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := f.load()
			if err != nil {
				return err
			}
			joining.Token, joining.Suite = args[0], crypto.Suite(suite)
			joined, err := node.Join(cmd.Context(), config, joining)
			if err != nil {
				return err
			}
			return o.out.value(joined, func() {
				o.out.fields("agency", string(joined.Identity.Agency), "ledger", string(joined.Identity.Origin), "fingerprint", joined.Fingerprint, "proposal", joined.Proposal)
				o.out.note("read the fingerprint to those who approve: vigil agency approve %s", joined.Proposal)
				o.out.note("then start this node, now or later: vigil serve --dir %s", config.Dir)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&joining.Name, "name", "", "name of the agency for people")
	cmd.Flags().StringVar(&suite, "suite", string(crypto.SuitePQ), "key suite")
	return cmd
}

func serveCommand(*options) *cobra.Command {
	var f configFlags
	cmd := &cobra.Command{
		Use: "serve", Short: "Run this agency's node until interrupted", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := f.load()
			if err != nil {
				return err
			}
			n, err := node.Open(config, newLogger(config))
			if err != nil {
				return err
			}
			a := n.Addresses()
			fmt.Fprintf(cmd.ErrOrStderr(), "%s serves on\n  https://%s  pin %s\n  unix://%s\n  node %s\n", n.Identity().Agency, a.API, a.Pin, a.Socket, a.Node)
			for _, peer := range a.Peer {
				fmt.Fprintf(cmd.ErrOrStderr(), "  peer %s\n", peer)
			}
			_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // no systemd, no notice
			go func() {
				if link := n.FirstLink(cmd.Context()); link != "" {
					fmt.Fprintf(cmd.ErrOrStderr(), "nobody can sign in here yet; who comes first, within the hour:\n  %s\n", link)
				}
			}()
			return n.Run(cmd.Context())
		},
	}
	f.add(cmd)
	return cmd
}

func newLogger(c node.Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Log.Level)) // validated
	opts := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "text" {
		return slog.New(slog.NewTextHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, opts))
}
