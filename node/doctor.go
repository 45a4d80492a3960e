package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/cluster"
	"vigil/node/store"
)

// Bounds of what the doctor finds well.
const (
	syncTries    = 16
	syncWarning  = 50 * time.Millisecond
	syncFailure  = time.Second
	keyYears     = 3 // after which a rotation is advised
	doctorWait   = 5 * time.Second
	certificates = 30 * 24 * time.Hour // before its end a certificate is a warning
)

// Finding is one thing that the doctor looked at.
type Finding struct {
	Check    string `json:"check"`
	Severity string `json:"severity"` // "ok", "warning" or "failure"
	What     string `json:"what"`
	Fix      string `json:"fix,omitempty"`
}

// doctor collects findings on one directory.
type doctor struct {
	cfg Config
	out []Finding
}

// Examine looks at a node's machine, directory, keys and peers, and says what is wrong with the command that mends it. The
// node may be running or not; nothing is changed. Problems come first.
func Examine(ctx context.Context, c Config) []Finding {
	d := &doctor{cfg: c}
	d.clock()
	d.directory()
	d.disk()
	d.certificate()
	d.backup()
	status, running := d.running(ctx)
	if running {
		d.ok("ports", fmt.Sprintf("the node runs and answers on %s", c.SocketPath()))
		d.peersOf(status)
	} else {
		d.ports()
		d.stopped(ctx)
	}
	rank := []string{"failure", "warning", "ok"}
	slices.SortStableFunc(d.out, func(a, b Finding) int { return slices.Index(rank, a.Severity) - slices.Index(rank, b.Severity) })
	return d.out
}

func (d *doctor) add(check, severity, what, fix string) {
	d.out = append(d.out, Finding{Check: check, Severity: severity, What: what, Fix: fix})
}

func (d *doctor) ok(check, what string)        { d.add(check, "ok", what, "") }
func (d *doctor) warn(check, what, fix string) { d.add(check, "warning", what, fix) }
func (d *doctor) fail(check, what, fix string) { d.add(check, "failure", what, fix) }

// clock asks the kernel whether anybody keeps its time right.
func (d *doctor) clock() {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		d.warn("clock", "the kernel does not say whether its clock is kept right: "+err.Error(), "check time synchronisation: timedatectl")
		return
	}
	if state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0 {
		d.warn("clock", "the kernel says that nothing keeps its clock right", "start chrony or systemd-timesyncd, then: timedatectl")
		return
	}
	d.ok("clock", fmt.Sprintf("kept right, within %d ms", (t.Maxerror+999)/1000))
}

func (d *doctor) directory() {
	info, err := os.Stat(d.cfg.Dir)
	switch {
	case err != nil:
		d.fail("directory", err.Error(), "vigil init, or vigil join TOKEN, with --dir "+d.cfg.Dir)
	case info.Mode().Perm()&0o077 != 0:
		d.fail("directory", fmt.Sprintf("%s can be read by others (%s)", d.cfg.Dir, info.Mode().Perm()), "chmod 700 "+d.cfg.Dir)
	default:
		d.ok("directory", d.cfg.Dir+" is this user's alone")
	}
}

// disk measures what an acknowledgement waits for.
func (d *doctor) disk() {
	var s unix.Statfs_t
	if err := unix.Statfs(d.cfg.Dir, &s); err != nil {
		return // the directory has been complained of
	}
	switch free := s.Bavail * uint64(max(s.Bsize, 0)); {
	case free < spaceFloor:
		d.fail("space", fmt.Sprintf("%d MiB are left on the data disk: the node writes nothing below %d MiB", free>>20, spaceFloor>>20), "make room on "+d.cfg.Dir)
	case free < spaceWarning:
		d.warn("space", fmt.Sprintf("%d MiB are left on the data disk", free>>20), "make room on "+d.cfg.Dir)
	default:
		d.ok("space", fmt.Sprintf("%d GiB are left on the data disk", free>>30))
	}
	middle, worst, err := syncTimes(d.cfg.Dir)
	what := fmt.Sprintf("a synced write takes %s in the middle, %s at worst", middle.Round(10*time.Microsecond), worst.Round(10*time.Microsecond))
	switch {
	case err != nil:
		d.fail("sync", err.Error(), "the data directory must be writable for the user that runs the node")
	case middle > syncFailure:
		d.fail("sync", what, "use a disk of its own with a write cache that survives a power cut")
	case middle > syncWarning:
		d.warn("sync", what+": every write waits for two of these", "use a disk of its own with a write cache that survives a power cut")
	default:
		d.ok("sync", what)
	}
}

