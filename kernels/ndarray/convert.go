package ndarray

import (
	"cmp"
	"fmt"
	"slices"
	"unsafe"
)

// Load reads the elements [from, from+len(dst)) of src, counted in C order,
// as numpy's astype would convert them to T (see [Convert]). T is a number:
// uint8 is U8 and uint16 is U16, never bool or the pattern of a half. Any
// layout is read: strided, swapped, unaligned. It panics if src has fewer
// elements. It takes O(len(dst)) time and no memory that grows.
func Load[T Element](dst []T, src Array, from int) {
	checkRun("Load", src, from, len(dst))
	if len(dst) == 0 {
		return
	}
	var w walk
	w.init(src.Layout, from)
	load(dst, src.Data, &w)
}

// Store is the reverse of [Load]: it writes src to the elements [from,
// from+len(src)) of dst, converted as [Convert] does. Of a broadcast axis,
// whose elements share memory, the last one written stays.
func Store[T Element](dst Array, src []T, from int) {
	checkRun("Store", dst, from, len(src))
	if len(src) == 0 {
		return
	}
	var w walk
	w.init(dst.Layout, from)
	store(dst.Data, &w, src)
}

// checkRun panics unless a has the elements [from, from+n).
func checkRun(what string, a Array, from, n int) {
	if from < 0 || n > a.Len()-from {
		panic(fmt.Sprintf("ndarray: %s of elements %d to %d of %s", what, from, from+n, a))
	}
}

// load converts the next len(dst) elements of the walk, and moves it on. Runs
// that lie packed are converted where they are, others through a chunk.
func load[T Element](dst []T, data []byte, w *walk) {
	var buf chunk
	size := w.DType.Size()
	for len(dst) > 0 {
		off, stride, n := w.next(len(dst))
		if w.direct(data, off, stride, n) {
			castFrom(dst[:n], w.DType, data[off:])
			w.advance(n)
		} else {
			n = min(len(dst), chunkBytes/size)
			w.gather(buf.bytes(), data, n)
			castFrom(dst[:n], w.DType, buf.bytes())
		}
		dst = dst[n:]
	}
}

// store converts src to the next elements of the walk, and moves it on.
func store[T Element](data []byte, w *walk, src []T) {
	var buf chunk
	size := w.DType.Size()
	for len(src) > 0 {
		off, stride, n := w.next(len(src))
		if w.direct(data, off, stride, n) {
			castTo(data[off:], w.DType, src[:n])
			w.advance(n)
		} else {
			n = min(len(src), chunkBytes/size)
			castTo(buf.bytes(), w.DType, src[:n])
			w.scatter(data, buf.bytes(), n)
		}
		src = src[n:]
	}
}

// direct tells whether a run of n elements can be used in place: native byte
// order, packed, aligned, and long enough to be worth it.
func (w *walk) direct(data []byte, off, stride, n int) bool {
	if w.Swapped && w.DType.Size() > 1 || n < directRun || stride != w.DType.Size() {
		return false
	}
	addr := uintptr(unsafe.Pointer(unsafe.SliceData(data))) + uintptr(off)
	return addr%uintptr(w.DType.Real().Size()) == 0
}

// Convert copies src to dst, element by element, converting as numpy's astype
// does. The shapes must be equal, the layouts and types may be any; the two
// may not overlap unless [SameLayout] holds and the memory is the same.
//
//   - to bool: 1 unless the element is zero (NaN is not); from bool: 0 or 1
//   - integer to integer: the low bits (two's complement)
//   - float to integer: truncated towards zero. What does not fit, and NaN,
//     give what numpy gives on x86, on every machine: for int32 and int64
//     the least integer; for 8 and 16 bits the low bits of the int32
//     conversion; for uint32 and uint64 what the signed type of that width
//     gives if the value is below half the range, else 0 (numpy itself is of
//     two minds about uint32 beyond -2^31 and 2^32)
//   - to float: the nearest, ties to even, rounded once
//   - complex to real: the imaginary part is dropped; to bool it counts
//
// It runs on the calling goroutine; cut long arrays with [Layout.Range].
func Convert(dst, src Array) error {
	if !slices.Equal(dst.Shape, src.Shape) {
		return fmt.Errorf("cannot copy shape %s to shape %s", ShapeString(src.Shape), ShapeString(dst.Shape))
	}
	if dst.Len() == 0 {
		return nil
	}
	ls := []Layout{dst.Layout, src.Layout}
	sortAxes(ls)
	collapse(ls)
	var to, from walk
	to.init(ls[0], 0)
	from.init(ls[1], 0)
	if dst.DType == src.DType {
		copyElements(dst.Data, &to, src.Data, &from)
	} else {
		convert(dst.Data, &to, src.Data, &from)
	}
	return nil
}

