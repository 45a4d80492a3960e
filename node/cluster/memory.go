package cluster

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/durable"
)

// Errors of a node that must not take part as it is. Each says what was seen; the way out is to replace the node.
var (
	// ErrRolledBack says that this node has signed that it was further than its disk says it is.
	ErrRolledBack = errors.New("cluster: the disk of this node was rolled back")
	// ErrTwin says that another process runs with this node's key, and was there first.
	ErrTwin = errors.New("cluster: another process runs with this node's key")
	// ErrUnheard says that too few voters have said yet what they remember of this node.
	ErrUnheard = errors.New("cluster: this node waits for a majority of voters to say what they remember of it")
)

const (
	standingDomain = "vigil standing v1"
	rememberedFile = "remembered"
)

// standing is how far a node is on disk, in its own signed word: nobody else can make another believe that it was rolled
// back. None of the first four ever becomes less, except that an entry of an older term gives way to one of a newer.
type standing struct {
	_             struct{} `cbor:",toarray"`
	Origin        ledger.Origin
	Term          uint64 // raft's, for which it may have voted
	LogTerm, Last uint64 // of the last entry in its log
	Signed        uint64 // size of the last checkpoint of its own ledger that it signed
	Instance      [16]byte
	Started, At   int64 // ms by its clock
}

// behind says whether a node that said o before cannot be where s is, unless its disk was rolled back.
func (s standing) behind(o standing) bool {
	return s.Term < o.Term || s.LogTerm < o.LogTerm || s.LogTerm == o.LogTerm && s.Last < o.Last || s.Signed < o.Signed
}

func (s standing) String() string {
	return fmt.Sprintf("term %d, entry %d of term %d, checkpoint %d", s.Term, s.Last, s.LogTerm, s.Signed)
}

type signedStanding struct {
	_         struct{} `cbor:",toarray"`
	Standing  []byte
	Key       crypto.NodePublic
	Signature []byte
}

func signStanding(s standing, key *crypto.NodeKey) []byte {
	b := ledger.Marshal(s)
	return ledger.Marshal(signedStanding{Standing: b, Key: key.Public(), Signature: key.Sign(standingDomain, b)})
}

var errStanding = errors.New("cluster: not a node's signed word of how far it is")

// openStanding checks a standing of a node of a ledger.
func openStanding(raw []byte, of crypto.NodeID, origin ledger.Origin) (standing, error) {
	var w signedStanding
	var s standing
	if err := ledger.Unmarshal(raw, &w, maxStandingBytes); err != nil {
		return s, fmt.Errorf("%w: %w", errStanding, err)
	}
	if err := w.Key.Verify(standingDomain, w.Standing, w.Signature); err != nil {
		return s, fmt.Errorf("%w: %w", errStanding, err)
	}
	if err := ledger.Unmarshal(w.Standing, &s, maxStandingBytes); err != nil {
		return s, fmt.Errorf("%w: %w", errStanding, err)
	}
	if w.Key.ID() != of || s.Origin != origin {
		return s, fmt.Errorf("%w: of another node or ledger", errStanding)
	}
	return s, nil
}

// remembered is the furthest that a node has signed that it is.
type remembered struct {
	word
	other word // what another process with its key said last
}

type word struct {
	raw   []byte
	was   standing
	heard time.Time // zero: before this node's start
	left  bool      // it said that it stops
	short time.Time // since when it says that it is less far; zero where it does not
}

// age is in ms, and long where nobody is behind the word any more.
func (w word) age() uint64 {
	if w.heard.IsZero() || w.left {
		return longAgo
	}
	return uint64(time.Since(w.heard).Milliseconds())
}

// memory keeps, on disk, how far every other node has signed that it was.
type memory struct {
	path   string
	origin ledger.Origin

	mu    sync.Mutex
	nodes map[crypto.NodeID]remembered // guarded by mu
	dirty bool                         // guarded by mu
}

// openMemory reads what was kept. What does not verify is left out: it is the others' own word or nothing.
func openMemory(dir string, origin ledger.Origin) (*memory, error) {
	m := &memory{path: filepath.Join(dir, rememberedFile), origin: origin, nodes: map[crypto.NodeID]remembered{}}
	b, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	var kept [][]byte
	_ = ledger.Unmarshal(b, &kept, maxRemembered*maxStandingBytes) // a damaged file is one without content
	for _, raw := range kept {
		var w signedStanding
		if ledger.Unmarshal(raw, &w, maxStandingBytes) != nil {
			continue
		}
		if s, err := openStanding(raw, w.Key.ID(), origin); err == nil {
			m.nodes[w.Key.ID()] = remembered{word: word{raw: raw, was: s}}
		}
	}
	return m, nil
}

