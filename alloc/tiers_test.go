package alloc

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Tiers that share a file system have its free space together, not each; limits that leave enough of it add up.
func TestDisksCountOnce(t *testing.T) {
	free := func(s *Store) (size, free, left int64) {
		t.Helper()
		st, err := s.Statfs()
		ok(t, err)
		u := s.mem.usage()
		fs, err := s.spills[0].statfs(s.spills[0].dir, "")
		ok(t, err)
		return int64(st.Blocks)*st.Bsize - u.Mem, int64(st.Bavail)*st.Bsize - u.Free, int64(fs.Bavail) * fs.Bsize
	}
	const tiers, slack = 3, 1 << 30 // others write to the disk meanwhile
	cfg, _ := spillConfig(t, onShm, 16<<20, tiers)
	for i := range cfg.Spill {
		cfg.Spill[i].Size = 0 // as much as there is
	}
	s := openWith(t, cfg)
	if size, n, left := free(s); n > left+slack || size > left+slack || n < left*9/10-slack {
		t.Errorf("%d tiers on one disk that has %d bytes: size %d, free %d", tiers, left, size, n)
	}
	small, _ := spillConfig(t, onShm, 16<<20, tiers)
	for i := range small.Spill {
		small.Spill[i].Size = 1 << 20
	}
	s = openWith(t, small)
	b := keep(t, s, "a", noise(1, 300<<10))
	ok(t, b.Spill(ctx))
	size, n, _ := free(s)
	u := s.Tiers()[1]
	if want := int64(tiers << 20); size != want || n != want-u.Used || u.Used < 300<<10 {
		t.Errorf("%d tiers of 1 MiB: size %d, free %d, with %d in use", tiers, size, n, u.Used)
	}
	if st, err := s.Statfs(); err != nil || st.Bfree != st.Bavail {
		t.Errorf("%v: %d blocks are free, %d are available", err, st.Bfree, st.Bavail)
	}
}

// nthCall has the n-th system call from now on fail, and tells whether it came to that.
func nthCall(i *injector, n int, errno unix.Errno) (reached func() bool) {
	var calls atomic.Int64 // the store has goroutines of its own
	i.arm(func(string, string) error {
		if calls.Add(1) == int64(n) {
			return errno
		}
		return nil
	})
	return func() bool { return calls.Load() >= int64(n) }
}

// Victims are the resident buffers that nobody has mapped or holds, each once; whatever call fails there is no list that
// lacks some. What a victim was may be elsewhere by the time that it is asked for.
func TestVictims(t *testing.T) {
	s, i := openSpilling(t, onShm, 16<<20, 1)
	ok(t, s.Mkdir(me(), "dir", 0o755))
	for _, rel := range []string{"dir/free", "linked", "mapped", "held", "away"} {
		put(t, s, rel, string(noise(1, 100<<10)))
	}
	put(t, s, "empty", "")
	ok(t, s.Link("linked", "dir/link"))
	get := func(rel string) *Buffer {
		t.Helper()
		b, err := s.Get(rel)
		ok(t, err)
		return b
	}
	mapped, held, away := get("mapped"), get("held"), get("away")
	m, err := mapped.Map()
	ok(t, err)
	held.Hold()
	ok(t, away.Spill(ctx))
	names := func(list []Victim) (out []string) {
		for _, v := range list {
			if out = append(out, filepath.Base(v.Rel)); v.Bytes < 100<<10 || v.LastUse.IsZero() {
				t.Errorf("%+v", v)
			}
		}
		slices.Sort(out)
		return out
	}
	var list []Victim
	for n := 1; ; n++ {
		reached := nthCall(i, n, unix.EIO)
		list, err = s.Victims()
		i.disarm()
		if got := names(list); err == nil && !slices.Equal(got, []string{"free", "link"}) && !slices.Equal(got, []string{"free", "linked"}) {
			t.Errorf("call %d fails: %q", n, got)
		}
		if !reached() {
			break
		}
	}
	ok(t, err)
	free := list[slices.IndexFunc(list, func(v Victim) bool { return v.Rel == "dir/free" })]
	b, err := free.Get()
	ok(t, err)
	b.Release()
	ok(t, s.Rename("dir/free", "elsewhere", 0))
	if _, err := free.Get(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a victim that was renamed: %v", err)
	}
	put(t, s, "dir/free", "another")
	if _, err := free.Get(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("another file of its name: %v", err)
	}
	m.Close()
	held.Unhold()
	for _, b := range []*Buffer{mapped, held, away} {
		b.Release()
	}
	s.CountReads(3, 2)
	if u := s.Tiers()[0]; u.Hits != 3 || u.Misses != 2 {
		t.Errorf("%d hits, %d misses", u.Hits, u.Misses)
	}
}

// What is written over a hole of a spilled buffer takes space: where the tier has none it is ENOSPC and the hole stays, and
// the account is right before and after.
func TestWriteOverHole(t *testing.T) {
	const size, lo, n = 1 << 20, 256 << 10, 512 << 10
	s, _ := openSpilling(t, onShm, 16<<20, 1)
	data := noise(2, size)
	b := keep(t, s, "a", data)
	ok(t, b.Spill(ctx))
	ok(t, b.Allocate(lo, n, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE))
	clear(data[lo : lo+n])
	limit(t, s, n-pageSize)
	fresh := noise(3, n)
	want(t, b.Write(Segment{lo, fresh}).Wait(ctx), unix.ENOSPC)
	holds(t, b, data)
	checkStore(t, s)
	limit(t, s, n)
	ok(t, b.Write(Segment{lo, fresh}).Wait(ctx))
	copy(data[lo:], fresh)
	holds(t, b, data)
	if u := s.Tiers()[1]; u.Used < size || u.Free > pageSize {
		t.Errorf("%d bytes are used, %d free", u.Used, u.Free)
	}
	limit(t, s, 1<<20)
	ok(t, b.Promote(ctx, false))
	holds(t, b, data)
}

