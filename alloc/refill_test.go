package alloc

import (
	"errors"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// A buffer that is read to where it belongs: every system call of that fails in turn, with every error there is a way round for. After
// each failure it is spilled still, takes no memory, and has its bytes; in the end it is back.
func TestPromoteMappedFails(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		s, inject := openSpilling(t, kind, 16<<20, 1)
		want := noise(21, 2*minMapped+4097)
		b := keep(t, s, "a", want)
		for _, fault := range []error{unix.EIO, unix.ENOMEM, unix.EINTR, unix.EAGAIN, ErrShort} {
			ok(t, b.Spill(ctx))
			for n := 1; !b.Resident(); n++ {
				calm(t, s)
				var calls atomic.Int64
				hook := nth(n, fault, &calls)
				inject.arm(func(op, path string) error {
					if op == "munmap" { // which does not fail for what is mapped
						return nil
					}
					return hook(op, path)
				})
				err := b.Promote(ctx, false)
				inject.disarm()
				if err == nil {
					break
				}
				if st, e := s.Lstat("a"); !errors.Is(err, fault) || b.Resident() || e != nil || st.Blocks != 0 {
					t.Fatalf("call %d, %v: %v; resident %v, %d blocks, %v", n, fault, err, b.Resident(), st.Blocks, e)
				}
				holds(t, b, want)
			}
			holds(t, b, want)
			checkStore(t, s)
		}
	})
}

// Direct transfers end with a whole block: what is behind the bytes then is not seen when the buffer is made longer. A damaged chunk at
// the end is found.
func TestPromoteMappedEnd(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		for _, n := range []int{minMapped, minMapped + 1, 3*minMapped + chunkSize + 777} {
			s, _ := openSpilling(t, kind, 32<<20, 1)
			want := noise(uint64(n), n)
			b := keep(t, s, "a", want)
			ok(t, b.Spill(ctx))
			flip(t, s, int64(n-1))
			var bad *ChecksumError
			if err := b.Promote(ctx, false); !errors.As(err, &bad) || bad.Off != int64(n-1)&^(chunkSize-1) || bad.Off+bad.Len != int64(n) {
				t.Errorf("%d bytes: %v, %+v", n, err, bad)
			}
			flip(t, s, int64(n-1))
			ok(t, b.Promote(ctx, false))
			ok(t, b.Resize(int64(n+9000)))
			holds(t, b, append(want, make([]byte, 9000)...))
		}
	})
}
