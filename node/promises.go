package node

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/author"
)

// promises keeps on disk what the leader acknowledged until this replica shows it, so that a restart between the two forgets
// no pretended acknowledgement. It implements author.Promises.
//
// The file is a list of records of promiseBytes each: a random nonce and AES-256-GCM of CBOR [index, leaf hash, sequence,
// authored ms, acknowledged ms], padded. It is appended to before a caller is answered and synced only where something does
// not come: a process that is killed forgets nothing, a disk that loses its power perhaps the last second. A record that
// cannot be read, such as one cut off, is passed over: it says nothing of the others.
type promises struct {
	aead   cipher.AEAD
	writer crypto.NodeID
	log    *slog.Logger

	mu      sync.Mutex
	file    *os.File
	records int              // in the file; guarded by mu
	open    []author.Receipt // guarded by mu; oldest first
	dirty   bool             // guarded by mu; appended to since it was synced
}

const (
	promisePlain   = 96 // bytes of a record before it is encrypted, zeros behind
	promiseBytes   = promisePlain + 12 + 16
	maxPromises    = 4096 // records until the file is written anew
	maxOpenPromise = 2048 // that are kept; the author remembers fewer
)

type promise struct {
	_            struct{} `cbor:",toarray"`
	Index        ledger.Index
	Leaf         [32]byte
	Sequence     uint64
	AuthoredAt   int64
	Acknowledged int64
}

func openPromises(path string, key [32]byte, writer crypto.NodeID, log *slog.Logger) (*promises, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("node: promises: %w", err)
	}
	p := &promises{writer: writer, log: log}
	if p.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, fmt.Errorf("node: promises: %w", err)
	}
	if p.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	raw, err := io.ReadAll(io.LimitReader(p.file, 2*maxPromises*promiseBytes))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrDirectory, err), p.file.Close())
	}
	bad := 0
	for sealed := range slices.Chunk(raw, promiseBytes) {
		r, err := p.read(sealed)
		if err != nil {
			bad++
			continue
		}
		p.open = append(p.open, r)
	}
	if bad > 0 {
		log.Warn("records of what was acknowledged last cannot be read; whether it was kept is not looked after", "records", bad)
	}
	p.open = p.open[max(0, len(p.open)-maxOpenPromise):]
	return p, p.rewrite()
}

func (p *promises) read(sealed []byte) (author.Receipt, error) {
	plain, err := p.aead.Open(nil, nil, sealed, promisesDomain)
	if err != nil {
		return author.Receipt{}, err
	}
	var x promise
	if len(plain) != promisePlain {
		return author.Receipt{}, io.ErrUnexpectedEOF
	}
	if err := ledger.Unmarshal(plain[1:1+min(int(plain[0]), promisePlain-1)], &x, promisePlain); err != nil {
		return author.Receipt{}, err
	}
	return author.Receipt{
		Index: x.Index, Leaf: x.Leaf, Writer: p.writer, Sequence: x.Sequence, AuthoredAt: x.AuthoredAt, Acknowledged: time.UnixMilli(x.Acknowledged),
	}, nil
}

var promisesDomain = []byte("vigil promises v1")

// seal returns a record: its plaintext is the length of the CBOR in one byte, the CBOR, and zeros.
func (p *promises) seal(r author.Receipt) []byte {
	b := ledger.Marshal(promise{Index: r.Index, Leaf: r.Leaf, Sequence: r.Sequence, AuthoredAt: r.AuthoredAt, Acknowledged: r.Acknowledged.UnixMilli()})
	plain := make([]byte, promisePlain)
	plain[0] = byte(len(b)) // at most 1 + 9 + 34 + 3*9
	copy(plain[1:], b)
	return p.aead.Seal(nil, nil, plain, promisesDomain)
}

// Made implements author.Promises. A disk that fails says so elsewhere; here it costs what a restart forgets.
func (p *promises) Made(r author.Receipt) {
	sealed := p.seal(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.open) >= maxOpenPromise {
		return
	}
	p.open = append(p.open, r)
	var err error
	if p.records >= maxPromises {
		err = p.rewrite()
	} else if _, err = p.file.WriteAt(sealed, int64(p.records)*promiseBytes); err == nil {
		p.records++
		p.dirty = true
	}
	if err != nil {
		p.log.Warn("what was acknowledged could not be noted; a restart would forget whether it came", "error", err)
	}
}

// Settled implements author.Promises.
func (p *promises) Settled(r author.Receipt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = slices.DeleteFunc(p.open, func(o author.Receipt) bool { return o.Sequence == r.Sequence && o.Leaf == r.Leaf })
}

// Open implements author.Promises.
func (p *promises) Open() []author.Receipt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.open)
}

// Sync implements author.Promises.
func (p *promises) Sync() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dirty {
		return
	}
	p.dirty = false
	if err := p.file.Sync(); err != nil {
		p.log.Warn("what was acknowledged could not be noted for good", "error", err)
	}
}

// rewrite leaves in the file what is open. A crash within it costs records, never more. mu is held, or nobody knows of p yet.
func (p *promises) rewrite() error {
	var all []byte
	for _, r := range p.open {
		all = append(all, p.seal(r)...)
	}
	if err := p.file.Truncate(0); err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	p.records, p.dirty = len(p.open), true
	if _, err := p.file.WriteAt(all, 0); err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	return nil
}

func (p *promises) close() error { return p.file.Close() }
