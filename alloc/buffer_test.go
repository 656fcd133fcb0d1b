package alloc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestIdentity(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		b, created, err := s.Create(me(), "f", 0o640, true)
		ok(t, err)
		if !created {
			t.Error("not created")
		}
		_, _, err = s.Create(me(), "f", 0o640, true)
		want(t, err, unix.EEXIST)
		again, created, err := s.Create(Cred{UID: 5}, "f", 0o777, false)
		ok(t, err)
		ok(t, s.Link("f", "g"))
		other := get(t, s, "g")
		if created || again != b || other != b || s.Held(b.Ino()) != b {
			t.Error("one inode is two buffers")
		}
		for range 3 {
			b.Release()
		}
		b.Ref()
		b.Release()
		st, err := b.Stat()
		ok(t, err)
		if st.Ino != b.Ino() || st.Mode != unix.S_IFREG|0o640 || st.Uid != me().UID || b.String() != fmt.Sprintf("%q (inode %d)", "f", st.Ino) {
			t.Errorf("%v: %+v", b, st)
		}
		ok(t, unix.Fstat(b.Fd(), &st))
		b.Release()
		if panicked(b.Release) == nil || panicked(b.Ref) == nil {
			t.Error("a released buffer can be held")
		}
		if s.Held(st.Ino) != nil {
			t.Error("a released buffer is held")
		}
	})
}

func panicked(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

func TestGetRefuses(t *testing.T) {
	s := openStore(t, kinds()[0], 16<<20)
	ok(t, s.Mkdir(me(), "d", 0o755))
	ok(t, s.Symlink(me(), "x", "l"))
	ok(t, unix.Mkfifo(filepath.Join(s.Root(), "fifo"), 0o666))
	for path, errno := range map[string]unix.Errno{"d": unix.EISDIR, "": unix.EISDIR, "l": unix.ELOOP, "fifo": unix.EINVAL, "no": unix.ENOENT} {
		_, err := s.Get(path)
		want(t, err, errno)
		if path != "no" {
			_, _, err = s.Create(me(), path, 0o644, false)
			want(t, err, errno)
			_, _, err = s.Create(me(), path, 0o644, true)
			want(t, err, unix.EEXIST)
		}
	}
	_, err := s.Prepare("", 1)
	want(t, err, unix.EISDIR)
}

func TestPublishKeepsWhatItCan(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		put(t, s, "f", "old")
		ok(t, s.Setxattr("f", "user.k", []byte("v"), 0))
		ok(t, s.Chmod("f", 0o604))
		if os.Geteuid() == 0 {
			ok(t, s.Chown("f", 77, 78))
		}
		before, err := s.Lstat("f")
		ok(t, err)
		old := get(t, s, "f")
		ok(t, old.SetMark(job))
		b, err := published(s, "f")
		ok(t, err)
		st, err := b.Stat()
		ok(t, err)
		value := make([]byte, 8)
		n, err := s.Getxattr("f", "user.k", value)
		ok(t, err)
		if st.Ino == before.Ino || st.Uid != before.Uid || st.Gid != before.Gid || st.Mode != before.Mode || string(value[:n]) != "v" || st.Size != 0 {
			t.Errorf("%+v replaced %+v", st, before)
		}
		_, oldMarked := old.Mark()
		_, newMarked := s.MarkOf("f")
		if content(t, old) != "old" || old.Path() != "" || b.Path() != "f" || !oldMarked || newMarked {
			t.Errorf("old %q %q %v, new %q %v", content(t, old), old.Path(), oldMarked, b.Path(), newMarked)
		}
		old.Release()
		b.Release()
	})
}

func TestPrepare(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		_, err := s.Prepare("no/f", 1)
		want(t, err, unix.ENOENT)
		if kind != onPlain {
			_, err = s.Prepare("f", 17<<20)
			want(t, err, unix.ENOSPC)
		}
		for _, there := range []bool{false, true} {
			p, err := s.Prepare("f", 5000)
			ok(t, err)
			if n, err := p.Size(); n != 5000 || err != nil || p.Path() != "" {
				t.Errorf("prepared %d bytes, %v, at %q", n, err, p.Path())
			}
			ok(t, p.SetMark(job))
			ok(t, p.Publish(me(), "f", 0o600))
			st, err := s.Lstat("f")
			ok(t, err)
			if m, marked := s.MarkOf("f"); st.Ino != p.Ino() || p.Path() != "f" || !marked || m.Bad() || st.Mode&0o777 != 0o600 {
				t.Errorf("over another: %v: %+v %q", there, st, p.Path())
			}
			p.Release()
		}
		p, err := s.Prepare("f", 5000)
		ok(t, err)
		ok(t, p.SetMark(job))
		ok(t, p.Discard("f"))
		ok(t, s.Mkdir(me(), "d", 0o755))
		p, err = s.Prepare("d/f", 1)
		ok(t, err)
		ok(t, s.Rename("d", "e", 0))
		err = p.Discard("d/f")
		if kind == onPlain {
			want(t, err, unix.ENOENT) // the temporary went with the directory
			ok(t, os.RemoveAll(filepath.Join(s.Root(), "e")))
			ok(t, s.Mkdir(me(), "e", 0o755))
		} else {
			ok(t, err)
		}
		ok(t, s.Rename("e", "d", 0))
		p, err = s.Prepare("d", 1)
		ok(t, err)
		want(t, p.Publish(me(), "d", 0o600), unix.EISDIR)
		ok(t, p.Discard("d"))
		list, err := os.ReadDir(s.Root())
		ok(t, err)
		if len(list) != 2 {
			t.Errorf("left: %v", list)
		}
	})
}

