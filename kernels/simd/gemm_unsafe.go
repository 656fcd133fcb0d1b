package simd

import (
	"math"
	"unsafe"
)

// Ptr is an address inside a byte slice that somebody keeps alive. It spares
// callers that walk strided matrices the package unsafe: they check the
// extent of an array once, and then stay inside.
type Ptr struct{ p unsafe.Pointer }

// PtrTo is the address of the first byte of b.
func PtrTo(b []byte) Ptr { return Ptr{unsafe.Pointer(unsafe.SliceData(b))} }

// Add is n bytes further on, which may be negative.
func (p Ptr) Add(n int) Ptr { return Ptr{unsafe.Add(p.p, n)} }

// Aligned tells whether p and every multiple of strides from it are aligned to
// size, a power of two.
func (p Ptr) Aligned(size, strides int) bool { return (int(uintptr(p.p))|strides)&(size-1) == 0 }

// At reads the value at p, at any alignment.
func At[T any](p Ptr) T { return *(*T)(p.p) }

// Put writes v at p, at any alignment.
func Put[T any](p Ptr, v T) { *(*T)(p.p) = v }

// Vector is p as n values of T. p must be aligned to T.
func Vector[T any](p Ptr, n int) []T { return unsafe.Slice((*T)(p.p), n) }

// Tile is a call of a micro-kernel:
//
//	C[i][j] = alpha · (Init[j] + Σ_p A[i][p]·B[p][j]) + beta · C[i][j]
//
// for i < m, j < n, p < K. Strides are in bytes. Rows of B and C are
// contiguous. The layout is known to tools/asmgen.
type Tile struct {
	K           int // steps, each of a packed element
	A           Ptr
	ARow, AStep int // from a row to the next, from a step to the next
	B           Ptr
	BStep       int
	C           Ptr
	CRow        int
	Init        Ptr // integer kernels: NR values of i32, or nil for zeros

	// Tiles is how many tiles are computed, from each to the next so many bytes
	// further on; 0 is one. Run counts it down, and leaves A, B, C and Init at the
	// last tile. INext is 0 if Init is nil.
	Tiles                      int
	ANext, BNext, CNext, INext int

	// What the assembly makes of Pack and Ahead: addresses that it moves, maybe
	// beyond what is allocated, and which the garbage collector must not see.
	pack            uintptr
	ahead           uintptr
	run, jump, runs int
	left            int // lines of the run
	step            int // bytes from a line to the next: 0 if nothing is left

	body  int
	mask  uint64 // lanes of the last vector
	flags uint64
	maskP unsafe.Pointer // the same for AVX2

	alpha, alphaIm, beta, betaIm, sign1, sign2 [2]uint64

	// Flip is what the packed elements of A are combined with by exclusive or, in
	// kernels of GemmVNNI.
	Flip uint64

	// Pack, if not nil, is where the rows of B are copied to as they are read,
	// NR elements a step, tile after tile. Only for whole tiles of kernels whose
	// element is a number.
	Pack Ptr
	// Ahead is what will be read soon: a line of 64 bytes of it is asked for
	// at every step of tiles of MR rows.
	Ahead Walk
}

// Walk is a way through memory: Runs runs of Run lines of 64 bytes, Jump bytes
// from the end of one to the beginning of the next. What it leads to need not
// be mapped. No runs, or an empty one, lead nowhere.
type Walk struct {
	At              Ptr
	Run, Jump, Runs int
}

// FlipI8 is the Flip that makes quadruples of i8 those of u8 that are 128 more.
const FlipI8 = 0x80808080

// Bits of Tile.flags.
const (
	flagScale = 1 << iota // alpha is not 1
	flagReadC             // beta is not 0
	flagMulC              // beta is not 1
)

// Run updates m x n tiles, the first at t.C; 1 <= m <= MR, 1 <= n <= NR.
// It reads NR columns of B only in kernels whose element is a group; others
// read n.
func (k *GemmKernel) Run(t *Tile, m, n int) {
	lanes, nv := k.lanes, 1
	last := n
	for last > lanes {
		last -= lanes
		nv++
	}
	whole := last == lanes && k.whole != nil
	if nv == 1 && last <= lanes/2 && k.ISA == AVX512 {
		nv = k.vecs + 1 // half a vector
	}
	last *= k.Type.SumBytes()
	t.mask = 1<<(last/k.Type.laneBytes()) - 1
	t.maskP = unsafe.Pointer(&laneMask[64-last])
	t.body = (nv-1)*k.MR + m - 1
	if t.Pack != (Ptr{}) {
		t.pack, t.body = uintptr(t.Pack.p), k.packBody
	}
	if k.ISA == Generic {
		k.runGeneric(t, m, n)
		return
	}
	t.setAhead()
	call := k.run
	if whole && t.Pack == (Ptr{}) {
		call = k.whole
		if k.unrolled && m == k.MR && nv == k.vecs {
			t.body = k.unrolledBody(t)
		}
	}
	if t.K*t.Tiles > callSteps {
		t.runParts(call)
		return
	}
	call(t.hidden())
}

// unrolledBody is the body of a whole tile that has several steps a loop, if there is one for
// how A lies.
func (k *GemmKernel) unrolledBody(t *Tile) int {
	switch elem := k.Type.ElemBytes(); {
	case t.AStep == elem:
		return k.packBody
	case t.ARow == elem && t.AStep == k.MR*elem:
		return k.packBody + 1
	}
	return t.body
}

// hidden is t, out of sight of the compiler's escape analysis: no micro-kernel
// keeps a Tile, so that callers can have theirs on the stack. The stack may move
// until the assembly has begun, which does not grow it: t is a pointer as long.
// t.ahead may then be a former address, which is only prefetched. What t.pack
// points to does not move: runParts assigns what a Tile points to through t, so
// that none of it is on the stack.
func (t *Tile) hidden() *Tile {
	x := uintptr(unsafe.Pointer(t))
	return *(**Tile)(unsafe.Pointer(&x))
}