func (m *memory) of(id crypto.NodeID) (remembered, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.nodes[id]
	return r, ok
}

// note keeps a node's word, unless it said that it was further before. A node that says less for a while is named.
func (m *memory) note(id crypto.NodeID, raw []byte, left bool) (back bool) {
	before, known := m.of(id)
	s, err := before.was, error(nil)
	if !known || !bytes.Equal(before.raw, raw) { // what is kept was verified
		s, err = openStanding(raw, id, m.origin)
	}
	if err != nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before, known = m.nodes[id]
	if known && s.behind(before.was) {
		if before.short.IsZero() {
			before.short = time.Now()
			m.nodes[id] = before
		}
		return time.Since(before.short) > backAfter
	}
	if !known && len(m.nodes) >= maxRemembered {
		return false
	}
	moved := !known || before.was.behind(s)
	next := remembered{word: word{raw: raw, was: s, heard: time.Now(), left: left}, other: before.other}
	if known && before.was.Instance != s.Instance {
		next.other = before.word
	}
	m.nodes[id] = next
	m.dirty = m.dirty || moved
	return false
}

// save writes what changed, without the nodes that are gone.
func (m *memory) save(member func(crypto.NodeID) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirty {
		return nil
	}
	var kept [][]byte
	for id, r := range m.nodes {
		if !member(id) {
			delete(m.nodes, id)
			continue
		}
		kept = append(kept, r.raw)
	}
	slices.SortFunc(kept, slices.Compare)
	if err := durable.WriteFile(m.path, ledger.Marshal(kept), 0o600); err != nil {
		return fmt.Errorf("cluster: %s: %w", rememberedFile, err)
	}
	m.dirty = false
	return nil
}

// instance is this process, as others tell it from another with the same key.
type instance struct {
	id      [16]byte
	started time.Time
	said    int64 // when, in ms by its clock
}

func newInstance(clock func() time.Time) instance {
	i := instance{started: time.Now(), said: clock().UnixMilli()}
	_, _ = rand.Read(i.id[:]) // never fails
	return i
}

// durable is how far this node is on disk.
func (c *Cluster) durable() (standing, error) {
	s := standing{Origin: c.cfg.Store.Origin(), Instance: c.instance.id, Started: c.instance.said, At: c.cfg.Clock().UnixMilli(), Signed: c.cfg.Store.LastSigned()}
	if c.disk == nil {
		return s, ErrLog
	}
	term, err := c.stable.GetUint64([]byte("CurrentTerm"))
	if err != nil && err.Error() != "not found" { // as raft itself compares it
		return s, err
	}
	s.Term = term
	if s.LogTerm, s.Last, err = c.disk.end(); err != nil {
		return s, err
	}
	if term, index, err := c.snapshots.reach(); err == nil && index > s.Last {
		s.LogTerm, s.Last = max(s.LogTerm, term), index
	}
	return s, nil
}

// signed is how far this node is, as it tells others; none while its log cannot be read. A word of half heightEvery ago still does,
// and one of heightEvery while this node is as far: all others get the same, who need not verify it again.
func (c *Cluster) signed() []byte {
	c.mu.Lock()
	last := c.said[(c.saying+wordsKept-1)%wordsKept]
	c.mu.Unlock()
	younger := func(than time.Duration) bool {
		age := c.cfg.Clock().UnixMilli() - last.was.At
		return last.raw != "" && age >= 0 && age < than.Milliseconds()
	}
	if younger(heightEvery / 2) {
		return []byte(last.raw)
	}
	s, err := c.durable()
	switch {
	case err != nil:
		return nil
	case younger(heightEvery) && last.was.as(s):
		return []byte(last.raw)
	}
	raw := signStanding(s, c.cfg.Key)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said[c.saying%wordsKept] = said{string(raw), s}
	c.saying++
	return raw
}

// as says whether o is the same but for when it is said.
func (s standing) as(o standing) bool {
	o.At = s.At
	return s == o
}

// said is a word of this process, which comes back as it was given: it need not be verified.
type said struct {
	raw string
	was standing
}

// ownWord opens a word of this node.
func (c *Cluster) ownWord(raw []byte) (standing, error) {
	c.mu.Lock()
	i := slices.IndexFunc(c.said[:], func(x said) bool { return x.raw != "" && x.raw == string(raw) })
	var known standing
	if i >= 0 {
		known = c.said[i].was
	}
	c.mu.Unlock()
	if i >= 0 {
		return known, nil
	}
	return openStanding(raw, c.self, c.cfg.Store.Origin())
}

