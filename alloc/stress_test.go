package alloc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// expected are the errors that names in motion give.
var expected = []error{unix.ENOENT, unix.EEXIST, unix.ENOTDIR, unix.EISDIR, unix.ENOTEMPTY, unix.EINVAL, unix.ENOSPC, unix.ENOMEM, unix.ELOOP}

func isExpected(err error) bool {
	if err == nil {
		return true
	}
	for _, e := range expected {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Many workers do everything to a few names. What a worker holds stays what it is: the bytes in a buffer are those of its inode;
// in the end the store agrees with the tier, and a new start with both.
func TestStress(t *testing.T) {
	for _, kind := range kinds() {
		if kind == onPlain {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			cfg, _ := config(t, kind, 32<<20)
			cfg.Logf = nil
			s := mustOpen(t, cfg)
			for _, dir := range []string{"a", "b", "a/c"} {
				ok(t, s.Mkdir(me(), dir, 0o755))
			}
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					st := &stress{t: t, s: s, r: rand.New(rand.NewPCG(uint64(w), 11))}
					for range 250 {
						st.step()
					}
					st.end()
				})
			}
			wg.Wait()
			checkStore(t, s)
			before, marks := s.Usage(), len(s.marks.of)
			ok(t, s.Close(true))
			s = mustOpen(t, cfg)
			if u := s.Usage(); u.Buffers != before.Buffers || u.Used > before.Used || len(s.marks.of) != marks {
				t.Errorf("before %+v, %d marks; after %+v, %d marks", before, marks, u, len(s.marks.of))
			}
			checkStore(t, s)
			ok(t, s.Close(false))
		})
	}
}

type stress struct {
	t    *testing.T
	s    *Store
	r    *rand.Rand
	held []*Buffer
}

func (x *stress) path() string {
	return pick(x.r, []string{"", "a", "b", "a/c", "b/c"}) + "/" + pick(x.r, []string{"x", "y", "z", "c"})
}

func (x *stress) step() {
	p, q := trimSlash(x.path()), trimSlash(x.path())
	var b *Buffer
	var err error
	switch x.r.IntN(14) {
	case 0, 1, 2:
		b, _, err = x.s.Create(me(), p, 0o644, x.r.IntN(2) == 0)
	case 3:
		b, err = published(x.s, p)
	case 4, 5:
		b, err = x.s.Get(p)
	case 6:
		err = x.s.Unlink(p)
	case 7:
		err = x.s.Rename(p, q, pick(x.r, []uint{0, 0, unix.RENAME_EXCHANGE, unix.RENAME_NOREPLACE}))
	case 8:
		err = x.s.Link(p, q)
	case 9:
		err = first(x.s.Mkdir(me(), p, 0o755), x.s.Rmdir(p))
	case 10:
		err = x.prepare(p)
	case 11:
		_, _, err = x.s.Resolve(me(), p)
	case 12:
		_, err = x.s.ReadDir(pick(x.r, []string{"", "a", "b"}))
	case 13:
		x.letGo()
	}
	if !isExpected(err) && !errors.Is(err, unix.EPERM) {
		x.t.Error(err)
	}
	if b != nil {
		x.use(b)
	}
}

func trimSlash(p string) string {
	if p[0] == '/' {
		return p[1:]
	}
	return p
}

func (x *stress) prepare(rel string) error {
	p, err := x.s.Prepare(rel, int64(x.r.IntN(1<<18)))
	if err != nil {
		return err
	}
	if x.r.IntN(2) == 0 {
		if err := p.SetMark(job); err != nil {
			x.t.Error(err)
		}
	}
	if x.r.IntN(2) == 0 || p.Publish(me(), rel, 0o600) != nil {
		if err := p.Discard(rel); !isExpected(err) {
			return err
		}
		return nil
	}
	x.use(p.Buffer)
	return nil
}

// use puts the inode's number into the buffer, or finds it there.
func (x *stress) use(b *Buffer) {
	tag := binary.NativeEndian.AppendUint64(nil, b.Ino())
	got := make([]byte, 8)
	n, _ := b.ReadAt(got, 0)
	if n == 8 && string(got) != string(tag) && string(got) != string(make([]byte, 8)) {
		x.t.Errorf("%v holds the bytes of %x", b, got)
	}
	if _, err := b.WriteAt(tag, 0); !isExpected(err) {
		x.t.Error(err)
	}
	var err error
	switch x.r.IntN(4) {
	case 0:
		err = b.ClearMark()
	case 1:
		err = b.SetMark(Mark{State: Bad, Reason: fmt.Sprint(b.Ino())})
	case 2:
		var m *Mapping
		if m, err = b.Map(); err == nil {
			copy(m.Data, tag)
			m.Close()
		}
	case 3:
		err = b.Resize(int64(8 + x.r.IntN(1<<19)))
		if errors.Is(err, unix.EBUSY) { // mapped by another worker
			err = nil
		}
	}
	if !isExpected(err) {
		x.t.Error(err)
	}
	x.held = append(x.held, b)
}

func (x *stress) letGo() {
	if len(x.held) == 0 {
		return
	}
	i := x.r.IntN(len(x.held))
	x.held[i].Release()
	x.held[i] = x.held[len(x.held)-1]
	x.held = x.held[:len(x.held)-1]
}

func (x *stress) end() {
	for len(x.held) > 0 {
		x.letGo()
	}
}

// The paths of held buffers are right after any number of renames at once.
func TestPathsUnderRenames(t *testing.T) {
	s := openStore(t, kinds()[0], 16<<20)
	var held []*Buffer
	for i := range 20 {
		dir := fmt.Sprintf("d%d", i%4)
		ok(t, ignore(s.Mkdir(me(), dir, 0o755), unix.EEXIST))
		b, _, err := s.Create(me(), fmt.Sprintf("%s/%d", dir, i), 0o644, true)
		ok(t, err)
		held = append(held, b)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 12))
			for range 200 {
				from, to := fmt.Sprintf("d%d", r.IntN(4)), fmt.Sprintf("d%d", r.IntN(4))
				if r.IntN(2) == 0 {
					from, to = fmt.Sprintf("%s/%d", from, r.IntN(20)), fmt.Sprintf("%s/%d", to, r.IntN(20))
				}
				if err := s.Rename(from, to, pick(r, []uint{0, unix.RENAME_EXCHANGE})); !isExpected(err) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, b := range held {
		st, err := b.Stat()
		ok(t, err)
		if path := b.Path(); (path == "") != (st.Nlink == 0) {
			t.Errorf("%v has %d names", b, st.Nlink)
		} else if path != "" {
			if at, err := s.Lstat(path); err != nil || at.Ino != b.Ino() {
				t.Errorf("%v: there is inode %d, %v", b, at.Ino, err)
			}
		}
		b.Release()
	}
}
