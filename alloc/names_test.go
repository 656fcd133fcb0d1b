package alloc

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestNames(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		ok(t, s.Mkdir(me(), "d", 0o750))
		st, err := s.Lstat("d")
		ok(t, err)
		if st.Mode != unix.S_IFDIR|0o750 || st.Uid != me().UID || st.Gid != me().GID {
			t.Errorf("directory: mode %o, owner %d:%d", st.Mode, st.Uid, st.Gid)
		}
		want(t, s.Mkdir(me(), "d", 0o755), unix.EEXIST)
		want(t, s.Mkdir(me(), "", 0o755), unix.EEXIST)
		want(t, s.Mkdir(me(), "no/d", 0o755), unix.ENOENT)
		put(t, s, "d/f", "hello")
		ok(t, s.Symlink(me(), "f", "d/l"))
		target, err := s.Readlink("d/l")
		ok(t, err)
		if target != "f" {
			t.Errorf("symlink to %q", target)
		}
		_, err = s.Readlink("d/f")
		want(t, err, unix.EINVAL)
		want(t, s.Symlink(me(), "x", "d/l"), unix.EEXIST)
		ok(t, s.Link("d/f", "g"))
		want(t, s.Link("d/f", "g"), unix.EEXIST)
		want(t, s.Link("d", "h"), unix.EPERM)
		want(t, s.Link("", "h"), unix.EPERM)
		checkList(t, s, "", "d/", "g")
		checkList(t, s, "d", "f", "l@")
		_, err = s.ReadDir("g")
		want(t, err, unix.ENOTDIR)
		_, err = s.ReadDir("d/l")
		want(t, err, unix.ENOTDIR)
		want(t, s.Rmdir("d"), unix.ENOTEMPTY)
		want(t, s.Rmdir("g"), unix.ENOTDIR)
		want(t, s.Rmdir(""), unix.EBUSY)
		want(t, s.Unlink("d"), unix.EISDIR)
		want(t, s.Unlink(""), unix.EISDIR)
		want(t, s.Unlink("no"), unix.ENOENT)
		ok(t, s.Unlink("d/f"))
		ok(t, s.Unlink("d/l"))
		ok(t, s.Rmdir("d"))
		if got := text(t, s, "g"); got != "hello" {
			t.Errorf("after the unlinking of its first name: %q", got)
		}
	})
}

func checkList(t *testing.T, s *Store, rel string, names ...string) {
	t.Helper()
	list, err := s.ReadDir(rel)
	ok(t, err)
	var got []string
	for _, d := range list {
		st, err := s.Lstat(join(rel, d.Name))
		ok(t, err)
		if st.Ino != d.Ino || st.Mode&unix.S_IFMT != d.Mode {
			t.Errorf("%s: listed as %o %d, is %o %d", d.Name, d.Mode, d.Ino, st.Mode, st.Ino)
		}
		got = append(got, d.Name+map[uint32]string{unix.S_IFDIR: "/", unix.S_IFLNK: "@"}[d.Mode])
	}
	slices.Sort(got)
	if !slices.Equal(got, names) {
		t.Errorf("%q lists %q, want %q", rel, got, names)
	}
}

func TestManyNames(t *testing.T) {
	s := openStore(t, onPlain, 16<<20)
	for i := range 700 {
		ok(t, s.Mkdir(me(), strings.Repeat("n", 40)+string(rune('0'+i%10))+"-"+time.Duration(i).String(), 0o755))
	}
	list, err := s.ReadDir("")
	ok(t, err)
	if len(list) != 700 {
		t.Errorf("%d names", len(list))
	}
}

func TestPathsThatAreNone(t *testing.T) {
	s := openStore(t, kinds()[0], 16<<20)
	ok(t, s.Mkdir(me(), "d", 0o755))
	ok(t, s.Symlink(me(), "d", "l"))
	for path, errno := range map[string]unix.Errno{
		"/d": unix.EINVAL, "d/": unix.EINVAL, "d//x": unix.EINVAL, ".": unix.EINVAL, "..": unix.EINVAL, "d/../x": unix.EINVAL,
		"d\x00x": unix.EINVAL, "l/x": unix.ENOTDIR, "d/x/y": unix.ENOENT,
		strings.Repeat("x", 256): unix.ENAMETOOLONG, strings.Repeat("x/", 2100) + "x": unix.ENAMETOOLONG,
	} {
		_, err := s.Lstat(path)
		want(t, err, errno)
		_, err = s.Get(path)
		want(t, err, errno)
		_, _, err = s.Create(me(), path, 0o644, false)
		want(t, err, errno)
		want(t, s.Rename("d", path, 0), errno)
		_, _ = s.MarkOf(path)
	}
}

