package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/durable"
)

const (
	// MaxBackupParts bounds a chain of backups: more than a year of days. A longer one would take too long to fold.
	MaxBackupParts = 400
	lastBackupFile = "backup.json"
)

// partName is the name of a part in a directory: agency, when its chain began, number from 0.
var partName = regexp.MustCompile(`^(.+)-([0-9]{8}T[0-9]{6}Z)-([0-9]{3})\.backup$`)

// BackupName is how files of an agency's backups begin.
func BackupName(a ledger.AgencyID) string { return strings.ReplaceAll(string(a), "/", "-") }

// BackupChain returns the files of a backup, in order: the one that is named, or the newest chain of the agency's in the directory
// that is. A directory without any has none.
func BackupChain(path string, a ledger.AgencyID) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	files, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	newest, numbers := "", map[string][]int{}
	for _, f := range files {
		m := partName.FindStringSubmatch(f.Name())
		if m == nil || m[1] != BackupName(a) {
			continue
		}
		n, _ := strconv.Atoi(m[3]) // three digits
		numbers[m[2]] = append(numbers[m[2]], n)
		newest = max(newest, m[2])
	}
	slices.Sort(numbers[newest])
	var chain []string
	for i, n := range numbers[newest] {
		if n != i {
			return nil, fmt.Errorf("%w: part %03d of the chain that began at %s is missing in %s", ErrBackup, i, newest, path)
		}
		chain = append(chain, filepath.Join(path, partFile(a, newest, n)))
	}
	return chain, nil
}

func partFile(a ledger.AgencyID, began string, number int) string {
	return fmt.Sprintf("%s-%s-%03d.backup", BackupName(a), began, number)
}

// NextPart returns where the next backup in a directory goes: behind a chain, with the header of its last part; or, without one, as
// the first of a new chain.
func NextPart(dir string, a ledger.AgencyID, chain []string, now time.Time) (path string, base []byte, err error) {
	if len(chain) == 0 || len(chain) >= MaxBackupParts {
		return filepath.Join(dir, partFile(a, now.UTC().Format("20060102T150405Z"), 0)), nil, nil
	}
	last := chain[len(chain)-1]
	p, err := openPart(last, nil)
	if err != nil {
		return "", nil, err
	}
	m := partName.FindStringSubmatch(filepath.Base(last))
	return filepath.Join(dir, partFile(a, m[2], len(chain))), p.head, p.file.Close()
}

// NoteBackup remembers in a node's directory that a backup was written and folds.
func NoteBackup(c Config, r BackupReport) error {
	b, err := json.Marshal(api.BackupStatus{Made: r.Made, Entries: r.Entries})
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(c.Dir, lastBackupFile), b, 0o644)
}

// readLastBackup returns what NoteBackup remembered last; nil where it never did.
func readLastBackup(dir string) (*api.BackupStatus, error) {
	b, err := readSmall(filepath.Join(dir, lastBackupFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var s api.BackupStatus
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", lastBackupFile, err)
	}
	return &s, nil
}

func (n *Node) lastBackup() *api.BackupStatus {
	last, err := readLastBackup(n.cfg.Dir)
	if err != nil {
		n.log.Warn("it is not known when the last backup was made", "error", err)
	}
	return last
}

// backupProblems say that backups which were once made are made no more.
func (c Config) backupProblems(last *api.BackupStatus, now time.Time) []api.NodeProblem {
	age := time.Duration(c.Backup.RemindDays) * 24 * time.Hour
	if last == nil || age == 0 || now.Sub(last.Made) < age {
		return nil
	}
	return []api.NodeProblem{{
		Severity: "warning", What: fmt.Sprintf("the last backup of this node that was read back is of %s, more than %d days ago", last.Made.UTC().Format(time.DateOnly), c.Backup.RemindDays),
		Fix: "vigil backup -o DIR, daily",
	}}
}