// Unheard says why this node must not vote, propose or sign: nil once a majority of voters, itself among them, has said
// what it remembers of it, and nobody remembers more than is here.
func (c *Cluster) Unheard() error {
	select {
	case <-c.heard:
		return nil
	default:
		return ErrUnheard
	}
}

type rememberedWire struct {
	_          struct{} `cbor:",toarray"`
	Remembered []byte   // signedStanding; empty where nothing is
	Other      []byte   // of another process with the key; empty where there was none
	Age        uint64   // ms since that was heard
	Now        int64    // ms, by the clock of who answers
}

// serveRemembers tells whoever asks what is remembered of its key, and notes what it says itself.
func (c *Cluster) serveRemembers(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxStandingBytes))
	peer, ok := PeerFromContext(r.Context())
	if err != nil || !ok {
		http.Error(w, "no key", http.StatusForbidden)
		return
	}
	out := rememberedWire{Now: c.cfg.Clock().UnixMilli()}
	asks, err := openStanding(raw, peer, c.memory.origin)
	if x, ok := c.memory.of(peer); ok {
		out.Remembered = x.raw
		if err == nil && x.was.Instance == asks.Instance {
			x.word = x.other
		}
		out.Other, out.Age = x.raw, x.age()
	}
	if c.Member(peer) {
		c.memory.note(peer, raw, false)
	}
	_, _ = w.Write(ledger.Marshal(out)) // a lost answer is asked for again
}

// serveRemembered takes this node's own word from another that it does not know any more: that is what it is like to have
// been rolled back to before the others came.
func (c *Cluster) serveRemembered(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxStandingBytes))
	peer, ok := PeerFromContext(r.Context())
	if err != nil || !ok || !c.reflect(peer, raw) {
		http.Error(w, "not this node's word", http.StatusBadRequest)
	}
}

// reflect compares this node with its own earlier word, as another remembers it, while it runs.
func (c *Cluster) reflect(by crypto.NodeID, raw []byte) bool {
	was, err := c.ownWord(raw)
	if err != nil {
		return false
	}
	now, err := c.durable()
	if err != nil {
		return true
	}
	member := c.Member(by)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.word.behind(was) {
		c.word = was
	}
	switch {
	case !now.behind(c.word):
		c.short = time.Time{}
	case c.short.IsZero():
		c.short = time.Now() // the log is shorter for a moment while entries give way to others
	case time.Since(c.short) > shortFor:
		c.condemn(fmt.Errorf("%w: it has signed that it was at %s, here is %s", ErrRolledBack, c.word, now))
	}
	if was.Instance != c.instance.id && member && c.goesOn(by, was, now) && earlier(was, now) {
		c.condemn(fmt.Errorf("%w: it was started at %s", ErrTwin, time.UnixMilli(was.Started).UTC().Format(time.RFC3339)))
	}
	return true
}

// twin is another process with this node's key, as one node hears it.
type twin struct {
	instance [16]byte
	at       int64 // of its last word, by its clock
	words    int   // newer than the first
}

// goesOn notes what a member remembers of another process with this node's key, and says whether that process lives: the same
// member has heard word after word of it, where one that has ended is remembered by its last. A clock alone tells nothing, as it may
// have been set between two starts; a member alone could play old words again, so where they are from before this start by the
// clock, two must have heard them. c.mu is held.
func (c *Cluster) goesOn(by crypto.NodeID, other, now standing) bool {
	seen := c.twins[by]
	switch {
	case seen.instance != other.Instance:
		seen = twin{instance: other.Instance, at: other.At}
	case other.At > seen.at:
		seen.at = other.At
		seen.words++
	}
	c.twins[by] = seen
	hear := 0
	for _, t := range c.twins {
		if t.instance == other.Instance && t.words >= twinWords {
			hear++
		}
	}
	return seen.words >= twinWords && (other.At > now.Started || hear > 1)
}

// earlier says which of two processes with one key stays: the one that was started first.
func earlier(a, b standing) bool {
	return a.Started < b.Started || a.Started == b.Started && slices.Compare(a.Instance[:], b.Instance[:]) < 0
}

// Condemn ends Run with why this node must not take part any more. It never blocks.
func (c *Cluster) Condemn(why error) { c.condemn(why) }

// condemn ends Run. It never blocks.
func (c *Cluster) condemn(why error) {
	select {
	case c.condemned <- why:
	default: // the first is enough
	}
}