func TestSetgidDirectories(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		ok(t, s.Mkdir(me(), "d", 0o755))
		gid := me().GID
		if os.Geteuid() == 0 {
			gid = 4242
			ok(t, s.Chown("d", -1, int(gid)))
		}
		ok(t, s.Chmod("d", 0o2775))
		ok(t, s.Mkdir(me(), "d/e", 0o700))
		put(t, s, "d/f", "")
		e, err := s.Lstat("d/e")
		ok(t, err)
		f, err := s.Lstat("d/f")
		ok(t, err)
		if e.Mode != unix.S_IFDIR|0o2700 || e.Gid != gid || f.Mode != unix.S_IFREG|0o644 || f.Gid != gid || f.Uid != me().UID {
			t.Errorf("directory %o %d, file %o %d:%d", e.Mode, e.Gid, f.Mode, f.Uid, f.Gid)
		}
	})
}

func TestAttributes(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		put(t, s, "f", "abc")
		ok(t, s.Symlink(me(), "f", "l"))
		ok(t, s.Chmod("f", 0o4711))
		want(t, s.Chmod("l", 0o700), unix.EOPNOTSUPP)
		want(t, s.Chmod("no", 0o700), unix.ENOENT)
		at, mt := time.Unix(1000, 5), time.Unix(-7, 0)
		ok(t, s.Utimens("f", &at, &mt))
		ok(t, s.Utimens("f", nil, nil))
		st, err := s.Lstat("f")
		ok(t, err)
		if st.Mode&0o7777 != 0o4711 || st.Atim.Nano() != at.UnixNano() || st.Mtim.Nano() != mt.UnixNano() {
			t.Errorf("mode %o, times %v %v", st.Mode, st.Atim, st.Mtim)
		}
		if os.Geteuid() == 0 {
			ok(t, s.Chown("f", 7, -1))
			ok(t, s.Chown("l", 8, 9))
			st, err = s.Lstat("f")
			ok(t, err)
			l, err := s.Lstat("l")
			ok(t, err)
			if st.Uid != 7 || st.Gid != me().GID || st.Mode&0o7777 != 0o711 || l.Uid != 8 || l.Gid != 9 {
				t.Errorf("file %d:%d %o, symlink %d:%d", st.Uid, st.Gid, st.Mode, l.Uid, l.Gid)
			}
		} else {
			want(t, s.Chown("f", 0, 0), unix.EPERM)
		}
	})
}

func TestXattrs(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		put(t, s, "f", "abc")
		for _, path := range []string{"f", ""} {
			ok(t, s.Setxattr(path, "user.vgpu.pin", []byte("yes"), unix.XATTR_CREATE))
			want(t, s.Setxattr(path, "user.vgpu.pin", []byte("no"), unix.XATTR_CREATE), unix.EEXIST)
			ok(t, s.Setxattr(path, "user.empty", nil, 0))
			names, err := s.Listxattr(path)
			ok(t, err)
			slices.Sort(names)
			if !slices.Equal(names, []string{"user.empty", "user.vgpu.pin"}) {
				t.Errorf("attributes %q", names)
			}
			p := make([]byte, 8)
			n, err := s.Getxattr(path, "user.vgpu.pin", p)
			ok(t, err)
			size, err := s.Getxattr(path, "user.vgpu.pin", nil)
			ok(t, err)
			if string(p[:n]) != "yes" || size != 3 {
				t.Errorf("value %q, size %d", p[:n], size)
			}
			_, err = s.Getxattr(path, "user.vgpu.pin", p[:1])
			want(t, err, unix.ERANGE)
			ok(t, s.Removexattr(path, "user.vgpu.pin"))
			_, err = s.Getxattr(path, "user.vgpu.pin", p)
			want(t, err, unix.ENODATA)
			want(t, s.Setxattr(path, "trusted.x", nil, 0), unix.EOPNOTSUPP)
			want(t, s.Removexattr(path, "security.x"), unix.EOPNOTSUPP)
			_, err = s.Getxattr(path, "system.posix_acl_access", p)
			want(t, err, unix.EOPNOTSUPP)
		}
	})
}

