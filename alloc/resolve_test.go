package alloc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// as makes system calls as c, with its working directory at root: on a thread of its own, which ends afterwards.
func as(t *testing.T, c Cred, root string, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread must not be used again
		done <- become(c, root)
		f()
		close(done)
	}()
	err := <-done
	<-done
	ok(t, err)
}

func become(c Cred, root string) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	if err := unix.Chdir(root); err != nil {
		return err
	}
	unix.Umask(0)
	if err := setGroups(c.Groups); err != nil {
		return err
	}
	if err := unix.Setfsgid(int(c.GID)); err != nil {
		return err
	}
	return unix.Setfsuid(int(c.UID))
}

var (
	someUIDs  = []uint32{0, 1000, 1001}
	someGIDs  = []uint32{0, 1000, 2000}
	someModes = []uint32{0o755, 0o711, 0o700, 0o750, 0o770, 0o777, 0o1777, 0o070, 0o007, 0o444, 0o666, 0}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// plant makes a random tree, and gives all paths that are worth asking for.
func plant(t *testing.T, s *Store, r *rand.Rand, dir string, depth int) (paths []string) {
	for i := range 4 {
		path := join(dir, fmt.Sprintf("%c%d", 'a'+depth, i))
		own := Cred{UID: pick(r, someUIDs), GID: pick(r, someGIDs)}
		switch {
		case i < 2 && depth < 2:
			ok(t, s.Mkdir(own, path, 0o777))
			paths = append(paths, plant(t, s, r, path, depth+1)...)
			ok(t, s.Chmod(path, pick(r, someModes)))
		case i == 3:
			target := pick(r, []string{"a0", "b1", "b1/c2", "../a2", "b0/../b1", "./c2", "../b0/c2", "c3", "none", "c2/", "../b1/", "b0/c0/x"})
			parent, err := s.Lstat(dir)
			ok(t, err)
			ok(t, s.Symlink(Cred{UID: parent.Uid}, target, path)) // protected_symlinks has a test of its own
		default:
			b, _, err := s.Create(own, path, pick(r, someModes), true)
			ok(t, err)
			b.Release()
		}
		paths = append(paths, path)
	}
	return append(paths, join(dir, "none"), join(dir, "none/x"), join(dir, "./a2"), join(dir, "c2/x"), join(dir, "c2/."),
		join(dir, "b0/./c2"), join(dir, "b1//c2"), join(dir, "."))
}

// What Resolve, May and MayCreate say is what the kernel does with the same caller and path.
func TestResolveLikeTheKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can be somebody else")
		return
	}
	callers := []Cred{{}, {UID: 1000, GID: 1000}, {UID: 1001, GID: 1001, Groups: []uint32{2000}}, {UID: 1002, GID: 2000}, {UID: 1003, GID: 1003}}
	for seed := range uint64(8) {
		s := openStore(t, onTmpfs, 32<<20)
		r := rand.New(rand.NewPCG(seed, 1))
		paths := plant(t, s, r, "", 0)
		for _, c := range callers {
			for _, path := range paths {
				if path != "." {
					compare(t, s, c, path)
				}
			}
		}
		ok(t, s.Close(false))
	}
}

// compare asks the kernel and the store the same.
func compare(t *testing.T, s *Store, c Cred, path string) {
	t.Helper()
	var st unix.Stat_t
	var kernel error
	as(t, c, s.Root(), func() { kernel = unix.Fstatat(unix.AT_FDCWD, path, &st, 0) })
	rel, got, err := s.Resolve(c, path)
	asked := fmt.Sprintf("%+v %s", c, path)
	switch {
	case climbs(t, s, path):
		if err == nil && kernel != nil {
			t.Fatalf("%s: found %s, the kernel says %v", asked, rel, kernel)
		}
	case kernel == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR:
		if !errors.Is(err, unix.EISDIR) {
			t.Fatalf("%s: %v, the kernel finds a directory", asked, err)
		}
	case kernel == nil:
		if err != nil || got == nil || got.Ino != st.Ino {
			t.Fatalf("%s: %q %v %v, the kernel finds inode %d", asked, rel, got, err, st.Ino)
		}
		compareOpen(t, s, c, path, got)
	case errors.Is(kernel, unix.ENOENT) && err == nil:
		if got != nil {
			t.Fatalf("%s: found %s, the kernel finds nothing", asked, rel)
		}
		compareCreate(t, s, c, path, rel)
	case !errors.Is(err, kernel):
		t.Fatalf("%s: %v, the kernel says %v", asked, err, kernel)
	}
}

// climbs reports whether the path leads above the root, which to the kernel is only another directory.
func climbs(t *testing.T, s *Store, path string) bool {
	_, _, err := s.Resolve(Cred{}, path)
	return errors.Is(err, unix.ELOOP) && !loops(s, path)
}

func loops(s *Store, path string) bool {
	var st unix.Stat_t
	return errors.Is(unix.Stat(filepath.Join(s.Root(), path), &st), unix.ELOOP)
}

