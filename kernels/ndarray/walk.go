package ndarray

import (
	"math/bits"
	"unsafe"
)

// Arrays are converted in two steps: a walk packs elements of any layout into
// a chunk of native, aligned ones (or finds that they lie so already), and the
// casts work on chunks. So every pair of types needs one loop, not one a layout.

// walk visits the elements of a layout in C order, row by row of its inner axis
// once collapsed. A user alternates next, which looks, and advance, which goes
// on; both are O(1), but for the carry at a row's end. A walk is a value on its
// user's stack (index points into buf: it must not be copied once begun).
type walk struct {
	Layout       // collapsed, of rank 1 at least
	index  []int // of the current row, without the inner axis
	row    int   // byte where the current row begins
	pos    int   // element of the row that comes next
	buf    [MaxRank]int
}

// init starts the walk at element from, counted in C order; O(rank).
func (w *walk) init(l Layout, from int) {
	if len(l.Shape) > 1 {
		l = l.Collapse()
	}
	if len(l.Shape) == 0 {
		l.Shape, l.Strides = []int{1}, []int{l.DType.Size()}
	}
	w.Layout = l
	inner := len(l.Shape) - 1
	w.index = w.buf[:inner]
	w.row = l.Offset
	w.pos = from % max(l.Shape[inner], 1)
	from /= max(l.Shape[inner], 1)
	for i := inner - 1; i >= 0; i-- {
		w.index[i] = from % l.Shape[i]
		w.row += w.index[i] * l.Strides[i]
		from /= l.Shape[i]
	}
}

// next gives the elements left in the row, at most n of them: where they
// begin, their stride, and how many.
func (w *walk) next(n int) (off, stride, count int) {
	inner := len(w.Shape) - 1
	stride = w.Strides[inner]
	return w.row + w.pos*stride, stride, min(n, w.Shape[inner]-w.pos)
}

// advance goes on by n elements, at most to the start of the next row.
func (w *walk) advance(n int) {
	inner := len(w.Shape) - 1
	if w.pos += n; w.pos < w.Shape[inner] {
		return
	}
	w.pos = 0
	for i := inner - 1; i >= 0; i-- {
		w.row += w.Strides[i]
		if w.index[i]++; w.index[i] < w.Shape[i] {
			return
		}
		w.row -= w.index[i] * w.Strides[i]
		w.index[i] = 0
	}
}

// directRun is the shortest run of packed elements that is worth a call of its
// own rather than a place in the gathered chunk: below it the call costs more
// than the copy.
const directRun = 16

// chunk holds elements between memory and registers, aligned for every type.
// Its 4 kB are an eighth of a small first-level cache: source, chunk and
// destination stay there together.
type chunk [256]complex128

const chunkBytes = len(chunk{}) * 16

// bytes is the chunk's memory.
func (c *chunk) bytes() []byte { return bytesOf(c[:]) }

// gather packs the next n elements of data into dst, in native byte order, and
// moves the walk on. dst is aligned and has n elements' room. It panics if an
// element lies outside data.
func (w *walk) gather(dst, data []byte, n int) {
	size := w.DType.Size()
	for out, left := dst, n; left > 0; {
		off, stride, count := w.next(left)
		p := w.span(data, off, stride, count)
		switch {
		case stride == size:
			copy(out[:count*size], data[off:])
		case size == 1:
			gatherRow(view[uint8](out, count), p, stride)
		case size == 2:
			gatherRow(view[uint16](out, count), p, stride)
		case size == 4:
			gatherRow(view[uint32](out, count), p, stride)
		case size == 8:
			gatherRow(view[uint64](out, count), p, stride)
		case size == 16:
			gatherRow(view[complex128](out, count), p, stride)
		}
		out = out[count*size:]
		w.advance(count)
		left -= count
	}
	if w.Swapped {
		swapBytes(dst[:n*size], w.DType)
	}
}

// scatter is the reverse of gather. It may leave src in another byte order: src
// is a chunk that nobody reads again.
func (w *walk) scatter(data, src []byte, n int) {
	size := w.DType.Size()
	if w.Swapped {
		swapBytes(src[:n*size], w.DType)
	}
	for n > 0 {
		off, stride, count := w.next(n)
		p := w.span(data, off, stride, count)
		switch {
		case stride == size:
			copy(data[off:], src[:count*size])
		case size == 1:
			scatterRow(p, view[uint8](src, count), stride)
		case size == 2:
			scatterRow(p, view[uint16](src, count), stride)
		case size == 4:
			scatterRow(p, view[uint32](src, count), stride)
		case size == 8:
			scatterRow(p, view[uint64](src, count), stride)
		case size == 16:
			scatterRow(p, view[complex128](src, count), stride)
		}
		src = src[count*size:]
		w.advance(count)
		n -= count
	}
}

// span checks that a run of n > 0 elements lies in data, and points to the
// first. The row loops rely on it: they check nothing themselves. The two
// look-ups panic as any index does.
func (w *walk) span(data []byte, off, stride, n int) unsafe.Pointer {
	last := off + (n-1)*stride
	_ = data[min(off, last)]
	_ = data[max(off, last)+w.DType.Size()-1]
	return unsafe.Pointer(&data[off])
}

// gatherRow reads elements of any alignment: amd64 and arm64, which this
// module is for, load them like others.
func gatherRow[T uint8 | uint16 | uint32 | uint64 | complex128](dst []T, p unsafe.Pointer, stride int) {
	for i := range dst {
		dst[i] = *(*T)(unsafe.Add(p, i*stride))
	}
}

// scatterRow writes elements of any alignment.
func scatterRow[T uint8 | uint16 | uint32 | uint64 | complex128](p unsafe.Pointer, src []T, stride int) {
	for i, v := range src {
		*(*T)(unsafe.Add(p, i*stride)) = v
	}
}

// swapBytes reverses the bytes of each component of packed elements: of both
// parts of a complex number by itself, as numpy has it.
func swapBytes(b []byte, d DType) {
	switch size := d.Real().Size(); size {
	case 2:
		s := view[uint16](b, len(b)/size)
		for i, v := range s {
			s[i] = bits.ReverseBytes16(v)
		}
	case 4:
		s := view[uint32](b, len(b)/size)
		for i, v := range s {
			s[i] = bits.ReverseBytes32(v)
		}
	case 8:
		s := view[uint64](b, len(b)/size)
		for i, v := range s {
			s[i] = bits.ReverseBytes64(v)
		}
	}
}
