package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"vigil/node"
	"vigil/node/api"
)

// options are the flags every client command has.
type options struct {
	server    string
	tokenFile string
	pin       string
	ca        string

	purpose, caseNumber, consent string
	anonymous                    bool // for commands that come before a session

	json  bool
	quiet bool
	out   printer
}

const rootLong = `Vigil is a network on which agencies that protect children share signals, not material.

  vigil demo                     two jurisdictions on this machine, the main job in under a minute
  vigil init | join TOKEN        found a jurisdiction, or join one
  vigil serve                    run this agency's node
  vigil status                   problems first, then the network
  vigil alert raise|list|show    the daily work
  vigil watch add|import|hits    exhibits and cold cases of your own, told to nobody`

func newRoot() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:           "vigil",
		Short:         "Share signals, not material",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       node.Version(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			o.out = newPrinter(cmd.OutOrStdout(), cmd.ErrOrStderr(), o.json, o.quiet)
			return misused(cmd, cmd.ValidateRequiredFlags())
		},
	}
	f := root.PersistentFlags()
	f.StringVar(&o.server, "server", os.Getenv("VIGIL_SERVER"), "node to speak to: unix:///path or https://host:port [$VIGIL_SERVER]")
	f.StringVar(&o.tokenFile, "token-file", os.Getenv("VIGIL_TOKEN_FILE"), "file with the API token [$VIGIL_TOKEN_FILE]")
	f.StringVar(&o.purpose, "purpose", os.Getenv("VIGIL_PURPOSE"), "why content is read, for the access log [$VIGIL_PURPOSE]")
	f.StringVar(&o.caseNumber, "case", os.Getenv("VIGIL_CASE"), "case number, for the access log [$VIGIL_CASE]")
	f.StringVar(&o.pin, "pin", os.Getenv("VIGIL_PIN"), "SHA-256 of the node's certificate, printed by 'vigil serve' [$VIGIL_PIN]")
	f.StringVar(&o.ca, "ca", os.Getenv("VIGIL_CA"), "PEM file of authorities to trust instead of the system's [$VIGIL_CA]")
	f.StringVar(&o.consent, "consent", "", "request to which a second person has agreed, co_…")
	f.BoolVar(&o.json, "json", false, "print JSON for programs")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress and no hints")
	root.AddGroup(&cobra.Group{ID: "work", Title: "Daily work:"}, &cobra.Group{ID: "network", Title: "Network:"}, &cobra.Group{ID: "node", Title: "This node:"})
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("work",
		alertCommand(o),
		consentCommand(o),
		enrolCommand(o),
		figuresCommand(o),
		hashCommand(o),
		loginCommand(o),
		logoutCommand(o),
		matchCommand(o),
		pointerCommand(o),
		referralCommand(o),
		registryCommand(o),
		reportCommand(o),
		watchCommand(o),
		whoamiCommand(o),
	)
	add("network", statusCommand(o), agencyCommand(o), audienceCommand(o), policyCommand(o), partnerCommand(o), ledgerCommand(o))
	add("node", initCommand(o), joinCommand(o), serveCommand(o), doctorCommand(o), backupCommand(o), restoreCommand(o), nodeCommand(o), keyCommand(o), userCommand(o), tokenCommand(o), subscriptionCommand(o), accessCommand(o), configCommand(o), demoCommand(o))
	root.AddCommand(hashWorkerCommand())
	root.AddCommand(&cobra.Command{Use: "exit-codes", Short: "What each exit code means", Args: cobra.NoArgs, Run: func(*cobra.Command, []string) { fmt.Println(exitCodesText) }})
	strictUsage(root)
	return root
}

// noun is a command that only holds others.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return cmd.Help()
	}}
	c.AddCommand(verbs...)
	return c
}

// client makes the API client that the flags and the environment name; the default is the socket of the node whose
// data directory is the default one.
func (o *options) client() (*api.Client, error) {
	t := api.Target{Server: o.serverName(), Pin: o.pin, Purpose: o.purpose, Case: o.caseNumber, Consent: o.consent}
	if !o.anonymous {
		t.Token = savedSession(t.Server)
	}
	if o.tokenFile != "" && !o.anonymous {
		b, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("token file: %w", err)
		}
		t.Token = strings.TrimSpace(string(b))
	}
	if o.ca != "" {
		b, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, fmt.Errorf("authorities: %w", err)
		}
		t.CA = x509.NewCertPool()
		if !t.CA.AppendCertsFromPEM(b) {
			return nil, &usageError{text: "no certificate in " + o.ca}
		}
	}
	return api.NewClient(t)
}

// serverName is the node that the flags, the environment or the default directory name.
func (o *options) serverName() string {
	if o.server != "" {
		return o.server
	}
	return "unix://" + filepath.Join(defaultDir(), "vigil.sock")
}

func defaultDir() string {
	if dir := os.Getenv("VIGIL_DIR"); dir != "" {
		return dir
	}
	return node.DefaultConfig("/var/lib/vigil").Dir
}
