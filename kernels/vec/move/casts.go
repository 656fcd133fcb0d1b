package move

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

type castPair struct{ from, to ndarray.DType }

// caster makes the loop that converts tiles whose rows lie packed on both sides.
type caster func(g *grid, dst, src ndarray.Array) func(block)

// casts are the conversions that package simd has loops for; others are package
// ndarray's.
var casts = map[castPair]caster{
	{ndarray.F32, ndarray.F64}: castBy(simd.CastF32F64, simd.CastF32F64Stream), {ndarray.F64, ndarray.F32}: castBy(simd.CastF64F32, simd.CastF64F32Stream),
	{ndarray.F32, ndarray.BF16}: castBy(simd.CastF32BF16, simd.CastF32BF16Stream), {ndarray.BF16, ndarray.F32}: castBy(simd.CastBF16F32, simd.CastBF16F32Stream),
	{ndarray.F32, ndarray.F16}: castBy(simd.CastF32F16, simd.CastF32F16), {ndarray.F16, ndarray.F32}: castBy(simd.CastF16F32, simd.CastF16F32Stream),
	{ndarray.I32, ndarray.F64}: castBy(simd.CastI32F64, simd.CastI32F64Stream), {ndarray.I64, ndarray.F64}: castBy(simd.CastI64F64, simd.CastI64F64Stream),
	{ndarray.F64, ndarray.I32}: castBy(simd.CastF64I32, simd.CastF64I32Stream), {ndarray.F64, ndarray.I64}: castBy(simd.CastF64I64, simd.CastF64I64),
	{ndarray.I64, ndarray.I32}: castBy(simd.CastI64I32, simd.CastI64I32Stream), {ndarray.I32, ndarray.I64}: castBy(simd.CastI32I64, simd.CastI32I64Stream),
	{ndarray.U32, ndarray.I64}: castBy(simd.CastU32I64, simd.CastU32I64Stream),
	{ndarray.I8, ndarray.F32}:  castBy(simd.CastI8F32, simd.CastI8F32Stream), {ndarray.U8, ndarray.F32}: castBy(simd.CastU8F32, simd.CastU8F32Stream),
	{ndarray.I16, ndarray.F32}: castBy(simd.CastI16F32, simd.CastI16F32Stream), {ndarray.U16, ndarray.F32}: castBy(simd.CastU16F32, simd.CastU16F32Stream),
	{ndarray.I8, ndarray.I32}: castBy(simd.CastI8I32, simd.CastI8I32Stream), {ndarray.U8, ndarray.I32}: castBy(simd.CastU8I32, simd.CastU8I32Stream),
	{ndarray.I16, ndarray.I32}: castBy(simd.CastI16I32, simd.CastI16I32Stream), {ndarray.U16, ndarray.I32}: castBy(simd.CastU16I32, simd.CastU16I32Stream),
	{ndarray.I32, ndarray.F32}: castBy(simd.CastI32F32, simd.CastI32F32Stream), {ndarray.F32, ndarray.I32}: castBy(simd.CastF32I32, simd.CastF32I32Stream),
}

// caster is the loop for the types, if it can be used: rows packed, elements
// aligned, in native byte order; else nil.
func (g *grid) caster(dst, src ndarray.Array) func(block) {
	create := casts[castPair{src.DType, dst.DType}]
	packed := g.p.ds == dst.DType.Size() && g.p.ss == src.DType.Size()
	if create == nil || !packed || dst.Swapped || src.Swapped || !g.apart(dst, src) {
		return nil
	}
	return create(g, dst, src)
}

// apart tells whether strides of both sides are whole elements of their types, and
// both are aligned.
func (g *grid) apart(dst, src ndarray.Array) bool {
	for _, a := range append([]axis{g.q}, g.outer...) {
		if a.ds%dst.DType.Size() != 0 || a.ss%src.DType.Size() != 0 {
			return false
		}
	}
	return dst.Aligned() && src.Aligned()
}

// castBy makes a caster of a loop and of one that stores past the caches.
func castBy[D, S ndarray.Element](plain, stream func(dst []D, x []S)) caster {
	return func(g *grid, dst, src ndarray.Array) func(block) {
		size, from := dst.DType.Size(), src.DType.Size()
		d, d0 := elements[D](dst)
		s, s0 := elements[S](src)
		loop := plain
		if g.streams(size) {
			loop = stream
		}
		return func(b block) {
			for i := range b.n[0] {
				to, at := (b.dst+i*g.q.ds-d0)/size, (b.src+i*g.q.ss-s0)/from
				loop(d[to:to+b.n[1]], s[at:at+b.n[1]])
			}
		}
	}
}
