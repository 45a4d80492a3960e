package hashing

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// found is a file to hash, or why something that was found is none.
type found struct {
	path string
	err  error
}

// place identifies a directory, whatever its names.
type place struct{ device, inode uint64 }

// walker finds the files under roots. Links that were named as roots are followed, others as follow says. No directory
// is visited twice, so that neither loops nor bushes of links have an end that never comes.
type walker struct {
	follow  bool
	visited map[place]bool
	give    func(found) bool // false: stop
}

// walk visits the roots in their order, and each directory's entries by name. False: it was stopped.
func (w *walker) walk(roots []string) bool {
	w.visited = map[place]bool{}
	for _, root := range roots {
		info, err := os.Stat(root)
		if err != nil {
			if !w.give(found{root, err}) {
				return false
			}
			continue
		}
		if !w.visit(root, info, 0) {
			return false
		}
	}
	return true
}

func (w *walker) visit(path string, info fs.FileInfo, depth int) bool {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return w.give(found{path: path})
	case mode&fs.ModeSymlink != 0:
		return w.link(path, depth)
	case mode.IsDir():
		return w.directory(path, info, depth)
	default:
		return w.give(found{path, special(mode)})
	}
}

func special(mode fs.FileMode) error {
	for bit, name := range map[fs.FileMode]string{fs.ModeNamedPipe: "a named pipe", fs.ModeSocket: "a socket", fs.ModeDevice: "a device"} {
		if mode&bit != 0 {
			return fmt.Errorf("%w: %s", ErrSpecial, name)
		}
	}
	return ErrSpecial
}

func (w *walker) link(path string, depth int) bool {
	if !w.follow {
		return w.give(found{path, ErrLink})
	}
	info, err := os.Stat(path)
	if err != nil {
		return w.give(found{path, err})
	}
	return w.visit(path, info, depth)
}

func (w *walker) directory(path string, info fs.FileInfo, depth int) bool {
	if depth > maxDepth {
		return w.give(found{path, ErrDeep})
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		at := place{uint64(s.Dev), s.Ino}
		if w.visited[at] {
			return w.give(found{path, ErrVisited})
		}
		w.visited[at] = true
	}
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		info, err := e.Info()
		if err != nil {
			if !w.give(found{name, err}) {
				return false
			}
			continue
		}
		if !w.visit(name, info, depth+1) {
			return false
		}
	}
	if err != nil {
		return w.give(found{path, err})
	}
	return true
}
