package gemm

import (
	"runtime"

	"github.com/klauspost/cpuid/v2"

	"vgpu/kernels/simd"
)

// stepsKC is the depth of a packed block in steps of the micro-kernel. It
// alone decides how a sum is split, so it is a constant and nothing that a
// tuner may change: 512 steps make the panels of A and B 28 and 64 KiB at
// AVX-512, and C is read and written once in 512 steps.
const stepsKC = 512

// Params are what may be chosen without changing a bit of the result.
// Zero values stand for [DefaultParams].
type Params struct {
	MC int // rows of a packed block of A, which should fill most of the L2 cache
	NC int // columns of a packed block of B, shared by all workers
	// Ways bounds the number of workers; 0 is all that pay.
	Ways int
	// SmallWork is the largest m·n·k that is computed without packing;
	// negative: none.
	SmallWork int
}

// DefaultParams is the analytic choice (Low et al., "Analytical modeling is
// enough for high-performance BLIS", TOMS 2016) for kernel k: a block of A
// takes two thirds of the L2 cache, a block of B a quarter of the L3 cache.
func DefaultParams(k *simd.GemmKernel) Params {
	l2, l3 := cacheSizes()
	step := stepsKC * k.Type.ElemBytes()
	return Params{
		MC:        roundDown(l2*2/3/step, k.MR),
		NC:        roundDown(min(l3/4, 8<<20)/step, k.NR),
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

// cacheSizes gives the bytes of the L2 cache of a core and of the L3 cache.
func cacheSizes() (l2, l3 int) {
	l2, l3 = cpuid.CPU.Cache.L2, cpuid.CPU.Cache.L3
	if l2 <= 0 {
		l2 = 512 << 10
	}
	if l3 <= 0 {
		l3 = 8 << 20
	}
	return l2, l3
}

// planThreads is the number of workers that a plan makes room for.
func planThreads() int { return max(runtime.NumCPU(), runtime.GOMAXPROCS(0)) }

func roundDown(x, unit int) int { return max(x/unit, 1) * unit }

func roundUp(x, unit int) int { return (x + unit - 1) / unit * unit }
