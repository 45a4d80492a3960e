package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

// ErrBundle says that bytes are no evidence bundle, or of a newer version.
var ErrBundle = errors.New("ledger: evidence bundle")

const (
	bundleMagic    = "vigil-bundle"
	bundleVersion  = 1
	maxBundleBytes = 8 << 20
)

// Bundle is one file that proves "this agency stated this, in this ledger, no later than then", and discloses nothing
// else: CBOR array [magic, version, carried event, signed checkpoint, agency part, its path, public root's siblings,
// SHA-256 of the same array with 32 zero bytes in this place]. The sum proves nothing: it shows a file damaged on its way,
// also where the damage is in a cosignature that is not needed.
type Bundle struct {
	_          struct{} `cbor:",toarray"`
	Magic      string
	Version    uint64
	Carried    Carried
	Checkpoint []byte
	// Agency is the leaf of the public tree that holds the certificate that signed: CBOR ["agency", agency], or
	// ["former", former] where the author has left since or has another key; Position and Path place it in the tree of
	// PublicSize leaves.
	Agency     []byte
	Position   uint64
	PublicSize uint64
	Path       []tlog.Hash
	Evidence   Evidence
	Sum        [32]byte
}

// MakeBundle puts a bundle together. g is the roster at the checkpoint.
func MakeBundle(c *Carried, checkpoint []byte, g *Governance, author AgencyID, e Evidence) (*Bundle, error) {
	parts := g.PublicParts()
	leaf, err := g.signer(c.Leaf, author)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(parts, func(p []byte) bool { return string(p) == string(leaf) })
	return &Bundle{
		Magic: bundleMagic, Version: bundleVersion, Carried: *c, Checkpoint: checkpoint, Agency: leaf, Position: uint64(at),
		PublicSize: uint64(len(parts)), Path: PathOf(leafHashes(parts), at), Evidence: e,
	}, nil
}

// signer returns the leaf of the public tree that holds the certificate a leaf was signed with.
func (g *Governance) signer(leaf []byte, author AgencyID) ([]byte, error) {
	if a, ok := g.Agency(author); ok {
		if c, _ := g.Certificate(author); signedBy(leaf, c) {
			return AgencyPart(*a), nil
		}
	}
	for _, f := range g.Former {
		if c, err := crypto.ParseCertificate(f.Certificate); f.Agency == author && err == nil && signedBy(leaf, c) {
			return FormerPart(f), nil
		}
	}
	return nil, fmt.Errorf("%w: the roster has no certificate of %s that signed this", ErrBundle, author)
}

func signedBy(leaf []byte, c *crypto.Certificate) bool {
	_, err := VerifyLeaf(leaf, c)
	return err == nil
}

// Encode returns the file.
func (b *Bundle) Encode() []byte {
	c := *b
	c.Sum = b.sum()
	return Marshal(&c)
}

func (b *Bundle) sum() [32]byte {
	c := *b
	c.Sum = [32]byte{}
	return sha256.Sum256(Marshal(&c))
}

// DecodeBundle accepts exactly what Encode writes.
func DecodeBundle(raw []byte) (*Bundle, error) {
	b := &Bundle{}
	if err := Unmarshal(raw, b, maxBundleBytes); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBundle, err)
	}
	if b.Magic != bundleMagic || b.Version != bundleVersion {
		return nil, fmt.Errorf("%w: version %d, this binary knows %d", ErrBundle, b.Version, bundleVersion)
	}
	if b.Sum != b.sum() {
		return nil, fmt.Errorf("%w: the file was damaged: its sum is another", ErrBundle)
	}
	return b, nil
}

// Outcome is what became of one check.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Check is one step of a verification.
type Check struct {
	Name    string  `json:"check"`
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail"`
	// Code is the exit code this failure gives: 10 signature, 11 inclusion, 12 fork, 13 trust, 14 quorum, 15 form, 16 content,
	// 18 trust in other ledgers, 19 a receipt that was not kept.
	Code int `json:"code,omitempty"`
}

// Report is the whole verification.
type Report struct {
	Checks      []Check   `json:"checks"`
	Verified    bool      `json:"verified"`
	Author      AgencyID  `json:"author,omitempty"`
	Ledger      Origin    `json:"ledger,omitempty"`
	Index       Index     `json:"index"`
	Authored    time.Time `json:"authored,omitzero"`
	NoLaterThan time.Time `json:"no_later_than,omitzero"`
	Cosigners   []string  `json:"cosigners,omitempty"`
	Types       []string  `json:"types,omitempty"`
}