// Reads, writes and sizes against a model in memory.
func TestBytesLikeAModel(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 64<<20)
		b, _, err := s.Create(me(), "f", 0o644, true)
		ok(t, err)
		defer b.Release()
		r := rand.New(rand.NewPCG(1, 2))
		var model []byte
		for range 300 {
			off, n := r.Int64N(1<<20), r.IntN(1<<16)
			p := make([]byte, n)
			for i := range p {
				p[i] = byte(r.Uint32())
			}
			switch r.IntN(6) {
			case 0:
				got, err := b.WriteAt(p, off)
				if got != n || err != nil {
					t.Fatal(got, err)
				}
				if n > 0 {
					model = append(model, make([]byte, max(0, int(off)+n-len(model)))...)
				}
				copy(model[min(int(off), len(model)):], p)
			case 1:
				at, err := b.Append(p)
				ok(t, err)
				if at != int64(len(model)) {
					t.Fatalf("appended at %d of %d", at, len(model))
				}
				model = append(model, p...)
			case 2:
				ok(t, b.Resize(off))
				model = append(model, make([]byte, max(0, int(off)-len(model)))...)[:off]
			case 3:
				ok(t, b.Allocate(off, int64(n)+1, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE))
				if int(off) < len(model) {
					clear(model[off:min(len(model), int(off)+n+1)])
				}
			case 4:
				ok(t, b.Allocate(off, int64(n)+1, 0))
				model = append(model, make([]byte, max(0, int(off)+n+1-len(model)))...)
			case 5:
				viaMapping(t, b, model, int(off), p)
			}
			checkModel(t, b, model, p, off)
		}
		ok(t, b.fillHoles())
		ok(t, b.Sync())
	})
}

func viaMapping(t *testing.T, b *Buffer, model []byte, off int, p []byte) {
	t.Helper()
	m, err := b.Map()
	ok(t, err)
	defer m.Close()
	if !bytes.Equal(m.Data, model) {
		t.Fatal("the mapping shows other bytes")
	}
	if off < len(model) {
		copy(model[off:], p)
		copy(m.Data[off:], p)
	}
}

func checkModel(t *testing.T, b *Buffer, model, p []byte, off int64) {
	t.Helper()
	n, err := b.ReadAt(p, off)
	wantN := min(max(len(model)-int(off), 0), len(p))
	if n != wantN || (n < len(p)) != (err == io.EOF) || err != nil && err != io.EOF {
		t.Fatalf("read %d of %d, %v, want %d", n, len(p), err, wantN)
	}
	if n > 0 && !bytes.Equal(p[:n], model[off:int(off)+n]) {
		t.Fatal("read other bytes")
	}
	if size, err := b.Size(); err != nil || size != int64(len(model)) {
		t.Fatalf("size %d, %v, want %d", size, err, len(model))
	}
}

func TestArguments(t *testing.T) {
	s := openStore(t, kinds()[0], 16<<20)
	put(t, s, "f", "abc")
	b := get(t, s, "f")
	defer b.Release()
	_, err := b.ReadAt(nil, -1)
	want(t, err, unix.EINVAL)
	_, err = b.WriteAt(nil, -1)
	want(t, err, unix.EINVAL)
	_, err = b.WriteAt([]byte{1}, 1<<63-1)
	want(t, err, unix.EFBIG)
	want(t, b.Resize(-1), unix.EINVAL)
	want(t, b.Allocate(-1, 1, 0), unix.EINVAL)
	want(t, b.Allocate(0, 0, 0), unix.EINVAL)
	want(t, b.Allocate(1<<62, 1<<62, 0), unix.EFBIG)
	want(t, b.Resize(1<<62), unix.ENOSPC)
	_, err = b.Seek(0, 0)
	want(t, err, unix.EINVAL)
	_, err = b.Seek(3, unix.SEEK_DATA)
	want(t, err, unix.ENXIO)
	hole, err := b.Seek(0, unix.SEEK_HOLE)
	if err != nil || hole != 3 {
		t.Errorf("hole at %d, %v", hole, err)
	}
}

