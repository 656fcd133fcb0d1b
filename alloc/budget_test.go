package alloc

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestArenaAlloc(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 64<<20)
		sizes := []int{1, 63, 64, 65, 4096, 1 << 20, hugePage - 1, hugePage, hugePage + 1, 5 << 20, 0, 3}
		total := 0
		for _, n := range sizes {
			total += n
		}
		for range 3 { // fresh memory, then recycled
			a, err := s.NewArena(int64(total))
			ok(t, err)
			var got [][]byte
			for i, n := range sizes {
				p := a.Alloc(n)
				align := uintptr(64)
				if n >= hugePage {
					align = hugePage
				}
				if len(p) != n || uintptr(unsafe.Pointer(unsafe.SliceData(p)))%align != 0 {
					t.Errorf("Alloc(%d) at %p has %d bytes", n, p, len(p))
				}
				for j := range p {
					p[j] = byte(i)
				}
				got = append(got, p)
			}
			for i, p := range got {
				if n := len(p); n > 0 && (p[0] != byte(i) || p[n/2] != byte(i) || p[n-1] != byte(i)) {
					t.Errorf("piece %d was written over", i)
				}
			}
			checkArena(t, s)
			a.Close()
			a.Close()
			checkArena(t, s)
		}
	})
}

// checkArena checks the invariants of the budget, and that no region is in use twice.
func checkArena(t *testing.T, s *Store) {
	t.Helper()
	b := s.mem
	b.mu.Lock()
	defer b.mu.Unlock()
	cached := int64(0)
	for _, r := range b.idle {
		cached += r.dirty
	}
	if cached != b.cached || b.charged > b.active || b.charged+b.cached > b.reserved || b.active > b.reserved || b.reserved > b.mem {
		t.Errorf("active %d, charged %d, cached %d (%d), reserved %d of %d", b.active, b.charged, b.cached, cached, b.reserved, b.mem)
	}
}

func panicOf(f func()) (err error) {
	defer func() { err, _ = recover().(error) }()
	f()
	return nil
}

func TestArenaBeyond(t *testing.T) {
	s := openStore(t, kinds()[0], 64<<20)
	for _, piece := range []int{1 << 20, 4 << 20} {
		a, err := s.NewArena(8 << 20)
		ok(t, err)
		err = panicOf(func() {
			for range 100 {
				a.Alloc(piece)
			}
		})
		var budget *BudgetError
		if !errors.As(err, &budget) || budget.Need != int64(piece) {
			t.Errorf("beyond the reservation: %v", err)
		}
		want(t, panicOf(func() { a.Alloc(-1) }), unix.EINVAL)
		a.Close()
		want(t, panicOf(func() { a.Alloc(1) }), unix.EINVAL)
		checkArena(t, s)
	}
	_, err := s.NewArena(-1)
	want(t, err, unix.EINVAL)
	for _, n := range []int64{64 << 20, 1 << 40, 1<<63 - 1} {
		_, err = s.NewArena(n)
		want(t, err, unix.ENOMEM)
	}
	if u := s.Usage(); u.Scratch != 0 {
		t.Errorf("%+v", u)
	}
}

// Whatever pieces a job asks for, if they add up to what it reserved they are there.
func TestArenaRounding(t *testing.T) {
	s := openStore(t, kinds()[0], 256<<20)
	r := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		var sizes []int
		total := 0
		for range 1 + r.IntN(40) {
			n := 1 + r.IntN(1<<(1+r.IntN(23)))
			if total+n > 100<<20 {
				break
			}
			sizes, total = append(sizes, n), total+n
		}
		a, err := s.NewArena(int64(total))
		ok(t, err)
		var all [][]byte
		for _, n := range sizes {
			p := a.Alloc(n)
			p[0], p[n-1] = 1, 1
			all = append(all, p)
		}
		slices.SortFunc(all, func(a, b []byte) int { return int(addr(a) - addr(b)) })
		for i := 1; i < len(all); i++ {
			if addr(all[i-1])+int64(len(all[i-1])) > addr(all[i]) {
				t.Fatal("two pieces overlap")
			}
		}
		checkArena(t, s)
		a.Close()
	}
}

