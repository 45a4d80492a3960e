package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
)

// ErrCheckpoint says that a checkpoint or one of its signature lines is not well-formed.
var ErrCheckpoint = errors.New("ledger: checkpoint")

// Checkpoint is a C2SP tlog-checkpoint with one extension line: the root over the parts of State that follow from the
// ledger's own leaves.
type Checkpoint struct {
	Origin Origin
	Size   uint64
	Root   tlog.Hash
	State  tlog.Hash
}

const stateLabel = "state "

// Text returns the note text that is signed: origin, decimal size, base64 root, "state " and base64 state line, each
// ended by a newline.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n%s%s\n", c.Origin, c.Size, c.Root, stateLabel, c.State)
}

// ParseCheckpointText accepts exactly what Text writes.
func ParseCheckpointText(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(text) > 1024 || len(lines) != 5 || !strings.HasPrefix(lines[3], stateLabel) {
		return Checkpoint{}, fmt.Errorf("%w: four lines, the last of them the state line", ErrCheckpoint)
	}
	origin, err := ParseOrigin(lines[0])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	size, err := strconv.ParseUint(lines[1], 10, 62)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: size", ErrCheckpoint)
	}
	root, err1 := tlog.ParseHash(lines[2])
	state, err2 := tlog.ParseHash(strings.TrimPrefix(lines[3], stateLabel))
	c := Checkpoint{Origin: origin, Size: size, Root: root, State: state}
	if err1 != nil || err2 != nil || c.Text() != text {
		return Checkpoint{}, fmt.Errorf("%w: root or state line", ErrCheckpoint)
	}
	return c, nil
}

const signaturePrefix = "— "

// Assemble writes a signed note (C2SP): the text, an empty line, and signature lines.
func Assemble(c Checkpoint, lines ...string) []byte {
	return []byte(c.Text() + "\n" + strings.Join(lines, "\n") + "\n")
}

// ParseSigned splits a signed checkpoint into its checkpoint and its signature lines. It verifies none of them.
func ParseSigned(signed []byte) (Checkpoint, []string, error) {
	if len(signed) > MaxCheckpointBytes {
		return Checkpoint{}, nil, fmt.Errorf("%w: %d bytes, at most %d", ErrCheckpoint, len(signed), MaxCheckpointBytes)
	}
	text, signatures, ok := strings.Cut(string(signed), "\n\n")
	if !ok || !strings.HasSuffix(signatures, "\n") {
		return Checkpoint{}, nil, fmt.Errorf("%w: not a signed note", ErrCheckpoint)
	}
	c, err := ParseCheckpointText(text + "\n")
	if err != nil {
		return Checkpoint{}, nil, err
	}
	lines := strings.Split(strings.TrimSuffix(signatures, "\n"), "\n")
	if len(lines) > maxSignatureLines {
		return Checkpoint{}, nil, fmt.Errorf("%w: %d signatures, at most %d", ErrCheckpoint, len(lines), maxSignatureLines)
	}
	for _, l := range lines {
		if _, _, err := splitLine(l); err != nil {
			return Checkpoint{}, nil, err
		}
	}
	return c, lines, nil
}

// splitLine takes a signature line apart: name, and what its base64 holds.
func splitLine(line string) (name string, signature []byte, err error) {
	rest, ok := strings.CutPrefix(line, signaturePrefix)
	name, text, ok2 := strings.Cut(rest, " ")
	signature, err = base64.StdEncoding.DecodeString(text)
	if !ok || !ok2 || err != nil || name == "" || len(signature) < 5 || base64.StdEncoding.EncodeToString(signature) != text {
		return "", nil, fmt.Errorf("%w: a signature line", ErrCheckpoint)
	}
	return name, signature, nil
}

// Signer returns whom a signature line names.
func Signer(line string) AgencyID {
	name, _, _ := splitLine(line)
	return AgencyID(name)
}

// MergeSignatures returns the checkpoint with the lines of both, each once. Both must be over the same text.
func MergeSignatures(a, b []byte) ([]byte, error) {
	ca, la, err := ParseSigned(a)
	if err != nil {
		return nil, err
	}
	cb, lb, err := ParseSigned(b)
	if err != nil {
		return nil, err
	}
	if ca != cb {
		return nil, fmt.Errorf("%w: signatures over different checkpoints", ErrCheckpoint)
	}
	for _, l := range lb {
		if !slices.Contains(la, l) && len(la) < maxSignatureLines {
			la = append(la, l)
		}
	}
	return Assemble(ca, la...), nil
}

// Signature types of C2SP notes.
const (
	noteEd25519    = 1
	noteCosigned   = 4
	cosignedBytes  = 4 + 8 + 64
	cosignedHeader = "cosignature/v1\ntime %d\n"
)

func keyHash(name string, kind byte, key crypto.NodePublic) [4]byte {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write([]byte{kind})
	h.Write(key[:])
	return [4]byte(h.Sum(nil)[:4])
}

