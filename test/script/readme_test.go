package script

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"vigil/test/nodetest"
)

// TestCommandsInTheREADMEExist takes every "vigil noun verb" of README.md and asks the binary for it.
func TestCommandsInTheREADMEExist(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	bin := nodetest.Built(t, nodetest.Vigil)
	help := func(args ...string) string {
		out, err := exec.Command(bin, append(args, "--help")...).CombinedOutput()
		if err != nil {
			t.Errorf("vigil %s: %v", strings.Join(args, " "), err)
		}
		return string(out)
	}
	word := regexp.MustCompile(`^[a-z]+$`)
	found := 0
	for line := range strings.SplitSeq(string(readme), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if !strings.HasPrefix(line, "vigil ") {
			continue
		}
		noun := ""
		for part := range strings.SplitSeq(line, "·") { // "vigil alert import FILE · list · vigil x y"
			words := strings.Fields(part)
			if words[0] == "vigil" {
				if words = words[1:]; !word.MatchString(words[0]) {
					continue // flags before the noun
				}
				noun, words = words[0], words[1:]
				if !strings.Contains(help(), "\n  "+noun+" ") {
					t.Errorf("there is no 'vigil %s'", noun)
				}
			}
			if len(words) == 0 || !word.MatchString(words[0]) {
				continue
			}
			if found++; !strings.Contains(help(noun), "\n  "+words[0]+" ") {
				t.Errorf("there is no 'vigil %s %s'", noun, words[0])
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d commands were found in the README", found)
	}
}
