package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// strictUsage makes every mistake in how a command is called a usage error, with its own exit code and a hint: the library
// returns plain errors for all but flags.
func strictUsage(root *cobra.Command) {
	root.SetFlagErrorFunc(misused)
	root.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknownCommand(c, args[0])
	}
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	for _, c := range root.Commands() {
		strictArgs(c)
	}
}

func strictArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			return misused(c, errors.Join(check(c, args), c.ValidateFlagGroups()))
		}
	}
	for _, sub := range c.Commands() {
		strictArgs(sub)
	}
}

func misused(c *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return &usageError{text: err.Error(), hint: "see '" + c.CommandPath() + " --help'"}
}

func unknownCommand(c *cobra.Command, name string) error {
	hint := "see '" + c.CommandPath() + " --help'"
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(name); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, ", ") + "? " + hint
	}
	return &usageError{text: fmt.Sprintf("unknown command %q for %q", name, c.CommandPath()), hint: hint}
}
