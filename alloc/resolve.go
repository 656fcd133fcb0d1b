package alloc

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symlinks one path may lead through, as in the kernel.
const maxLinks = 40

// resolver walks a path as the kernel would for c, but by mode bits, and never
// out of the tree. The directories it stands in are open and found by their
// names alone, so that ".." in a symlink is the last of them taken back.
type resolver struct {
	s     *Store
	t     *tier
	c     Cred
	path  string // as asked for
	dirs  []dirAt
	links int
}

// dirAt is a directory on the way through a path: open, with its name and stat.
type dirAt struct {
	fd   int
	name string
	st   unix.Stat_t
}

// Resolve finds what path names for c: rel is its name with no symlink in it,
// and st tells of it, or is nil if only its last component is missing. It fails
// with EACCES where c may not search a directory, or where a symlink to follow
// lies in a sticky directory that all may write and belongs to somebody else;
// EINVAL for absolute paths, ".." and special files; ELOOP for symlinks that
// are absolute, climb out, or loop; EISDIR for a directory or a trailing slash;
// ENOENT, ENOTDIR, ENAMETOOLONG as the kernel does. It does not ask whether c
// may read or write what it found.
func (s *Store) Resolve(c Cred, path string) (rel string, st *unix.Stat_t, err error) {
	s.ns.RLock()
	defer s.ns.RUnlock()
	if s.closed.Load() {
		return "", nil, unix.ESHUTDOWN
	}
	if err := checkAsked(path); err != nil {
		return "", nil, err
	}
	r := &resolver{s: s, t: s.ram, c: c, path: path}
	defer r.leave()
	return r.run()
}

// checkAsked refuses what no operand may be.
func checkAsked(path string) error {
	switch {
	case strings.HasPrefix(path, "/"), strings.IndexByte(path, 0) >= 0:
		return fail("resolve", path, unix.EINVAL)
	case len(path) >= unix.PathMax:
		return fail("resolve", path[:64]+"...", unix.ENAMETOOLONG)
	}
	for name := range strings.SplitSeq(path, "/") {
		if name == ".." {
			return fail("resolve", path, unix.EINVAL)
		}
	}
	if path == "" || strings.HasSuffix(path, "/") {
		return fail("resolve", path, unix.EISDIR)
	}
	return nil
}

// fail names the path as it was asked for, not as far as the walk has come.
func (r *resolver) fail(errno unix.Errno) error { return fail("resolve", r.path, errno) }

// leave closes the directories that are still open.
func (r *resolver) leave() {
	for _, d := range r.dirs {
		r.t.leave(d.fd)
	}
}

// run walks the whole path. After an EISDIR for the last component, or a
// result, r.dirs ends with its directory.
func (r *resolver) run() (string, *unix.Stat_t, error) {
	st, err := r.t.stat(entry{r.t.root, ".", ""})
	if err != nil {
		return "", nil, err
	}
	r.dirs = append(r.dirs, dirAt{r.t.root, "", st})
	todo := strings.Split(r.path, "/")
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if name == "" {
			continue
		}
		expanded, rel, st, err := r.step(name, len(todo) == 0)
		if err != nil || rel != "" {
			return rel, st, err
		}
		todo = append(expanded, todo...)
	}
	return "", nil, r.fail(unix.EISDIR) // it ended in a directory
}

// step goes on by one component. It gives the components a symlink stands for,
// or if the path ends here with a file or with nothing, its name and status.
func (r *resolver) step(name string, last bool) (expanded []string, rel string, st *unix.Stat_t, err error) {
	dir := &r.dirs[len(r.dirs)-1]
	if !r.c.May(&dir.st, MayExec) {
		return nil, "", nil, r.fail(unix.EACCES)
	}
	switch name {
	case ".":
		return nil, "", nil, nil
	case "..":
		return nil, "", nil, r.up()
	}
	e := entry{dir.fd, name, r.path}
	found, err := r.s.status(e)
	if errors.Is(err, unix.ENOENT) && last {
		return nil, r.rel(name), nil, nil
	}
	if err != nil {
		return nil, "", nil, err
	}
	switch found.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		expanded, err = r.follow(e, &dir.st, &found, last)
		return expanded, "", nil, err
	case unix.S_IFDIR:
		return nil, "", nil, r.enter(e, &found, last)
	case unix.S_IFREG:
		if !last {
			return nil, "", nil, r.fail(unix.ENOTDIR)
		}
		return nil, r.rel(name), &found, nil
	}
	return nil, "", nil, r.fail(unix.EINVAL)
}

// up goes back to the directory above, which the walk came from. Above the root
// there is nothing.
func (r *resolver) up() error {
	if len(r.dirs) == 1 {
		return r.fail(unix.ELOOP)
	}
	r.t.leave(r.dirs[len(r.dirs)-1].fd)
	r.dirs = r.dirs[:len(r.dirs)-1]
	return nil
}

// enter goes on into a directory. As the last of the path it is no buffer.
func (r *resolver) enter(e entry, st *unix.Stat_t, last bool) error {
	if last {
		return r.fail(unix.EISDIR)
	}
	fd, err := r.t.open(e, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	r.dirs = append(r.dirs, dirAt{fd, e.name, *st})
	return nil
}

// follow expands a symlink. The last of a path is not followed in a directory
// like /tmp unless it is the caller's or the directory owner's: the kernel's
// fs.protected_symlinks, here always, and for root too.
func (r *resolver) follow(e entry, dir, link *unix.Stat_t, last bool) ([]string, error) {
	const open = unix.S_ISVTX | unix.S_IWOTH
	if last && dir.Mode&open == open && link.Uid != r.c.UID && link.Uid != dir.Uid {
		return nil, r.fail(unix.EACCES)
	}
	if r.links++; r.links > maxLinks {
		return nil, r.fail(unix.ELOOP)
	}
	target, err := r.t.readlink(e)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(target, "/") {
		return nil, r.fail(unix.ELOOP)
	}
	return strings.Split(target, "/"), nil
}

// rel is the name of an entry of the directory the walk stands in.
func (r *resolver) rel(name string) string {
	var b strings.Builder
	for _, d := range r.dirs[1:] {
		b.WriteString(d.name)
		b.WriteByte('/')
	}
	return b.String() + name
}

// MayCreate asks whether c may make an entry of that name: it must be able to
// write and search the directory, and to search those above. rel is as Resolve
// gives it. ENOENT: there is no such directory.
func (s *Store) MayCreate(c Cred, rel string) error {
	s.ns.RLock()
	defer s.ns.RUnlock()
	if s.closed.Load() {
		return unix.ESHUTDOWN
	}
	if err := checkPath(rel); err != nil {
		return err
	}
	r := &resolver{s: s, t: s.ram, c: c, path: rel}
	defer r.leave()
	if _, _, err := r.run(); err != nil && !errors.Is(err, unix.EISDIR) {
		return err
	}
	if dir := &r.dirs[len(r.dirs)-1]; !c.May(&dir.st, MayWrite|MayExec) {
		return r.fail(unix.EACCES)
	}
	return nil
}
