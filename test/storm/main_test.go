// Package storm lets faults drawn from a seed loose on a jurisdiction of real processes, each in a network namespace of its own,
// while alerts are raised at every node, and accounts for everything that was acknowledged: it is there once, on every node, and
// the order in which the ledger has it contradicts no clock (porcupine).
//
//	go test ./test/storm                                                  # the slice of every run
//	go test ./test/storm -count 1 -v -timeout 0 -faults 1000 -seed 7      # more, by hand
//	go test ./test/storm -count 1 -v -timeout 0 -faults 100 -only killed  # fail-over: the leader is killed, again and again
//
// It needs to be root, or sudo without a password, for the namespaces; the test runs itself again in one of its own, so that
// nothing of it touches the machine's network.
package storm

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"vigil/test/nodetest"
)

var (
	faults  = flag.Int("faults", 4, "how many faults")
	only    = flag.String("only", "", "one kind of fault, on the leader: killed, paused, ...; empty draws them")
	writers = flag.Int("writers", 3, "how many write at each node")
	least   = flag.Int("least", 30, "how much is acknowledged before a fault counts, while it lasts, and after it")
	seed    = flag.Uint64("seed", 0, "of the faults; 0 draws one")
)

const inside = "VIGIL_STORM_INSIDE"

var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(inside) == "" {
		os.Exit(again())
	}
	if *seed == 0 {
		*seed = rand.Uint64N(1 << 32)
	}
	if err := run("ip", "link", "set", "lo", "up"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(nodetest.Main(m, &binary))
}

// again runs this test in namespaces of its own, for network and mounts, and returns its status.
func again() int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command(self, os.Args[1:]...)
	if os.Getuid() != 0 {
		cmd = exec.Command("sudo", append([]string{"-n", "-E", "unshare", "-n", "-m", self}, os.Args[1:]...)...)
	}
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "storm:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
	}
	return nil
}