// Cosign returns the tlog-cosignature line (Ed25519, cosignature/v1) of an agency's checkpoint key, made at a time.
func Cosign(c Checkpoint, name AgencyID, key *crypto.NodeKey, at time.Time) (string, error) {
	if at.Unix() < 0 {
		return "", fmt.Errorf("%w: cosigned before 1970", ErrCheckpoint)
	}
	signature := key.SignRaw([]byte(fmt.Sprintf(cosignedHeader, at.Unix()) + c.Text()))
	hash := keyHash(string(name), noteCosigned, key.Public())
	b := append(hash[:], binary.BigEndian.AppendUint64(nil, uint64(at.Unix()))...)
	return signaturePrefix + string(name) + " " + base64.StdEncoding.EncodeToString(append(b, signature...)), nil
}

// PlainLine returns an ordinary note signature under the origin's name, so that common tools can parse the
// checkpoint. It counts for nothing.
func PlainLine(c Checkpoint, key *crypto.NodeKey) string {
	hash := keyHash(string(c.Origin), noteEd25519, key.Public())
	b := append(hash[:], key.SignRaw([]byte(c.Text()))...)
	return signaturePrefix + string(c.Origin) + " " + base64.StdEncoding.EncodeToString(b)
}

// CosignerKey returns the C2SP verifier key of a checkpoint key: "name+hash+base64".
func CosignerKey(name AgencyID, key crypto.NodePublic) string {
	return fmt.Sprintf("%s+%x+%s", name, keyHash(string(name), noteCosigned, key), base64.StdEncoding.EncodeToString(append([]byte{noteCosigned}, key[:]...)))
}

// Cosignature is one verified cosignature.
type Cosignature struct {
	Agency AgencyID
	Key    crypto.NodePublic
	Time   int64 // s since 1970, the cosigner's word
	Line   string
}

// VerifyCosignatures returns the checkpoint and those of its cosignatures that verify under a checkpoint key of the
// agency they name. Lines of others are passed over: what counts is decided by Counts.
func VerifyCosignatures(signed []byte, keys map[AgencyID][]crypto.NodePublic) (Checkpoint, []Cosignature, error) {
	c, lines, err := ParseSigned(signed)
	if err != nil {
		return c, nil, err
	}
	text := c.Text()
	var out []Cosignature
	for _, l := range lines {
		name, signature, _ := splitLine(l) // ParseSigned took it apart before
		for _, key := range keys[AgencyID(name)] {
			if at, ok := verifyLine(text, name, signature, key); ok {
				out = append(out, Cosignature{Agency: AgencyID(name), Key: key, Time: at, Line: l})
			}
		}
	}
	return c, out, nil
}

// Signers returns the cosignatures that a checkpoint names, as they stand: for one that was verified before it was kept,
// perhaps under keys that have left the roster since.
func Signers(signed []byte) (Checkpoint, []Cosignature, error) {
	c, lines, err := ParseSigned(signed)
	if err != nil {
		return c, nil, err
	}
	var out []Cosignature
	for _, l := range lines {
		name, signature, _ := splitLine(l) // ParseSigned took it apart before
		if len(signature) == cosignedBytes {
			out = append(out, Cosignature{Agency: AgencyID(name), Time: int64(binary.BigEndian.Uint64(signature[4:12])), Line: l})
		}
	}
	return c, out, nil
}

func verifyLine(text, name string, signature []byte, key crypto.NodePublic) (at int64, ok bool) {
	hash := keyHash(name, noteCosigned, key)
	if len(signature) != cosignedBytes || !bytes.Equal(signature[:4], hash[:]) {
		return 0, false
	}
	seconds := binary.BigEndian.Uint64(signature[4:12])
	if seconds > 1<<40 {
		return 0, false
	}
	message := fmt.Sprintf(cosignedHeader, seconds) + text
	return int64(seconds), key.VerifyRaw([]byte(message), signature[12:]) == nil
}

// maxSealedAt, in s since 1970, is the end of the year 9899. After 9999 a time has no RFC 3339 text and so no JSON, and
// deadlines count from this one.
const maxSealedAt = 250_246_627_199

// Counts says whether cosignatures of at least q agencies are there, and the time no later than which the checkpoint
// existed: the (f+1)-th smallest of one time an agency, where f = q-1 agencies could lie without being q. Whatever
// they claim, it is not before 1970 nor after maxSealedAt.
func Counts(cosignatures []Cosignature, q int) (ok bool, noLaterThan int64) {
	first := map[AgencyID]int64{}
	for _, c := range cosignatures {
		if t, seen := first[c.Agency]; !seen || c.Time < t {
			first[c.Agency] = c.Time
		}
	}
	if q < 1 || len(first) < q {
		return false, 0
	}
	times := make([]int64, 0, len(first))
	for _, t := range first {
		times = append(times, t)
	}
	slices.Sort(times)
	return true, min(max(times[q-1], 0), maxSealedAt)
}