func compareOpen(t *testing.T, s *Store, c Cred, path string, st *unix.Stat_t) {
	t.Helper()
	for bits, flags := range map[uint32]int{MayRead: unix.O_RDONLY, MayWrite: unix.O_WRONLY, MayRead | MayWrite: unix.O_RDWR} {
		var kernel error
		as(t, c, s.Root(), func() {
			var fd int
			if fd, kernel = unix.Open(path, flags, 0); kernel == nil {
				kernel = unix.Close(fd)
			}
		})
		if c.May(st, bits) != (kernel == nil) {
			t.Fatalf("%+v %s: may %d %v, the kernel says %v", c, path, bits, c.May(st, bits), kernel)
		}
	}
}

func compareCreate(t *testing.T, s *Store, c Cred, path, rel string) {
	t.Helper()
	var kernel error
	as(t, c, s.Root(), func() {
		var fd int
		if fd, kernel = unix.Open(path, unix.O_WRONLY|unix.O_CREAT, 0o600); kernel == nil {
			kernel = unix.Close(fd)
		}
	})
	if kernel == nil {
		ok(t, os.Remove(filepath.Join(s.Root(), rel))) // and it was made where Resolve said
	}
	if err := s.MayCreate(c, rel); err != nil && !errors.Is(err, kernel) || err == nil && kernel != nil {
		t.Fatalf("%+v may create %s: %v, the kernel says %v", c, path, err, kernel)
	}
}

func TestResolveRefuses(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		ok(t, s.Mkdir(me(), "d", 0o755))
		put(t, s, "d/f", "x")
		for name, target := range map[string]string{"abs": "/etc/passwd", "climb": "../x", "deep": "d/../../x", "loop": "loop", "ok": "d/f",
			"dir": "d", "dangling": "d/new", "slash": "d/f/"} {
			ok(t, s.Symlink(me(), target, name))
		}
		ok(t, unix.Mkfifo(filepath.Join(s.Root(), "fifo"), 0o666))
		for path, errno := range map[string]unix.Errno{
			"/d/f": unix.EINVAL, "d/../d/f": unix.EINVAL, "..": unix.EINVAL, "d\x00": unix.EINVAL, "fifo": unix.EINVAL,
			"": unix.EISDIR, "d": unix.EISDIR, "d/": unix.EISDIR, "d/f/": unix.EISDIR, "dir": unix.EISDIR, ".": unix.EISDIR,
			"abs": unix.ELOOP, "climb": unix.ELOOP, "deep": unix.ELOOP, "loop": unix.ELOOP,
			"d/f/g": unix.ENOTDIR, "slash": unix.ENOTDIR, "no/f": unix.ENOENT, "no/.": unix.ENOENT, "fifo/x": unix.EINVAL,
			strings.Repeat("x", 300): unix.ENAMETOOLONG, strings.Repeat("d/", 3000): unix.ENAMETOOLONG,
		} {
			if _, _, err := s.Resolve(me(), path); !errors.Is(err, errno) {
				t.Errorf("%.40q: %v, want %v", path, err, errno)
			}
		}
		for path, rel := range map[string]string{"ok": "d/f", "dir/f": "d/f", "./d//f": "d/f", "dangling": "d/new", "dir/new": "d/new"} {
			got, st, err := s.Resolve(me(), path)
			if err != nil || got != rel || (st == nil) != (rel == "d/new") {
				t.Errorf("%s: %q %v %v, want %q", path, got, st, err, rel)
			}
		}
		want(t, s.MayCreate(me(), "no/x"), unix.ENOENT)
		want(t, s.MayCreate(me(), "../x"), unix.EINVAL)
		ok(t, s.MayCreate(me(), "d/x"))
		stranger := Cred{UID: 4001, GID: 4001}
		want(t, s.MayCreate(stranger, "d/x"), unix.EACCES)
	})
}

// In a directory like /tmp nobody follows the symlink of another.
func TestProtectedSymlinks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can own files of several users")
		return
	}
	s := openStore(t, onTmpfs, 16<<20)
	put(t, s, "f", "x")
	ok(t, s.Symlink(Cred{UID: 1000}, "f", "theirs"))
	ok(t, s.Symlink(Cred{UID: 0}, "f", "roots"))
	for _, c := range []Cred{{}, {UID: 1000}, {UID: 1001}} {
		_, _, err := s.Resolve(c, "theirs")
		want(t, err, map[bool]unix.Errno{false: unix.EACCES}[c.UID == 1000])
		_, _, err = s.Resolve(c, "roots")
		ok(t, err)
	}
}

func TestMay(t *testing.T) {
	st := &unix.Stat_t{Uid: 1, Gid: 2, Mode: unix.S_IFREG | 0o421}
	for _, tt := range []struct {
		c    Cred
		bits uint32
	}{{Cred{UID: 1, GID: 2}, 4}, {Cred{UID: 3, GID: 2}, 2}, {Cred{UID: 3, GID: 4, Groups: []uint32{5, 2}}, 2}, {Cred{UID: 3, GID: 3}, 1}, {Cred{}, 7}} {
		for want := range uint32(8) {
			if got := tt.c.May(st, want); got != (want&^tt.bits == 0) {
				t.Errorf("%+v may %d: %v", tt.c, want, got)
			}
		}
	}
}
