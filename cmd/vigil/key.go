package main

import (
	"github.com/spf13/cobra"

	"vigil/node"
)

func keyCommand(o *options) *cobra.Command {
	return noun("key", "This agency's key: rotate, list", keyRotate(o), keyList(o))
}

func keyRotate(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "rotate", Short: "Make this agency's next key; it is in force once others have approved it", Args: cobra.NoArgs,
		Long: "The new key is made on the node and proposed. Others approve it after they have compared its fingerprint by telephone; until\n" +
			"then the old key stays in force, and the command, run again, proposes the same key. Afterwards the old key opens what was sealed to\n" +
			"it and signs nothing more, and the audiences this agency is in get new keys. Make a new kit then.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			r, err := c.RotateKey(cmd.Context())
			if err != nil {
				return err
			}
			return o.out.value(r, func() {
				o.out.fields("proposal", r.ID, "fingerprint", r.Fingerprint)
				o.out.note("read the fingerprint to those who approve: vigil agency approve %s", r.ID)
			})
		},
	}
}

func keyList(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "This agency's keys, the oldest first, without secrets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			keys, err := c.Keys(cmd.Context())
			if err != nil {
				return err
			}
			return o.out.value(keys, func() {
				rows := [][]string{}
				for _, k := range keys {
					rows = append(rows, []string{k.Fingerprint, num(k.Generation), k.Suite, o.out.when(k.Created), k.State})
				}
				o.out.table([]string{"FINGERPRINT", "GENERATION", "SUITE", "MADE", "STATE"}, rows)
			})
		},
	}
}

func nodeCommand(o *options) *cobra.Command {
	return noun("node", "This agency's node: replace", nodeReplace(o))
}

func nodeReplace(o *options) *cobra.Command {
	var f configFlags
	var from, fromPassphrase, fromSocket, kit, kitPassphrase, successor string
	var at map[string]string
	cmd := &cobra.Command{
		Use: "replace --kit FILE | --from OLD-DIR, --dir NEW-DIR", Short: "Put a new node in the place of this agency's old one", Args: cobra.NoArgs,
		Long: "Takes the agency's key out of its kit, or out of the old node's directory, makes a new node in an empty one and tells the roster, by one entry that\n" +
			"needs no approvals. From then on the old node's key is out for ever: the others cut it off. Where the jurisdiction has one or two\n" +
			"agencies the old node must run meanwhile. The new node gets the ledger from the others, or from the old node where there are none.\n" +
			"With the ledger everything else comes back: alerts, people and tokens, watch lists, settings. Run again after an interruption,\n" +
			"the command goes on with what is in the new directory.",
		Example: "  vigil node replace --kit in-ncrb.kit --kit-passphrase-file /media/safe/pass --dir /srv/vigil --node-listen 10.0.0.7:7441 --node-address 10.0.0.7:7441\n  vigil node replace --from /var/lib/vigil --dir /srv/vigil --node-listen 10.0.0.7:7441 --node-address 10.0.0.7:7441",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := f.load()
			if err != nil {
				return err
			}
			var r node.Replacing
			if kit != "" {
				r, err = replacingByKit(kit, kitPassphrase, at)
			} else {
				old := node.DefaultConfig(from)
				if old.API.Socket, old.PassphraseFile = fromSocket, fromPassphrase; fromPassphrase == "" {
					old.PassphraseFile = config.PassphraseFile
				}
				r, err = node.ReplacingFrom(cmd.Context(), old)
			}
			if err != nil {
				return err
			}
			if successor != "" {
				s, err := node.ReadSuccessor(successor)
				if err == nil {
					err = r.Follow(s)
				}
				if err != nil {
					return err
				}
			}
			id, err := node.Replace(cmd.Context(), config, r)
			if err != nil {
				return err
			}
			return o.out.value(id, func() {
				o.out.fields("agency", string(id.Agency), "ledger", string(id.Origin), "node", id.Node, "directory", config.Dir)
				o.out.note("start it with: vigil serve --dir %s", config.Dir)
				o.out.note("stop the old node once 'vigil status' on the new one shows it ready")
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&kit, "kit", "", "the agency's kit, made by 'vigil agency kit'")
	cmd.Flags().StringVar(&kitPassphrase, "kit-passphrase-file", "", "file with the passphrase of the kit")
	cmd.Flags().StringToStringVar(&at, "at", nil, "where a member is now, if not where the kit says: in/b=10.0.0.9:7441 (repeatable)")
	cmd.Flags().StringVar(&from, "from", "", "directory of the node that is to go")
	cmd.Flags().StringVar(&fromPassphrase, "from-passphrase-file", "", "file with the passphrase of its keys; default: that of the new one")
	cmd.Flags().StringVar(&fromSocket, "from-socket", "", "its operator's socket; default: in its directory")
	cmd.Flags().StringVar(&successor, "successor", "", "come over to the ledger that continues this agency's: the file of 'vigil ledger recover'")
	cmd.MarkFlagsOneRequired("from", "kit")
	cmd.MarkFlagsMutuallyExclusive("from", "kit")
	cmd.MarkFlagsRequiredTogether("kit", "kit-passphrase-file")
	return cmd
}
