package signin_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/ledger/account"
	"vigil/ledger/noun"
	"vigil/node/signin"
)

// kept makes a service whose sessions are in dir: another one is the same node after a restart.
func kept(t *testing.T, p *people, dir string) *signin.Service {
	t.Helper()
	return service(t, p, func(c *signin.Config) { c.Sessions = &signin.Keeping{Dir: dir, Key: [32]byte{7}} })
}

func begun(t *testing.T, s *signin.Service, p *people, k noun.Key) string {
	t.Helper()
	u, _ := p.UserByKey(t.Context(), k)
	secret, _, err := s.Begin(t.Context(), u, account.Password)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// TestSessionsOutliveTheProcess restarts the service as by a power cut: whatever was ended is over, the others go on until
// they are idle too long or their hours are over.
func TestSessionsOutliveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, dir := &people{}, t.TempDir()
		asha, ravi, gone := p.add("asha", "x", account.Analyst), p.add("ravi", "y", account.Lab), p.add("gone", "z", account.Lab)
		s := kept(t, p, dir)
		busy, idle, ended, all := begun(t, s, p, asha), begun(t, s, p, asha), begun(t, s, p, asha), begun(t, s, p, ravi)
		removed := begun(t, s, p, gone)
		if err := s.End(t.Context(), ended); err != nil {
			t.Fatal(err)
		}
		u, _ := p.UserByKey(t.Context(), ravi)
		s.EndAll(u)
		again := begun(t, s, p, ravi)
		p.say(gone, &account.Removed{Target: gone, Reason: "left"})

		for minutes := 50; minutes <= 800; minutes += 50 {
			time.Sleep(50 * time.Minute)
			s = kept(t, p, dir)
			found, err := s.Find(t.Context(), busy)
			if over := errors.Is(err, signin.ErrSession); over != (minutes >= 12*60) || !over && found.User.Name != "asha" {
				t.Errorf("in use, after %d minutes: %+v %v", minutes, found, err)
			}
			if _, err := s.Find(t.Context(), again); minutes == 50 && err != nil {
				t.Errorf("signed in again after all were ended: %v", err)
			}
			for what, secret := range map[string]string{"ended": ended, "all ended": all, "removed": removed} {
				if _, err := s.Find(t.Context(), secret); !errors.Is(err, signin.ErrSession) {
					t.Errorf("%s, after a restart: %v", what, err)
				}
			}
		}
		if _, err := s.Find(t.Context(), idle); !errors.Is(err, signin.ErrSession) {
			t.Errorf("idle: %v", err)
		}
	})
}

// TestWhatIsKeptOfASession shows that nobody signs in with what is on disk, and that damage ends a session.
func TestWhatIsKeptOfASession(t *testing.T) {
	p, dir := &people{}, t.TempDir()
	asha, ravi := p.add("asha", "x", account.Analyst), p.add("ravi", "y", account.Lab)
	s := kept(t, p, dir)
	one, two := begun(t, s, p, asha), begun(t, s, p, ravi)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	var sealed [][]byte
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{one, two, asha.Event.String(), string(asha.Author)} {
			if strings.Contains(f.Name(), secret) || bytes.Contains(b, []byte(secret)) {
				t.Errorf("%q is on disk", secret)
			}
		}
		if _, err := s.Find(t.Context(), f.Name()); !errors.Is(err, signin.ErrSession) {
			t.Errorf("a file's name is a session: %v", err)
		}
		sealed = append(sealed, b)
	}
	for i, f := range files { // each under the other's name
		if err := os.WriteFile(filepath.Join(dir, f.Name()), sealed[1-i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = kept(t, p, dir)
	for _, secret := range []string{one, two} {
		if found, err := s.Find(t.Context(), secret); !errors.Is(err, signin.ErrSession) {
			t.Errorf("%+v %v: a session under another's name", found, err)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("%v, %v: what cannot be read stays", files, err)
	}
}
