package alloc

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// A buffer that is written from where it lies: every system call of that fails in turn, with every error there is a way round for. After each
// failure it is in memory still, all of it and no more, and nothing is left on the tier; in the end it has spilled.
func TestSpillMappedFails(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		s, inject := openSpilling(t, kind, 16<<20, 1)
		want := noise(22, 2*minMapped+4097)
		b := keep(t, s, "a", want)
		for _, fault := range []error{unix.EIO, unix.ENOMEM, unix.EINTR, unix.EAGAIN, ErrShort} {
			for n := 1; b.Resident(); n++ {
				calm(t, s)
				var calls atomic.Int64
				hook := nth(n, fault, &calls)
				inject.arm(func(op, path string) error {
					if op == "munmap" || op == "lease" && fault == unix.EAGAIN { // which does not fail for what is mapped, or is an answer
						return nil
					}
					return hook(op, path)
				})
				err := b.Spill(ctx)
				inject.disarm()
				if err == nil {
					break
				}
				left, e := filepath.Glob(filepath.Join(s.spills[0].path, dataDir, "*"))
				if ok(t, e); !errors.Is(err, fault) || !b.Resident() || len(left) > 0 {
					t.Fatalf("call %d, %v: %v; resident %v, on the tier %q", n, fault, err, b.Resident(), left)
				}
				if st, e := s.Lstat("a"); e != nil || st.Blocks*512 != pages(int64(len(want))) {
					t.Fatalf("call %d, %v: %d blocks, %v", n, fault, st.Blocks, e)
				}
				holds(t, b, want)
			}
			holds(t, b, want)
			checkStore(t, s)
			ok(t, b.Promote(ctx, false))
			holds(t, b, want)
		}
	})
}

// The last page of a mapping has bytes behind the end, which whoever mapped it may have written: they are not seen when the buffer is made
// longer, and the checksums are those of the bytes before. What is on the tier is what was in memory, to the end.
func TestSpillMappedEnd(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		for _, n := range []int{minMapped - 1, minMapped, minMapped + 1, 2*minMapped + chunkSize, 3*minMapped + chunkSize + 777} {
			s, _ := openSpilling(t, kind, 32<<20, 1)
			want := noise(uint64(n), n)
			b := keep(t, s, "a", want)
			data, err := b.mmap(pages(int64(n)))
			ok(t, err)
			for i := n; i < len(data); i++ {
				data[i] = 0xee
			}
			ok(t, b.munmap(data))
			ok(t, b.Spill(ctx))
			files, err := filepath.Glob(filepath.Join(s.spills[0].path, dataDir, "*"))
			ok(t, err)
			if got, err := os.ReadFile(files[0]); err != nil || string(got) != string(want) {
				t.Errorf("%d bytes: %d bytes on the tier, or others, %v", n, len(got), err)
			}
			h, err := b.at()
			ok(t, err)
			for i, got := range h.sums.of {
				if at := i * chunkSize; got != sum(want[at:min(at+chunkSize, n)]) {
					t.Errorf("%d bytes: chunk %d has another checksum", n, i)
				}
			}
			ok(t, b.Resize(int64(n+9000)))
			holds(t, b, append(want, make([]byte, 9000)...))
		}
	})
}

// A buffer with holes spills without their becoming pages, and so does what is allocated behind the end of one. What Close saves is copied.
func TestSpillHoles(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		s, inject := openSpilling(t, kind, 32<<20, 1)
		const n = 4 * minMapped
		want := noise(23, n)
		b := keep(t, s, "a", want)
		mapped := func() bool {
			var yes atomic.Bool
			inject.arm(func(op, path string) error {
				if op == "mmap" {
					yes.Store(true)
				}
				return nil
			})
			defer inject.disarm()
			ok(t, b.Spill(ctx))
			holds(t, b, want)
			ok(t, b.Promote(ctx, false))
			return yes.Load()
		}
		if !mapped() {
			t.Error("a buffer without holes is not mapped")
		}
		b.allocated = 0 // as after a restart
		if whole, err := b.mappable(n); err != nil || !whole {
			t.Errorf("whole: %v, %v", whole, err)
		}
		ok(t, b.Allocate(minMapped, minMapped, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE))
		clear(want[minMapped : 2*minMapped])
		ok(t, b.Allocate(n, minMapped, unix.FALLOC_FL_KEEP_SIZE))
		before := s.Usage()
		if whole, err := b.mappable(n); err != nil || whole {
			t.Errorf("with a hole: %v, %v", whole, err)
		}
		ok(t, b.Spill(ctx))
		if u := s.Usage(); u.Peak > before.Peak {
			t.Errorf("spilling took memory: a peak of %d after %d", u.Peak, before.Peak)
		}
		holds(t, b, want)
		ok(t, b.Promote(ctx, false))
		s.cancel()
		if whole, err := b.mappable(n); err != nil || whole {
			t.Errorf("saved by Close: %v, %v", whole, err)
		}
	})
}
