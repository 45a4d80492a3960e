package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"vigil/crypto"
	"vigil/node"
	"vigil/node/api"
)

func backupCommand(o *options) *cobra.Command {
	var f configFlags
	var out string
	cmd := &cobra.Command{
		Use: "backup", Short: "Write this agency's ledger to a file, sealed to the agency, and read it back", Args: cobra.NoArgs,
		Long: "The file holds our ledger with every payload and checkpoint, and the partners' mirrors: all that is not a key. Only the agency's\n" +
			"key opens it, so keep a kit (vigil agency kit) apart from it. The node may be running, and goes on. Before the command ends it\n" +
			"has opened the file again, folded the ledger anew and compared root and signatures. A node whose machine burnt needs no backup\n" +
			"where other members live: vigil node replace --kit. A backup is for the day on which they do not.",
		Example: "  vigil backup -o /media/vault/in-ncrb.backup\n  vigil backup verify /media/vault/in-ncrb.backup",
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write (default AGENCY.backup)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, err := f.load()
		if err != nil {
			return err
		}
		keys, id, err := node.OpenKeys(config)
		if err != nil {
			return err
		}
		if out == "" {
			out = strings.ReplaceAll(string(id.Agency), "/", "-") + ".backup"
		}
		if err := writeBackup(cmd.Context(), config, out, keys.Agency); err != nil {
			return err
		}
		r, err := drill(out, keys.Agency)
		if err != nil {
			return err
		}
		return o.backedUp(out, r)
	}
	cmd.AddCommand(backupVerify(o))
	return cmd
}

// writeBackup writes what the running node streams, or what a stopped one's directory has; a file that is there is replaced as a
// whole, once the new one opens.
func writeBackup(ctx context.Context, c node.Config, path string, keys []*crypto.AgencyKey) error {
	to, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o600))
	if err != nil {
		return err
	}
	defer func() { _ = to.Cleanup() }() // after a replacement it does nothing
	client, err := api.NewClient(api.Target{Server: "unix://" + c.SocketPath()})
	if err == nil {
		_, err = client.Status(ctx)
		defer client.Close()
	}
	if err == nil {
		err = client.Backup(ctx, to)
	} else {
		err = node.BackupStopped(c, to)
	}
	if err != nil {
		return err
	}
	if err := to.Sync(); err != nil {
		return err
	}
	if _, err := drill(to.Name(), keys); err != nil { // what is there stays, if this one is not good
		return err
	}
	return to.CloseAtomicallyReplace()
}

// drill restores a backup into a directory that is deleted afterwards.
func drill(path string, keys []*crypto.AgencyKey) (node.BackupReport, error) {
	dir, err := os.MkdirTemp("", "vigil-drill-")
	if err != nil {
		return node.BackupReport{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // ciphertext, in a directory of our own
	return node.CheckBackup(path, filepath.Join(dir, "ledger"), "drill", keys)
}

func (o *options) backedUp(path string, r node.BackupReport) error {
	return o.out.value(r, func() {
		mirrors := []string{}
		for origin, n := range r.Mirrors {
			mirrors = append(mirrors, fmt.Sprintf("%s (%d)", origin, n))
		}
		o.out.fields("backup", path, "agency", string(r.Agency), "ledger", string(r.Origin), "entries", num(r.Entries), "sealed", num(r.Sealed)+" entries",
			"root", r.Root, "mirrors", strings.Join(mirrors, ", "), "members", num(uint64(len(r.Members))), "key", r.Key, "made", o.out.when(r.Made))
		o.out.note("it opens, and folds to this root; only this agency's key opens it: vigil agency kit")
	})
}

func backupVerify(o *options) *cobra.Command {
	var f configFlags
	var kit, passphrase string
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Restore a backup into a temporary directory and say what it would bring", Args: cobra.ExactArgs(1),
		Long: "Opens every chunk, folds the ledger from its genesis with every signature, compares root and checkpoints, and deletes what it made.\n" +
			"The keys come from this node's directory, or from the kit.",
		Example: "  vigil backup verify in-ncrb.backup --kit in-ncrb.kit --kit-passphrase-file /media/safe/pass",
		RunE: func(_ *cobra.Command, args []string) error {
			var keys []*crypto.AgencyKey
			if kit != "" {
				r, err := replacingByKit(kit, passphrase, nil)
				if err != nil {
					return err
				}
				keys = r.Keys
			} else {
				config, err := f.load()
				if err != nil {
					return err
				}
				k, _, err := node.OpenKeys(config)
				if err != nil {
					return err
				}
				keys = k.Agency
			}
			r, err := drill(args[0], keys)
			if err != nil {
				return err
			}
			return o.backedUp(args[0], r)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&kit, "kit", "", "the agency's kit, where this is not the node's machine")
	cmd.Flags().StringVar(&passphrase, "kit-passphrase-file", "", "file with the passphrase of the kit")
	cmd.MarkFlagsRequiredTogether("kit", "kit-passphrase-file")
	return cmd
}

func restoreCommand(o *options) *cobra.Command {
	var f configFlags
	var kit, passphrase string
	var at map[string]string
	var alone bool
	cmd := &cobra.Command{
		Use: "restore FILE --kit FILE --dir NEW-DIR", Short: "Make a new node of a backup and the agency's kit", Args: cobra.ExactArgs(1),
		Long: "Reads the whole backup before anything else happens, makes a new node with keys of its own in an empty directory and tells the\n" +
			"roster, as 'vigil node replace' does; the old node's key is out for ever. Its ledger then comes from the other members, which\n" +
			"must go on from the backup: nothing that was expunged since is on the new disk. --alone is for the day on which no member\n" +
			"answers: the node comes up on what the backup has, without what was expunged before, to be read; it writes nothing.",
		Example: "  vigil restore in-ncrb.backup --kit in-ncrb.kit --kit-passphrase-file /media/safe/pass --dir /srv/vigil --node-listen 10.0.0.7:7441",
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := f.load()
			if err != nil {
				return err
			}
			r, err := replacingByKit(kit, passphrase, at)
			if err != nil {
				return err
			}
			x, err := node.Restore(cmd.Context(), config, args[0], r, alone)
			if err != nil {
				return err
			}
			return o.out.value(x, func() {
				o.out.fields("agency", string(x.Agency), "ledger", string(x.Origin), "node", x.Identity.Node, "directory", config.Dir, "entries in the backup", num(x.Entries), "ledger from", x.From)
				if x.Alone {
					o.out.note("no member answered: the node shows what the backup has and writes nothing; what was expunged since %s is not known here", o.out.when(x.Made))
					o.out.note("once a member's node runs: vigil node replace --from %s --dir NEW-DIR", config.Dir)
				}
				o.out.note("start it with: vigil serve --dir %s", config.Dir)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&kit, "kit", "", "the agency's kit (required)")
	cmd.Flags().StringVar(&passphrase, "kit-passphrase-file", "", "file with the passphrase of the kit (required)")
	cmd.Flags().StringToStringVar(&at, "at", nil, "where a member is now, if not where the kit says: in/b=10.0.0.9:7441 (repeatable)")
	cmd.Flags().BoolVar(&alone, "alone", false, "come up without the other members, where none answers")
	_ = cmd.MarkFlagRequired("kit")
	_ = cmd.MarkFlagRequired("kit-passphrase-file")
	return cmd
}
