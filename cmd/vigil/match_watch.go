package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"vigil/node/hashing"
)

// intake is a directory that files are put into. A file is whole when two looks find the same of it.
type intake struct {
	dir  string
	seen map[string]looked
}

type looked struct {
	size  int64
	at    time.Time
	asked bool
}

// look returns files that have become whole since the last look, in the order of names. What is no file, and links, are
// left alone; so is what cannot be read, until it can.
func (in *intake) look() ([]string, error) {
	var whole []string
	here := map[string]looked{}
	err := filepath.WalkDir(in.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if path == in.dir {
				return err
			}
			return nil
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		now := looked{size: info.Size(), at: info.ModTime()}
		before, known := in.seen[path]
		if known && before.size == now.size && before.at.Equal(now.at) {
			now.asked = true
			if !before.asked {
				whole = append(whole, path)
			}
		}
		here[path] = now
		return nil
	})
	in.seen = here
	return whole, err
}

// watch asks for every file that is put into a directory until ctx ends.
func (m *matchRun) watch(ctx context.Context, dir string) error {
	in := &intake{dir: dir}
	m.o.out.note("looking at %s until interrupted", hashing.Visible(dir))
	tick := time.NewTicker(matchWait)
	defer tick.Stop()
	for {
		whole, err := in.look()
		if err != nil {
			return err
		}
		for _, path := range whole {
			if err := m.item(ctx, m.h.File(ctx, path)); err != nil && ctx.Err() == nil {
				return err
			}
		}
		if err := m.ask(ctx); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
