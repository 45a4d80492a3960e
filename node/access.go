package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"vigil/ledger"
	"vigil/node/accesslog"
	"vigil/node/api"
)

// accessSegment is the type of the events, sealed to the agency itself, that hold closed segments of the access log.
const accessSegment = "access.segment"

func (n *Node) openAccess() (err error) {
	cfg := accesslog.Config{
		Dir: filepath.Join(n.cfg.Dir, "access"), Key: n.keys.Node.Derive("vigil access log v1"), OnSegment: n.anchorSegment, Log: n.log,
	}
	n.access, err = accesslog.Open(cfg)
	if errors.Is(err, accesslog.ErrAbsent) {
		if earlier, err := n.anchors(context.Background()); err == nil && len(earlier) > 0 {
			n.alarm(string(n.id.Agency), "this node's access log is missing, and the ledger bears witness for an earlier one; a new one begins")
		}
		n.access, err = accesslog.Create(cfg)
	}
	if errors.Is(err, accesslog.ErrTampered) {
		return fmt.Errorf("%w; tell the auditor, keep %s as evidence by 'vigil access set-aside', then start again", err, cfg.Dir)
	}
	return err
}

// anchorSegment commits a closed segment, sealed to this agency, and returns where. A segment that is there already, from
// before a crash, is not written again.
func (n *Node) anchorSegment(ctx context.Context, s *accesslog.Segment) (ledger.Index, error) {
	b := s.Encode()
	id := ledger.EventIDFor(n.id.Agency, accessSegment+" "+hex.EncodeToString(s.Root[:]))
	if stored, found, err := n.board.ByEvent(ctx, n.id.Agency, id); err != nil || found {
		return ledger.Index(stored.Position.Index), err
	}
	event := ledger.Event{ID: id, Type: accessSegment, Version: 1, Shared: []byte{}, Width: uint32(len(b)), Rows: b}
	r, err := n.author.Submit(ctx, []ledger.AudienceName{ledger.AudienceName(n.id.Agency)}, []ledger.Event{event})
	return ledger.Index(r.Index), err
}

// anchors are what the ledger says of this agency's access logs.
func (n *Node) anchors(ctx context.Context) ([]accesslog.Anchor, error) {
	stored, err := n.board.Private(ctx, accessSegment)
	if err != nil {
		return nil, err
	}
	var out []accesslog.Anchor
	for _, x := range stored {
		s, err := accesslog.DecodeSegment(x.Event.Rows)
		if err != nil {
			return nil, err
		}
		out = append(out, s.Anchor(ledger.Index(x.Position.Index)))
	}
	return out, nil
}

// VerifyAccess implements api.Node.
func (n *Node) VerifyAccess(ctx context.Context) (api.AccessReport, error) {
	r, err := n.access.Verify(ctx, n.anchors)
	if err != nil {
		return api.AccessReport{}, err
	}
	out := api.AccessReport{OK: r.Err() == nil, Log: r.Log.String(), Size: r.Size, Root: r.Root.String(), Segments: r.Segments, Unanchored: r.Unanchored}
	for _, id := range r.Others {
		out.Others = append(out.Others, id.String())
	}
	for _, f := range r.Faults {
		out.Faults = append(out.Faults, f.Error())
	}
	return out, nil
}

// SetAccessLogAside moves an access log that cannot go on out of the way, as evidence, and returns where it is. The node
// must not run.
func SetAccessLogAside(cfg Config) (string, error) {
	if _, err := ReadIdentity(cfg.Dir); err != nil {
		return "", err
	}
	return accesslog.SetAside(filepath.Join(cfg.Dir, "access"), time.Now())
}
