package ports

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// givePorts has the test's own binary print ports instead of testing.
const givePorts = "VIGIL_TEST_GIVE_PORTS"

// TestNoPortTwice: neither by this process, over several blocks, nor by others that ask at the same time and have not used theirs.
func TestNoPortTwice(t *testing.T) {
	const ask = block * 5 / 2
	if os.Getenv(givePorts) != "" {
		for range ask {
			port, err := Free()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(os.Stderr, port)
		}
		_, _ = os.Stdin.Read(make([]byte, 1)) // lives until it is let go
		return
	}
	given := map[int]string{}
	take := func(port int, by string) {
		t.Helper()
		if other, ok := given[port]; ok {
			t.Errorf("port %d is given to %s and to %s", port, other, by)
		}
		given[port] = by
	}
	var said []*bufio.Scanner
	for range 4 {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), givePorts+"=1")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said = append(said, bufio.NewScanner(out))
		t.Cleanup(func() {
			_ = in.Close()
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	for range ask {
		port, err := Free()
		if err != nil {
			t.Fatal(err)
		}
		take(port, "this process")
	}
	for i, lines := range said {
		for range ask {
			if !lines.Scan() {
				t.Fatalf("process %d ended: %v", i, lines.Err())
			}
			port, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(err)
			}
			take(port, fmt.Sprint("process ", i))
		}
	}
}
