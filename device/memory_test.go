package device

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"vgpu/kernels"
)

// What part of the memory a streamed job is planned for: a half, or nearly all of it where that saves more than the
// buffers that leave for it cost, they can leave, and no other job is there.
func TestPlanStream(t *testing.T) {
	l := newSpillLab(t)
	const mem = 6 * unit
	const nearly = mem - mem/lowWater
	plan := func(half, all float64) *kernels.Plan {
		return &kernels.Plan{Stream: func(n int64) (*kernels.Streamed, error) {
			switch {
			case n >= nearly:
				return &kernels.Streamed{Mem: nearly, Moved: all}, nil
			case half < 0:
				return nil, fmt.Errorf("too little: %w", syscall.ENOMEM)
			}
			return &kernels.Streamed{Mem: mem / 2, Moved: half}, nil
		}}
	}
	check := func(what string, p *kernels.Plan, want int64) {
		t.Helper()
		if s, err := l.d.planStream(p, mem); err != nil || s.Mem != want {
			t.Errorf("%s: %+v, %v; want %d bytes", what, s, err, int64(want))
		}
	}
	const much, more = 32 * unit, 29.5 * unit
	check("nothing is in the way", plan(much, more), nearly)
	check("it saves little", plan(much, 31*unit), mem/2)
	check("a half does not do", plan(-1, much), nearly)
	l.write("a.npy", npy(noise(14*unit, 1)...))
	check("what leaves costs more", plan(much, more), mem/2)
	check("what leaves costs less", plan(much, 8*unit), nearly)
	h, err := l.d.Files().Open(context.Background(), "a.npy", syscall.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Pin(); err != nil {
		t.Fatal(err)
	}
	check("what is there cannot leave", plan(much, 8*unit), mem/2)
	h.Release()
	g := l.gate("g")
	j := l.put("hold g")
	check("another job is there", plan(much, 8*unit), mem/2)
	g.release()
	l.want(j, Done)
}
