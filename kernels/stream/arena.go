package stream

import "vgpu/kernels"

// Arena is memory for the passes of a run that follow one another: each takes
// all of it anew. It belongs to one goroutine.
type Arena struct {
	mem  []byte
	used int
}

// NewArena allocates n bytes: of the pass that takes most, [Tiling].Mem or the
// sum of what it allocates, each [Padded].
func NewArena(mem kernels.Memory, n int64) *Arena { return &Arena{mem: mem.Alloc(int(n))} }

// Reset takes everything back that was lent.
func (a *Arena) Reset() { a.used = 0 }

// Alloc implements kernels.Memory for one goroutine. It panics if the arena is
// used up.
func (a *Arena) Alloc(n int) []byte {
	at := a.used
	a.used = min(at+Padded(n), len(a.mem)) // nothing follows the last
	return a.mem[at : at+n : at+n]
}

// Padded is n with what keeps those that follow aligned: to pages if it is large,
// which keeps them congruent with their files, and to cache lines.
func Padded(n int) int {
	if n >= longRun {
		return roundUp(n, pageBytes)
	}
	return roundUp(n, lineBytes)
}

// Exec is x with another memory, for a pass of a streamed run. Src and Dst are
// not taken over: a pass is told its operands.
func (a *Arena) Exec(x *kernels.Exec) *kernels.Exec {
	return &kernels.Exec{Ctx: x.Ctx, W: x.W, Mem: a, Temp: x.Temp}
}
