package scratch_test

import (
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"vgpu/kernels"
	"vgpu/kernels/scratch"
)

// counted is memory that counts.
type counted struct {
	mu   sync.Mutex
	used int
}

func (c *counted) Alloc(n int) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used += n
	b := make([]byte, n+64)
	skip := -int(uintptr(unsafe.Pointer(&b[0]))) & 63
	return b[skip : skip+n]
}

func TestWorkers(t *testing.T) {
	cpus := max(runtime.NumCPU(), runtime.GOMAXPROCS(0))
	for _, c := range []struct{ threads, pieces, want int }{
		{4, 100, 4}, {4, 3, 3}, {4, 0, 0}, {4, -1, 0}, {0, 1 << 30, cpus}, {0, 1, 1},
	} {
		if got := scratch.Workers(&kernels.Call{Threads: c.threads}, c.pieces); got != c.want {
			t.Errorf("%d threads, %d pieces: %d workers, want %d", c.threads, c.pieces, got, c.want)
		}
	}
	for _, c := range []struct{ n, grain, want int }{{0, 5, 0}, {-1, 5, 0}, {1, 5, 1}, {5, 5, 1}, {6, 5, 2}, {3, 0, 3}} {
		if got := scratch.Pieces(c.n, c.grain); got != c.want {
			t.Errorf("%d in pieces of %d: %d, want %d", c.n, c.grain, got, c.want)
		}
	}
}

// Lanes are lent again, the planned ones come from the memory of the run, and
// all are aligned.
func TestLanes(t *testing.T) {
	mem := &counted{}
	l := scratch.NewLanes(mem, 100, 2)
	seen := map[*byte]bool{}
	for range 3 {
		var lent [][]byte
		for range 4 {
			b := l.Get()
			if len(b) != 100 || uintptr(unsafe.Pointer(&b[0]))%64 != 0 {
				t.Fatalf("%d bytes at %p", len(b), &b[0])
			}
			seen[&b[0]] = true
			lent = append(lent, b)
		}
		for _, b := range lent {
			l.Put(b)
		}
	}
	if len(seen) != 4 || mem.used != 200 {
		t.Errorf("%d lanes, %d bytes of the run's memory", len(seen), mem.used)
	}
}

func TestLanesConcurrently(t *testing.T) {
	mem := &counted{}
	l := scratch.NewLanes(mem, 64, 8)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				b := l.Get()
				for k := range b {
					b[k] = byte(i)
				}
				for _, v := range b {
					if v != byte(i) {
						t.Error("a lane is shared")
						break
					}
				}
				l.Put(b)
			}
		})
	}
	wg.Wait()
	if mem.used > 8*64 {
		t.Errorf("%d bytes were taken", mem.used)
	}
}

func TestCarve(t *testing.T) {
	type pair struct {
		v float32
		k int64
	}
	buf := (&counted{}).Alloc(scratch.Size[pair](3) + scratch.Size[uint8](65) + scratch.Size[float64](1))
	rest := buf
	p, b, none := scratch.Carve[pair](&rest, 3), scratch.Carve[uint8](&rest, 65), scratch.Carve[int64](&rest, 0)
	f := scratch.Carve[float64](&rest, 1)
	if len(p) != 3 || len(b) != 65 || none == nil || len(none) != 0 || len(f) != 1 || len(rest) != 0 {
		t.Errorf("%d pairs, %d bytes, %d integers, %d floats, %d left", len(p), len(b), len(none), len(f), len(rest))
	}
	for i, q := range []uintptr{uintptr(unsafe.Pointer(&p[0])), uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&f[0]))} {
		if at := q - uintptr(unsafe.Pointer(&buf[0])); at%64 != 0 {
			t.Errorf("slice %d begins at byte %d", i, at)
		}
	}
	if f[0] = 1; scratch.Bytes(f)[7] != 0x3f || len(scratch.Bytes(p)) != 48 || len(scratch.Bytes(none)) != 0 {
		t.Errorf("bytes %x of %v", scratch.Bytes(f), f)
	}
	defer func() {
		if recover() == nil {
			t.Error("more was carved than there is")
		}
	}()
	scratch.Carve[float64](&rest, 1)
}

// A slab lends disjoint aligned pieces until it is empty, and again after Reset.
func TestSlab(t *testing.T) {
	s := scratch.NewSlab((&counted{}).Alloc(256))
	for range 2 {
		a, b := s.Alloc(65), s.Alloc(128)
		if len(a) != 65 || cap(a) != 65 || uintptr(unsafe.Pointer(&b[0]))-uintptr(unsafe.Pointer(&a[0])) != 128 {
			t.Errorf("%d bytes at %p, then %p", len(a), &a[0], &b[0])
		}
		s.Reset()
	}
	defer func() {
		if recover() == nil {
			t.Error("more was lent than there is")
		}
	}()
	s.Alloc(257)
}
