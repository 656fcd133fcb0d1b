package gemm

import (
	"runtime"

	"github.com/klauspost/cpuid/v2"

	"vgpu/kernels/simd"
)

// stepsKC is the depth of a block in steps of the micro-kernel. It alone
// decides how a sum is split, so it is a constant and nothing that a tuner may
// change: with 512 steps C is read and written rarely, and MR rows of A take
// half an L1 cache at AVX-512.
const stepsKC = 512

// Params are what may be chosen without changing a bit of the result.
// Zero values stand for [DefaultParams].
type Params struct {
	MC int // rows of a task: a block of A, if A must be packed
	NC int // columns of a task: a packed block of B, which takes half of the L2 cache
	// Ways bounds the number of workers; 0 is all that pay.
	Ways int
	// SmallWork is the largest m·n·k that is computed without packing;
	// negative: none.
	SmallWork int
}

// DefaultParams is the analytic choice for kernel k: a block of B takes half of
// the L2 cache, and with as much of A again a task lasts two milliseconds.
func DefaultParams(k *simd.GemmKernel) Params {
	l2 := cacheSize()
	step := stepsKC * k.Type.ElemBytes()
	return Params{
		MC:        roundDown(l2/step, k.MR),
		NC:        roundDown(l2/2/step, k.NR),
		SmallWork: 256 * 256 * 256,
	}
}

// fill replaces zero values and rounds to the micro-kernel's tile.
func (p Params) fill(k *simd.GemmKernel) Params {
	d := DefaultParams(k)
	if p.MC <= 0 {
		p.MC = d.MC
	}
	if p.NC <= 0 {
		p.NC = d.NC
	}
	if p.SmallWork == 0 {
		p.SmallWork = d.SmallWork
	}
	p.MC, p.NC = roundDown(p.MC, k.MR), roundDown(p.NC, k.NR)
	return p
}

// cacheSize gives the bytes of the L2 cache of a core.
func cacheSize() int {
	if l2 := cpuid.CPU.Cache.L2; l2 > 0 {
		return l2
	}
	return 512 << 10
}

// planThreads is the number of workers that a plan makes room for: those of the
// line, or as many as there are if it is not known who will run it.
func (q *Problem) planThreads() int {
	if q.workers > 0 {
		return q.workers
	}
	return max(runtime.NumCPU(), runtime.GOMAXPROCS(0))
}

func roundDown(x, unit int) int { return max(x/unit, 1) * unit }

func roundUp(x, unit int) int { return (x + unit - 1) / unit * unit }