// Code returns the exit code: 0, or that of the first failure, or of the first skipped check.
func (r *Report) Code() int {
	code := 0
	for _, c := range r.Checks {
		if c.Outcome == Failed {
			return c.Code
		}
		if c.Outcome == Skipped && code == 0 {
			code = c.Code
		}
	}
	return code
}

func (r *Report) add(name string, err error, code int, detail string) bool {
	c := Check{Name: name, Outcome: Passed, Detail: detail}
	if err != nil {
		c.Outcome, c.Detail, c.Code = Failed, err.Error(), code
	}
	r.Checks = append(r.Checks, c)
	return err == nil
}

// CodeUnkept is the exit code of a proof that holds of a receipt that was not kept.
const CodeUnkept = 19

// CodeFork is the exit code of a proof that holds of two histories.
const CodeFork = 12

// Exit codes of a verification.
const (
	codeSignature = 10
	codeInclusion = 11
	codeTrust     = 13
	codeQuorum    = 14
	codeForm      = 15
	codeContent   = 16
	codeOther     = 18
)

// VerifyBundle checks everything that a bundle claims. Without a trust file it is at best consistent in itself.
func VerifyBundle(raw []byte, t *Trust) *Report {
	r := &Report{}
	b, err := DecodeBundle(raw)
	if !r.add("form", err, codeForm, "an evidence bundle of version 1") {
		return r
	}
	rec, l, err := OpenLeaf(b.Carried.Leaf)
	if err == nil && rec.Origin != b.Carried.Origin {
		err = fmt.Errorf("%w: the record is of another ledger", ErrBundle)
	}
	if !r.add("record", err, codeForm, "the signed record is well-formed") {
		return r
	}
	r.Author, r.Ledger, r.Index, r.Authored = rec.Author, rec.Origin, b.Carried.Index, rec.Authored().UTC()
	r.content(b, rec)
	certificate, err := b.certificate(rec.Author)
	if r.add("author", err, codeForm, fmt.Sprintf("the certificate of %s is part of the bundle", rec.Author)) {
		err = verifyWith(certificate, l, rec)
		r.add("signature", err, codeSignature, fmt.Sprintf("signed by %s", rec.Author))
	}
	cp, _, err := ParseSigned(b.Checkpoint)
	if err == nil && cp.Origin != rec.Origin {
		err = fmt.Errorf("%w: the checkpoint is of another ledger", ErrBundle)
	}
	if !r.add("checkpoint", err, codeForm, fmt.Sprintf("covers %d entries", cp.Size)) {
		return r
	}
	err = CheckInclusion(b.Carried.Path, cp.Size, cp.Root, b.Carried.Index, LeafHash(b.Carried.Leaf))
	r.add("inclusion", err, codeInclusion, fmt.Sprintf("entry %d is in the tree the checkpoint names", b.Carried.Index))
	r.add("roster", b.roster(cp), codeInclusion, "the author's certificate is in the state the checkpoint names")
	r.trust(b, t)
	r.Verified = r.Code() == 0
	return r
}

func (r *Report) content(b *Bundle, rec *Record) {
	root, err := b.Carried.EventsRoot()
	if err == nil && root != rec.EventsRoot {
		err = fmt.Errorf("%w: what is shown is not what was signed", ErrCarried)
	}
	shown, named := 0, make([]bool, len(b.Carried.Shared))
	for _, row := range b.Carried.Rows {
		if len(row.Hash) > 0 {
			continue
		}
		shown++
		if row.Shared < uint64(len(named)) {
			named[row.Shared] = true
		}
	}
	if at := slices.Index(named, false); err == nil && at >= 0 { // the events root is made of the others alone
		err = fmt.Errorf("%w: shared part %d belongs to no row that is shown", ErrCarried, at)
	}
	if !r.add("content", err, codeContent, fmt.Sprintf("%d of %d rows are shown and lead to the signed events root", shown, len(b.Carried.Rows))) {
		return
	}
	for _, s := range b.Carried.Shared {
		if f, err := OpenShared(s); err == nil {
			r.Types = append(r.Types, f.Type)
		}
	}
}

