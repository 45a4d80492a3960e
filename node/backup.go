package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/durable"
	"vigil/node/store"
)

// A backup is the ledger, mirrors and checkpoints included, sealed to its agency: what the agency's kit opens, and from which the
// State is folded again. It holds no key. Board, match index and access log follow from it or are of one node; the access log's
// closed segments are in the ledger.
//
// The file: a line of JSON, its header; then chunks, each a 4-byte big-endian length and that many bytes, an OpenPGP message sealed to
// the agency's certificate that holds CBOR [SHA-256 of the header, number, last, some of the ledger's journal]. So no chunk stands in
// another's place or in another backup, and a file that is cut is seen to be.

// Errors of backups.
var (
	// ErrBackup says that a file is no backup, or is damaged, cut or changed.
	ErrBackup = errors.New("node: backup")
	// ErrBackupOther says that a backup is of another agency or ledger, or sealed to other keys.
	ErrBackupOther = fmt.Errorf("%w: of another agency or ledger, or sealed to another key", ErrBackup)
)

const (
	backupVersion     = 1
	backupChunkBytes  = 512 << 10
	maxBackupChunk    = 1 << 20
	maxBackupHead     = 16 << 10
	maxBackupOverhead = 64 << 10
)

// BackupHeader is what a backup says in clear. It holds no secret.
type BackupHeader struct {
	Version int             `json:"vigil_backup"`
	ID      string          `json:"id"` // 16 random bytes
	Agency  ledger.AgencyID `json:"agency"`
	Origin  ledger.Origin   `json:"origin"`
	Genesis string          `json:"genesis"`
	Key     string          `json:"key"` // fingerprint of the agency's key that opens it
	Entries uint64          `json:"entries"`
	Root    string          `json:"root"`
	Made    time.Time       `json:"made"`
}

func (h BackupHeader) encode() []byte {
	b, _ := json.Marshal(h) // strings and times always encode
	return append(b, '\n')
}

type backupChunk struct {
	_      struct{} `cbor:",toarray"`
	Header [32]byte
	Number uint64
	Last   bool
	Body   []byte
}

// writeBackup streams a backup of what is in the ledger now, while it goes on.
func writeBackup(w io.Writer, s *store.Store, id Identity, to *crypto.Certificate) error {
	j, err := s.Backup()
	if err != nil {
		return err
	}
	size, root := j.End()
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // it never fails
	h := BackupHeader{
		Version: backupVersion, ID: fmt.Sprintf("%x", nonce), Agency: id.Agency, Origin: id.Origin, Genesis: id.Genesis, Key: to.Fingerprint().String(),
		Entries: size, Root: root.String(), Made: time.Now().UTC().Truncate(time.Second),
	}
	head := h.encode()
	if _, err := w.Write(head); err != nil {
		return err
	}
	c := &chunkWriter{w: w, to: to, header: sha256.Sum256(head)}
	if _, err := j.WriteTo(c); err != nil {
		return err
	}
	return c.flush(true)
}

// chunkWriter seals what is written to it, chunk by chunk.
type chunkWriter struct {
	w      io.Writer
	to     *crypto.Certificate
	header [32]byte
	number uint64
	body   []byte
}

// Write implements io.Writer.
func (c *chunkWriter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		take := min(len(b), backupChunkBytes-len(c.body))
		c.body, b = append(c.body, b[:take]...), b[take:]
		if len(c.body) == backupChunkBytes {
			if err := c.flush(false); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (c *chunkWriter) flush(last bool) error {
	sealed, err := crypto.Seal(ledger.Marshal(backupChunk{Header: c.header, Number: c.number, Last: last, Body: notNil(c.body)}), c.to)
	if err != nil {
		return err
	}
	c.number, c.body = c.number+1, c.body[:0]
	if _, err := c.w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(sealed)))); err != nil {
		return err
	}
	_, err = c.w.Write(sealed)
	return err
}

// chunkReader opens a backup and gives back the journal in it. It ends only behind the last chunk, with nothing after it.
type chunkReader struct {
	r      io.Reader
	ring   *crypto.Keyring
	header [32]byte
	number uint64
	left   []byte
	last   bool
}