func addr(p []byte) int64 { return int64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) }

// memoryCalls counts the calls that give memory or take it, from now on.
func (i *injector) memoryCalls() *atomic.Int64 {
	var calls atomic.Int64
	i.arm(func(op, _ string) error {
		if op == "remount" || op == "mmap" || op == "madvise" || op == "munmap" {
			calls.Add(1)
		}
		return nil
	})
	return &calls
}

// In the steady state a job costs no mount call, and no mapping.
func TestArenaSteadyState(t *testing.T) {
	s, inject := openFaulty(t, kinds()[0], 256<<20)
	run := func() {
		a, err := s.NewArena(12 << 20)
		ok(t, err)
		a.Alloc(1000)[0] = 1
		a.Alloc(5 << 20)[0] = 1
		a.Alloc(1 << 20)[0] = 1
		a.Close()
	}
	run()
	calls := inject.memoryCalls()
	for range 50 {
		run()
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("50 jobs made %d calls", n)
	}
	inject.disarm()
	s.mem.unlend()
	if u := s.Usage(); u.Cached != 0 || len(s.mem.idle) != 0 {
		t.Errorf("after it is given back: %+v, %d regions", u, len(s.mem.idle))
	}
}

func TestArenasConcurrently(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 128<<20)
		var wg sync.WaitGroup
		for w := range 6 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(w), 9))
				for range 40 {
					n := 1 << (10 + r.IntN(14))
					a, err := s.NewArena(int64(3 * n))
					if errors.Is(err, unix.ENOMEM) {
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					var in sync.WaitGroup
					for part := range 3 {
						in.Go(func() {
							p := a.Alloc(n)
							for i := 0; i < n; i += 512 {
								p[i] = byte(part)
							}
							for i := 0; i < n; i += 512 {
								if p[i] != byte(part) {
									t.Error("a piece was given away twice")
									return
								}
							}
						})
					}
					in.Wait()
					a.Close()
				}
			})
		}
		wg.Wait()
		checkArena(t, s)
		if u := s.Usage(); u.Scratch != 0 || u.Used+u.Cached > u.Mem {
			t.Errorf("%+v", u)
		}
	})
}

func TestBudgetHolds(t *testing.T) {
	for _, kind := range kinds() {
		if kind == onPlain {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			s := openStore(t, kind, 32<<20)
			a, err := s.NewArena(10 << 20)
			ok(t, err)
			b, _, err := s.Create(me(), "b", 0o644, true)
			ok(t, err)
			want(t, b.Resize(30<<20), unix.ENOSPC)
			if n, err := b.Size(); n != 0 || err != nil {
				t.Errorf("a growth that failed left %d bytes, %v", n, err)
			}
			if u := s.Usage(); u.Used > 1<<20 {
				t.Errorf("a growth that failed holds memory: %+v", u)
			}
			ok(t, b.Resize(18<<20))
			_, err = s.NewArena(4 << 20)
			var budget *BudgetError
			if !errors.As(err, &budget) || !errors.Is(err, unix.ENOMEM) || budget.Free > 4<<20 || budget.Mem != 32<<20 || budget.Error() == "" {
				t.Errorf("an arena that does not fit: %v", err)
			}
			n, err := b.WriteAt(make([]byte, 8<<20), 18<<20)
			want(t, err, unix.ENOSPC)
			if u := s.Usage(); n >= 8<<20 || u.Used+u.Scratch > u.Mem {
				t.Errorf("wrote %d: %+v", n, u)
			}
			size, err := b.Size()
			ok(t, err)
			_, err = b.Append(make([]byte, 16<<20))
			want(t, err, unix.ENOSPC)
			if now, err := b.Size(); now != size || err != nil {
				t.Errorf("an append that failed left %d bytes of %d, %v", now, size, err)
			}
			a.Close() // what it leaves idle is given up for the buffer
			ok(t, b.Resize(31<<20))
			ok(t, b.Resize(0))
			b.Release()
			ok(t, s.Unlink("b"))
		})
	}
}

