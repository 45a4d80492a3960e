// Package durable writes files that are there after the power was cut, once it says so. renameio syncs a file before it
// renames it and not the directory that then names it: until that is synced, a crash brings the earlier file back.
package durable

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// WriteFile replaces a file as a whole: whenever the power is cut, the earlier one is there or the new one, and once it has
// returned without an error, the new one.
func WriteFile(path string, b []byte, perm os.FileMode) error {
	if err := renameio.WriteFile(path, b, perm); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Rename renames a file or a directory, what is in it being synced already.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// SyncDir makes the names in a directory last.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