// readBackupHeader reads the first line.
func readBackupHeader(r io.Reader) (h BackupHeader, raw []byte, err error) {
	one := make([]byte, 1)
	for len(raw) < maxBackupHead {
		if _, err := io.ReadFull(r, one); err != nil {
			return h, nil, fmt.Errorf("%w: it is not one: %w", ErrBackup, err)
		}
		if raw = append(raw, one[0]); one[0] == '\n' {
			break
		}
	}
	if err := json.Unmarshal(raw, &h); err != nil || h.Version == 0 {
		return h, nil, fmt.Errorf("%w: it is not one", ErrBackup)
	}
	if h.Version != backupVersion {
		return h, nil, fmt.Errorf("%w: version %d, this binary knows %d", ErrBackup, h.Version, backupVersion)
	}
	if !bytes.Equal(h.encode(), raw) {
		return h, nil, fmt.Errorf("%w: its header was changed", ErrBackup)
	}
	return h, raw, nil
}

// Read implements io.Reader.
func (c *chunkReader) Read(b []byte) (int, error) {
	for len(c.left) == 0 {
		if c.last {
			if n, _ := io.ReadFull(c.r, make([]byte, 1)); n > 0 {
				return 0, fmt.Errorf("%w: something stands behind its end", ErrBackup)
			}
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, c.left)
	c.left = c.left[n:]
	return n, nil
}

func (c *chunkReader) next() error {
	var length [4]byte
	if _, err := io.ReadFull(c.r, length[:]); err != nil {
		return fmt.Errorf("%w: it is cut after chunk %d", ErrBackup, c.number)
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxBackupChunk {
		return fmt.Errorf("%w: chunk %d says that it has %d bytes", ErrBackup, c.number, n)
	}
	sealed := make([]byte, n)
	if _, err := io.ReadFull(c.r, sealed); err != nil {
		return fmt.Errorf("%w: it is cut in chunk %d", ErrBackup, c.number)
	}
	plain, err := c.ring.Open(sealed)
	if errors.Is(err, crypto.ErrNotForUs) {
		return ErrBackupOther
	}
	var x backupChunk
	if err == nil {
		err = ledger.Unmarshal(plain, &x, backupChunkBytes+maxBackupOverhead)
	}
	if err != nil || x.Header != c.header || x.Number != c.number {
		return fmt.Errorf("%w: chunk %d is not what was written", ErrBackup, c.number)
	}
	c.number, c.left, c.last = c.number+1, x.Body, x.Last
	return nil
}

// BackupReport is what a drill found that a backup would bring.
type BackupReport struct {
	BackupHeader
	// Sealed is how many of the entries a checkpoint covers that enough agencies of the roster have signed; what came after rests on
	// the word of the node that made the backup.
	Sealed  uint64                   `json:"sealed"`
	Mirrors map[ledger.Origin]uint64 `json:"mirrors"` // entries of partners' ledgers
	Members []ledger.AgencyID        `json:"members"`
}

// CheckBackup reads a backup to its end, folds the ledger anew in a directory that must not exist, and compares root and checkpoints.
// The directory is then a store of the identity given.
func CheckBackup(path, dir, node string, keys []*crypto.AgencyKey) (r BackupReport, err error) {
	f, err := os.Open(path)
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	defer f.Close()
	var raw []byte
	if r.BackupHeader, raw, err = readBackupHeader(f); err != nil {
		return r, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return r, err
	}
	id := store.Identity{Origin: r.Origin, Node: node}
	in := &chunkReader{r: f, ring: crypto.NewKeyring(keys...), header: sha256.Sum256(raw)}
	if err := store.Rebuild(dir, id, r.Genesis, in); err != nil {
		return r, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	if n, err := in.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return r, errors.Join(fmt.Errorf("%w: it goes on behind its ledger", ErrBackup), err)
	}
	s, err := store.Open(dir, id)
	if err != nil {
		return r, err
	}
	return r, errors.Join(r.examine(s), s.Close())
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

// Backup implements api.Node: it streams a backup, sealed to this agency's key in force.
func (n *Node) Backup(w io.Writer) error {
	return writeBackup(w, n.store, n.id, n.current().Certificate())
}

// BackupStopped writes a backup of the directory of a node that does not run.
func BackupStopped(c Config, w io.Writer) error {
	keys, id, err := OpenKeys(c)
	if err != nil {
		return err
	}
	s, err := store.Open(filepath.Join(c.Dir, "ledger"), store.Identity{Origin: id.Origin, Node: id.Node})
	if err != nil {
		return err
	}
	to := (&Node{id: id, ring: &keyRing{list: keys.Agency}, store: s}).current().Certificate()
	return errors.Join(writeBackup(w, s, id, to), s.Close())
}

// Restored is what became of a restore.
type Restored struct {
	BackupReport
	Identity Identity `json:"identity"`
	// From is the member whose ledger the new node begins with. It is empty where nobody lent theirs: then the node has it from them
	// once it is started, or is alone with the backup's.
	From string `json:"from,omitempty"`
	// Alone says that no member took the new node: it reads what the backup has, and writes nothing.
	Alone bool `json:"alone,omitempty"`
}

// Restore makes a new node of an agency from a backup and the agency's keys. The backup is read to its end before anything else
// happens. The node's keys are made here, and it stands in the old one's place as after Replace. Where a member takes it, its ledger
// comes from the members, so that nothing that they have expunged since the backup is ever on its disk; one that does not go on from
// the backup is refused. alone lets the node come up without them, on what the backup has, in which it has no part any more.
func Restore(ctx context.Context, c Config, path string, r Replacing, alone bool) (out Restored, err error) {
	staged := c.Dir + ".restoring"
	if err := os.RemoveAll(staged); err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staged)) }()
	if out.BackupReport, err = CheckBackup(path, filepath.Join(staged, "drill"), "drill", r.Keys); err != nil {
		return out, err
	}
	if out.Agency != r.Agency || out.Origin != r.Origin || out.Genesis != r.Genesis {
		return out, fmt.Errorf("%w: it is of %s in %s", ErrBackupOther, out.Agency, out.Origin)
	}
	out.Identity, err = Replace(ctx, c, r)
	if err != nil && (!alone || ctx.Err() != nil) {
		return out, fmt.Errorf("%w; start another member's node, or restore with --alone what can then only be read", err)
	}
	passphrase, passErr := c.Passphrase()
	if passErr != nil {
		return out, passErr
	}
	keys, keyErr := readKeys(c.Dir, passphrase)
	if keyErr != nil {
		return out, errors.Join(err, keyErr)
	}
	if err != nil {
		out.Alone = true
		out.Identity = Identity{Format: identityFormat, Agency: r.Agency, Origin: r.Origin, Genesis: r.Genesis, Node: keys.Node.Public().ID().String(), Members: r.Members}
	} else if out.From, err = newerThan(ctx, &out, keys, r, staged); err != nil {
		return out, err
	}
	from := ""
	if out.Alone {
		from = filepath.Join(staged, "drill")
	} else if out.From != "" {
		from = filepath.Join(staged, "theirs")
	}
	if from != "" {
		if err := settle(from, filepath.Join(c.Dir, "ledger"), store.Identity{Origin: r.Origin, Node: out.Identity.Node}); err != nil {
			return out, err
		}
	}
	return out, writeIdentity(c.Dir, out.Identity) // last: a directory without it is no node
}

