package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vigil/node/api"
)

// sessionFile is where a session with a server is kept for later commands: a file of this user alone.
func sessionFile(server string) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(server))
	return filepath.Join(dir, "vigil", "session-"+hex.EncodeToString(sum[:8])), nil
}

// savedSession returns the session kept for a server; empty where there is none.
func savedSession(server string) string {
	path, err := sessionFile(server)
	if err != nil {
		return ""
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

const maxSecretLine = 1024

// secret reads a password: unseen from a terminal, or a line from standard input.
func secret(cmd *cobra.Command, prompt string) (string, error) {
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(cmd.ErrOrStderr(), prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		return string(b), err
	}
	line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), maxSecretLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func loginCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "login NAME", Short: "Sign in by name and password; later commands use the session", Args: cobra.ExactArgs(1),
		Long: "Sign in by name and password. The password is asked for, or read from standard input. The session is kept in a file of\nthis user alone and used by later commands with the same --server, until it ends or by 'vigil logout'.",
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := secret(cmd, "password: ")
			if err != nil {
				return err
			}
			o.anonymous = true
			c, err := o.client()
			if err != nil {
				return err
			}
			s, err := c.SignIn(cmd.Context(), api.SignIn{Name: args[0], Password: password})
			if err != nil {
				return err
			}
			path, err := sessionFile(o.serverName())
			if err == nil {
				err = os.MkdirAll(filepath.Dir(path), 0o700)
			}
			if err == nil {
				err = os.WriteFile(path, []byte(s.Secret+"\n"), 0o600)
			}
			if err != nil {
				return err
			}
			s.Secret = ""
			return o.session(s)
		},
	}
}

func (o *options) session(s api.Session) error {
	return o.out.value(s, func() {
		o.out.fields("id", s.ID, "name", s.Name, "display", s.Display, "agency", s.Agency, "roles", strings.Join(s.Roles, ", "), "until", o.out.whenPtr(s.Expires))
	})
}

func logoutCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "End the session", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			err = c.SignOut(cmd.Context())
			path, pathErr := sessionFile(o.serverName())
			if pathErr == nil {
				pathErr = os.Remove(path)
			}
			if errors.Is(pathErr, fs.ErrNotExist) {
				pathErr = nil
			}
			return errors.Join(err, pathErr)
		},
	}
}

func whoamiCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "As whom, and in which roles, commands are carried out", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			s, err := c.WhoAmI(cmd.Context())
			if err != nil {
				return err
			}
			return o.session(s)
		},
	}
}

func enrolCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "enrol CODE", Short: "Set a password by the code you were given", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.anonymous = true
			c, err := o.client()
			if err != nil {
				return err
			}
			owner, err := c.CodeOwner(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			o.out.note("%s of %s, for: %s", owner.Name, owner.Agency, strings.Join(owner.Roles, ", "))
			password, err := secret(cmd, "a password of 12 bytes or more: ")
			if err != nil {
				return err
			}
			s, err := c.EnrolPassword(cmd.Context(), api.Enrol{Code: args[0], Password: password})
			if err != nil {
				return err
			}
			o.out.note("sign in by: vigil login %s", s.Name)
			return o.session(s)
		},
	}
}