func TestMapping(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 32<<20)
		b, _, err := s.Create(me(), "f", 0o644, true)
		ok(t, err)
		empty, err := b.Map()
		ok(t, err)
		if len(empty.Data) != 0 || !b.Mapped() {
			t.Errorf("%d bytes of an empty buffer, mapped %v", len(empty.Data), b.Mapped())
		}
		empty.Close()
		ok(t, b.Resize(3<<20))
		m, err := b.Map()
		ok(t, err)
		same, err := b.Map()
		ok(t, err)
		m.Data[2<<20] = 42
		if &same.Data[0] != &m.Data[0] || same.Data[2<<20] != 42 || len(m.Data) != 3<<20 {
			t.Error("two mappings of one size are not one")
		}
		punch := uint32(unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE)
		want(t, b.Resize(1), unix.EBUSY)
		want(t, b.Allocate(0, 4096, punch), unix.EBUSY)
		ok(t, b.Resize(5<<20))
		larger, err := b.Map()
		ok(t, err)
		if len(larger.Data) != 5<<20 || larger.Data[2<<20] != 42 {
			t.Error("a larger mapping shows other bytes")
		}
		m.Close()
		m.Close()
		larger.Close()
		want(t, b.Resize(1), unix.EBUSY)
		ok(t, s.Unlink("f"))
		b.Release()
		if same.Data[2<<20] != 42 { // the mapping holds the buffer
			t.Error("the bytes went before their mapping")
		}
		if !b.Mapped() {
			t.Error("not mapped")
		}
		same.Close()
	})
}

// fillHoles reserves as Map does.
func (b *Buffer) fillHoles() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := b.reserve()
	return err
}

// A sparse file is filled up before it is mapped, or not mapped at all: no touch of a mapping can fail.
func TestMapReserves(t *testing.T) {
	for _, kind := range kinds() {
		if kind == onPlain {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			s := openStore(t, kind, 16<<20)
			put(t, s, "f", "")
			path := filepath.Join(s.Root(), "f")
			ok(t, os.Truncate(path, 64<<20)) // behind the store's back: all of it a hole
			b := get(t, s, "f")
			_, err := b.Map()
			want(t, err, unix.ENOSPC)
			want(t, b.fillHoles(), unix.ENOSPC)
			ok(t, b.Resize(8<<20))
			m, err := b.Map()
			ok(t, err)
			st, err := b.Stat()
			ok(t, err)
			if st.Blocks*512 < 8<<20 || b.Mapped() != true {
				t.Errorf("%d bytes are held of %d", st.Blocks*512, st.Size)
			}
			m.Close()
			b.Release()
		})
	}
}

// Files that the daemon itself may not write are read and mapped all the same.
func TestReadOnly(t *testing.T) {
	s, inject := openFaulty(t, onPlain, 16<<20)
	put(t, s, "f", "abc")
	ok(t, s.Chmod("f", 0o444))
	refused := false
	inject.arm(func(op, path string) error { // root may write everything
		if op == "open" && path == "f" && !refused {
			refused = true
			return unix.EACCES
		}
		return nil
	})
	b := get(t, s, "f")
	defer b.Release()
	m, err := b.Map()
	ok(t, err)
	if !b.readonly || string(m.Data) != "abc" || content(t, b) != "abc" {
		t.Errorf("read-only %v, %q", b.readonly, m.Data)
	}
	m.Close()
	_, err = b.WriteAt([]byte("x"), 0)
	want(t, err, unix.EACCES)
	_, err = b.Append([]byte("x"))
	want(t, err, unix.EACCES)
	want(t, b.Resize(0), unix.EACCES)
	want(t, b.Allocate(0, 1, 0), unix.EACCES)
}

// Appends of many are each in one piece.
func TestAppendsConcurrently(t *testing.T) {
	s := openStore(t, kinds()[0], 16<<20)
	b, _, err := s.Create(me(), "log", 0o644, true)
	ok(t, err)
	defer b.Release()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			piece := bytes.Repeat([]byte{byte('a' + w)}, 1000)
			for range 20 {
				off, err := b.Append(piece)
				if err == nil && off%1000 != 0 {
					err = errors.New("a piece was torn")
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for text := content(t, b); len(text) > 0; text = text[1000:] {
		if bytes.Count([]byte(text[:1000]), []byte(text[:1])) != 1000 {
			t.Fatal("a piece was torn")
		}
	}
}