// sortAxes puts the axes in the order in which the first layout lies in memory,
// so that it is written forward: a store that misses costs more than a load.
// Element-wise work does not care which order its axes come in.
func sortAxes(ls []Layout) {
	axes := make([]int, len(ls[0].Shape))
	for i := range axes {
		axes[i] = i
	}
	slices.SortStableFunc(axes, func(a, b int) int {
		return cmp.Compare(abs(ls[0].Strides[b]), abs(ls[0].Strides[a]))
	})
	for i := range ls {
		ls[i] = ls[i].Permute(axes...)
	}
}

// abs is the magnitude of a stride.
func abs(n int) int { return max(n, -n) }

// copyElements moves elements of one type without looking at them: NaNs keep
// their payload, and bools of a foreign file that are neither 0 nor 1 stay so.
// Rows that are packed on both sides are one copy each, which may overlap
// itself.
func copyElements(dst []byte, to *walk, src []byte, from *walk) {
	var buf chunk
	size := to.DType.Size()
	for n := to.Len(); n > 0; {
		doff, dstride, dn := to.next(n)
		soff, sstride, sn := from.next(n)
		if m := min(dn, sn); dstride == size && sstride == size && (to.Swapped == from.Swapped || size == 1) {
			copy(dst[doff:doff+m*size], src[soff:])
			to.advance(m)
			from.advance(m)
			n -= m
			continue
		}
		m := min(n, chunkBytes/size)
		from.gather(buf.bytes(), src, m)
		to.scatter(dst, buf.bytes(), m)
		n -= m
	}
}

// convert picks the Go type that elements pass through: that of dst, or of
// src where dst has none.
func convert(dst []byte, to *walk, src []byte, from *walk) {
	via := to.DType
	if via == Bool || via == F16 || via == BF16 {
		via = from.DType
	}
	switch via {
	case I8:
		convertVia[int8](dst, to, src, from)
	case Bool, U8:
		convertVia[uint8](dst, to, src, from)
	case I16:
		convertVia[int16](dst, to, src, from)
	case U16:
		convertVia[uint16](dst, to, src, from)
	case I32:
		convertVia[int32](dst, to, src, from)
	case U32:
		convertVia[uint32](dst, to, src, from)
	case I64:
		convertVia[int64](dst, to, src, from)
	case U64:
		convertVia[uint64](dst, to, src, from)
	case F16, BF16, F32:
		convertVia[float32](dst, to, src, from)
	case F64:
		convertVia[float64](dst, to, src, from)
	case C64:
		convertVia[complex64](dst, to, src, from)
	case C128:
		convertVia[complex128](dst, to, src, from)
	}
}

// convertVia converts through the Go type T, in chunks that stay in the first-
// level cache; straight into dst, or from src, where that is an array of T as it lies.
func convertVia[T Element](dst []byte, to *walk, src []byte, from *walk) {
	var buf [512]T
	for n := to.Len(); n > 0; {
		off, stride, m := to.next(n)
		soff, sstride, sm := from.next(n)
		switch {
		case dtypeOf[T]() == to.DType && to.direct(dst, off, stride, m):
			load(view[T](dst[off:], m), src, from)
			to.advance(m)
		case dtypeOf[T]() == from.DType && from.direct(src, soff, sstride, sm):
			m = sm
			store(dst, to, view[T](src[soff:], m))
			from.advance(m)
		default:
			m = min(n, len(buf))
			load(buf[:m], src, from)
			store(dst, to, buf[:m])
		}
		n -= m
	}
}