// A file of checksums that is cut or changed anywhere is none, and so is one that is whole and makes no sense.
func TestTablesRefused(t *testing.T) {
	raw := &sums{of: []uint32{1, 2, 3}}
	packed := &sums{of: []uint32{1, 2}, pack: &packing{width: 4, of: []packedChunk{{100, 7}, {0, 8}}}}
	for _, u := range []*sums{raw, packed} {
		p := u.encode()
		var back sums
		if !back.decode(p) || !slices.Equal(back.of, u.of) || (u.pack == nil) != (back.pack == nil) || u.pack != nil && !slices.Equal(back.pack.of, u.pack.of) {
			t.Fatalf("%+v is read as %+v", u, &back)
		}
		for i := range p {
			if new(sums).decode(p[:i]) {
				t.Errorf("%d bytes of %d are a table", i, len(p))
			}
			p[i] ^= 1
			if new(sums).decode(p) {
				t.Errorf("changed at %d it is a table", i)
			}
			p[i] ^= 1
		}
	}
	for at, value := range map[int]uint32{
		0: 7, 4: 9, 16: 3 /* width */, 20: 5 /* chunks */, 24: packChunk + 1, /* size of one */
	} {
		p := packed.encode()
		body := p[:len(p)-4]
		binary.LittleEndian.PutUint32(body[at:], value)
		if new(sums).decode(binary.LittleEndian.AppendUint32(body, sum(body))) {
			t.Errorf("%d at %d is a table", value, at)
		}
	}
}

// Pages for marks are there when they are needed, whatever takes memory meanwhile; those that nobody used are given back, and a call
// that fails leaves what there was.
func TestReserveMarks(t *testing.T) {
	const n = 5
	s, i := openSpilling(t, onShm, 16<<20, 1)
	spares := func() int {
		s.marks.mu.Lock()
		defer s.marks.mu.Unlock()
		return len(s.marks.spares)
	}
	before, used := spares(), s.mem.usage().Used
	for k := 1; ; k++ {
		reached := nthCall(i, k, unix.EIO)
		made, err := s.ReserveMarks(n)
		i.disarm()
		if got := spares(); got != before+made || err == nil && got < n+1 || err != nil && !errors.Is(err, unix.EIO) {
			t.Errorf("call %d fails: %d spares, %d made, %v", k, got, made, err)
		}
		s.TrimMarks(made)
		if got := spares(); got > max(before, 1) || s.mem.usage().Used > used+markSize {
			t.Errorf("call %d fails: %d spares are left of %d, %d bytes of %d", k, got, before, s.mem.usage().Used, used)
		}
		before = spares()
		if !reached() {
			break
		}
	}
	made, err := s.ReserveMarks(n)
	ok(t, err)
	var calls atomic.Int64
	i.arm(func(op, _ string) error {
		if op == "fallocate" {
			calls.Add(1)
		}
		return nil
	})
	b := keep(t, s, "a", nil)
	ok(t, b.SetMark(Mark{State: Bad, Path: "a", Reason: "test"}))
	i.disarm()
	if n := calls.Load(); n > 0 {
		t.Errorf("%d pages were allocated for a mark that had one", n)
	}
	ok(t, b.ClearMark())
	s.TrimMarks(made)
	if made, err := s.ReserveMarks(0); made != 0 || err != nil {
		t.Error(made, err)
	}
}

// A directory that cannot be a spill tier is refused at the start; there is no temporary space without one, nor in a store that is closed.
func TestUnsuitableTiers(t *testing.T) {
	shm, err := os.MkdirTemp("/dev/shm", testName())
	ok(t, err)
	defer os.RemoveAll(shm)
	cfg, _ := spillConfig(t, onShm, 16<<20, 1)
	good := cfg.Spill[0].Dir
	for dir, mountpoint := range map[string]string{shm: "", good: good, filepath.Join(good, "..", filepath.Base(good)): filepath.Dir(good)} {
		cfg.Spill[0].Dir, cfg.Mountpoint = dir, mountpoint
		s, err := Open(cfg)
		if !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s, mounted at %q: %v", dir, mountpoint, err)
		}
		if err == nil {
			ok(t, s.Close(false))
		}
	}
	if _, err := openStore(t, onShm, 16<<20).Temp(100); !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("temporary space without a tier: %v", err)
	}
	cfg.Spill[0].Dir, cfg.Mountpoint = good, filepath.Join(good, "beside")
	s := mustOpen(t, cfg)
	b, err := s.Temp(100)
	ok(t, err)
	b.Release()
	ok(t, s.Close(false))
	if _, err := s.Temp(100); !errors.Is(err, unix.ESHUTDOWN) {
		t.Errorf("temporary space of a closed store: %v", err)
	}
	if _, err := s.ReserveMarks(1); !errors.Is(err, unix.ESHUTDOWN) {
		t.Errorf("marks of a closed store: %v", err)
	}
}