// callSteps bounds the steps of all tiles of a call: the runtime cannot preempt
// it. A step of a complex tile takes some 50 cycles.
const callSteps = 4096

// runParts runs the tiles in several calls.
func (t *Tile) runParts(call func(*Tile)) {
	most := max(callSteps/t.K, 1)
	for left := t.Tiles; ; {
		t.Tiles = min(left, most)
		call(t.hidden())
		if left -= most; left <= 0 {
			return
		}
		t.A, t.B, t.C, t.Init = t.A.Add(t.ANext), t.B.Add(t.BNext), t.C.Add(t.CNext), t.Init.Add(t.INext)
	}
}

// Width is how many of n columns a tile should take, the first of them: a
// narrow rest shares the columns of the last two tiles, for tiles of one vector
// are bound by loads.
func (k *GemmKernel) Width(n int) int {
	if n > k.NR && n <= k.NR+k.lanes && k.vecs > 2 {
		return k.NR - k.lanes
	}
	return min(n, k.NR)
}

// Height is how many rows tiles of n columns should have at the most, if m rows
// are multiplied on the spot: fewer than MR, if so many stores of C at once hold up the
// next tile. A tile of one vector is bound by loads, and has as many as there can be.
func (k *GemmKernel) Height(m, n int) int {
	if m > 2*k.MR && n > k.lanes {
		return k.shortMR
	}
	return k.MR
}

// setAhead puts Ahead where the assembly has it. It asks unconditionally: if
// for nothing else, then for the Tile.
func (t *Tile) setAhead() {
	if w := &t.Ahead; w.Run > 0 && w.Runs > 0 {
		t.ahead, t.run, t.jump, t.runs, t.left, t.step = uintptr(w.At.p), w.Run, w.Jump, w.Runs, w.Run, 64
		return
	}
	t.ahead, t.left, t.step = uintptr(unsafe.Pointer(t)), math.MaxInt, 0
}

// runGeneric is Run on the twin, tile by tile.
func (k *GemmKernel) runGeneric(t *Tile, m, n int) {
	t.body = m<<8 | n
	elem := k.Type.ElemBytes()
	for q := 0; ; q++ {
		if t.Pack != (Ptr{}) {
			PackPanel(t.Pack.Add(q*t.K*k.NR*elem), k.NR*elem, t.B, elem, t.BStep, n, t.K, elem)
		}
		k.run(t.hidden())
		if q+1 >= t.Tiles {
			return
		}
		t.A, t.B, t.C, t.Init = t.A.Add(t.ANext), t.B.Add(t.BNext), t.C.Add(t.CNext), t.Init.Add(t.INext)
	}
}

// scalar reads the first value of a pair.
func scalar[T any](pair *[2]uint64) T { return *(*T)(unsafe.Pointer(pair)) }

// laneMask holds 64 bytes of ones, then as many of zeros: a window into it
// masks the first lanes of a vector.
var laneMask = func() (m [128]byte) {
	for i := range 64 {
		m[i] = 0xff
	}
	return m
}()

// Scale sets alpha and beta of a float kernel and conjugation of a complex
// one.
func (t *Tile) Scale(typ GemmType, alpha, beta complex128, conjA, conjB bool) {
	t.flags = flagsOf(alpha == 1, beta == 0, beta == 1)
	if !typ.Complex() { // field by field: a pair returned would wait for its halves
		x, y := math.Float64bits(real(alpha)), math.Float64bits(real(beta))
		if typ.laneBytes() == 4 {
			x, y = uint64(math.Float32bits(float32(real(alpha)))), uint64(math.Float32bits(float32(real(beta))))
		}
		t.alpha[0], t.beta[0] = x, y
		return
	}
	pair := pairF32
	if typ.laneBytes() == 8 {
		pair = pairF64
	}
	t.alpha, t.beta = pair(real(alpha), real(alpha)), pair(real(beta), real(beta))
	t.alphaIm, t.betaIm = pair(-imag(alpha), imag(alpha)), pair(-imag(beta), imag(beta))
	// With a = ar + i·ai, b = br + i·bi the kernel has ar·(br, bi) and, swapped, ai·(bi, br).
	s1, s2 := [2]float64{1, 1}, [2]float64{-1, 1}
	if conjA {
		s2[0], s2[1] = -s2[0], -s2[1]
	}
	if conjB {
		s1[1], s2[0] = -s1[1], -s2[0]
	}
	t.sign1, t.sign2 = pair(s1[0], s1[1]), pair(s2[0], s2[1])
}

// ScaleInt sets alpha and beta of an integer kernel.
func (t *Tile) ScaleInt(alpha, beta int64) {
	t.flags = flagsOf(alpha == 1, beta == 0, beta == 1)
	t.alpha[0], t.beta[0] = uint64(alpha), uint64(beta)
}

func flagsOf(alphaOne, betaZero, betaOne bool) (f uint64) {
	if !alphaOne {
		f |= flagScale
	}
	if !betaZero {
		f |= flagReadC
	}
	if !betaZero && !betaOne {
		f |= flagMulC
	}
	return f
}

func pairF32(x, y float64) [2]uint64 {
	return [2]uint64{uint64(math.Float32bits(float32(x))) | uint64(math.Float32bits(float32(y)))<<32}
}

func pairF64(x, y float64) [2]uint64 {
	return [2]uint64{math.Float64bits(x), math.Float64bits(y)}
}

func sizeOf[T any]() int {
	var zero T
	return int(unsafe.Sizeof(zero))
}
