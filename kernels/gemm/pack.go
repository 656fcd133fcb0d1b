package gemm

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// form is how the values of an operand become packed elements of a
// micro-kernel.
type form struct {
	value ndarray.DType  // what they are converted to first
	group simd.GroupForm // how PackGroups reads them, if an element is a group
	flip  bool           // i8 offered as u8: the micro-kernel adds 128
}

// operand is A or B as packing sees it: lines (rows of A, columns of B) of
// values along k.
type operand struct {
	form
	m   matrix // its rows are the lines
	typ simd.GemmType
}

// asIs tells whether the values need no conversion.
func (o *operand) asIs() bool { return o.value == o.m.dtype && !o.m.swapped }

// readable tells whether the micro-kernel can read the values as they lie.
func (o *operand) readable() bool { return o.asIs() && o.typ.Group() == 1 }

// stageBytes is the scratch that pack needs for panels of that many steps.
func stageBytes(k *simd.GemmKernel, steps int) int {
	return max(k.MR, k.NR) * steps * k.Type.ElemBytes()
}

// pack writes the panel of n lines from line on and of depth values from k0
// on. Step p of the panel begins at dst + p·pitch; the last group along k is
// filled with zeros.
func (o *operand) pack(dst simd.Ptr, pitch, line, n, k0, depth int, stage []byte) {
	if depth == 0 {
		return
	}
	src := o.m.at(line, k0)
	elem, group, size := o.typ.ElemBytes(), o.typ.Group(), o.m.dtype.Size()
	lineStride, stepStride := o.m.rowStride, o.m.colStride
	steps := (depth + group - 1) / group
	switch {
	case o.readable():
		simd.PackPanel(dst, pitch, src, lineStride, stepStride, n, steps, elem)
	case group > 1 && !o.m.swapped && lineStride == size:
		simd.PackGroups(dst, pitch, src, stepStride, n, depth, o.group)
	case group > 1 && o.asIs() && stepStride == size && depth >= group:
		whole := depth / group
		simd.PackPanel(dst, pitch, src, lineStride, elem, n, whole, elem)
		if rest := depth % group; rest > 0 {
			o.packStaged(dst.Add(whole*pitch), pitch, o.m.sub(line, line+n, k0+depth-rest, k0+depth), stage)
		}
	default:
		o.packStaged(dst, pitch, o.m.sub(line, line+n, k0, k0+depth), stage)
	}
}

// packStaged goes through a copy of the panel with converted values.
func (o *operand) packStaged(dst simd.Ptr, pitch int, src matrix, stage []byte) {
	elem, group := o.typ.ElemBytes(), o.typ.Group()
	n, depth := src.rows, src.cols
	if o.halves() && src.rowStride == 2 { // lines lie side by side: step after step
		for p := range depth {
			o.widen(stage[p*n*elem:], src.at(0, p), n)
		}
		simd.PackPanel(dst, pitch, simd.PtrTo(stage), elem, n*elem, n, depth, elem)
		return
	}
	whole := ndarray.NewLayout(o.value, n, roundUp(depth, group))
	if depth%group != 0 {
		clear(stage[:whole.Bytes()])
	}
	if o.halves() && src.colStride == 2 {
		for i := range n {
			o.widen(stage[i*whole.Strides[0]:], src.at(i, 0), depth)
		}
	} else {
		staged := ndarray.Array{Layout: whole.Range(1, 0, depth), Data: stage}
		if err := ndarray.Convert(staged, src.array()); err != nil {
			panic(err) // the shapes are equal
		}
	}
	simd.PackPanel(dst, pitch, simd.PtrTo(stage), whole.Strides[0], elem, n, whole.Strides[0]/elem, elem)
}

// halves tells whether the values are f16 or bf16 on their way to f32 that
// vectors can be loaded from.
func (o *operand) halves() bool {
	return o.value == ndarray.F32 && o.m.dtype.Size() == 2 && !o.m.swapped && o.m.aligned()
}

// widen converts n halves that lie side by side.
func (o *operand) widen(dst []byte, src simd.Ptr, n int) {
	to := simd.Vector[float32](simd.PtrTo(dst), n)
	if o.m.dtype == ndarray.F16 {
		simd.CastF16F32(to, simd.Vector[uint16](src, n))
	} else {
		simd.CastBF16F32(to, simd.Vector[uint16](src, n))
	}
}
