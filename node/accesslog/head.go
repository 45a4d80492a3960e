package accesslog

import (
	"fmt"

	"vigil/ledger"
)

const (
	headName    = "head"
	headVersion = 1
)

// head speaks for everything that was acknowledged: how many records and marks there are, and the tree over the
// records. It is written after them and before the acknowledgement, so that a shortened log is noticed.
type head struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Size    uint64
	Tree    *ledger.Frontier
	Marks   uint64
}

func (s sealer) sealHead(id LogID, h head) []byte {
	p := newPreface(letterHead, id, 0)
	return s.seal(p[:], p, 0, ledger.Marshal(h))
}

// headID reads which log a head is of; only openHead says whether that is true.
func headID(file []byte) (LogID, error) {
	if len(file) < len(preface{}) {
		return LogID{}, errFrame
	}
	p := preface(file[:len(preface{})])
	if p != newPreface(letterHead, p.id(), 0) {
		return LogID{}, errFrame
	}
	return p.id(), nil
}

func (s sealer) openHead(id LogID, file []byte) (head, error) {
	p := newPreface(letterHead, id, 0)
	if len(file) < len(p) || preface(file[:len(p)]) != p {
		return head{}, errFrame
	}
	plain, err := s.open(p, 0, file[len(p):])
	if err != nil {
		return head{}, err
	}
	var h head
	if err := ledger.Unmarshal(plain, &h, maxMarkBytes); err != nil || h.Version != headVersion || h.Tree == nil {
		return head{}, fmt.Errorf("%w: its head", ErrNewer) // authentic, so it is ours
	}
	if h.Tree.Size() != h.Size {
		return head{}, errFrame
	}
	return h, nil
}
