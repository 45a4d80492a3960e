package node

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vigil/ledger"
	"vigil/node/durable"
)

// Errors of the data directory.
var (
	// ErrNoDirectory says that there is no node in the directory.
	ErrNoDirectory = errors.New("node: no node in this directory")
	// ErrDirectoryTaken refuses to make a node where something is already.
	ErrDirectoryTaken = errors.New("node: the directory is not empty")
	// ErrMustReplace says that this node must not vote, write or sign again: another stands in its place, or its disk is
	// older than its word.
	ErrMustReplace = errors.New("node: this directory must not be started")
	// ErrDirectory says that the directory cannot be used as it is.
	ErrDirectory = errors.New("node: data directory")
)

const (
	identityFile   = "identity.json"
	keysFile       = "keys.pgp"
	identityFormat = 1
	maxSmallFile   = 1 << 20
)

// Identity says which node a directory belongs to. It holds no secret.
type Identity struct {
	Format  int             `json:"format"`
	Agency  ledger.AgencyID `json:"agency"`
	Origin  ledger.Origin   `json:"origin"`
	Genesis string          `json:"genesis"` // base64 of the leaf hash of entry 0
	Node    string          `json:"node"`    // node id
	Founder bool            `json:"founder"`
	// Members are the nodes named by the invitation: dialled and pinned until the own roster is there.
	Members []Pin `json:"members,omitempty"`
	// Predecessor is where the founder of a successor finds the ledger that it continues.
	Predecessor *OldLedger `json:"predecessor,omitempty"`
	// Sum is the SHA-256 of all this without it, in hex; none in a directory of a binary before it.
	Sum string `json:"sum,omitempty"`
}

func (id Identity) sum() string {
	id.Sum = ""
	b, _ := json.Marshal(id) // strings always encode
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Pin is where a node is and which key it must show.
type Pin struct {
	_       struct{}        `cbor:",toarray"`
	Agency  ledger.AgencyID `json:"agency"`
	Node    string          `json:"node"`
	Address string          `json:"address"`
}

// makeDirectory makes an empty 0700 directory or accepts an empty one. Anything in it is refused: it may be a node.
func makeDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%w: %s holds %s; choose an empty one, or start what is there with 'vigil serve'", ErrDirectoryTaken, dir, entries[0].Name())
	}
	return os.Chmod(dir, 0o700)
}

// holds says whether a directory has exactly this in it, beside what a crash left of an identity.
func holds(dir string, names ...string) bool {
	entries, err := os.ReadDir(dir)
	var have []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "."+identityFile) {
			have = append(have, e.Name())
		}
	}
	slices.Sort(names)
	return err == nil && slices.Equal(have, names)
}

func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	if info.Size() > maxSmallFile {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d", ErrDirectory, path, info.Size(), maxSmallFile)
	}
	return os.ReadFile(path)
}

func writeIdentity(dir string, id Identity) error {
	id.Sum = id.sum()
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, identityFile), append(b, '\n'), 0o600)
}

// ReadIdentity says whose directory this is. A directory without a node gets the hint what to do.
func ReadIdentity(dir string) (Identity, error) {
	b, err := readSmall(filepath.Join(dir, identityFile))
	if errors.Is(err, os.ErrNotExist) {
		return Identity{}, fmt.Errorf("%w: %s; found a jurisdiction with 'vigil init', or join one with 'vigil join TOKEN'", ErrNoDirectory, dir)
	}
	if err != nil {
		return Identity{}, err
	}
	var id Identity
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&id); err != nil {
		return Identity{}, fmt.Errorf("%w: %s: %w", ErrDirectory, identityFile, err)
	}
	if id.Sum != "" && id.Sum != id.sum() {
		return Identity{}, fmt.Errorf("%w: %s was changed or damaged; vigil node replace --kit FILE --dir NEW-DIR", ErrDirectory, identityFile)
	}
	if id.Format != identityFormat {
		return Identity{}, fmt.Errorf("%w: %s has format %d, this binary knows %d; use the binary that wrote it or a newer one", ErrDirectory, identityFile, id.Format, identityFormat)
	}
	return id, nil
}

// unlock reads the keys and checks that they are this directory's.
func (id Identity) unlock(dir string, passphrase []byte) (Keys, error) {
	k, err := readKeys(dir, passphrase)
	if err != nil {
		return Keys{}, err
	}
	if got := k.Node.Public().ID().String(); got != id.Node {
		return Keys{}, fmt.Errorf("%w: %s names node %.8s, the keys are of %.8s; the directory was mixed from two nodes", ErrDirectory, identityFile, id.Node, got)
	}
	return k, nil
}
