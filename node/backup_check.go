package node

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/store"
)

// BackupReport is what a drill found that a backup would bring.
type BackupReport struct {
	BackupHeader
	// Sealed is how many of the entries a checkpoint covers that enough agencies of the roster have signed; what came after rests on
	// the word of the node that made the backup.
	Sealed  uint64                   `json:"sealed"`
	Mirrors map[ledger.Origin]uint64 `json:"mirrors"` // entries of partners' ledgers
	Members []ledger.AgencyID        `json:"members"`
	Parts   int                      `json:"parts"` // files of the chain
}

// CheckBackup reads a backup to its end, which is one file or a chain of them, folds the ledger anew in a directory that must not
// exist, and compares root and checkpoints. The directory is then a store of the identity given.
func CheckBackup(chain []string, dir, node string, keys []*crypto.AgencyKey) (r BackupReport, err error) {
	if len(chain) == 0 || len(chain) > MaxBackupParts {
		return r, fmt.Errorf("%w: of %d parts", ErrBackup, len(chain))
	}
	parts := make([]*backupPart, 0, len(chain))
	defer func() {
		for _, p := range parts {
			err = errors.Join(err, p.file.Close())
		}
	}()
	journals := make([]io.Reader, 0, len(chain))
	for i, path := range chain {
		p, err := openPart(path, keys)
		if err != nil {
			return r, err
		}
		parts, journals = append(parts, p), append(journals, p.chunks)
		if i == 0 && p.Base != "" {
			return r, fmt.Errorf("%w: %s goes on from another one, which has the first %d entries: keep both in one directory, and name that", ErrBackup, path, p.From)
		}
		if i > 0 {
			if err := p.follows(parts[i-1]); err != nil {
				return r, fmt.Errorf("%w: %s", err, path)
			}
		}
		r.BackupHeader, r.Parts = p.BackupHeader, i+1
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return r, err
	}
	id := store.Identity{Origin: r.Origin, Node: node}
	if err := store.Rebuild(dir, id, r.Genesis, journals...); err != nil {
		return r, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	for i, in := range journals {
		if n, err := in.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
			return r, errors.Join(fmt.Errorf("%w: %s goes on behind its ledger", ErrBackup, chain[i]), err)
		}
	}
	s, err := store.Open(dir, id)
	if err != nil {
		return r, err
	}
	return r, errors.Join(r.examine(s), s.Close())
}

// backupPart is one file of a chain.
type backupPart struct {
	BackupHeader
	head   []byte
	file   *os.File
	chunks *chunkReader
}

func openPart(path string, keys []*crypto.AgencyKey) (*backupPart, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	in := bufio.NewReaderSize(f, 64<<10)
	h, head, err := readBackupHeader(in)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s", err, path), f.Close())
	}
	return &backupPart{h, head, f, &chunkReader{r: in, ring: crypto.NewKeyring(keys...), header: sha256.Sum256(head)}}, nil
}

// follows checks that a part goes on from the one before.
func (p *backupPart) follows(before *backupPart) error {
	switch {
	case p.Agency != before.Agency || p.Origin != before.Origin || p.Genesis != before.Genesis:
		return ErrBackupOther
	case p.Base != fmt.Sprintf("%x", sha256.Sum256(before.head)) || p.From != before.Entries:
		return fmt.Errorf("%w: it does not go on from the one before it", ErrBackup)
	}
	return nil
}

// examine compares the folded ledger with what the header says.
func (r *BackupReport) examine(s *store.Store) error {
	state := s.State()
	if state.Size() != r.Entries || state.Root().String() != r.Root {
		return fmt.Errorf("%w: it folds to %d entries with another root than its header says", ErrBackup, state.Size())
	}
	if _, known := state.Governance.Agency(r.Agency); !known {
		return fmt.Errorf("%w: %s is no member of that ledger", ErrBackupOther, r.Agency)
	}
	r.Mirrors = map[ledger.Origin]uint64{}
	for _, origin := range s.Origins() {
		if origin != r.Origin {
			r.Mirrors[origin] = s.Size(origin)
		}
	}
	for i := range state.Governance.Agencies {
		r.Members = append(r.Members, state.Governance.Agencies[i].ID)
	}
	signed, err := s.Latest(r.Origin)
	if err != nil || signed == nil {
		return err
	}
	cp, valid, err := ledger.VerifyCosignatures(signed, state.Governance.CheckpointKeys())
	if err != nil {
		return err
	}
	if counts, _ := ledger.Counts(valid, state.Governance.QuorumSize()); counts && cp.Size <= r.Entries {
		r.Sealed = cp.Size
	}
	return nil
}