// newerThan takes the ledger of the first member who has all that the backup has, the same.
func newerThan(ctx context.Context, out *Restored, keys Keys, r Replacing, staged string) (from string, err error) {
	dir := filepath.Join(staged, "theirs")
	lend := lenders{keys.Node, lendersOf(out.Identity, keys.Node, nil).members}
	askErr := lend.each(ctx, "/ledger/journal", nil, func(p Pin, journal io.Reader) error {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		id := store.Identity{Origin: r.Origin, Node: "drill"}
		if err := store.Rebuild(dir, id, r.Genesis, journal); err != nil {
			return err
		}
		s, err := store.Open(dir, id)
		if err != nil {
			return err
		}
		err = goesOn(s, out.BackupReport)
		if err = errors.Join(err, s.Close()); err == nil {
			from = string(p.Agency)
		}
		return err
	})
	if errors.Is(askErr, errForked) || errors.Is(askErr, errLess) {
		return "", askErr
	}
	return from, ctx.Err()
}

// errForked says that the others' ledger is not the one that was backed up.
var errForked = fmt.Errorf("%w: the ledger of another member does not go on from it: one of the two is forked; keep the backup as proof and ask the others", ErrBackup)

// errLess says that another member has lost what the backup has.
var errLess = fmt.Errorf("%w: another member has less than it, although enough members have signed for it: keep the backup, and ask the others for theirs", ErrBackup)

// goesOn says whether a ledger begins with what a backup has.
func goesOn(s *store.Store, b BackupReport) error {
	switch size := s.Size(b.Origin); {
	case size < b.Sealed:
		return errLess
	case size < b.Entries:
		return store.ErrAbsent
	}
	root, err := ledger.RootAt(b.Entries, s.HashReader(b.Origin))
	if err == nil && root.String() != b.Root {
		err = errForked
	}
	return err
}

// settle moves a folded ledger to where a node keeps it, as that node's.
func settle(from, to string, id store.Identity) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	b, err := json.Marshal(id)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(to, "store.json"), b, 0o600)
}