func TestStatfs(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 64<<20)
		b, _, err := s.Create(me(), "f", 0o644, true)
		ok(t, err)
		defer b.Release()
		ok(t, b.Resize(10<<20))
		a, err := s.NewArena(20 << 20)
		ok(t, err)
		defer a.Close()
		st, err := s.Statfs()
		ok(t, err)
		u := s.Usage()
		if kind != onPlain && (int64(st.Blocks)*st.Bsize != 64<<20 || int64(st.Bfree)*st.Bsize != u.Free || st.Bavail != st.Bfree) {
			t.Errorf("blocks %d, free %d of %d bytes; usage %+v", st.Blocks, st.Bfree, st.Bsize, u)
		}
		if kind == onPlain && st.Blocks == 0 {
			t.Error("a plain store has no size")
		}
	})
}

func TestRenameFollowsBuffers(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		ok(t, s.Mkdir(me(), "a", 0o755))
		ok(t, s.Mkdir(me(), "a/b", 0o755))
		put(t, s, "a/b/f", "F")
		put(t, s, "a.x", "X")
		put(t, s, "g", "G")
		f, x, g := get(t, s, "a/b/f"), get(t, s, "a.x"), get(t, s, "g")
		path := func(b *Buffer, path string) {
			t.Helper()
			if b.Path() != path {
				t.Errorf("path %q, want %q", b.Path(), path)
			}
		}
		ok(t, s.Rename("a", "c", 0))
		path(f, "c/b/f")
		path(x, "a.x")
		ok(t, s.Rename("c", "g", unix.RENAME_EXCHANGE))
		path(f, "g/b/f")
		path(g, "c")
		want(t, s.Rename("c", "a.x", unix.RENAME_NOREPLACE), unix.EEXIST)
		want(t, s.Rename("c", "d", unix.RENAME_WHITEOUT), unix.EINVAL)
		want(t, s.Rename("g", "g/b/z", 0), unix.EINVAL)
		want(t, s.Rename("g", "", 0), unix.EBUSY)
		want(t, s.Rename("no", "d", 0), unix.ENOENT)
		ok(t, s.Rename("c", "a.x", 0)) // over a buffer that is held
		path(g, "a.x")
		path(x, "")
		if content(t, x) != "X" || text(t, s, "a.x") != "G" {
			t.Error("a replaced buffer lost its bytes to its holder")
		}
		ok(t, s.Link("a.x", "second"))
		ok(t, s.Rename("a.x", "second", 0)) // one file: nothing happens
		path(g, "a.x")
		ok(t, s.Unlink("second"))
		path(g, "a.x")
		ok(t, s.Rename("a.x", "a.x", 0))
		path(g, "a.x")
		ok(t, s.Unlink("a.x"))
		path(g, "")
		for _, b := range []*Buffer{f, x, g} {
			b.Release()
		}
	})
}

func get(t *testing.T, s *Store, rel string) *Buffer {
	t.Helper()
	b, err := s.Get(rel)
	ok(t, err)
	return b
}

// A directory swapped for a symlink while paths through it are walked never leads out of the tree.
func TestNoWayOut(t *testing.T) {
	s := openStore(t, onPlain, 16<<20)
	out := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(out, "secret"), []byte("no"), 0o600))
	ok(t, s.Mkdir(me(), "d", 0o755))
	ok(t, os.Symlink(out, filepath.Join(s.Root(), "l")))
	stop := make(chan struct{})
	done := make(chan error)
	go func() {
		var err error
		for err == nil {
			select {
			case <-stop:
				done <- nil
				return
			default:
				err = s.Rename("d", "l", unix.RENAME_EXCHANGE)
			}
		}
		done <- err
	}()
	for range 500 {
		for _, path := range []string{"d/secret", "l/secret"} {
			if _, err := s.Get(path); err == nil {
				t.Fatal("a path led out of the tree")
			}
			if _, st, err := s.Resolve(Cred{}, path); err == nil && st != nil {
				t.Fatal("a path led out of the tree")
			}
		}
	}
	close(stop)
	ok(t, <-done)
}
