package gemm

import "vgpu/kernels"

var gemmTypes = `f32, f64, c64, c128: both operands alike; C is of the same type.

f16, bf16: both alike; sums are f32 and C is f32, or the operands' type if OUT says so (c:bf16:64x64): then it is rounded once, at the end.

i8 and u8 in any pairing: C is i32, exact: no intermediate saturates on any machine. Sums beyond 32 bits wrap.

i32, u32, i64, u64: both alike; sums wrap as numpy's do.

Other pairs are refused: cast one operand first.`

var gemmManual = kernels.Manual{
	Description: `C = act(alpha op(A) op(B) + beta C + bias) + residual.

A has shape ... x m x k after ta, B ... x k x n after tb, C ... x m x n. Leading axes are broadcast against one another by numpy's rule. An operand with one axis is a row in A's place, a column in B's, and its axis of extent 1 is not in C, as in numpy.matmul.

Operands may be any views: sliced, reversed, repeated, in C or Fortran order, with any strides. None of them is copied as a whole; packing reads it as it lies.`,
	Operands: []kernels.Entry{
		{Term: "A, B", Text: "the factors, of at least one axis each"},
		{Term: "C", Text: "the product; made if it does not exist. With beta it must exist, with the product's shape and type. A slice of C is updated in place"},
	},
	Types: gemmTypes,
	Cost: `2 m n k operations for each matrix of the batch, 8 m n k for complex types. Every operand is read once and C written once.

Scratch: for each thread a block of B (half of the L2 cache) and one of A (the L2 cache), or less if the matrices are smaller; up to 32 MiB for a C whose rows and columns both have gaps, or that is byte-swapped or narrower than the sums. Small products take none.

Small products stay on one thread; batches of small products are divided by items, others by tiles of C.`,
	Errors: []kernels.Entry{
		{Term: "EINVAL", Text: "shapes do not match; the types are no pair; alpha or beta is complex, or no integer, where the product is not; act= of a product that is not real"},
		{Term: "ENOENT", Text: "beta= is given and C does not exist"},
	},
	Examples: []kernels.Example{
		{Text: "a product of two matrices", Lines: []string{
			"random a.npy:f32:300x200 seed=1", "random b.npy:f32:200x100 seed=2", "gemm a.npy b.npy c.npy"}},
		{Text: "update a part of C with a transposed factor", Lines: []string{
			"random a.npy:f64:20x50 seed=1", "random b.npy:f64:20x30 seed=2", "fill c.npy:f64:64x64 value=1",
			"gemm a.npy b.npy c.npy[0:50,0:30] ta=t alpha=2 beta=1"}},
		{Text: "a layer of a network: a batch of rows, weights stored as outputs x inputs", Lines: []string{
			"random x.npy:f32:8x16x64 seed=1", "random w.npy:f32:128x64 seed=2", "random bias.npy:f32:128 seed=3",
			"gemm x.npy w.npy y.npy tb=t bias=bias.npy act=gelu"}},
	},
	Notes: `|c - exact| <= (k + 4) eps Σ|a||b| for every element, with eps = 2^-24 (f32, f16, bf16) or 2^-53; complex sums have 2k terms. An element is a sum in the order of k, in blocks; the same command on the same input gives the same bits for any number of threads and any tuning.

NaN and infinity spread as in the reference BLAS: beta=0 never reads C, alpha=0 reads neither A nor B, all else takes part.

bf16 pairs are added by VDPBF16PS where the machine has it, which treats subnormal numbers as zero.

Sources: Goto and van de Geijn, ACM TOMS 34(3), 2008; Van Zee and van de Geijn, ACM TOMS 41(3), 2015.`,
	SeeAlso: []string{"dot", "map", "cast"},
}

var dotManual = kernels.Manual{
	Description: `The sum of the products of the elements of two vectors, X[0] Y[0] + X[1] Y[1] + ...; with conj, of the conjugates of X. Without OUT the answer is the number.`,
	Operands: []kernels.Entry{
		{Term: "X, Y", Text: "vectors of equal length: one axis, any stride"},
		{Term: "OUT", Text: "a scalar; made if it does not exist"},
	},
	Types: gemmTypes,
	Cost:  "2 n operations (8 n for complex types); X and Y are read once. f32 and f64 vectors are divided among threads in parts of 65536 elements.",
	Errors: []kernels.Entry{
		{Term: "EINVAL", Text: "the lengths differ, an operand is no vector, or the types are no pair"},
	},
	Examples: []kernels.Example{{Text: "the square of a vector's length", Lines: []string{"random x.npy:f64:100000 seed=1", "dot x.npy x.npy"}}},
	Notes:    "The order of the sum depends on n and the machine's instruction set alone. The error is at most (n + 4) eps Σ|x||y|, and far less in practice, for many partial sums are added up.",
	SeeAlso:  []string{"gemm", "sum"},
}
