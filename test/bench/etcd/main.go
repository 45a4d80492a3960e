// Command etcd drives three etcd servers on this machine for test/bench: it is a module of its own, so that etcd's client and all
// that it brings are no dependency of Vigil. It takes orders, one JSON object a line, and answers each by one:
//
//	{"writers":128,"millis":3000,"bytes":900}  →  {"took":[ns, …],"processor":ns,"written":bytes}
//
// The servers are the binary etcd of the PATH as it comes (Debian: etcd-server), without TLS and authentication; every put goes
// to the leader.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		os.Exit(1)
	}
}

// order is what to measure.
type order struct {
	Writers int `json:"writers"`
	Millis  int `json:"millis"`
	Bytes   int `json:"bytes"` // of a value
}

// answer is what was measured.
type answer struct {
	Took      []time.Duration `json:"took"`
	Processor time.Duration   `json:"processor"` // that the three servers used
	Written   int64           `json:"written"`   // that they had written to disk
}

const (
	startWait = 30 * time.Second
	maxBytes  = 1 << 20
)

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "vigil-bench-etcd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := start(ctx, dir)
	if err != nil {
		return err
	}
	defer c.close()
	encoder := json.NewEncoder(os.Stdout)
	if err := encoder.Encode(answer{}); err != nil { // ready
		return err
	}
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		var o order
		if err := json.Unmarshal(s.Bytes(), &o); err != nil || o.Writers < 1 || o.Bytes < 0 || o.Bytes > maxBytes {
			return fmt.Errorf("an order that is none: %q: %w", s.Text(), err)
		}
		a, err := c.drive(ctx, o)
		if err != nil {
			return err
		}
		if err := encoder.Encode(a); err != nil {
			return err
		}
	}
	return nil
}

// servers are three etcd servers and a client of the one that leads.
type servers struct {
	processes []*exec.Cmd
	client    *clientv3.Client
	next      atomic.Int64
}

func ports(n int) (out []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out, nil
}

func start(ctx context.Context, dir string) (*servers, error) {
	binary, err := exec.LookPath("etcd")
	if err != nil {
		return nil, err
	}
	port, err := ports(6)
	if err != nil {
		return nil, err
	}
	url := func(i int) string { return fmt.Sprintf("http://127.0.0.1:%d", port[i]) }
	var members, clients []string
	for i := range 3 {
		members = append(members, fmt.Sprintf("n%d=%s", i, url(i+3)))
		clients = append(clients, url(i))
	}
	c := &servers{}
	for i := range 3 {
		p := exec.Command(
			binary, "--name", fmt.Sprintf("n%d", i), "--data-dir", filepath.Join(dir, fmt.Sprint(i)),
			"--listen-client-urls", url(i), "--advertise-client-urls", url(i), "--listen-peer-urls", url(i+3), "--initial-advertise-peer-urls", url(i+3),
			"--initial-cluster", strings.Join(members, ","), "--initial-cluster-token", "bench", "--logger", "zap", "--log-level", "error",
			"--quota-backend-bytes", fmt.Sprint(8<<30),
		)
		p.Stderr = os.Stderr
		p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // nobody else ends it where this is killed
		if err := p.Start(); err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.processes = append(c.processes, p)
	}
	if c.client, err = leader(ctx, clients); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// leader returns a client of the server that leads.
func leader(ctx context.Context, clients []string) (*clientv3.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for tick := time.Tick(100 * time.Millisecond); ; {
		for _, address := range clients {
			client, err := clientv3.New(clientv3.Config{Endpoints: []string{address}, DialTimeout: time.Second})
			if err != nil {
				continue
			}
			ask, cancel := context.WithTimeout(ctx, time.Second)
			s, err := client.Status(ask, address)
			cancel()
			if err == nil && s.Leader != 0 && s.Leader == s.Header.MemberId {
				return client, nil
			}
			_ = client.Close()
		}
		select {
		case <-ctx.Done():
			return nil, errors.New("no server leads in time")
		case <-tick:
		}
	}
}

// drive puts values as fast as they are acknowledged for a while.
func (c *servers) drive(ctx context.Context, o order) (a answer, err error) {
	value := strings.Repeat("v", o.Bytes)
	var mu sync.Mutex
	var wg sync.WaitGroup
	used, wrote := c.usage()
	began, d := time.Now(), time.Duration(o.Millis)*time.Millisecond
	for range o.Writers {
		wg.Go(func() {
			var own []time.Duration
			var failed error
			for time.Since(began) < d && failed == nil {
				at := time.Now()
				if _, failed = c.client.Put(ctx, fmt.Sprintf("k%016d", c.next.Add(1)), value); failed == nil {
					own = append(own, time.Since(at))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			a.Took, err = append(a.Took, own...), errors.Join(err, failed)
		})
	}
	wg.Wait()
	after, written := c.usage()
	a.Processor, a.Written = after-used, written-wrote
	return a, err
}

// usage is how much processor time the servers have used and how much they have written, as far as the system tells.
func (c *servers) usage() (processor time.Duration, written int64) {
	const ticks = 100 // a second, on every Linux
	for _, p := range c.processes {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
		if err == nil {
			fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
			var user, system int64
			if len(fields) > 12 {
				_, _ = fmt.Sscan(fields[11], &user)
				_, _ = fmt.Sscan(fields[12], &system)
			}
			processor += time.Duration(user+system) * time.Second / ticks
		}
		io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.Process.Pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(io)) {
			var n int64
			if _, err := fmt.Sscanf(line, "write_bytes: %d", &n); err == nil {
				written += n
			}
		}
	}
	return processor, written
}

func (c *servers) close() (err error) {
	if c.client != nil {
		err = c.client.Close()
	}
	for _, p := range c.processes {
		_ = p.Process.Signal(syscall.SIGTERM) // one that is gone is gone
	}
	for _, p := range c.processes {
		_ = p.Wait() // it ends by the signal
	}
	return err
}
