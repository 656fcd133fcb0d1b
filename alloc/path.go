package alloc

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// fail is an error of our own, in the form of those that system calls give.
func fail(op, rel string, errno unix.Errno) error {
	return &os.PathError{Op: op, Path: rel, Err: errno}
}

// parent opens the directory that holds rel, one component at a time and
// through no symlink, so that nothing outside the tree can be reached however
// the tree is changed meanwhile. For "", the tree's root, it is the root's own
// ".". The caller calls done with the result.
func (t *tier) parent(rel string) (entry, error) {
	if rel == "" {
		return entry{t.root, ".", rel}, nil
	}
	if err := checkPath(rel); err != nil {
		return entry{}, err
	}
	dir, rest := t.root, rel
	for {
		name, tail, more := strings.Cut(rest, "/")
		if !more {
			return entry{dir, name, rel}, nil
		}
		next, err := t.open(entry{dir, name, rel}, unix.O_PATH|unix.O_DIRECTORY, 0)
		t.leave(dir)
		if err != nil {
			return entry{}, err
		}
		dir, rest = next, tail
	}
}

// done closes what parent opened.
func (t *tier) done(e entry) { t.leave(e.dir) }

// leave closes a directory that a walk went through. The root is open for as
// long as the tier is.
func (t *tier) leave(dir int) {
	if dir != t.root {
		t.drop(dir, "")
	}
}

// drop closes a descriptor through which nothing was written; its error could
// only be a mistake of ours, and is logged.
func (t *tier) drop(fd int, rel string) {
	if err := t.close(fd, rel); err != nil {
		t.logf("%v", err)
	}
}

// checkPath accepts clean relative paths alone: names between single slashes,
// none of them "." or "..", no NUL.
func checkPath(rel string) error {
	if len(rel) >= unix.PathMax {
		return fail("open", rel[:64]+"...", unix.ENAMETOOLONG)
	}
	if strings.IndexByte(rel, 0) >= 0 {
		return fail("open", rel, unix.EINVAL)
	}
	for name := range strings.SplitSeq(rel, "/") {
		if name == "" || name == "." || name == ".." {
			return fail("open", rel, unix.EINVAL)
		}
	}
	return nil
}

// join names an entry of a directory; the root's name is empty.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// moved gives the new name of path after the rename of old to now, and whether
// it was old or below it.
func moved(path, old, now string) (string, bool) {
	if path == old {
		return now, true
	}
	if tail, ok := strings.CutPrefix(path, old+"/"); ok {
		return now + "/" + tail, true
	}
	return path, false
}
