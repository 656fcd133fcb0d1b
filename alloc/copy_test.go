package alloc

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// Any part of a buffer is copied into another, or into itself, wherever the two are, in the kernel or through memory.
func TestCopyFrom(t *testing.T) {
	for _, spills := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
		for _, inKernel := range []bool{true, false} {
			s, inject := openSpilling(t, spillKinds()[0], 16<<20, 1)
			if !inKernel {
				inject.arm(func(op, _ string) error {
					if op == "copy" {
						return unix.EXDEV
					}
					return nil
				})
			}
			from, to := noise(11, 1<<20+7), noise(12, 300_000)
			src, dst := keep(t, s, "a", from), keep(t, s, "b", append([]byte{}, to...))
			for i, b := range []*Buffer{src, dst} {
				if spills[i] {
					ok(t, b.Spill(ctx))
				}
			}
			n, err := dst.CopyFrom(ctx, src, 5000, 100, 200_000)
			ok(t, err)
			copy(to[100:], from[5000:205_000])
			holds(t, dst, to)
			k, err := dst.CopyFrom(ctx, src, 100_000, int64(len(to))+10, 2<<20) // src ends before
			ok(t, err)
			to = append(append(to, make([]byte, 10)...), from[100_000:]...)
			holds(t, dst, to)
			if n != 200_000 || k != int64(len(from)-100_000) {
				t.Errorf("%d and %d bytes", n, k)
			}
			_, err = dst.CopyFrom(ctx, dst, 0, 500_000, 1000)
			ok(t, err)
			copy(to[500_000:], to[:1000])
			holds(t, dst, to)
			_, err = dst.CopyFrom(ctx, dst, 0, 999, 1000)
			want(t, err, unix.EINVAL)
			late, cancel := context.WithCancel(ctx)
			cancel()
			if _, err = dst.CopyFrom(late, src, 0, 0, 1); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			holds(t, dst, to)
		}
	}
}

// A copy that outgrows the memory goes on in a spill tier.
func TestCopyBeyondTheMemory(t *testing.T) {
	s, _ := openSpilling(t, spillKinds()[0], 8<<20, 1)
	p := noise(13, 5<<20)
	src, dst := keep(t, s, "a", p), keep(t, s, "b", nil)
	_, err := dst.CopyFrom(ctx, src, 0, 0, int64(len(p)))
	ok(t, err)
	holds(t, dst, p)
	if !src.Resident() || dst.Resident() {
		t.Errorf("source %s, copy %s", src.Tier(), dst.Tier())
	}
}