func syncTimes(dir string) (middle, worst time.Duration, err error) {
	f, err := os.CreateTemp(dir, "doctor-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	times := make([]time.Duration, syncTries)
	for i := range times {
		started := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, err
		}
		times[i] = time.Since(started)
	}
	slices.Sort(times)
	return times[len(times)/2], times[len(times)-1], nil
}

// certificate looks at the one that people's browsers see, where it is not the node's own.
func (d *doctor) certificate() {
	if d.cfg.API.Certificate == "" {
		return
	}
	pair, err := tls.LoadX509KeyPair(d.cfg.API.Certificate, d.cfg.API.Key)
	switch {
	case err != nil:
		d.fail("certificate", err.Error(), "check api.certificate and api.key")
	case time.Now().After(pair.Leaf.NotAfter):
		d.fail("certificate", "it ended on "+pair.Leaf.NotAfter.Format(time.DateOnly), "renew "+d.cfg.API.Certificate+" and restart the node")
	case time.Until(pair.Leaf.NotAfter) < certificates:
		d.warn("certificate", "it ends on "+pair.Leaf.NotAfter.Format(time.DateOnly), "renew "+d.cfg.API.Certificate+" and restart the node")
	default:
		d.ok("certificate", "it is good until "+pair.Leaf.NotAfter.Format(time.DateOnly))
	}
}

// backup says how old the last one is that was read back.
func (d *doctor) backup() {
	last, err := readLastBackup(d.cfg.Dir)
	switch {
	case err != nil:
		d.warn("backup", err.Error(), "vigil backup writes it anew")
	case last == nil:
		d.warn("backup", "no backup of this node was ever made here: what all members lose at once is gone", "vigil backup -o DIR, daily, and keep vigil agency kit elsewhere")
	default:
		d.ok("backup", fmt.Sprintf("the last one that was read back is of %s, with %d entries", last.Made.UTC().Format(time.DateTime+" MST"), last.Entries))
	}
}

// running asks the node of the directory how it is.
func (d *doctor) running(ctx context.Context) (api.Status, bool) {
	ctx, cancel := context.WithTimeout(ctx, doctorWait)
	defer cancel()
	c, err := api.NewClient(api.Target{Server: "unix://" + d.cfg.SocketPath()})
	if err != nil {
		return api.Status{}, false
	}
	defer c.Close()
	s, err := c.Status(ctx)
	if err != nil {
		return s, false
	}
	if keys, err := c.Keys(ctx); err == nil {
		for _, k := range keys {
			if k.State == "in force" {
				d.keyAge(k.Created)
			}
		}
	}
	return s, true
}

func (d *doctor) keyAge(made time.Time) {
	years := time.Since(made).Hours() / 24 / 365
	if years > keyYears {
		d.warn("key", fmt.Sprintf("this agency's key was made on %s, %.0f years ago", made.Format(time.DateOnly), years), "vigil key rotate")
		return
	}
	d.ok("key", "this agency's key was made on "+made.Format(time.DateOnly))
}

// peersOf takes over what the running node knows.
func (d *doctor) peersOf(s api.Status) {
	for _, p := range s.Problems {
		d.add("node", p.Severity, p.What, p.Fix)
	}
	voters, heard := 0, 0
	for _, x := range s.Nodes {
		if x.Voter {
			voters++
			if x.Heard >= 0 && x.Heard <= 10 {
				heard++
			}
		}
	}
	if voters > 0 {
		d.quorum(voters, heard)
	}
	if s.Ready {
		d.ok("node", fmt.Sprintf("%s, ready; the leader is %s", s.Role, s.Leader))
	} else {
		d.warn("node", s.Role+", not ready", "vigil status")
	}
}

// quorum says how many voters may still go.
func (d *doctor) quorum(voters, heard int) {
	switch margin := heard - (voters/2 + 1); {
	case margin < 0:
		d.fail("quorum", fmt.Sprintf("%d of %d voters are heard, %d are needed: nothing can be written", heard, voters, voters/2+1), "start the others' nodes; vigil node replace where one is lost")
	case voters == 2:
		d.warn("quorum", fmt.Sprintf("%d of 2 voters are heard: nothing is lost when one stops, but nothing can be written either", heard), "admit a third agency: vigil agency invite; where there are three: vigil policy propose")
	case margin == 0 && voters > 2:
		d.warn("quorum", fmt.Sprintf("%d of %d voters are heard: when another goes nothing can be written", heard, voters), "start the missing node, or name other voters: vigil policy propose")
	default:
		d.ok("quorum", fmt.Sprintf("%d of %d voters are heard, %d may go", heard, voters, max(margin, 0)))
	}
}

