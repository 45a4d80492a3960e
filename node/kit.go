package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/durable"
)

// Errors of kits.
var (
	// ErrKit says that a file is no kit, or was changed.
	ErrKit = errors.New("node: kit")
	// ErrKitChanged says that what a kit says in clear is not what was locked in it. It is an ErrKit.
	ErrKitChanged = fmt.Errorf("%w: it was changed: what it says in clear is not what was locked in it", ErrKit)
	// ErrKitPassphrase refuses a passphrase that could be guessed: the file is kept for years, by people.
	ErrKitPassphrase = fmt.Errorf("node: a kit's passphrase has at least %d characters", minKitPassphrase)
)

const (
	kitVersion       = 1
	minKitPassphrase = 16
	maxKitBytes      = 1 << 20
)

// Kit is all that an agency needs to rebuild its node on an empty machine: whose it is, where the others are, and under a
// passphrase the agency's keys. It holds no node key: a rebuilt node is a new one.
//
// The file is JSON, so that people see which kit it is. The locked part is an OpenPGP message under the passphrase (RFC 9580,
// Argon2id) that holds CBOR [version, SHA-256 of the header, agency secret keys]: a changed header is noticed.
type Kit struct {
	Header KitHeader
	locked []byte
}

// KitHeader is what a kit says in clear. It holds no secret.
type KitHeader struct {
	Version int             `json:"vigil_kit"`
	Agency  ledger.AgencyID `json:"agency"`
	Origin  ledger.Origin   `json:"origin"`
	Genesis string          `json:"genesis"` // base64 of the leaf hash of entry 0
	// Key is the fingerprint of the agency's key in force when the kit was made: once another is, make another kit.
	Key     string    `json:"key"`
	Made    time.Time `json:"made"`
	Members []Pin     `json:"members"`
}

type kitFile struct {
	KitHeader
	Locked []byte `json:"locked"`
}

type kitSecrets struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Header  [32]byte
	Agency  [][]byte
}

func (h KitHeader) digest() [32]byte {
	b, _ := json.Marshal(h) // strings and times always encode
	return sha256.Sum256(b)
}

// MakeKit makes a kit of the node in a directory, whether or not that node runs, and reads it back before it returns.
func MakeKit(ctx context.Context, c Config, passphrase []byte) (*Kit, error) {
	if len(passphrase) < minKitPassphrase {
		return nil, ErrKitPassphrase
	}
	r, err := ReplacingFrom(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(r.Members) == 0 {
		return nil, fmt.Errorf("%w: this node has not seen its ledger yet, so that a kit would lead nowhere; start it once", ErrKit)
	}
	newest := r.Keys[len(r.Keys)-1]
	k := &Kit{Header: KitHeader{
		Version: kitVersion, Agency: r.Agency, Origin: r.Origin, Genesis: r.Genesis, Key: newest.Certificate().Fingerprint().String(),
		Made: time.Now().UTC().Truncate(time.Second), Members: r.Members,
	}}
	secrets := kitSecrets{Version: kitVersion, Header: k.Header.digest()}
	for _, a := range r.Keys {
		secrets.Agency = append(secrets.Agency, a.Secret())
	}
	if k.locked, err = crypto.Lock(ledger.Marshal(secrets), passphrase); err != nil {
		return nil, err
	}
	if k, err = ParseKit(k.Encode()); err == nil { // what is kept for years is read once before
		_, err = k.Open(passphrase)
	}
	return k, err
}

// Encode returns the file.
func (k *Kit) Encode() []byte {
	b, _ := json.MarshalIndent(kitFile{k.Header, k.locked}, "", "  ") // strings, times and bytes always encode
	return append(b, '\n')
}

// WriteKit writes a kit, 0600, where nothing is yet.
func WriteKit(path string, k *Kit) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%w: %s is there already; choose another name", ErrKit, path)
	}
	return durable.WriteFile(path, k.Encode(), 0o600)
}

// ReadKit reads a file.
func ReadKit(path string) (*Kit, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKit, err)
	}
	if info.Size() > maxKitBytes {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d", ErrKit, path, info.Size(), maxKitBytes)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKit, err)
	}
	return ParseKit(b)
}

// ParseKit accepts exactly what Encode writes. Whether it was changed is known once it is opened.
func ParseKit(b []byte) (*Kit, error) {
	var f kitFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("%w: not one: %w", ErrKit, err)
	}
	k := &Kit{Header: f.KitHeader, locked: f.Locked}
	switch {
	case f.Version != kitVersion:
		return nil, fmt.Errorf("%w: version %d, this binary knows %d", ErrKit, f.Version, kitVersion)
	case !bytes.Equal(k.Encode(), b):
		return nil, fmt.Errorf("%w: it was edited", ErrKit)
	case len(f.Members) > ledger.MaxAgencies:
		return nil, fmt.Errorf("%w: %d members, at most %d", ErrKit, len(f.Members), ledger.MaxAgencies)
	}
	_, err := ledger.ParseAgencyID(string(f.Agency))
	if err == nil {
		_, err = ledger.ParseOrigin(string(f.Origin))
	}
	if err == nil && f.Origin.Jurisdiction() != f.Agency.Jurisdiction() {
		err = fmt.Errorf("%s is no agency of the ledger %s", f.Agency, f.Origin)
	}
	for _, m := range f.Members {
		if err == nil {
			_, err = crypto.ParseNodeID(m.Node)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKit, err)
	}
	return k, nil
}

// Open unlocks a kit and returns what a new node is made of.
func (k *Kit) Open(passphrase []byte) (Replacing, error) {
	plain, err := crypto.Unlock(k.locked, passphrase)
	if err != nil {
		return Replacing{}, fmt.Errorf("%w: %w", ErrKit, err)
	}
	var s kitSecrets
	if err := ledger.Unmarshal(plain, &s, maxKitBytes); err != nil {
		return Replacing{}, fmt.Errorf("%w: %w", ErrKit, err)
	}
	if s.Version != kitVersion || s.Header != k.Header.digest() || len(s.Agency) == 0 || len(s.Agency) > maxKeys {
		return Replacing{}, ErrKitChanged
	}
	r := Replacing{Agency: k.Header.Agency, Origin: k.Header.Origin, Genesis: k.Header.Genesis, Members: k.Header.Members}
	for _, secret := range s.Agency {
		a, err := crypto.ParseAgencyKey(secret)
		if err != nil {
			return Replacing{}, fmt.Errorf("%w: %w", ErrKit, err)
		}
		r.Keys = append(r.Keys, a)
	}
	return r, nil
}

// Moved replaces the addresses of members that are elsewhere now: agency to host:port. Their keys stay those of the kit.
func (r *Replacing) Moved(to map[string]string) error {
	members := append([]Pin{}, r.Members...)
	for agency, address := range to {
		found := false
		for i := range members {
			if string(members[i].Agency) == agency {
				members[i].Address, found = address, true
			}
		}
		if !found {
			return fmt.Errorf("%w: it names no member %s", ErrKit, agency)
		}
	}
	r.Members = members
	return nil
}