// agency returns the author's line of the roster, where the bundle shows that.
func (b *Bundle) agency(author AgencyID) (*Agency, error) {
	var part struct {
		_      struct{} `cbor:",toarray"`
		Name   string
		Agency Agency
	}
	if err := Unmarshal(b.Agency, &part, MaxPayloadBytes); err != nil || part.Name != "agency" {
		return nil, fmt.Errorf("%w: no line of the roster", ErrBundle)
	}
	if part.Agency.ID != author {
		return nil, fmt.Errorf("%w: the certificate is of %s, the author is %s", ErrBundle, part.Agency.ID, author)
	}
	return &part.Agency, nil
}

// certificate returns the author's certificate, current or former, from the leaf of the public tree that the bundle shows.
func (b *Bundle) certificate(author AgencyID) ([]byte, error) {
	var part struct {
		_      struct{} `cbor:",toarray"`
		Name   string
		Former Former
	}
	if err := Unmarshal(b.Agency, &part, MaxPayloadBytes); err != nil || part.Name != "former" {
		a, err := b.agency(author)
		if err != nil {
			return nil, err
		}
		return a.Certificate, nil
	}
	if part.Former.Agency != author {
		return nil, fmt.Errorf("%w: the certificate is of %s, the author is %s", ErrBundle, part.Former.Agency, author)
	}
	return part.Former.Certificate, nil
}

func verifyWith(certificate []byte, l Leaf, rec *Record) error {
	c, err := crypto.ParseCertificate(certificate)
	if err != nil {
		return err
	}
	return c.Verify(l.Record, l.Signature, rec.SignedAt())
}

// roster checks the author's path to the state line.
func (b *Bundle) roster(cp Checkpoint) error {
	public, err := rootFromPath(b.Path, b.PublicSize, b.Position, LeafHash(b.Agency))
	if err != nil {
		return err
	}
	if StateLine(public, b.Evidence) != cp.State {
		return fmt.Errorf("%w: the author's certificate is not in the state the checkpoint names", ErrProof)
	}
	return nil
}

// rootFromPath computes the root that a path leads to.
func rootFromPath(path []tlog.Hash, size, index uint64, leaf tlog.Hash) (tlog.Hash, error) {
	if size == 0 || index >= size || size > 1<<20 {
		return tlog.Hash{}, fmt.Errorf("%w: position %d of %d", ErrProof, index, size)
	}
	h := leaf
	for last := size - 1; last > 0; index, last = index/2, last/2 {
		if index^1 > last {
			continue // unpaired at this level: it moves up
		}
		if len(path) == 0 {
			return tlog.Hash{}, fmt.Errorf("%w: the path is too short", ErrProof)
		}
		if index&1 == 1 {
			h = tlog.NodeHash(path[0], h)
		} else {
			h = tlog.NodeHash(h, path[0])
		}
		path = path[1:]
	}
	if len(path) > 0 {
		return tlog.Hash{}, fmt.Errorf("%w: the path is too long", ErrProof)
	}
	return h, nil
}

// trust checks the cosignatures against what the verifier trusts.
func (r *Report) trust(b *Bundle, t *Trust) {
	l, ok := t.ledger(b.Carried.Origin)
	if t == nil {
		r.Checks = append(r.Checks, Check{Name: "trust", Outcome: Skipped, Code: codeTrust, Detail: "no trust file: consistent in itself, trust not established"})
		return
	}
	if !ok {
		r.add("trust", t.other(b.Carried.Origin), codeOther, "")
		return
	}
	r.add("trust", nil, 0, fmt.Sprintf("the trust file names ledger %s", l.Origin))
	members, err := parseKeys(l.Members)
	witnesses, err2 := parseKeys(l.Witnesses)
	if err = errors.Join(err, err2); err != nil {
		r.add("cosignatures", err, codeForm, "")
		return
	}
	_, valid, err := VerifyCosignatures(b.Checkpoint, members)
	ok, at := Counts(valid, l.Quorum)
	if err == nil && !ok {
		err = fmt.Errorf("%w: %d members' cosignatures verify, %d are needed", ErrCheckpoint, len(valid), l.Quorum)
	}
	r.NoLaterThan = time.Unix(at, 0).UTC()
	_, foreign, _ := VerifyCosignatures(b.Checkpoint, witnesses)
	for _, c := range append(valid, foreign...) {
		r.Cosigners = append(r.Cosigners, string(c.Agency))
	}
	slices.Sort(r.Cosigners)
	r.Cosigners = slices.Compact(r.Cosigners)
	r.add("cosignatures", err, codeQuorum, fmt.Sprintf("%d of %d members and %d partners cosigned; at least %d must", len(valid), len(members), len(foreign), l.Quorum))
}
