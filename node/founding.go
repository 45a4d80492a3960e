package node

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/durable"
)

const genesisFile = "genesis.cbor"

// Founding is what a new jurisdiction begins with.
type Founding struct {
	Agency    ledger.AgencyID
	Name      string
	Threshold int
	Suite     crypto.Suite
}

// Init founds a jurisdiction in an empty directory: keys, origin and genesis are made here, once, and nowhere silently.
func Init(c Config, f Founding) (Identity, error) {
	passphrase, err := c.Passphrase()
	if err != nil {
		return Identity{}, err
	}
	if f.Threshold < 1 || f.Threshold > ledger.MaxAgencies {
		return Identity{}, fmt.Errorf("%w: a threshold of %d; use 2 or more", ErrConfig, f.Threshold)
	}
	if err := c.Dialable(); err != nil {
		return Identity{}, err
	}
	if err := makeDirectory(c.Dir); err != nil {
		return Identity{}, err
	}
	now := time.Now()
	keys, err := makeKeys(f.Suite, now)
	if err != nil {
		return Identity{}, err
	}
	genesis, origin, err := makeGenesis(c, f, keys, now)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{
		Format: identityFormat, Agency: f.Agency, Origin: origin, Genesis: ledger.LeafHash(genesis.Leaf).String(),
		Node: keys.Node.Public().ID().String(), Founder: true,
	}
	if err := writeKeys(c.Dir, keys, passphrase); err != nil {
		return Identity{}, err
	}
	if err := durable.WriteFile(filepath.Join(c.Dir, genesisFile), ledger.Marshal(genesis), 0o600); err != nil {
		return Identity{}, err
	}
	return id, writeIdentity(c.Dir, id) // last: a directory without it is no node
}

func makeKeys(suite crypto.Suite, now time.Time) (Keys, error) {
	agency, err := crypto.GenerateAgencyKey(suite, now)
	if err != nil {
		return Keys{}, err
	}
	node, err := crypto.GenerateNodeKey()
	if err != nil {
		return Keys{}, err
	}
	checkpoint, err := crypto.GenerateNodeKey()
	return Keys{Agency: []*crypto.AgencyKey{agency}, Node: node, Checkpoint: checkpoint}, err
}

func makeGenesis(c Config, f Founding, keys Keys, now time.Time) (ledger.Entry, ledger.Origin, error) {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	origin := ledger.NewOrigin(f.Agency.Jurisdiction(), random)
	founder := ledger.Agency{ID: f.Agency, Name: f.Name, Certificate: keys.Agency[0].Certificate().Bytes(), Generation: 1, Node: nodeOf(c, keys)}
	audience, err := crypto.GenerateAgencyKey(f.Suite, now)
	if err != nil {
		return ledger.Entry{}, "", err
	}
	epoch, err := ledger.MakeEpoch(audience, ledger.Everyone(f.Agency.Jurisdiction()), 1, []ledger.Agency{founder})
	if err != nil {
		return ledger.Entry{}, "", err
	}
	act := ledger.EncodeAct(&ledger.Genesis{Random: random, Founder: founder, Policy: ledger.DefaultPolicy(f.Threshold), Epoch: epoch, Format: ledger.StateFormat})
	rec := ledger.Record{
		Version: ledger.RecordVersion, Origin: origin, Author: f.Agency, Writer: keys.Node.Public().ID(), Sequence: 1,
		Kind: ledger.KindGovernance, AuthoredAt: now.UnixMilli(), EventsRoot: ledger.EmptyRoot,
	}
	entry, err := ledger.SignEntry(keys.Agency[0], rec, act)
	if err == nil {
		_, err = ledger.Found(entry) // what is founded must be what every replica accepts
	}
	return entry, origin, err
}

func nodeOf(c Config, keys Keys) ledger.Node {
	return ledger.Node{Key: keys.Node.Public(), Checkpoint: keys.Checkpoint.Public(), Address: c.Address(), Peers: c.Announced()}
}

func readGenesis(dir string) (ledger.Entry, error) {
	var e ledger.Entry
	b, err := readSmall(filepath.Join(dir, genesisFile))
	if err != nil {
		return e, err
	}
	err = ledger.Unmarshal(b, &e, maxSmallFile)
	return e, err
}
