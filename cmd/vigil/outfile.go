package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"vigil/node/durable"
)

// outFile is a file that a command writes: what is there stays until commit, which replaces it as a whole. A device, a pipe
// and where standard output goes anyway are written to as they are. Of none, nil, there is nothing to commit or discard.
type outFile struct {
	*os.File
	path    string
	pending *renameio.PendingFile // nil where it is written to as it is
}

func createFile(path string, mode os.FileMode) (*outFile, error) {
	info, err := os.Stat(path)
	if err == nil {
		for _, f := range []*os.File{os.Stdout, os.Stderr} { // which may be regular
			if x, err := f.Stat(); err == nil && os.SameFile(info, x) {
				return &outFile{File: f}, nil
			}
		}
		if !info.Mode().IsRegular() {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			return &outFile{File: f}, err
		}
		if path, err = filepath.EvalSymlinks(path); err != nil { // a link stays, what it names is replaced
			return nil, err
		}
	}
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(mode))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be written to: %w", path, err)
	}
	return &outFile{f.File, path, f}, nil
}

// commit ends a file that is written.
func (f *outFile) commit() error {
	switch {
	case f == nil, f.File == os.Stdout, f.File == os.Stderr:
		return nil
	case f.pending == nil:
		return f.Close()
	}
	return errors.Join(f.pending.CloseAtomicallyReplace(), durable.SyncDir(filepath.Dir(f.path)))
}

// discard drops what is not committed; after commit it does nothing.
func (f *outFile) discard() {
	switch {
	case f == nil, f.File == os.Stdout, f.File == os.Stderr:
	case f.pending == nil:
		_ = f.Close()
	default:
		_ = f.pending.Cleanup()
	}
}

// writeFile replaces a file as a whole.
func writeFile(path string, b []byte, mode os.FileMode) error {
	f, err := createFile(path, mode)
	if err != nil {
		return err
	}
	defer f.discard()
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.commit()
}
