package accesslog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"vigil/node/durable"
)

// disk holds the files of one log. What a method did is durable when it returns without an error; with one, or after a
// crash, it may be done, undone or, where it says so, half done. One writer at a time; readers beside it.
type disk interface {
	// read returns a whole file, fs.ErrNotExist where there is none.
	read(name string) ([]byte, error)
	// names lists the files of the log.
	names() ([]string, error)
	// add writes b at the end of a file, which is at offset at; at 0 it makes the file. It may be half done.
	add(name string, at int64, b []byte) error
	// replace writes a whole file. It is never half done.
	replace(name string, b []byte) error
	// cut shortens a file.
	cut(name string, size int64) error
	// close lets another process open the files.
	close() error
}

const (
	lockFile  = "lock"
	newSuffix = ".new"
)

// directory is the disk that nodes use.
type directory struct {
	path string
	lock *flock.Flock
}

func openDirectory(path string) (*directory, error) {
	lock := flock.New(filepath.Join(path, lockFile))
	if ok, err := lock.TryLock(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	} else if !ok {
		return nil, fmt.Errorf("%w: %s", ErrInUse, path)
	}
	return &directory{path: path, lock: lock}, nil
}

func (d *directory) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(d.path, name))
}

func (d *directory) names() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Name() != lockFile && filepath.Ext(e.Name()) != newSuffix {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (d *directory) add(name string, at int64, b []byte) error {
	f, err := os.OpenFile(filepath.Join(d.path, name), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil && at == 0 {
		err = durable.SyncDir(d.path)
	}
	return err
}

func (d *directory) replace(name string, b []byte) error {
	path := filepath.Join(d.path, name)
	f, err := os.OpenFile(path+newSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return durable.Rename(path+newSuffix, path)
}

func (d *directory) cut(name string, size int64) error {
	f, err := os.OpenFile(filepath.Join(d.path, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (d *directory) close() error { return d.lock.Unlock() }

// readIfThere returns nothing for a file that is not there.
func readIfThere(d disk, name string) ([]byte, error) {
	b, err := d.read(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return b, nil
}
