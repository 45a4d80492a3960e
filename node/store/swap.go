package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"vigil/node/durable"
)

// finishSwap completes or undoes what a crash interrupted. "incoming" is half received and worthless. "ready" is a
// complete ledger that takes the place of "current".
func finishSwap(dir string) error {
	if err := os.RemoveAll(filepath.Join(dir, incomingDir)); err != nil {
		return err
	}
	ready, current := filepath.Join(dir, readyDir), filepath.Join(dir, currentDir)
	if _, err := os.Stat(ready); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := os.RemoveAll(current); err != nil {
		return err
	}
	return durable.Rename(ready, current)
}