// ports says whether what the node listens on is free.
func (d *doctor) ports() {
	for _, p := range []struct{ key, address string }{{"api.listen", d.cfg.API.Listen}, {"node.listen", d.cfg.Node.Listen}} {
		l, err := net.Listen("tcp", p.address)
		if err != nil {
			d.fail("ports", fmt.Sprintf("%s %s: %v", p.key, p.address, err), "stop what listens there, or change "+p.key)
			continue
		}
		d.ok("ports", fmt.Sprintf("%s %s is free", p.key, p.address))
		_ = l.Close()
	}
	if err := d.cfg.Dialable(); err != nil {
		d.warn("ports", err.Error(), "vigil config show --origin")
	}
}

// stopped looks at keys, ledger and peers of a node that does not run.
func (d *doctor) stopped(ctx context.Context) {
	d.warn("node", "it does not run", "vigil serve --dir "+d.cfg.Dir)
	id, err := ReadIdentity(d.cfg.Dir)
	if err != nil {
		d.fail("keys", err.Error(), "")
		return
	}
	passphrase, err := d.cfg.Passphrase()
	var keys Keys
	if err == nil {
		keys, err = id.unlock(d.cfg.Dir, passphrase)
	}
	if err != nil {
		d.fail("keys", err.Error(), "the passphrase file must be that of this directory")
		return
	}
	d.ok("keys", fmt.Sprintf("they open and are of %s, node %.8s", id.Agency, id.Node))
	d.keyAge(keys.Agency[len(keys.Agency)-1].Certificate().Created())
	s, err := store.Open(filepath.Join(d.cfg.Dir, "ledger"), store.Identity{Origin: id.Origin, Node: id.Node})
	if err != nil {
		d.fail("ledger", err.Error(), "stop the process that has it; where it is damaged: vigil ledger scrub --dir "+d.cfg.Dir)
		return
	}
	defer func() { _ = s.Close() }() // nothing was written
	d.standing(ctx, id, keys, s)
}

// standing compares what the disk says with what the others remember.
func (d *doctor) standing(ctx context.Context, id Identity, keys Keys, s *store.Store) {
	pins := map[crypto.NodeID]string{}
	for _, m := range id.Members {
		if node, err := crypto.ParseNodeID(m.Node); err == nil {
			pins[node] = m.Address
		}
	}
	ctx, cancel := context.WithTimeout(ctx, doctorWait)
	defer cancel()
	i, err := cluster.Inspect(ctx, filepath.Join(d.cfg.Dir, "raft"), keys.Node, s, pins)
	replace := "vigil node replace --from " + d.cfg.Dir + " --dir NEW-DIR"
	switch {
	case err != nil:
		d.fail("raft", err.Error(), replace)
		return
	case i.Refusal != nil:
		d.fail("heights", i.Refusal.Error(), replace)
	default:
		d.ok("heights", fmt.Sprintf("here are %s; nobody who answers remembers more", i.Standing))
	}
	state := s.State()
	if state == nil {
		return
	}
	d.ok("ledger", fmt.Sprintf("%d entries of %s", state.Size(), state.Governance.Origin))
	for _, node := range i.Silent {
		owner, _ := state.Governance.NodeOwner(node)
		a, _ := state.Governance.Agency(owner)
		d.warn("peers", fmt.Sprintf("the voter of %s does not answer at %s", owner, address(a)), "vigil doctor there; check the way to that address")
	}
	if i.Voters > 0 {
		d.quorum(i.Voters, i.Answered)
	}
	for node, ahead := range i.Clocks {
		if owner, ok := state.Governance.NodeOwner(node); ok && math.Abs(ahead.Seconds()) > clockWarning {
			d.warn("clock", fmt.Sprintf("the clock of %s is %.0f s off ours", owner, ahead.Seconds()), "check time synchronisation on both")
		}
	}
}

func address(a *ledger.Agency) string {
	if a == nil {
		return "an unknown address"
	}
	return a.Node.Address
}
