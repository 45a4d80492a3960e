package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
	"vigil/node/durable"
)

func backupCommand(o *options) *cobra.Command {
	var f configFlags
	var out string
	var full bool
	cmd := &cobra.Command{
		Use: "backup", Short: "Write this agency's ledger to a file, sealed to the agency, and read it back", Args: cobra.NoArgs,
		Long: "The file holds our ledger with every payload and checkpoint, and the partners' mirrors: all that is not a key. Only the agency's\n" +
			"key opens it, so keep a kit (vigil agency kit) apart from it. The node may be running, and goes on. Before the command ends it\n" +
			"has opened the file again, folded the ledger anew and compared root and signatures; that takes as much room for a while, in\n" +
			"TMPDIR. In a directory, each backup has only what came after the one before it: keep the parts together. --full begins a new\n" +
			"chain, after which the parts of the old one can go. A node whose machine burnt needs no backup where other members live:\n" +
			"vigil node replace --kit. A backup is for the day on which they do not.",
		Example: "  vigil backup -o /media/vault/\n  vigil backup verify /media/vault/",
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write, or directory to add to (default AGENCY.backup)")
	cmd.Flags().BoolVar(&full, "full", false, "in a directory: everything, and not only what came after the last one there")
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
			out = node.BackupName(id.Agency) + ".backup"
		}
		info, err := os.Stat(out)
		intoDir := err == nil && info.IsDir()
		if full && !intoDir {
			return &usageError{text: "--full is for a directory, and " + out + " is none", hint: "a file is always a whole backup; to keep a chain: mkdir DIR, then -o DIR"}
		}
		w := writing{config: config, keys: keys.Agency, path: out}
		if intoDir {
			lock := flock.New(filepath.Join(out, ".lock"))
			if ok, err := lock.TryLock(); err != nil {
				return fmt.Errorf("%s cannot be written to: %w", out, err)
			} else if !ok {
				return &resultError{text: "another backup is being written to " + out + "; wait until it has ended", code: exitConflict}
			}
			defer func() { _ = lock.Unlock() }()
			if err := w.next(out, id.Agency, full); err != nil {
				return err
			}
		}
		r, err := w.write(cmd.Context())
		if err == nil {
			err = node.NoteBackup(config, r)
		}
		if err != nil {
			return err
		}
		return o.backedUp(w.path, r)
	}
	cmd.AddCommand(backupVerify(o))
	return cmd
}

// writing is a backup on its way to a file.
type writing struct {
	config node.Config
	keys   []*crypto.AgencyKey
	path   string
	before []string // the parts that it goes on from
	base   []byte   // the header of the last one
}

// next finds the place of the next part in a directory.
func (w *writing) next(dir string, agency ledger.AgencyID, full bool) (err error) {
	if !full {
		if w.before, err = node.BackupChain(dir, agency); err != nil {
			return err
		}
	}
	if w.path, w.base, err = node.NextPart(dir, agency, w.before, time.Now()); err != nil {
		return err
	}
	if w.base == nil {
		w.before = nil
	}
	if _, err := os.Lstat(w.path); err == nil {
		return &resultError{text: w.path + " is there already", code: exitConflict}
	}
	return nil
}

// write writes what the running node streams, or what a stopped one's directory has; a file that is there is replaced as a whole, once
// the new one opens.
func (w *writing) write(ctx context.Context) (r node.BackupReport, err error) {
	to, err := renameio.NewPendingFile(w.path, renameio.WithPermissions(0o600))
	if err != nil {
		return r, err
	}
	defer func() { _ = to.Cleanup() }() // after a replacement it does nothing
	client, err := api.NewClient(api.Target{Server: "unix://" + w.config.SocketPath()})
	if err == nil {
		_, err = client.Status(ctx)
		defer client.Close()
	}
	if err == nil {
		err = client.Backup(ctx, w.base, to)
	} else {
		err = node.BackupStopped(w.config, w.base, to)
	}
	if err != nil {
		return r, err
	}
	if err := to.Sync(); err != nil {
		return r, err
	}
	if r, err = drill(append(w.before, to.Name()), w.keys); err != nil { // what is there stays, if this one is not good
		return r, err
	}
	return r, errors.Join(to.CloseAtomicallyReplace(), durable.SyncDir(filepath.Dir(w.path)))
}

// drill restores a backup into a directory that is deleted afterwards.
func drill(chain []string, keys []*crypto.AgencyKey) (node.BackupReport, error) {
	dir, err := os.MkdirTemp("", "vigil-drill-")
	if err != nil {
		return node.BackupReport{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // ciphertext, in a directory of our own
	return node.CheckBackup(chain, filepath.Join(dir, "ledger"), "drill", keys)
}

// chainOf returns the parts of a backup that is named, the newest chain in a directory.
func chainOf(path string, agency ledger.AgencyID) ([]string, error) {
	chain, err := node.BackupChain(path, agency)
	if err == nil && len(chain) == 0 {
		err = fmt.Errorf("%w: no backup of %s in %s: %w", node.ErrBackup, agency, path, fs.ErrNotExist)
	}
	return chain, err
}

func (o *options) backedUp(path string, r node.BackupReport) error {
	return o.out.value(r, func() {
		mirrors := []string{}
		for origin, n := range r.Mirrors {
			mirrors = append(mirrors, fmt.Sprintf("%s (%d)", origin, n))
		}
		o.out.fields("backup", path, "parts", num(uint64(r.Parts)), "agency", string(r.Agency), "ledger", string(r.Origin), "entries", num(r.Entries), "sealed", num(r.Sealed)+" entries",
			"root", r.Root, "mirrors", strings.Join(mirrors, ", "), "members", num(uint64(len(r.Members))), "key", r.Key, "made", o.out.when(r.Made))
		if r.Base != "" {
			o.out.note("it has what came after %d entries; keep the %d parts before it", r.From, r.Parts-1)
		}
		o.out.note("it opens, and folds to this root; only this agency's key opens it: vigil agency kit")
	})
}

func backupVerify(o *options) *cobra.Command {
	var f configFlags
	var kit, passphrase string
	cmd := &cobra.Command{
		Use: "verify FILE|DIR", Short: "Restore a backup into a temporary directory and say what it would bring", Args: cobra.ExactArgs(1),
		Long: "Opens every chunk, folds the ledger from its genesis with every signature, compares root and checkpoints, and deletes what it made.\n" +
			"The keys come from this node's directory, or from the kit. Of a directory it is the newest chain.",
		Example: "  vigil backup verify in-ncrb.backup --kit in-ncrb.kit --kit-passphrase-file /media/safe/pass",
		RunE: func(_ *cobra.Command, args []string) error {
			var keys []*crypto.AgencyKey
			var agency ledger.AgencyID
			if kit != "" {
				r, err := replacingByKit(kit, passphrase, nil)
				if err != nil {
					return err
				}
				keys, agency = r.Keys, r.Agency
			} else {
				config, err := f.load()
				if err != nil {
					return err
				}
				k, id, err := node.OpenKeys(config)
				if err != nil {
					return err
				}
				keys, agency = k.Agency, id.Agency
			}
			chain, err := chainOf(args[0], agency)
			if err != nil {
				return err
			}
			r, err := drill(chain, keys)
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
		Use: "restore FILE|DIR --kit FILE --dir NEW-DIR", Short: "Make a new node of a backup and the agency's kit", Args: cobra.ExactArgs(1),
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
			chain, err := chainOf(args[0], r.Agency)
			if err != nil {
				return err
			}
			x, err := node.Restore(cmd.Context(), config, chain, r, alone)
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