// A client that grows a file by its own descriptor cannot overrun the limit either.
func TestBudgetHoldsForPassthrough(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("there is no passthrough without privilege")
		return
	}
	s := openStore(t, onTmpfs, 32<<20)
	put(t, s, "b", "")
	f, err := os.OpenFile(filepath.Join(s.Root(), "b"), os.O_RDWR, 0)
	ok(t, err)
	defer f.Close()
	a, err := s.NewArena(16 << 20)
	ok(t, err)
	err = nil
	for err == nil {
		_, err = f.Write(make([]byte, 1<<20))
		if u := s.Usage(); u.Used+u.Scratch > u.Mem {
			t.Fatalf("%+v", u)
		}
	}
	want(t, err, unix.ENOSPC)
	_, err = s.NewArena(4 << 20)
	want(t, err, unix.ENOMEM)
	ok(t, f.Truncate(0))
	more, err := s.NewArena(4 << 20)
	ok(t, err)
	more.Close()
	a.Close()
}

// Buffers and arenas that grow and shrink at random, while a sampler looks on.
func TestBudgetUnderLoad(t *testing.T) {
	for _, kind := range kinds() {
		if kind == onPlain {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			s := openStore(t, kind, 48<<20)
			var workers, sampler sync.WaitGroup
			var stop atomic.Bool
			sampler.Go(func() {
				for !stop.Load() {
					s.Usage()
					s.mem.mu.Lock()
					used, err := s.mem.meter.used() // no reservation is being made
					if err != nil || used+s.mem.reserved > s.mem.mem {
						t.Errorf("%d used, %d reserved of %d: %v", used, s.mem.reserved, s.mem.mem, err)
					}
					s.mem.mu.Unlock()
				}
			})
			for w := range 4 {
				workers.Go(func() { load(t, s, w) })
			}
			workers.Wait()
			stop.Store(true)
			sampler.Wait()
			s.mem.unlend()
		})
	}
}

func load(t *testing.T, s *Store, w int) {
	r := rand.New(rand.NewPCG(uint64(w), 5))
	b, _, err := s.Create(me(), string(rune('a'+w)), 0o644, true)
	if err != nil {
		t.Error(err)
		return
	}
	defer b.Release()
	for range 60 {
		n := r.Int64N(20 << 20)
		if r.IntN(2) == 0 {
			err = b.Resize(n)
		} else if a, nerr := s.NewArena(n); nerr == nil {
			a.Alloc(int(n))
			a.Close()
		} else {
			err = nerr
		}
		if err != nil && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.ENOMEM) {
			t.Error(err)
		}
		err = nil
	}
}

// OnFree is called, under no lock, whenever memory was freed.
func TestOnFree(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 32<<20)
		calls := 0
		s.OnFree(func() {
			calls++
			ok(t, s.Mkdir(me(), "locks are free", 0o755))
			ok(t, s.Rmdir("locks are free"))
			s.Usage()
		})
		check := func(what string, f func()) {
			t.Helper()
			before := calls
			f()
			if calls == before {
				t.Errorf("%s: not called", what)
			}
		}
		b, _, err := s.Create(me(), "b", 0o644, true)
		ok(t, err)
		ok(t, b.Resize(1<<20))
		if calls != 0 {
			t.Error("called, and nothing was freed")
		}
		check("shrink", func() { ok(t, b.Resize(1<<19)) })
		check("punch", func() { ok(t, b.Allocate(0, 4096, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE)) })
		ok(t, s.Unlink("b"))
		check("release of an unlinked one", b.Release)
		put(t, s, "c", "x")
		check("unlink", func() { ok(t, s.Unlink("c")) })
		put(t, s, "c", "x")
		put(t, s, "d", "x")
		check("rename over", func() { ok(t, s.Rename("c", "d", 0)) })
		check("replace", func() { ok(t, released(published(s, "d"))) })
		a, err := s.NewArena(100)
		ok(t, err)
		check("arena", a.Close)
		s.OnFree(nil)
		ok(t, s.Unlink("d"))
	})
}
