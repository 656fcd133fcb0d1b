package simd

import "fmt"

// GemmType names what a micro-kernel multiplies.
type GemmType uint8

// The products. A packed element is what one step of k takes from a row of A
// or a column of B: a number, or a group of neighbours along k.
const (
	GemmF32  GemmType = iota
	GemmF64           //
	GemmC64           //
	GemmC128          //
	GemmBF16          // pairs of bf16, sums in f32
	GemmVNNI          // quadruples of u8 (A) and i8 (B), sums in i32
	GemmI16           // pairs of i16, sums in i32
	GemmI32           // sums modulo 2^32; no assembly
	GemmI64           // sums modulo 2^64; no assembly
	numGemmTypes
)

// String is the type's name.
func (t GemmType) String() string {
	return [...]string{"f32", "f64", "c64", "c128", "bf16", "u8i8", "i16", "i32", "i64"}[t]
}

// ElemBytes is the size of a packed element.
func (t GemmType) ElemBytes() int { return [...]int{4, 8, 8, 16, 4, 4, 4, 4, 8}[t] }

// SumBytes is the size of an element of C.
func (t GemmType) SumBytes() int { return [...]int{4, 8, 8, 16, 4, 4, 4, 4, 8}[t] }

// laneBytes is the size of what the vectors of C are made of.
func (t GemmType) laneBytes() int {
	if t.Complex() {
		return t.SumBytes() / 2
	}
	return t.SumBytes()
}

// Group is how many values along k a packed element holds.
func (t GemmType) Group() int { return [...]int{1, 1, 1, 1, 2, 4, 2, 1, 1}[t] }

// Integer tells whether the sums are integers, modulo a power of two.
func (t GemmType) Integer() bool { return t >= GemmVNNI }

// Complex tells whether the elements are complex.
func (t GemmType) Complex() bool { return t == GemmC64 || t == GemmC128 }

// GemmKernel is the micro-kernel of a type at an instruction set: it updates
// a tile of C of up to MR x NR elements.
//
// For every element the products are added in the order of k, one fused
// multiply-add a step into one accumulator that starts at zero: the bits do
// not depend on the tile's size, on packing, or on where it lies.
type GemmKernel struct {
	Type     GemmType
	ISA      ISA
	MR, NR   int
	lanes    int // elements of C in a vector
	vecs     int // vectors of NR columns
	shortMR  int // rows of tiles of small products: see Height
	packBody int // the body of whole tiles that pack
	run      func(*Tile)
	whole    func(*Tile) // the same for whole vectors, without masks; nil if there is none
	unrolled bool        // whole has bodies of several steps a loop, from packBody on: A's rows as they lie, and packed
}

// String tells type, instruction set and tile: f32 avx512 14x32.
func (k *GemmKernel) String() string {
	return fmt.Sprintf("%s %s %dx%d", k.Type, k.ISA, k.MR, k.NR)
}

// Gemm is the micro-kernel for t at level isa, or the next lower level that
// has one. GemmBF16 and GemmVNNI exist only where [Optional] says so; then
// the result is nil elsewhere.
func Gemm(t GemmType, isa ISA) *GemmKernel {
	for ; isa > Generic; isa-- {
		if k := gemmKernels[isa][t]; k != nil && (t != GemmBF16 || detected.features.BF16) && (t != GemmVNNI || detected.features.VNNI) {
			return k
		}
	}
	if t == GemmBF16 || t == GemmVNNI {
		return nil
	}
	return genericGemm[t]
}

// genericMR and genericNR are the tile of the pure-Go kernels.
const (
	genericMR = 4
	genericNR = 4
)

// genericGemm are the twins: what the assembly computes, as loops.
var genericGemm = [numGemmTypes]*GemmKernel{
	GemmF32:  generic(GemmF32, tileReal[float32]),
	GemmF64:  generic(GemmF64, tileReal[float64]),
	GemmC64:  generic(GemmC64, tileComplex[float32]),
	GemmC128: generic(GemmC128, tileComplex[float64]),
	GemmBF16: generic(GemmBF16, tileBF16),
	GemmVNNI: generic(GemmVNNI, tileVNNI),
	GemmI16:  generic(GemmI16, tileI16),
	GemmI32:  generic(GemmI32, tileReal[int32]),
	GemmI64:  generic(GemmI64, tileReal[int64]),
}

func generic(t GemmType, run func(*Tile)) *GemmKernel {
	return &GemmKernel{Type: t, ISA: Generic, MR: genericMR, NR: genericNR, shortMR: genericMR, lanes: genericNR, vecs: 1, run: run}
}
