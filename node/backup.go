package node

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
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
	backupVersion     = 2 // 1 could not be gone on from
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
	// Batches are the mirrors' batches up to here, Checkpoint is the size of our ledger's newest checkpoint here.
	Batches    uint64 `json:"mirror_batches,omitempty"`
	Checkpoint uint64 `json:"checkpoint,omitempty"`
	// Base is the SHA-256 of the header of the backup that this one goes on from, which has the entries before From.
	Base string    `json:"base,omitempty"`
	From uint64    `json:"from,omitempty"`
	Made time.Time `json:"made"`
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

// mark is where a backup that goes on from this one begins.
func (h BackupHeader) mark() (store.Mark, error) {
	root, err := tlog.ParseHash(h.Root)
	if err != nil || h.Version < 2 || h.Entries == 0 {
		return store.Mark{}, fmt.Errorf("%w: nothing can go on from that one; make a whole one", ErrBackup)
	}
	return store.Mark{Size: h.Entries, Root: root, Mirrors: h.Batches, Sealed: h.Checkpoint}, nil
}

// backupOf is a backup to be written.
type backupOf struct {
	head    []byte
	journal *store.Journal
	to      *crypto.Certificate
}

// newBackup prepares a backup of what is in the ledger now; of what came after another backup, where that one's header is given.
func newBackup(s *store.Store, id Identity, to *crypto.Certificate, base []byte) (*backupOf, error) {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // it never fails
	h := BackupHeader{
		Version: backupVersion, ID: fmt.Sprintf("%x", nonce), Agency: id.Agency, Origin: id.Origin, Genesis: id.Genesis, Key: to.Fingerprint().String(),
		Made: time.Now().UTC().Truncate(time.Second),
	}
	var after store.Mark
	if len(base) > 0 {
		base = append(bytes.TrimSpace(base), '\n')
		b, _, err := readBackupHeader(bytes.NewReader(base))
		switch {
		case err != nil:
			return nil, err
		case b.Agency != id.Agency || b.Origin != id.Origin || b.Genesis != id.Genesis:
			return nil, fmt.Errorf("%w: it is of %s in %s", ErrBackupOther, b.Agency, b.Origin)
		}
		if after, err = b.mark(); err != nil {
			return nil, err
		}
		h.Base, h.From = fmt.Sprintf("%x", sha256.Sum256(base)), b.Entries
	}
	j, err := s.Backup(after)
	if errors.Is(err, store.ErrOther) {
		return nil, fmt.Errorf("%w: this ledger does not go on from that one: %w", ErrBackup, err)
	}
	if err != nil {
		return nil, err
	}
	end, err := j.End()
	h.Entries, h.Root, h.Batches, h.Checkpoint = end.Size, end.Root.String(), end.Mirrors, end.Sealed
	return &backupOf{h.encode(), j, to}, err
}

// WriteTo implements io.WriterTo. While it writes, the ledger goes on.
func (b *backupOf) WriteTo(w io.Writer) (int64, error) {
	c := &chunkWriter{w: w, to: b.to, header: sha256.Sum256(b.head)}
	n, err := w.Write(b.head)
	if err == nil {
		_, err = b.journal.WriteTo(c)
	}
	if err == nil {
		err = c.flush(true)
	}
	return int64(n) + c.written, err
}

// chunkWriter seals what is written to it, chunk by chunk.
type chunkWriter struct {
	w      io.Writer
	to     *crypto.Certificate
	header [32]byte
	number uint64
	body   []byte

	written int64
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
	n, err := c.w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(sealed))), sealed...))
	c.written += int64(n)
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
	if h.Version > backupVersion {
		return h, nil, fmt.Errorf("%w: version %d, this binary knows up to %d", ErrBackup, h.Version, backupVersion)
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

// Backup implements api.Node: it prepares a backup, sealed to this agency's key in force.
func (n *Node) Backup(base []byte) (io.WriterTo, error) {
	b, err := newBackup(n.store, n.id, n.current().Certificate(), base)
	if errors.Is(err, ErrBackup) {
		return nil, refuse(http.StatusConflict, "backup-base", err.Error(), "vigil backup --full begins anew")
	}
	return b, err
}

// BackupStopped writes a backup of the directory of a node that does not run.
func BackupStopped(c Config, base []byte, w io.Writer) error {
	keys, id, err := OpenKeys(c)
	if err != nil {
		return err
	}
	s, err := store.Open(filepath.Join(c.Dir, "ledger"), store.Identity{Origin: id.Origin, Node: id.Node})
	if err != nil {
		return err
	}
	to := (&Node{id: id, ring: &keyRing{list: keys.Agency}, store: s}).current().Certificate()
	b, err := newBackup(s, id, to, base)
	if err == nil {
		_, err = b.WriteTo(w)
	}
	return errors.Join(err, s.Close())
}
